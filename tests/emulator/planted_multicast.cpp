// Planted bugs around what reaches the other blocks of a cluster: multicast tiles and remote
// arrivals.
#include "hopper_ptx.hpp"
#include "planted_kernel.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

#define MEET                                  \
  "bar.warp.sync -1;\n"                       \
  "barrier.cluster.arrive.release.aligned;\n" \
  "barrier.cluster.wait.acquire.aligned;\n"

/// In each of two blocks: a barrier for the tile, and one for 64 arrivals. %v10 is where the second
/// one of block 0 lies.
#define PAIRED \
  CLEARED TWO_BARRIERS("64")                                                          \
  "setp.eq.u32 %k5, %b, 0;\nand.pred %k5, %k5, %k6;\n"                                \
  "mapa.shared::cluster.u32 %v10, %z, 0;\nadd.u32 %v10, %v10, 4040;\n" MEET

/// Block 0 fetches a tile for both.
#define MULTICAST(row)                                                               \
  "// ---- fetch\n"                                                                  \
  "@%k6 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%z+4032], 512;\n"              \
  "@%k5 cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes" \
  ".multicast::cluster [%z], [%c, {0, " row "}], [%z+4032], 3; //?\n"

#define RELEASE "mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%v10];\n"

const Shape pair{.grid = {2, 1, 1}, .block = {32, 1, 1}, .cluster = {2, 1, 1}};

const Planted planted[] = {
    {"a tile that only the block which fetched it has waited for",
     PAIRED MULTICAST("0") R"(
setp.ne.u32 %k1, %b, 0;
<<@%k1 bra USE;||>>
)" WAIT("W0", "0") R"(
USE:
// ---- use
ld.shared.u32 %v0, [%s]; //?
)" WAIT("W1", "0") MEET R"(
st.global.u32 [%o], %v0;
)",
     {"data race on shared memory"},
     pair,
     [](std::uint32_t i) { return i % 32; }},
    {"a tile fetched again before the other block has done with it",
     PAIRED R"(
mov.u32 %v5, 0;
mov.u32 %v6, 0;
LOOP:
and.b32 %v4, %v5, 1;
xor.b32 %v3, %v4, 1;
<<||@!%k5 bra FREE;
EMPTY:
mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 %k7, [%z+4040], %v3;
@!%k7 bra EMPTY;
FREE:>>
)" MULTICAST("%v5") WAIT("W0", "%v4") R"(
// ---- use
ld.shared.u32 %v0, [%s]; //?
add.u32 %v6, %v6, %v0;
)" RELEASE R"(
add.u32 %v5, %v5, 1;
setp.lt.u32 %k0, %v5, 4;
@%k0 bra LOOP;
)" MEET R"(
st.global.u32 [%o], %v6;
)",
     {"data race on shared memory"},
     pair,
     [](std::uint32_t i) { return 4 * (i % 32) + 32 * 6; }},
};

TEST_CASE("planted: tiles and arrivals across a cluster") {
  for (const Planted& k : planted) check_planted(k, hopper, true);
}

TEST_CASE("planted: a block that ends before another has arrived at its barrier") {
  for (const Schedule schedule : {Schedule::earliest, Schedule::latest, Schedule::random}) {
    for (const bool cured : {false, true}) {
      const Planted k{"", PAIRED RELEASE "<<||" MEET ">>st.global.u32 [%o], %t;\n", {}, pair};
      Device device(detail::planted_module(k.code, cured, hopper));
      device.options.schedule = schedule;
      const ExecuteResult r = detail::run_planted(device, k, true).result;
      CAPTURE(cured);
      INFO(r.report);
      CHECK((r.outcome == Outcome::ok) == cured);
      if (!cured) check_contains(r.report, {"mbarrier.arrive.release.cluster"});
    }
  }
}

TEST_CASE("a multicast goes to blocks of the cluster alone") {
  const auto report = [](const char* mask) {
    const Planted k{"", PAIRED MULTICAST("0"), {}, pair};
    std::string text = detail::planted_module(k.code, true, hopper);
    text.replace(text.find("[%z+4032], 3;"), 13, std::string("[%z+4032], ") + mask + ";");
    Device device(text);
    return detail::run_planted(device, k, true).result.report;
  };
  check_contains(report("5"), {"names block 2 of the cluster, which has none of that rank"});
  check_contains(report("0"), {"the mask of a multicast names no block"});
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
