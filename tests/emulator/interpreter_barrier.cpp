// Barriers of a block and of a warp, several blocks at once, and launches that cannot end.
#include <cstdint>

#include "interpreter_fixture.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

constexpr Schedule schedules[] = {Schedule::earliest, Schedule::latest, Schedule::random};

TEST_CASE("bar.sync orders shared memory between warps, under every schedule") {
  // Each round, thread i takes the value of thread i + 37 (mod the block).
  Device device(module_text(
      ".param .u64 p",
      ".reg .b64 %p;\n.reg .b32 %t, %n, %s, %o, %v, %k;\n.reg .pred %q;\n.shared .align 4 .b32 "
      "ring[256];\nld.param.u64 %p, [p];\nmov.u32 %t, %tid.x;\nmov.u32 %n, %ntid.x;\n"
      "mov.u32 %s, ring;\nmad.lo.u32 %s, %t, 4, %s;\nadd.u32 %o, %t, 37;\nrem.u32 %o, %o, "
      "%n;\nmov.u32 %v, ring;\nmad.lo.u32 %o, %o, 4, %v;\nmov.u32 %v, %t;\nmov.u32 %k, 0;\n"
      "LOOP:\nst.shared.u32 [%s], %v;\nbar.sync 0;\nld.shared.u32 %v, [%o];\nbar.sync 0;\nadd.u32 "
      "%k, %k, 1;\nsetp.lt.u32 %q, %k, 10;\n@%q bra LOOP;\n"
      "mad.wide.u32 %p, %t, 4, %p;\nst.global.u32 [%p], %v;\nret;\n"));
  for (const std::uint32_t threads : {1u, 32u, 33u, 100u, 256u}) {
    for (const Schedule schedule : schedules) {
      device.options.schedule = schedule;
      device.options.seed = threads;
      const auto p = device.reserve(threads * 4);
      check_clean(device.run({.block = {threads, 1, 1}}, p));
      const auto v = device.download<std::uint32_t>(p, threads);
      for (std::uint32_t i = 0; i < threads; ++i) CHECK(v[i] == (i + 370) % threads);
    }
  }
}

TEST_CASE("warps that have exited do not hold a barrier up") {
  Device device(module_text(
      ".param .u64 p",
      ".reg .b64 %p;\n.reg .b32 %t;\n.reg .pred %q;\n.shared .b32 x;\nld.param.u64 %p, "
      "[p];\nmov.u32 %t, %tid.x;\nsetp.ge.u32 %q, %t, 64;\n@%q ret;\nsetp.eq.u32 %q, %t, 63;\n@%q "
      "st.shared.u32 [x], 5;\n"
      "bar.sync 0;\nld.shared.u32 %t, [x];\nmov.u32 %t, %t;\nst.global.u32 [%p], %t;\nret;\n"));
  for (const Schedule schedule : schedules) {
    device.options.schedule = schedule;
    const auto p = device.reserve(4);
    check_clean(device.run({.block = {128, 1, 1}}, p));
    CHECK(device.download<std::uint32_t>(p, 1)[0] == 5);
  }
}

TEST_CASE("named barriers with counts: arrive and sync as producer and consumer") {
  // Warp 0 produces eight values; warp 1 consumes them. Barrier 1: full, barrier 2: empty.
  Device device(
      module_text(".param .u64 p",
                  ".reg .b64 %p;\n.reg .b32 %t, %k, %v, %s;\n.reg .pred %q, %c;\n.shared .align 4 "
                  ".b32 slot[32];\nld.param.u64 %p, [p];\nmov.u32 %t, %tid.x;\nand.b32 %v, %t, "
                  "31;\nmov.u32 %s, slot;\nmad.lo.u32 %s, %v, 4, %s;\n"
                  "mov.u32 %k, 0;\nsetp.ge.u32 %c, %t, 32;\n@%c bra CONSUME;\n"
                  "PRODUCE:\nsetp.eq.u32 %q, %k, 0;\n@%q bra FIRST;\nbar.sync 2, "
                  "64;\nFIRST:\nmad.lo.u32 %v, %k, 100, %t;\nst.shared.u32 [%s], %v;\nbar.arrive "
                  "1, 64;\nadd.u32 %k, %k, 1;\nsetp.lt.u32 %q, %k, 8;\n@%q bra PRODUCE;\nret;\n"
                  "CONSUME:\nmov.u32 %v, 0;\nNEXT:\n{\n.reg .b32 %x;\nbar.sync 1, "
                  "64;\nld.shared.u32 %x, [%s];\nadd.u32 %v, %v, %x;\n}\nadd.u32 %k, %k, "
                  "1;\nsetp.lt.u32 %q, %k, 8;\n@%q bar.arrive 2, 64;\n@%q bra NEXT;\n"
                  "mad.wide.u32 %p, %t, 4, %p;\nst.global.u32 [%p+-128], %v;\nret;\n"));
  for (const Schedule schedule : schedules) {
    device.options.schedule = schedule;
    const auto p = device.reserve(128);
    check_clean(device.run({.block = {64, 1, 1}}, p));
    const auto v = device.download<std::uint32_t>(p, 32);
    for (std::uint32_t i = 0; i < 32; ++i) CHECK(v[i] == 8 * i + 2800);
  }
}

TEST_CASE("a barrier that is not aligned gathers the lanes of a warp one by one") {
  Device device(module_text(
      ".param .u64 p",
      ".reg .b64 %p;\n.reg .b32 %t, %a;\n.reg .pred %q;\n.shared .b32 x;\nld.param.u64 %p, "
      "[p];\nmov.u32 %t, %tid.x;\nsetp.lt.u32 %q, %t, 7;\n@%q bra LOW;\nbarrier.sync 0;\nbra "
      "JOIN;\nLOW:\nst.shared.u32 [x], 3;\nbarrier.sync 0;\nJOIN:\n"
      "ld.shared.u32 %a, [x];\nmad.wide.u32 %p, %t, 4, %p;\nst.global.u32 [%p], %a;\nret;\n"));
  const auto p = device.reserve(256);
  check_clean(device.run({.block = {64, 1, 1}}, p));
  CHECK(device.download<std::uint32_t>(p, 64) == std::vector<std::uint32_t>(64, 3));
}

TEST_CASE("barrier reductions count and combine predicates") {
  Device device(module_text(
      ".param .u64 p",
      ".reg .b64 %p;\n.reg .b32 %t, %n, %x;\n.reg .pred %q, %all, %any;\nld.param.u64 %p, "
      "[p];\nmov.u32 %t, %tid.x;\nsetp.lt.u32 %q, %t, 41;\nbar.red.popc.u32 %n, 0, "
      "%q;\nbar.red.and.pred %all, 1, %q;\nbar.red.or.pred %any, 2, 96, %q;\n"
      "selp.u32 %x, 100, 0, %all;\nadd.u32 %n, %n, %x;\nselp.u32 %x, 1000, 0, %any;\nadd.u32 %n, "
      "%n, %x;\nmad.wide.u32 %p, %t, 4, %p;\nst.global.u32 [%p], %n;\nret;\n"));
  const auto p = device.reserve(96 * 4);
  check_clean(device.run({.block = {96, 1, 1}}, p));
  CHECK(device.download<std::uint32_t>(p, 96) == std::vector<std::uint32_t>(96, 1041));
}

TEST_CASE("bar.warp.sync waits for the lanes it names, wherever they are") {
  Device device(module_text(
      ".param .u64 p",
      ".reg .b64 %p;\n.reg .b32 %t, %a;\n.reg .pred %q;\n.shared .b32 x;\nld.param.u64 %p, "
      "[p];\nmov.u32 %t, %tid.x;\nsetp.eq.u32 %q, %t, 20;\n@%q bra ONE;\nbar.warp.sync "
      "0xffffffff;\nld.shared.u32 %a, [x];\nbra JOIN;\nONE:\nst.shared.u32 [x], 9;\nmov.u32 %a, "
      "9;\nbar.warp.sync 0xffffffff;\nJOIN:\n"
      "mad.wide.u32 %p, %t, 4, %p;\nst.global.u32 [%p], %a;\nret;\n"));
  const auto p = device.reserve(128);
  check_clean(device.run({}, p));
  CHECK(device.download<std::uint32_t>(p, 32) == std::vector<std::uint32_t>(32, 9));
}

const std::string grid_barrier =
    ".reg .b64 %p;\n.reg .b32 %t, %n, %v, %k, %goal;\n.reg .pred %q;\nld.param.u64 %p, "
    "[p];\nmov.u32 %t, %tid.x;\nmov.u32 %n, %nctaid.x;\nmov.u32 %goal, %n;\nmov.u32 %k, "
    "0;\nROUND:\nbar.sync 0;\nsetp.ne.u32 %q, %t, 0;\n@%q bra WAITED;\n"
    "red.release.gpu.global.add.u32 [%p], 1;\nSPIN:\nld.acquire.gpu.global.u32 %v, "
    "[%p];\nsetp.lt.u32 %q, %v, %goal;\n@%q bra SPIN;\nWAITED:\nbar.sync 0;\nadd.u32 %goal, %goal, "
    "%n;\nadd.u32 %k, %k, 1;\nsetp.lt.u32 %q, %k, 5;\n@%q bra ROUND;\nret;\n";

TEST_CASE("blocks of a cooperative launch wait for one another") {
  Device device(module_text(".param .u64 p", grid_barrier));
  device.machine.sm_count = 4;
  for (const Schedule schedule : schedules) {
    device.options.schedule = schedule;
    const auto p = device.upload<std::uint32_t>({0});
    check_clean(device.run({.grid = {12, 1, 1}, .block = {64, 1, 1}, .cooperative = true}, p));
    CHECK(device.download<std::uint32_t>(p, 1)[0] == 60);
  }
}

TEST_CASE("blocks of one wave wait for one another; of two waves they hang") {
  Device device(module_text(".param .u64 p", grid_barrier));
  device.machine.sm_count = 8;
  check_clean(device.run({.grid = {8, 1, 1}}, device.upload<std::uint32_t>({0})));
  device.options.instruction_budget = 3'000'000;
  const auto r = device.run({.grid = {9, 1, 1}}, device.upload<std::uint32_t>({0}));
  CHECK(r.outcome == Outcome::launch_timeout);
  CHECK(r.warp_instructions >= 3'000'000);
  check_contains(r.report, {"hang", "3000000", "block (0, 0, 0) warp 0", "kernel k, line"});
}

TEST_CASE("many blocks run in turn on few multiprocessors") {
  Device device(
      module_text(".param .u64 p",
                  ".reg .b64 %p;\n.reg .b32 %b;\nld.param.u64 %p, [p];\nmov.u32 %b, "
                  "%ctaid.x;\nmad.wide.u32 %p, %b, 4, %p;\nred.global.add.u32 [%p], 1;\nret;\n"));
  device.machine.sm_count = 3;
  for (const Schedule schedule : schedules) {
    device.options.schedule = schedule;
    const auto p = device.upload(std::vector<std::uint32_t>(1000, 0));
    check_clean(device.run({.grid = {1000, 1, 1}}, p));
    CHECK(device.download<std::uint32_t>(p, 1000) == std::vector<std::uint32_t>(1000, 32));
  }
}

TEST_CASE("a sleeping warp lets others go on, and time passes when all sleep") {
  Device device(module_text(
      ".param .u64 p",
      ".reg .b64 %p, %a, %b;\nld.param.u64 %p, [p];\nmov.u64 %a, %globaltimer;\nnanosleep.u32 "
      "1000000;\nmov.u64 %b, %globaltimer;\nsub.u64 %b, %b, %a;\nst.global.u64 [%p], %b;\nret;\n"));
  const auto p = device.reserve(8);
  const auto r = device.run({}, p);
  check_clean(r);
  CHECK(r.warp_instructions < 100);
  const auto slept = device.download<std::uint64_t>(p, 1)[0];
  CHECK(slept >= 1'000'000);
  CHECK(slept < 1'001'000);
}

TEST_CASE("the clock goes on") {
  Device device(module_text(
      ".param .u64 p",
      ".reg .b64 %p;\n.reg .b32 %a, %b;\nld.param.u64 %p, [p];\nmov.u32 %a, %clock;\nmov.u32 %b, "
      "%clock;\nsub.u32 %b, %b, %a;\nst.global.u32 [%p], %b;\nret;\n"));
  const auto p = device.reserve(4);
  check_clean(device.run({}, p));
  CHECK(device.download<std::uint32_t>(p, 1)[0] > 0);
}

TEST_CASE("a deadlock is found at once and says where every warp stands") {
  Device device(module_text(
      "",
      ".reg .b32 %t;\n.reg .pred %q;\nmov.u32 %t, %tid.x;\nsetp.ge.u32 %q, %t, 32;\n// ---- the "
      "wrong half\n@%q bra UPPER;\nbar.sync 1, 64;\nret;\nUPPER:\nbar.sync 2, 64;\nret;\n"));
  const auto r = device.run({.block = {64, 1, 1}});
  CHECK(r.outcome == Outcome::launch_timeout);
  CHECK(r.warp_instructions < 100);
  check_contains(r.report, {"deadlock", "block (0, 0, 0)",
                            "waits at barrier 1; kernel k, line 12: bar.sync 1, 64;",
                            "waits at barrier 2; kernel k, line 15: bar.sync 2, 64;", "warp 0",
                            "warp 1", "phase: the wrong half"});
  // The twin that waits at one barrier.
  Device sound(
      module_text("",
                  ".reg .b32 %t;\n.reg .pred %q;\nmov.u32 %t, %tid.x;\nsetp.ge.u32 %q, %t, "
                  "32;\n@%q bra UPPER;\nbar.sync 1, 64;\nret;\nUPPER:\nbar.sync 1, 64;\nret;\n"));
  check_clean(sound.run({.block = {64, 1, 1}}));
}

TEST_CASE("a barrier with too few arrivals is a deadlock") {
  Device device(module_text("", "bar.sync 3, 96;\nret;\n"));
  CHECK(device.run({.block = {64, 1, 1}}).outcome == Outcome::launch_timeout);
  check_clean(device.run({.block = {96, 1, 1}}));
}

TEST_CASE("a warp-level wait for a lane that waits elsewhere is a deadlock") {
  Device device(
      module_text("",
                  ".reg .b32 %t, %a;\n.reg .pred %q;\nmov.u32 %t, %tid.x;\nsetp.eq.u32 %q, %t, "
                  "0;\n@%q bra ONE;\nbar.warp.sync 0xffffffff;\nret;\nONE:\nshfl.sync.idx.b32 %a, "
                  "%t, 1, 31, 0xffffffff;\nret;\n"));
  const auto r = device.run({});
  CHECK(r.outcome == Outcome::launch_timeout);
  check_contains(r.report, {"deadlock", "waits for lanes 0x00000001 of its warp",
                            "waits for lanes 0xfffffffe of its warp"});
}

TEST_CASE("a spin that nobody ends runs out of budget") {
  Device device(module_text("", "SPIN:\nbra SPIN;\n"));
  device.options.instruction_budget = 100'000;
  const auto r = device.run({.grid = {2, 1, 1}});
  CHECK(r.outcome == Outcome::launch_timeout);
  check_contains(r.report, {"hang", "100000 warp instructions", "kernel k, line 7: bra SPIN;"});
}

TEST_CASE("the same seed gives the same run, instruction for instruction") {
  // Which warp comes first shows in what atomics return.
  Device device(module_text(
      ".param .u64 p",
      ".reg .b64 %p;\n.reg .b32 %t, %v;\nld.param.u64 %p, [p];\natom.global.add.u32 %v, [%p], "
      "1;\nmov.u32 %t, %tid.x;\nmad.wide.u32 %p, %t, 4, %p;\nst.global.u32 [%p+4], %v;\nret;\n"));
  const auto order = [&](Schedule schedule, std::uint64_t seed) {
    device.options.schedule = schedule;
    device.options.seed = seed;
    const auto p = device.upload(std::vector<std::uint32_t>(513, 0));
    check_clean(device.run({.block = {512, 1, 1}}, p));
    return device.download<std::uint32_t>(p + 4, 512);
  };
  CHECK(order(Schedule::random, 1) == order(Schedule::random, 1));
  CHECK(order(Schedule::random, 1) != order(Schedule::random, 2));
  CHECK(order(Schedule::earliest, 0)[0] == 0);
  CHECK(order(Schedule::latest, 0)[511] == 31);
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
