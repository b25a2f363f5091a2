// Each check with a planted fault and its sound twin.
#include <cstdint>

#include "interpreter_fixture.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

const std::string head =
    ".reg .b64 %p, %q, %d;\n.reg .b32 %t, %a, %b, %c;\n.reg .pred %p0, %p1, %u;\n.reg .f32 "
    "%f;\nld.param.u64 %p, [p];\nmov.u32 %t, %tid.x;\nmad.wide.u32 %q, %t, 4, %p;\n";

Device device_for(const std::string& code) {
  return Device(module_text(".param .u64 p", head + code + "ret;\n"));
}

ExecuteResult run_with(const std::string& code, std::uint32_t threads, std::size_t bytes,
                       std::uint64_t shift = 0) {
  Device device(module_text(".param .u64 p", head + code + "ret;\n"));
  const auto p = device.upload(std::vector<std::uint8_t>(bytes, 0));
  return device.run({.block = {threads, 1, 1}}, p + shift);
}

TEST_CASE("global memory: the first byte beyond is found, the last one inside is not") {
  const std::string store = "// ---- store it\nst.global.u32 [%q], %t;\n";
  check_clean(run_with(store, 40, 160));
  const auto r = run_with(store, 41, 160);
  CHECK(r.outcome == Outcome::illegal_address);
  check_contains(r.report, {"error: out of bounds: 4 bytes of global memory",
                            "0 bytes past the end of the 160-byte allocation",
                            "kernel k, line 14: st.global.u32 [%q], %t;", "phase: store it",
                            "block (0, 0, 0) thread (40, 0, 0) (warp 1 lane 8)"});
  CHECK(run_with("ld.global.v4.u32 {%a, %b, %c, _}, [%p+148];\n", 1, 160, 12).outcome ==
        Outcome::illegal_address);
  check_clean(run_with("ld.global.v4.u32 {%a, %b, %c, _}, [%p+144];\n", 1, 160));
  CHECK(run_with("atom.global.add.u32 %a, [%p+160], 1;\n", 1, 160).outcome ==
        Outcome::illegal_address);
  CHECK(run_with("mov.u64 %q, 0;\nld.global.u32 %a, [%q];\n", 1, 16).outcome ==
        Outcome::illegal_address);
  // An access that starts inside and ends outside.
  const auto straddling = run_with("ld.global.u32 %a, [%p+8];\n", 1, 10);
  CHECK(straddling.outcome == Outcome::illegal_address);
  check_contains(straddling.report, {"8 bytes into the 10-byte allocation"});
}

TEST_CASE("bounds hold whatever the checks are set to") {
  for (const Check check : {Check::off, Check::warn, Check::fail}) {
    Device device = device_for("st.global.u32 [%q], %t;\n");
    device.options.check = check;
    const auto r = device.run({.block = {64, 1, 1}}, device.reserve(128));
    CHECK(r.outcome == Outcome::illegal_address);
    check_contains(r.report, {"out of bounds", "thread (32, 0, 0)"});
  }
}

TEST_CASE("a freed allocation is named") {
  Device device = device_for("ld.global.u32 %a, [%p+4];\n");
  const auto p = device.upload<std::uint32_t>({1, 2, 3});
  check_clean(device.run({}, p));
  device.memory.free(p);
  const auto r = device.run({}, p);
  CHECK(r.outcome == Outcome::illegal_address);
  check_contains(r.report,
                 {"use after free", "4 bytes into the 12-byte allocation", "which was freed"});
}

TEST_CASE("every access is aligned to its size, vectors to theirs") {
  for (const std::string access :
       {"ld.global.u16 %a", "ld.global.u32 %a", "ld.global.u64 %d", "ld.global.v2.u32 {%a, %b}",
        "ld.global.v4.u32 {%a, %b, %c, _}", "ld.global.v2.u64 {%d, _}", "atom.global.add.u32 %a"}) {
    const bool atomic = access[0] == 'a';
    const int size =
        access.find("u16") != std::string::npos                                                ? 2
        : access.find("v4") != std::string::npos || access.find("v2.u64") != std::string::npos ? 16
        : access.find("64") != std::string::npos || access.find("v2") != std::string::npos     ? 8
                                                                                               : 4;
    CAPTURE(access);
    const std::string tail = atomic ? ", 1;\n" : ";\n";
    const auto at = [&](int offset) {
      return run_with(access + ", [%p+" + std::to_string(offset) + "]" + tail, 1, 64);
    };
    check_clean(at(size));
    const auto r = at(size / 2);
    CHECK(r.outcome == Outcome::misaligned_address);
    check_contains(r.report, {"misaligned: " + std::to_string(size) + " bytes",
                              "is not a multiple of " + std::to_string(size)});
  }
}

TEST_CASE("shared memory: bounds, alignment and the nearest name") {
  const std::string declare =
      ".shared .align 16 .b8 first[64];\n.shared .align 16 .b8 second[32];\nmov.u32 %a, second;\n";
  check_clean(run_with(declare + "st.shared.u32 [%a+28], %t;\n", 1, 4));
  const auto beyond = run_with(declare + "st.shared.u32 [%a+32], %t;\n", 1, 4);
  CHECK(beyond.outcome == Outcome::illegal_address);
  check_contains(beyond.report,
                 {"shared memory at 0x60", "96 bytes of shared memory (96 static, 0 dynamic)",
                  "0 bytes past the end of 'second' (32 bytes)"});
  CHECK(run_with(declare + "st.shared.u32 [%a+-100], %t;\n", 1, 4).outcome ==
        Outcome::illegal_address);
  CHECK(run_with(declare + "ld.shared.v2.u32 {%b, %c}, [%a+4];\n", 1, 4).outcome ==
        Outcome::misaligned_address);
}

TEST_CASE("local and parameter memory: bounds") {
  const std::string declare = ".local .align 4 .b8 stack[16];\nmov.u64 %d, stack;\n";
  check_clean(run_with(declare + "st.local.u32 [%d+12], %t;\n", 33, 4));
  const auto local = run_with(declare + "st.local.u32 [%d+16], %t;\n", 33, 4);
  CHECK(local.outcome == Outcome::illegal_address);
  check_contains(local.report,
                 {"local memory at 0x10", "16 bytes of local memory", "past the end of 'stack'"});
  check_clean(run_with("ld.param.u64 %d, [p];\n", 1, 4));
  CHECK(run_with("mov.u64 %d, p;\nld.param.u32 %a, [%d+8];\n", 1, 4).outcome ==
        Outcome::illegal_address);
}

TEST_CASE("an undefined register matters as an address, in a branch, as a guard, and when stored") {
  struct Planted {
    std::string fault, twin, words;
  };
  const Planted planted[] = {
      {"ld.global.u32 %a, [%d];\n", "mov.u64 %d, %p;\nld.global.u32 %a, [%d];\n",
       "undefined value used as an address"},
      {"@%u bra OVER;\nmov.u32 %a, 1;\nOVER:\n",
       "setp.eq.u32 %u, %t, 0;\n@%u bra OVER;\nmov.u32 %a, 1;\nOVER:\n",
       "undefined value decides a branch"},
      {"@%u mov.u32 %a, 1;\n", "setp.eq.u32 %u, %t, 0;\n@%u mov.u32 %a, 1;\n",
       "undefined value guards an instruction"},
      {"st.global.u32 [%q], %a;\n", "mov.u32 %a, 3;\nst.global.u32 [%q], %a;\n",
       "undefined value stored to global memory"},
      {"add.u32 %b, %a, 1;\nmul.lo.u32 %b, %b, %t;\nst.global.u32 [%q], %b;\n",
       "mov.u32 %a, 3;\nadd.u32 %b, %a, 1;\nmul.lo.u32 %b, %b, %t;\nst.global.u32 [%q], %b;\n",
       "undefined value stored"},
      {"red.global.add.u32 [%q], %a;\n", "mov.u32 %a, 3;\nred.global.add.u32 [%q], %a;\n",
       "undefined value stored"},
      {"setp.gt.u32 %p0, %a, 5;\n@%p0 ret;\n",
       "mov.u32 %a, 3;\nsetp.gt.u32 %p0, %a, 5;\n@%p0 ret;\n", "undefined value guards"},
      {"shfl.sync.idx.b32 %b, %t, 0, 31, %a;\n",
       "mov.u32 %a, -1;\nshfl.sync.idx.b32 %b, %t, 0, 31, %a;\n", "undefined value used"},
  };
  for (const Planted& k : planted) {
    CAPTURE(k.fault);
    const auto r = run_with(k.fault, 32, 128);
    CHECK(r.outcome == Outcome::launch_failed);
    check_contains(r.report, {k.words, "kernel k, line", "thread (0, 0, 0)"});
    check_clean(run_with(k.twin, 32, 128));
  }
}

TEST_CASE("only the lanes that are undefined count") {
  const std::string some = "setp.lt.u32 %p0, %t, 9;\n@%p0 mov.u32 %a, 1;\n";
  const auto r = run_with(some + "st.global.u32 [%q], %a;\n", 32, 128);
  CHECK(r.outcome == Outcome::launch_failed);
  check_contains(r.report, {"thread (9, 0, 0)"});
  check_clean(run_with(some + "@%p0 st.global.u32 [%q], %a;\n", 32, 128));
}

TEST_CASE("what does not depend on an undefined value is defined") {
  const std::string some = "setp.lt.u32 %p0, %t, 9;\n@%p0 mov.u32 %a, 1;\n";
  check_clean(run_with("xor.b32 %a, %a, %a;\nst.global.u32 [%q], %a;\n", 32, 128));
  check_clean(run_with("and.b32 %b, %a, 0;\nst.global.u32 [%q], %b;\n", 32, 128));
  check_clean(run_with("or.b32 %b, %a, -1;\nst.global.u32 [%q], %b;\n", 32, 128));
  check_clean(run_with(some + "selp.b32 %b, %a, %t, %p0;\nst.global.u32 [%q], %b;\n", 32, 128));
  CHECK(run_with(some + "selp.b32 %b, %t, %a, %p0;\nst.global.u32 [%q], %b;\n", 32, 128).outcome ==
        Outcome::launch_failed);
  // A predicate that is false anyway, and one that is true anyway.
  check_clean(run_with(
      some + "setp.gt.u32 %p1, %a, 0;\nand.pred %p1, %p1, %p0;\n@%p1 st.global.u32 [%q], %t;\n", 32,
      128));
  check_clean(run_with(
      some + "setp.gt.u32 %p1, %a, 0;\nor.pred %p1, %p1, !%p0;\n@%p1 st.global.u32 [%q], %t;\n", 32,
      128));
  check_clean(
      run_with(some + "setp.gt.and.u32 %p1, %a, 0, %p0;\n@%p1 st.global.u32 [%q], %t;\n", 32, 128));
  CHECK(
      run_with(
          some + "setp.gt.u32 %p1, %a, 0;\nor.pred %p1, %p1, %p0;\n@%p1 st.global.u32 [%q], %t;\n",
          32, 128)
          .outcome == Outcome::launch_failed);
}

TEST_CASE("global memory that nothing wrote") {
  Device device =
      device_for("ld.global.u32 %a, [%p+4];\nadd.u32 %a, %a, 1;\nst.global.u32 [%p], %a;\n");
  const auto fresh = device.reserve(8);
  const auto r = device.run({.block = {1, 1, 1}}, fresh);
  CHECK(r.outcome == Outcome::launch_failed);
  check_contains(r.report, {"undefined value stored to global memory", "st.global.u32 [%p], %a;"});
  CHECK_FALSE(device.written(fresh, 1));
  check_clean(device.run({.block = {1, 1, 1}}, device.upload<std::uint32_t>({0, 5})));
  // What a kernel stores is defined from then on.
  Device writer = device_for("st.global.u32 [%q], %t;\n");
  const auto p = writer.reserve(128);
  check_clean(writer.run({.block = {31, 1, 1}}, p));
  CHECK(writer.written(p, 124));
  CHECK_FALSE(writer.written(p + 124, 1));
  const auto counter = device_for("red.global.add.u32 [%p], 1;\n").run({}, writer.reserve(4));
  CHECK(counter.outcome == Outcome::illegal_address);  // of another device's memory
  Device atomic = device_for("red.global.add.u32 [%p], 1;\n");
  const auto added = atomic.run({}, atomic.reserve(4));
  CHECK(added.outcome == Outcome::launch_failed);
  check_contains(added.report, {"atomic on memory that nothing wrote"});
}

TEST_CASE("shared and local memory that nothing wrote, byte by byte") {
  const std::string shared = ".shared .align 4 .b8 box[8];\n",
                    local = ".local .align 4 .b8 stack[8];\n";
  CHECK(run_with(shared + "ld.shared.u32 %a, [box];\nst.global.u32 [%q], %a;\n", 1, 4).outcome ==
        Outcome::launch_failed);
  check_clean(run_with(
      shared + "st.shared.u32 [box], %t;\nld.shared.u32 %a, [box];\nst.global.u32 [%q], %a;\n", 1,
      4));
  CHECK(
      run_with(
          shared + "st.shared.u16 [box], %t;\nld.shared.u32 %a, [box];\nst.global.u32 [%q], %a;\n",
          1, 4)
          .outcome == Outcome::launch_failed);
  CHECK(
      run_with(
          shared + "st.shared.u32 [box], %b;\nld.shared.u32 %a, [box];\nst.global.u32 [%q], %a;\n",
          1, 4)
          .outcome == Outcome::launch_failed);
  check_clean(
      run_with(shared + "ld.shared.u32 %a, [box];\n", 1, 4));  // loaded, but of no consequence
  CHECK(run_with(local + "ld.local.u32 %a, [stack];\nst.global.u32 [%q], %a;\n", 1, 4).outcome ==
        Outcome::launch_failed);
  check_clean(run_with(
      local + "st.local.u32 [stack], %t;\nld.local.u32 %a, [stack];\nst.global.u32 [%q], %a;\n", 1,
      4));
}

TEST_CASE("shared memory is undefined again in the next block") {
  Device device(module_text(
      ".param .u64 p",
      head +
          ".shared .b32 box;\nmov.u32 %a, %ctaid.x;\nsetp.eq.u32 %p0, %a, 0;\n@%p0 st.shared.u32 "
          "[box], %t;\nld.shared.u32 %b, [box];\nst.global.u32 [%p], %b;\nret;\n"));
  device.machine.sm_count = 1;
  check_clean(device.run({.block = {1, 1, 1}}, device.reserve(4)));
  CHECK(device.run({.grid = {2, 1, 1}, .block = {1, 1, 1}}, device.reserve(4)).outcome ==
        Outcome::launch_failed);
}

TEST_CASE("a shuffle from a lane that takes no part is undefined") {
  const std::string low = "setp.lt.u32 %p0, %t, 16;\n@!%p0 bra OVER;\n",
                    end = "st.global.u32 [%q], %a;\nOVER:\n";
  CHECK(run_with(low + "shfl.sync.idx.b32 %a, %t, 20, 31, 0x0000ffff;\n" + end, 32, 128).outcome ==
        Outcome::launch_failed);
  check_clean(run_with(low + "shfl.sync.idx.b32 %a, %t, 10, 31, 0x0000ffff;\n" + end, 32, 128));
}

TEST_CASE("a lane that its own membermask does not name") {
  const auto r = run_with("shfl.sync.bfly.b32 %a, %t, 1, 31, 0x0000ffff;\n", 32, 4);
  CHECK(r.outcome == Outcome::launch_failed);
  check_contains(r.report, {"lane 16", "0x0000ffff", "does not name it", "shfl.sync.bfly"});
}

TEST_CASE("barrier divergence") {
  const auto planted =
      "setp.lt.u32 %p0, %t, 16;\n// ---- halves\n@%p0 bra LOW;\nbar.sync 0;\nbra "
      "JOIN;\nLOW:\nbar.sync 0;\nJOIN:\n";
  const auto r = run_with(planted, 32, 4);
  CHECK(r.outcome == Outcome::launch_failed);
  check_contains(r.report, {"barrier divergence", "line 19: bar.sync 0;", "the one on line 16",
                            "phase: halves"});
  const auto half = run_with("setp.lt.u32 %p0, %t, 16;\n@%p0 bar.sync 0;\n", 32, 4);
  CHECK(half.outcome == Outcome::launch_failed);
  check_contains(half.report, {"barrier divergence: lanes 0x0000ffff", "lanes 0xffff0000 do not"});
  // Whole warps may part ways, and lanes that have exited do not count.
  check_clean(run_with(
      "setp.lt.u32 %p0, %t, 32;\n@%p0 bra LOW;\nbar.sync 0;\nbra JOIN;\nLOW:\nbar.sync 0;\nJOIN:\n",
      64, 4));
  check_clean(run_with(
      "setp.lt.u32 %p0, %t, 5;\n@%p0 bra GONE;\nbar.sync 0;\nret;\nGONE:\nmov.u32 %a, 1;\nret;\n",
      64, 4));
  const auto arrive = run_with("setp.eq.u32 %p0, %t, 0;\n@%p0 bar.arrive 1, 64;\n", 32, 4);
  CHECK(arrive.outcome == Outcome::launch_failed);
  check_contains(arrive.report, {"barrier divergence", "arrive"});
}

TEST_CASE("barrier arrivals that disagree, repeat, or name no barrier") {
  const auto counts = run_with(
      "setp.lt.u32 %p0, %t, 32;\n@%p0 bra LOW;\nbar.sync 1, 64;\nret;\nLOW:\nbar.sync 1, 96;\n", 64,
      4);
  CHECK(counts.outcome == Outcome::launch_failed);
  check_contains(counts.report, {"this arrival says", "threads, an earlier one"});
  const auto twice = run_with("bar.arrive 1, 96;\nbar.arrive 1, 96;\n", 32, 4);
  check_contains(twice.report, {"arrives twice"});
  const auto number = run_with("mov.u32 %a, 16;\nbar.sync %a;\n", 32, 4);
  CHECK(number.outcome == Outcome::launch_failed);
  check_contains(number.report, {"barrier 16"});
}

TEST_CASE("warn reports and goes on; off is silent about what a device would not notice") {
  const std::string code =
      "setp.lt.u32 %p0, %t, 9;\n@%p0 mov.u32 %a, 1;\nst.global.u32 [%q], %a;\nst.global.u32 [%q], "
      "%t;\n";
  Device device = device_for(code);
  device.options.check = Check::warn;
  const auto p = device.reserve(128);
  const auto r = device.run({}, p);
  CHECK(r.outcome == Outcome::ok);
  check_contains(r.report, {"warning: undefined value stored", "thread (9, 0, 0)"});
  CHECK(device.download<std::uint32_t>(p, 32)[31] == 31);
  CHECK(device.written(p, 128));
  device.options.check = Check::off;
  check_clean(device.run({}, device.reserve(128)));
}

TEST_CASE("warn reports an instruction once and lists no more than a reader can use") {
  Device device = device_for(
      "mov.u32 %b, 0;\nLOOP:\nst.global.u32 [%q], %a;\nadd.u32 %b, %b, 1;\nsetp.lt.u32 %p0, %b, "
      "50;\n@%p0 bra LOOP;\n");
  device.options.check = Check::warn;
  const auto r = device.run({.grid = {20, 1, 1}}, device.reserve(128));
  CHECK(r.outcome == Outcome::ok);
  std::size_t count = 0;
  for (std::size_t at = r.report.find("undefined"); at != std::string::npos;
       at = r.report.find("undefined", at + 1))
    ++count;
  CHECK(count == 1);
}

TEST_CASE("a trap ends the launch and says where") {
  const auto r = run_with("setp.eq.u32 %p0, %t, 7;\n// ---- bad luck\n@%p0 trap;\n", 32, 4);
  CHECK(r.outcome == Outcome::launch_failed);
  check_contains(
      r.report, {"trap instruction", "line 15: @%p0 trap;", "phase: bad luck", "thread (7, 0, 0)"});
}

TEST_CASE("phases follow the blocks that hold them") {
  const auto phase_of = [](const std::string& code) {
    const std::string report = run_with(code, 1, 4).report;
    const std::size_t at = report.find("phase: ");
    return at == std::string::npos ? std::string("none")
                                   : report.substr(at + 7, report.find('\n', at) - at - 7);
  };
  CHECK(phase_of("trap;\n") == "none");
  CHECK(phase_of("// ---- one\n{\n// ---- two ----------\nmov.u32 %a, 1;\n}\ntrap;\n") == "one");
  CHECK(phase_of("// ---- one\n{\n// ---- two ----------\ntrap;\n}\n") == "two");
  CHECK(phase_of("// ---- one\n// ---- three\n{\ntrap;\n}\n") == "three");
  CHECK(phase_of("// ---- one\n// a remark\n{\n// ----not a banner\ntrap;\n}\n") == "one");
  CHECK(phase_of("{\n// ---- inner\n}\ntrap;\n") == "none");
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
