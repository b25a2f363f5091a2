// Calls through pointers, stacks that end, and instructions that take bytes out of words.
#include "tests/emulator/interpreter_fixture.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

const std::string head = ".version 8.0\n.target sm_80\n.address_size 64\n";

/// An entry `k(p)` that calls the function at `target`, with a word and for a word, and stores it.
std::string calls_pointer(const std::string& functions, const std::string& target) {
  return head + functions +
         ".visible .entry k(.param .u64 p)\n{\n.reg .b64 %p, %f;\n.reg .b32 %t, %r;\n.reg .pred "
         "%q;\nld.param.u64 %p, [p];\nmov.u32 %t, %tid.x;\n" +
         target +
         "{\n.param .b32 a;\n.param .b32 b;\nst.param.b32 [a], %t;\nproto: .callprototype "
         "(.param .b32 _) _ (.param .b32 _);\ncall (b), %f, (a), proto;\nld.param.b32 %r, "
         "[b];\n}\nmad.wide.u32 %p, %t, 4, %p;\nst.global.u32 [%p], %r;\nret;\n}\n";
}

const std::string twice =
    ".func (.param .b32 r) twice(.param .b32 x)\n{\n.reg .b32 %v;\nld.param.b32 %v, [x];\nadd.u32 "
    "%v, %v, %v;\nst.param.b32 [r], %v;\nret;\n}\n";
const std::string votes =
    ".func (.param .b32 r) votes(.param .b32 x)\n{\n.reg .b32 %v, %m;\n.reg .pred "
    "%q;\nld.param.b32 "
    "%v, [x];\nsetp.lt.u32 %q, %v, 9;\nvote.sync.ballot.b32 %m, %q, 0xaaaaaaaa;\nst.param.b32 [r], "
    "%m;\nret;\n}\n";
const std::string other = ".func other(.param .b64 x)\n{\nret;\n}\n";

TEST_CASE("lanes call different functions, and meet behind the call") {
  Device device(calls_pointer(twice + votes,
                              "and.b32 %r, %t, 1;\nsetp.eq.u32 %q, %r, 0;\nmov.u64 %f, votes;\n"
                              "@%q mov.u64 %f, twice;\n"));
  const auto p = device.reserve(128);
  check_clean(device.run({.block = {32, 1, 1}}, p));
  const auto v = device.download<std::uint32_t>(p, 32);
  for (std::uint32_t i = 0; i < 32; ++i) CHECK(v[i] == (i % 2 == 0 ? 2 * i : 0xaau));
}

TEST_CASE("a pointer that leads to no function, or to one of another kind") {
  const auto report = [](const std::string& target) {
    Device device(calls_pointer(twice + other, target));
    const ExecuteResult r = device.run({}, device.reserve(128));
    CHECK(r.outcome == Outcome::launch_failed);
    return r.report;
  };
  check_contains(report("mov.u64 %f, 0;\n"), {"no function's: 0x0", "call (b), %f"});
  check_contains(report("mov.u64 %f, twice;\nadd.u64 %f, %f, 8;\n"), {"no function's"});
  check_contains(report("mov.u64 %f, twice;\nadd.u64 %f, %f, 1600;\n"), {"no function's"});
  check_contains(report("mov.u64 %f, other;\n"), {"'other'", "another function's parameters"});
  check_contains(report(""), {"undefined value decides a branch"});
}

TEST_CASE(
    "functions that call one another twice each are neither expanded nor followed to the end") {
  std::string text = head;
  for (int k = 40; k > 0; --k) {
    const std::string next = "f" + std::to_string(k + 1);
    const std::string call = k == 40 ? "" : "call " + next + ", ();\ncall " + next + ", ();\n";
    text += ".func f" + std::to_string(k) + "()\n{\n" + call + "ret;\n}\n";
  }
  Device device(text + ".visible .entry k()\n{\ncall f1, ();\nret;\n}\n");
  device.options.instruction_budget = 100000;
  const ExecuteResult r = device.run({});
  CHECK(r.outcome == Outcome::launch_timeout);
  check_contains(r.report, {"did not end within 100000"});
}

TEST_CASE("memory on the stack is given until there is none") {
  const std::string body =
      ".reg .b64 %p, %a, %n, %s;\n.reg .b32 %v;\nld.param.u64 %p, [p];\nld.param.u64 %n, [n];\n"
      "stacksave.u64 %s;\nalloca.u64 %a, %n, 16;\nst.local.u32 [%a], 7;\nld.local.u32 %v, [%a];\n"
      "stackrestore.u64 %s;\nst.global.u32 [%p], %v;\nret;\n";
  const std::string text = module_text(".param .u64 p, .param .u64 n", body);
  {
    Device device(text);
    const auto p = device.reserve(4);
    check_clean(device.run({}, p, std::uint64_t{100000}));
    CHECK(device.download<std::uint32_t>(p, 1)[0] == 7);
  }
  for (const std::uint64_t bytes :
       {std::uint64_t{600000}, ~std::uint64_t{0}, std::uint64_t{1} << 40}) {
    Device device(text);
    const ExecuteResult r = device.run({}, device.reserve(4), bytes);
    CHECK(r.outcome == Outcome::illegal_address);
    check_contains(r.report, {"stack overflow: alloca of "});
  }
}

TEST_CASE("what a frame held before is not defined in the next one") {
  const std::string writes = ".func writes()\n{\n.local .b32 x;\nst.local.b32 [x], 5;\nret;\n}\n";
  const std::string reads =
      ".func (.param .b32 r) reads()\n{\n.local .b32 x;\n.reg .b32 %v;\nld.local.b32 %v, [x];\n"
      "st.param.b32 [r], %v;\nret;\n}\n";
  Device device(
      head + writes + reads +
      ".visible .entry k(.param .u64 p)\n{\n.reg .b64 %p;\n.reg .b32 %v;\n.param .b32 r;\n"
      "ld.param.u64 %p, [p];\ncall writes, ();\ncall (r), reads, ();\nld.param.b32 %v, [r];\n"
      "st.global.u32 [%p], %v;\nret;\n}\n");
  const ExecuteResult r = device.run({}, device.reserve(4));
  CHECK(r.outcome == Outcome::launch_failed);
  check_contains(r.report, {"undefined value stored", "st.global.u32"});
}

TEST_CASE("tables of branches and of parameters have bounds") {
  std::string targets = "T: .branchtargets L";
  for (int k = 0; k < 3000; ++k) targets += ", L";
  std::string body = ".reg .b32 %i;\nmov.u32 %i, 0;\nL:\n" + targets + ";\n";
  for (int k = 0; k < 1000; ++k) body += "brx.idx %i, T;\n";
  check_contains(refusal(module_text("", body + "ret;\n")), {"error", "Function is too large"});
  std::string params = ".param .b8 a";
  for (int k = 0; k < 5000; ++k) params += ", .param .b8 a" + std::to_string(k);
  check_contains(refusal(head + ".func f(" + params + ")\n{\nret;\n}\n.visible .entry k()\n{\n" +
                         "call f, ();\nret;\n}\n"),
                 {"too many parameters"});
}

TEST_CASE("video instructions") {
  using U = std::uint32_t;
  const std::vector<U> a{0x80ff7f01, 0x00010203, 0xfffefdfc}, b{0x01020304, 0xff80407f, 5};
  const auto run = [&](const std::string& code) { return evaluate<U>(code, a, b); };
  CHECK(run("vadd.s32.s32.u32 %d, %a.b3, %b.b0;") == std::vector<U>{U(-128 + 4), 0x7f, U(-1 + 5)});
  CHECK(run("vsub.u32.u32.u32.sat %d.b1, %a.b2, %b.b2, 0x11223344;") ==
        std::vector<U>{0x1122fd44, 0x11220044, 0x1122fe44});
  CHECK(run("vmax.s32.s32.s32.add %d, %a.h0, %b.h1, 1000;") ==
        std::vector<U>{0x7f01 + 1000, 0x203 + 1000, 1000});
  CHECK(run("vset.u32.u32.gt %d, %a.b0, %b.b0;") == std::vector<U>{0, 0, 1});
  CHECK(run("vmad.s32.s32.s32.shr7 %d, %a.b0, %b.b0, 256;") ==
        std::vector<U>{(4 + 256) >> 7, (3 * 127 + 256) >> 7, (256 - 4 * 5) >> 7});
  CHECK(run("vshl.u32.u32.u32.wrap %d, %a.b0, 33;") == std::vector<U>{2, 6, 0x1f8});
  CHECK(run("vadd4.u32.u32.u32.sat %d, %a, %b, 0;") ==
        std::vector<U>{0x81ff8205, 0xff814282, 0xfffefdff});
  CHECK(run("vabsdiff4.u32.u32.u32.add %d, %a, %b, 1;") ==
        std::vector<U>{1 + 0x7f + 0xfd + 0x7c + 3, 1 + 0xff + 0x7f + 0x3e + 0x7c,
                       1 + 0xff + 0xfe + 0xfd + 0xf7});
  CHECK(run("vmin2.s32.s32.s32 %d, %a, %b, 0;") ==
        std::vector<U>{0x80ff0304, 0xff800203, 0xfffefdfc});
}

TEST_CASE("packing, and rounding to tf32") {
  using U = std::uint32_t;
  const std::vector<U> a{300, U(-5), 70000}, b{7, 200, U(-40000)};
  CHECK(evaluate<U>("cvt.pack.sat.u8.s32.b32 %d, %a, %b, 0x1234;", a, b) ==
        std::vector<U>{0x1234ff07, 0x123400c8, 0x1234ff00});
  CHECK(evaluate<U>("cvt.pack.sat.s16.s32 %d, %a, %b;", a, b) ==
        std::vector<U>{300u << 16 | 7, 0xfffb00c8, 0x7fff8000});
  const std::vector<U> f{0x3f800000, 0x3f801000, 0x3f803000, 0x3f800fff, 0xbf801000, 0x7f800000};
  CHECK(evaluate<U>("cvt.rna.tf32.f32 %d, %a;", f) ==
        std::vector<U>{0x3f800000, 0x3f802000, 0x3f804000, 0x3f800000, 0xbf802000, 0x7f800000});
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
