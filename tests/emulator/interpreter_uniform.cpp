// Promises that threads hold the same value, kept and broken.
#include <cstdint>

#include "interpreter_fixture.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

// Lines 6 to 12 of the module: %t is the thread, %w its warp, %c its block, %d the warp in 64 bits,
// %q whether the warp is the first.
const std::string head =
    ".reg .b32 %t, %w, %c, %v;\n.reg .b64 %d;\n.reg .pred %q;\nmov.u32 %t, %tid.x;\n"
    "shr.u32 %w, %t, 5;\nmov.u32 %c, %ctaid.x;\ncvt.u64.u32 %d, %w;\nsetp.eq.u32 %q, %w, 0;\n";

ExecuteResult run_note(const std::string& code, std::uint32_t blocks, std::uint32_t threads,
                       Check check = Check::fail) {
  Device device(module_text("", head + code + "\nret;\n"));
  device.options.check = check;
  return device.run({.grid = {blocks, 1, 1}, .block = {threads, 1, 1}});
}

TEST_CASE("uniformity notes: promises that are kept pass without a word") {
  check_clean(run_note("//@ uniform thread %t", 2, 256));
  check_clean(run_note("//@ uniform warp %w", 2, 256));
  check_clean(run_note("//@ uniform warp %d", 2, 256));
  check_clean(run_note("//@ uniform warp %q", 2, 256));
  check_clean(run_note("shr.u32 %v, %t, 7;\n//@ uniform warpgroup %v", 2, 256));
  check_clean(run_note("//@ uniform cta %c", 2, 256));
  check_clean(run_note("mov.u32 %v, %nctaid.x;\n//@ uniform grid %v", 2, 256));
}

TEST_CASE("uniformity notes: only the lanes that are there count, and each pass is for itself") {
  check_clean(
      run_note("setp.lt.u32 %q, %t, 16;\n@%q bra low;\nmov.u32 %v, 7;\n//@ uniform warp %v\n"
               "bra join;\nlow:\nmov.u32 %v, 5;\n//@ uniform warp %v\njoin:\n",
               1, 32));
  check_clean(
      run_note("mov.u32 %v, 0;\nagain:\n//@ uniform cta %v\nadd.u32 %v, %v, 1;\n"
               "setp.lt.u32 %q, %v, 9;\n@%q bra again;",
               1, 128));
}

TEST_CASE("uniformity notes: a broken promise names line, phase, thread and both values") {
  const auto lanes = run_note("{\n// ---- choose a row\n//@ uniform warp %t\n}", 1, 64);
  CHECK(lanes.outcome == Outcome::launch_failed);
  check_contains(lanes.report,
                 {"broken promise: the value is 0x1 here and 0x0 in another lane of its warp",
                  "said to be uniform across the warp", "kernel k, line 16", "phase: choose a row",
                  "block (0, 0, 0) thread (1, 0, 0) (warp 0 lane 1)"});
  const auto wide = run_note("//@ uniform cta %d", 1, 64);
  CHECK(wide.outcome == Outcome::launch_failed);
  check_contains(wide.report, {"0x1 here and 0x0 in another warp", "uniform across the cta",
                               "kernel k, line 14", "warp 1 lane 0"});
}

TEST_CASE("uniformity notes: each level has its own bounds") {
  CHECK(run_note("//@ uniform warpgroup %w", 1, 64).outcome == Outcome::launch_failed);
  CHECK(run_note("//@ uniform cta %q", 1, 64).outcome == Outcome::launch_failed);
  CHECK(run_note("shr.u32 %v, %t, 7;\n//@ uniform cta %v", 1, 256).outcome ==
        Outcome::launch_failed);
  CHECK(run_note("//@ uniform grid %c", 2, 32).outcome == Outcome::launch_failed);
  check_clean(run_note("//@ uniform cta %w", 2, 32));
}

TEST_CASE("uniformity notes: warned of, or not looked at, as the checks are set") {
  const auto warned = run_note("//@ uniform warp %t", 1, 32, Check::warn);
  CHECK(warned.outcome == Outcome::ok);
  check_contains(warned.report, {"broken promise"});
  check_clean(run_note("//@ uniform warp %t", 1, 32, Check::off));
}

TEST_CASE("uniformity notes: of an unknown register or level are refused") {
  check_contains(refusal(module_text("", "//@ uniform warp %x\nret;")),
                 {"Unknown register '%x' in a uniformity note"});
  check_contains(refusal(module_text("", head + "//@ uniform block %t\nret;")),
                 {"Unknown level 'block' in a uniformity note"});
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
