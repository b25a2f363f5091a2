// Planted bugs around clusters.
#include "planted_kernel.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

#define ARRIVE "barrier.cluster.arrive.release.aligned;\n"
#define AWAIT "barrier.cluster.wait.acquire.aligned;\n"
#define MEET ARRIVE AWAIT
/// Each thread's word is its number in the grid; %v5 leads to that word of the other block.
#define FILLED                                                                           \
  "// ---- fill\nst.shared.u32 [%s], %g;\nmov.u32 %v4, %cluster_ctarank;\nxor.b32 %v4, " \
  "%v4, 1;\nmapa.shared::cluster.u32 %v5, %s, %v4;\n"

/// Each thread sends its number in the grid to its word of the other block, whose mbarrier counts
/// the bytes.
#define SENT                                                                         \
  "setp.eq.u32 %k0, %t, 0;\n@%k0 mbarrier.init.shared::cta.b64 [%z+4040], 1;\n"      \
  "fence.mbarrier_init.release.cluster;\nbar.warp.sync -1;\n" MEET                   \
  "@%k0 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%z+4040], 128;\n"              \
  "mov.u32 %v4, %cluster_ctarank;\nxor.b32 %v4, %v4, 1;\n"                           \
  "mapa.shared::cluster.u32 %v5, %s, %v4;\nmapa.shared::cluster.u32 %v6, %z, %v4;\n" \
  "// ---- send\n"                                                                   \
  "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.u32 [%v5], %g, [%v6+4040]; //?\n"

#define HOPPER 0, Outcome::launch_failed, false, "sm_90a"

const Shape pair{.grid = {2, 1, 1}, .block = {32, 1, 1}, .cluster = {2, 1, 1}};

std::uint32_t other(std::uint32_t i) { return i ^ 32; }
std::uint32_t same(std::uint32_t i) { return i; }

const Planted planted[] = {
    {"another block's memory read before it is written",
     FILLED "<<bar.sync 0;||barrier.cluster.arrive.release.aligned;\n"
            "barrier.cluster.wait.acquire.aligned;>>\n// ---- read\n"
            "ld.shared::cluster.u32 %v0, [%v5]; //?\n" MEET "st.global.u32 [%o], %v0;\n",
     {"data race on shared memory", "no barrier of the cluster"},
     pair,
     other,
     HOPPER},
    {"an arrival that releases nothing",
     R"(
// ---- fill
st.shared.u32 [%s], %g; //?
mov.u32 %v4, %cluster_ctarank;
xor.b32 %v4, %v4, 1;
mapa.shared::cluster.u32 %v5, %s, %v4;
barrier.cluster.arrive.<<relaxed||release>>.aligned;
barrier.cluster.wait.acquire.aligned;
// ---- read
ld.shared::cluster.u32 %v0, [%v5]; //?
)" MEET "st.global.u32 [%o], %v0;\n",
     {"data race on shared memory"},
     pair,
     other,
     HOPPER},
    {"a block that exits while another reads its memory",
     FILLED MEET "// ---- read\nld.shared::cluster.u32 %v0, [%v5]; //!\n"
                 "<<||barrier.cluster.arrive.release.aligned;\n"
                 "barrier.cluster.wait.acquire.aligned;>>\nst.global.u32 [%o], %v0;\n",
     {"another block"},
     pair,
     other,
     HOPPER},
    {"a rank that the cluster does not have",
     FILLED MEET "<<mapa.shared::cluster.u32 %v5, %s, 2;||>>\n// ---- read\n"
                 "ld.shared::cluster.u32 %v0, [%v5]; //!\n" MEET "st.global.u32 [%o], %v0;\n",
     {"leads to no block of the cluster"},
     pair,
     other,
     0,
     Outcome::illegal_address,
     false,
     "sm_90a"},
    {"an offset beyond the other block's memory",
     FILLED MEET "// ---- read\nld.shared::cluster.u32 %v0, [%v5+<<4096||0>>]; //!\n" MEET
                 "st.global.u32 [%o], %v0;\n",
     {"out of bounds: 4 bytes of shared memory"},
     pair,
     other,
     0,
     Outcome::illegal_address,
     false,
     "sm_90a"},
    {"a wait without an arrival",
     "<<||barrier.cluster.arrive.release.aligned;>>\n// ---- meet\n"
     "barrier.cluster.wait.acquire.aligned; //!\nst.global.u32 [%o], %g;\n",
     {"at which it has not arrived"},
     pair,
     same,
     HOPPER},
    {"two arrivals without a wait",
     ARRIVE "// ---- meet\n<<barrier.cluster.arrive.release.aligned; //!||>>\n" AWAIT
            "st.global.u32 [%o], %g;\n",
     {"arrives twice at the barrier of the cluster"},
     pair,
     same,
     HOPPER},
    {"an aligned barrier that half a warp executes",
     "setp.lt.u32 %k0, %l, <<16||32>>;\n// ---- meet\n"
     "@%k0 barrier.cluster.arrive.release.aligned; //!\n"
     "barrier.cluster.wait.acquire.aligned;\nst.global.u32 [%o], %g;\n",
     {"barrier divergence"},
     pair,
     same,
     HOPPER},
    {"blocks that store to one word of a third place",
     "mapa.shared::cluster.u32 %v5, %z, 0;\nsetp.eq.u32 %k0, %t, 0;\n// ---- store\n"
     "mad.lo.u32 %v5, %b, <<0||4>>, %v5;\n@%k0 st.shared::cluster.u32 [%v5], %g; //!\n" MEET
     "mapa.shared::cluster.u32 %v5, %z, 0;\nld.shared::cluster.u32 %v0, [%v5];\n" MEET
     "add.u32 %v0, %v0, %g;\nst.global.u32 [%o], %v0;\n",
     {"data race on shared memory"},
     pair,
     same,
     HOPPER},
    {"an asynchronous store that nobody waits for",
     SENT "<<||WAIT:\nmbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 %k1, [%z+4040], 0;\n"
          "@!%k1 bra WAIT;\nbar.warp.sync -1;>>\n// ---- read\nld.shared.u32 %v0, [%s]; //?\n"
          "<<WAIT:\nmbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 %k1, [%z+4040], 0;\n"
          "@!%k1 bra WAIT;\nbar.warp.sync -1;||>>\n" MEET "st.global.u32 [%o], %v0;\n",
     {"data race on shared memory"},
     pair,
     [](std::uint32_t i) { return i < 32 ? i + 32 : i - 32; },
     HOPPER},
    {"atomics whose scope does not reach the other block",
     "mov.u32 %v0, 0;\nst.shared.u32 [%s], %v0;\n" MEET
     "mapa.shared::cluster.u32 %v5, %z, 0;\n// ---- count\n"
     "red.relaxed.<<cta||cluster>>.shared::cluster.add.u32 [%v5], 1; //!\n" MEET
     "ld.shared::cluster.u32 %v0, [%v5];\n" MEET "st.global.u32 [%o], %v0;\n",
     {"data race on shared memory", "a scope of .cta does not reach the other's block"},
     pair,
     [](std::uint32_t) { return 64u; },
     HOPPER},
    {"a block that waits elsewhere for ever",
     "setp.eq.u32 %k0, %b, 1;\n// ---- stuck\n<<@%k0 bar.sync 1, 64; //!||>>\n// ---- meet\n" ARRIVE
     "barrier.cluster.wait.acquire.aligned;\nst.global.u32 [%o], %g;\n",
     {"deadlock", "waits at the barrier of its cluster", "waits at barrier 1"},
     pair,
     same,
     0,
     Outcome::launch_timeout,
     false,
     "sm_90a"},
};

TEST_CASE("planted: clusters") {
  for (const Planted& k : planted) check_planted(k);
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
