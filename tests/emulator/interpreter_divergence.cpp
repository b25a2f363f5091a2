// Branches that separate the lanes of a warp, loops, early exits, calls, and where lanes meet.
#include <cstdint>

#include "interpreter_fixture.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

/// Runs `code`, which leaves a value in %r for the thread %t of the array p; %p0..%p3 and %a..%c
/// are free.
std::vector<std::uint32_t> per_thread(const std::string& code, std::uint32_t threads = 32,
                                      const std::string& functions = "") {
  const std::string body =
      ".reg .b64 %base;\n.reg .b32 %t, %r, %a, %b, %c;\n.reg .pred %p0, %p1, %p2, "
      "%p3;\nld.param.u64 %base, [p];\nmov.u32 %t, %tid.x;\n"
      "mad.wide.u32 %base, %t, 4, %base;\nmov.u32 %r, 0;\n" +
      code + "\nst.global.u32 [%base], %r;\nret;\n";
  Device device(".version 8.0\n.target sm_80\n.address_size 64\n" + functions +
                ".visible .entry k(.param .u64 p)\n{\n" + body + "}\n");
  const auto p = device.reserve(threads * 4);
  check_clean(device.run({.block = {threads, 1, 1}}, p));
  return device.download<std::uint32_t>(p, threads);
}

TEST_CASE("if and else meet again") {
  const auto v = per_thread(
      "and.b32 %a, %t, 1;\nsetp.eq.u32 %p0, %a, 0;\n@%p0 bra EVEN;\nadd.u32 %r, %r, 100;\nbra "
      "JOIN;\nEVEN:\nadd.u32 %r, %r, 200;\nJOIN:\n"
      "activemask.b32 %b;\npopc.b32 %b, %b;\nadd.u32 %r, %r, %b;");
  for (std::uint32_t i = 0; i < 32; ++i) CHECK(v[i] == (i % 2 == 0 ? 232 : 132));
}

TEST_CASE("nested branches meet inside out") {
  const auto v = per_thread(
      "setp.lt.u32 %p0, %t, 16;\n@!%p0 bra OUTER_ELSE;\nsetp.lt.u32 %p1, %t, 4;\n@!%p1 bra "
      "INNER_ELSE;\nmov.u32 %r, 1;\nbra INNER_JOIN;\nINNER_ELSE:\nmov.u32 %r, 2;\n"
      "INNER_JOIN:\nactivemask.b32 %a;\nsetp.eq.u32 %p2, %a, 0xffff;\n@%p2 add.u32 %r, %r, "
      "10;\nbra OUTER_JOIN;\nOUTER_ELSE:\nmov.u32 %r, 3;\nOUTER_JOIN:\n"
      "activemask.b32 %a;\nsetp.eq.u32 %p2, %a, 0xffffffff;\n@%p2 add.u32 %r, %r, 100;");
  for (std::uint32_t i = 0; i < 32; ++i) CHECK(v[i] == (i < 4 ? 111 : i < 16 ? 112 : 103));
}

TEST_CASE("lanes leave a loop one by one and meet behind it") {
  const auto v = per_thread(
      "mov.u32 %a, 0;\nLOOP:\nsetp.ge.u32 %p0, %a, %t;\n@%p0 bra DONE;\nadd.u32 %r, %r, "
      "%a;\nadd.u32 %a, %a, 1;\nbra LOOP;\nDONE:\nactivemask.b32 %b;\n"
      "setp.eq.u32 %p1, %b, 0xffffffff;\n@%p1 add.u32 %r, %r, 1000;");
  for (std::uint32_t i = 0; i < 32; ++i) CHECK(v[i] == i * (i - 1) / 2 + 1000);
}

TEST_CASE("nested loops with trip counts that differ from lane to lane") {
  const auto v = per_thread(
      "and.b32 %c, %t, 7;\nmov.u32 %a, 0;\nOUTER:\nsetp.gt.u32 %p0, %a, %c;\n@%p0 bra "
      "DONE;\nmov.u32 %b, 0;\nINNER:\nadd.u32 %r, %r, 1;\nadd.u32 %b, %b, 1;\nsetp.lt.u32 %p1, %b, "
      "%a;\n@%p1 bra INNER;\n"
      "add.u32 %a, %a, 1;\nbra OUTER;\nDONE:");
  for (std::uint32_t i = 0; i < 32; ++i) {
    std::uint32_t n = 0;
    for (std::uint32_t a = 0; a <= i % 8; ++a) n += a == 0 ? 1 : a;
    CHECK(v[i] == n);
  }
}

TEST_CASE("continue and break out of a loop") {
  const auto v = per_thread(
      "mov.u32 %a, 0;\nLOOP:\nadd.u32 %a, %a, 1;\nsetp.gt.u32 %p0, %a, 20;\n@%p0 bra "
      "DONE;\nrem.u32 %b, %a, 3;\nsetp.eq.u32 %p1, %b, 0;\n@%p1 bra LOOP;\n"
      "setp.gt.u32 %p2, %a, %t;\n@%p2 bra DONE;\nadd.u32 %r, %r, %a;\nbra LOOP;\nDONE:");
  for (std::uint32_t i = 0; i < 32; ++i) {
    std::uint32_t sum = 0;
    for (std::uint32_t a = 1; a <= 20; ++a) {
      if (a % 3 == 0) continue;
      if (a > i) break;
      sum += a;
    }
    CHECK(v[i] == sum);
  }
}

TEST_CASE("lanes that exit in a branch do not keep the others waiting") {
  const auto v = per_thread(
      "mov.u32 %r, 7;\nst.global.u32 [%base], %r;\nsetp.lt.u32 %p0, %t, 10;\n@%p0 "
      "ret;\nsetp.lt.u32 %p1, %t, 20;\n@!%p1 bra REST;\nmov.u32 %r, 8;\nst.global.u32 [%base], "
      "%r;\nexit;\n"
      "REST:\nactivemask.b32 %r;");
  for (std::uint32_t i = 0; i < 32; ++i) CHECK(v[i] == (i < 10 ? 7 : i < 20 ? 8 : 0xfff00000u));
}

TEST_CASE("an exit inside a loop lets the remaining lanes meet") {
  const auto v = per_thread(
      "mov.u32 %r, 1;\nst.global.u32 [%base], %r;\nmov.u32 %a, 0;\nLOOP:\nsetp.eq.u32 %p0, %a, "
      "%t;\n@%p0 exit;\nadd.u32 %a, %a, 1;\nsetp.lt.u32 %p1, %a, 16;\n@%p1 bra "
      "LOOP;\nactivemask.b32 %r;");
  for (std::uint32_t i = 0; i < 32; ++i) CHECK(v[i] == (i < 16 ? 1 : 0xffff0000u));
}

TEST_CASE("an indexed branch sends each lane to its target") {
  const auto v = per_thread(
      "rem.u32 %a, %t, 3;\nTARGETS: .branchtargets ZERO, ONE, TWO;\nbrx.idx %a, "
      "TARGETS;\nZERO:\nmov.u32 %r, 10;\nbra JOIN;\nONE:\nmov.u32 %r, 11;\nbra "
      "JOIN;\nTWO:\nmov.u32 %r, 12;\nJOIN:\n"
      "activemask.b32 %b;\nsetp.eq.u32 %p0, %b, 0xffffffff;\n@%p0 add.u32 %r, %r, 100;");
  for (std::uint32_t i = 0; i < 32; ++i) CHECK(v[i] == 110 + i % 3);
}

TEST_CASE("labels and registers belong to their block") {
  const auto v = per_thread(
      "{\n.reg .b32 %x;\nmov.u32 %x, 5;\nbra SAME;\nmov.u32 %x, 6;\nSAME:\nadd.u32 %r, %r, "
      "%x;\n{\n.reg .b32 %x;\nmov.u32 %x, 70;\nadd.u32 %r, %r, %x;\n}\nadd.u32 %r, %r, %x;\n}\n"
      "{\n.reg .b32 %x;\nmov.u32 %x, 100;\nbra SAME;\nmov.u32 %x, 6;\nSAME:\nadd.u32 %r, %r, "
      "%x;\n}");
  for (const std::uint32_t n : v) CHECK(n == 5 + 70 + 5 + 100);
}

TEST_CASE("a call is made for the lanes that make it, and returns from every depth") {
  const std::string square =
      ".func (.param .b32 result) square(.param .b32 x)\n{\n.reg .b32 %v;\nld.param.b32 %v, "
      "[x];\nmul.lo.u32 %v, %v, %v;\nst.param.b32 [result], %v;\nret;\n}\n";
  const std::string clamp =
      ".func (.reg .u32 out) clamp_square(.reg .u32 in)\n{\n.reg .pred %big;\nsetp.gt.u32 %big, "
      "in, 10;\n@%big bra BIG;\n{\n.param .b32 arg;\n.param .b32 res;\nst.param.b32 [arg], in;\n"
      "call.uni (res), square, (arg);\nld.param.b32 out, [res];\n}\nret;\nBIG:\nmov.u32 out, "
      "1000;\nret;\n}\n";
  const auto v = per_thread(
      ".reg .u32 %result;\nand.b32 %a, %t, 1;\nsetp.eq.u32 %p0, %a, 1;\n@%p0 call (%result), "
      "clamp_square, (%t);\n@%p0 mov.u32 %r, %result;\nactivemask.b32 %b;\n"
      "setp.ne.u32 %p1, %b, 0xffffffff;\n@%p1 mov.u32 %r, 5;",
      32, square + clamp);
  for (std::uint32_t i = 0; i < 32; ++i) CHECK(v[i] == (i % 2 == 0 ? 0 : i > 10 ? 1000 : i * i));
}

TEST_CASE("recursion without an end overflows the stack; a function without a body is refused") {
  const std::string head = ".version 8.0\n.target sm_80\n.address_size 64\n";
  Device device(head +
                ".func f()\n{\n.local .b32 x;\ncall f, ();\nret;\n}\n.visible .entry k()\n{\n"
                "call f, ();\nret;\n}\n");
  const ExecuteResult r = device.run({});
  CHECK(r.outcome == Outcome::illegal_address);
  check_contains(r.report, {"stack overflow", "line 7"});
  check_contains(
      refusal(head + ".extern .func f();\n.visible .entry k()\n{\ncall f, ();\nret;\n}\n"),
      {"line 7; error", "Unresolved extern function 'f'"});
}

TEST_CASE("each lane of a recursion has registers, local memory and a way back of its own") {
  // Counts down from its lane's number, keeping something of each level in a register, in local
  // memory and in a predicate.
  const std::string sum =
      ".func (.param .b32 out) sum(.param .b32 n)\n{\n.reg .b32 %n, %m, %r, %s;\n.reg .pred %odd, "
      "%end;\n.local .b32 kept;\nld.param.b32 %n, [n];\nsetp.eq.u32 %end, %n, 0;\nmov.b32 %r, 0;\n"
      "@%end bra DONE;\nst.local.b32 [kept], %n;\nand.b32 %m, %n, 1;\nsetp.eq.u32 %odd, %m, 1;\n"
      "sub.u32 %m, %n, 1;\n{\n.param .b32 a;\n.param .b32 b;\nst.param.b32 [a], %m;\n"
      "call (b), sum, (a);\nld.param.b32 %r, [b];\n}\n@%odd add.u32 %r, %r, 1000;\n"
      "ld.local.b32 %s, [kept];\nadd.u32 %r, %r, %s;\nDONE:\nst.param.b32 [out], %r;\nret;\n}\n";
  const auto v = per_thread(
      ".param .b32 a;\n.param .b32 b;\nst.param.b32 [a], %t;\ncall (b), sum, (a);\n"
      "ld.param.b32 %r, [b];",
      32, sum);
  for (std::uint32_t i = 0; i < 32; ++i) CHECK(v[i] == i * (i + 1) / 2 + (i + 1) / 2 * 1000);
}

TEST_CASE("lanes of one warp can wait for one another") {
  // Lane 0 sets a flag that the others spin on, in program order before and after it.
  Device device(module_text(
      ".param .u64 p",
      ".reg .b64 %p;\n.reg .b32 %t, %v;\n.reg .pred %q;\nld.param.u64 %p, [p];\nmov.u32 %t, "
      "%tid.x;\nsetp.eq.u32 %q, %t, 31;\n@%q bra SET;\nSPIN:\nld.volatile.global.u32 %v, [%p];\n"
      "setp.eq.u32 %q, %v, 0;\n@%q bra SPIN;\nbra DONE;\nSET:\nst.volatile.global.u32 [%p], "
      "1;\nDONE:\nmad.wide.u32 %p, %t, 4, %p;\nadd.u32 %t, %t, 1;\nst.global.u32 [%p+4], "
      "%t;\nret;\n"));
  for (const Schedule schedule : {Schedule::earliest, Schedule::latest, Schedule::random}) {
    device.options.schedule = schedule;
    device.options.instruction_budget = 10'000'000;
    const auto p = device.upload(std::vector<std::uint32_t>(33, 0));
    check_clean(device.run({}, p));
    CHECK(device.download<std::uint32_t>(p, 33)[32] == 32);
  }
}

TEST_CASE("lanes meet at one sync inside a branch and another behind it") {
  Device device(module_text(
      ".param .u64 p",
      ".reg .b64 %p;\n.reg .b32 %t, %v;\n.reg .pred %q;\nld.param.u64 %p, [p];\nmov.u32 %t, "
      "%tid.x;\nmad.wide.u32 %p, %t, 4, %p;\nmov.u32 %v, 1;\nsetp.lt.u32 %q, %t, 16;\n"
      "@!%q bra JOIN;\nbar.warp.sync -1;\nmov.u32 %v, 2;\nJOIN:\nadd.u32 %v, %v, 10;\n"
      "@%q bra END;\nbar.warp.sync -1;\nEND:\nst.global.u32 [%p], %v;\nret;\n"));
  for (const Schedule schedule : {Schedule::earliest, Schedule::latest, Schedule::random}) {
    device.options.schedule = schedule;
    const auto p = device.upload(std::vector<std::uint32_t>(32, 0));
    check_clean(device.run({}, p));
    const auto v = device.download<std::uint32_t>(p, 32);
    for (std::uint32_t i = 0; i < 32; ++i) CHECK(v[i] == (i < 16 ? 12 : 11));
  }
}

TEST_CASE("threads, warps and blocks number themselves in three dimensions") {
  Device device(module_text(
      ".param .u64 p",
      ".reg .b64 %p;\n.reg .b32 %x, %y, %z, %nx, %ny, %i, %b, %n, %l;\nld.param.u64 %p, "
      "[p];\nmov.u32 %x, %tid.x;\nmov.u32 %y, %tid.y;\nmov.u32 %z, %tid.z;\nmov.u32 %nx, "
      "%ntid.x;\nmov.u32 %ny, %ntid.y;\n"
      "mad.lo.u32 %i, %z, %ny, %y;\nmad.lo.u32 %i, %i, %nx, %x;\n"
      "mov.u32 %b, %ctaid.z;\nmov.u32 %n, %nctaid.y;\nmad.lo.u32 %b, %b, %n, %ctaid.y;\nmov.u32 "
      "%n, %nctaid.x;\nmad.lo.u32 %b, %b, %n, %ctaid.x;\n"
      "mad.lo.u32 %n, %b, 42, %i;\nmad.wide.u32 %p, %n, 4, %p;\nmov.u32 %l, %laneid;\nmad.lo.u32 "
      "%l, %warpid, 32, %l;\nmad.lo.u32 %l, %b, 1000, %l;\nst.global.u32 [%p], %l;\nret;\n"));
  const auto p = device.reserve(42 * 12 * 4);
  check_clean(device.run({.grid = {3, 2, 2}, .block = {7, 3, 2}}, p));
  const auto v = device.download<std::uint32_t>(p, 42 * 12);
  for (std::uint32_t i = 0; i < v.size(); ++i) CHECK(v[i] == i / 42 * 1000 + i % 42);
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
