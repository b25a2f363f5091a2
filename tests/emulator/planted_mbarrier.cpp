// Planted bugs around barriers in shared memory and the operands of copies that complete on them.
#include "hopper_ptx.hpp"
#include "planted_kernel.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

#define TILE                                                                           \
  "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%z], " \
  "[%c, {0, 0}], [%z+4032];"

const Planted planted[] = {
    {"more bytes expected than come",
     BARRIER R"(
// ---- fetch
@%k6 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%z+4032], <<528||512>>;
@%k6 )" TILE R"(
W0:
mbarrier.try_wait.parity.shared::cta.b64 %k7, [%z+4032], 0; //?
@!%k7 bra W0; //?
ld.shared.u32 %v0, [%s];
st.global.u32 [%o], %v0;
)",
     {"deadlock", "the mbarrier at 0xfc0: phase 0 lacks 0 of 1 arrivals and 16 bytes"},
     {},
     [](std::uint32_t i) { return i; },
     0,
     Outcome::launch_timeout},
    {"fewer bytes expected than come",
     BARRIER R"(
// ---- fetch
@%k6 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%z+4032], <<496||512>>;
@%k6 )" TILE R"(
W0:
mbarrier.try_wait.parity.shared::cta.b64 %k7, [%z+4032], 0; //?
@!%k7 bra W0; //?
ld.shared.u32 %v0, [%s];
st.global.u32 [%o], %v0;
)",
     {"deadlock", "phase 0 lacks 0 of 1 arrivals and has 16 bytes that nothing expects"},
     {},
     [](std::uint32_t i) { return i; },
     0,
     Outcome::launch_timeout},
    {"a barrier for more arrivals than there are",
     TWO_BARRIERS("<<33||32>>") R"(
// ---- meet
mbarrier.arrive.shared::cta.b64 _, [%z+4040];
W0:
mbarrier.try_wait.parity.shared::cta.b64 %k7, [%z+4040], 0; //?
@!%k7 bra W0; //?
st.global.u32 [%o], %t;
)",
     {"deadlock", "the mbarrier at 0xfc8: phase 0 lacks 1 of 33 arrivals and 0 bytes"},
     {},
     [](std::uint32_t i) { return i; },
     0,
     Outcome::launch_timeout},
    {"a barrier for fewer arrivals than there are",
     TWO_BARRIERS("<<63||64>>") R"(
// ---- publish
st.shared.u32 [%s], %t; //?
mbarrier.arrive.shared::cta.b64 _, [%z+4040];
)" WAIT_AT("4040", "W0", "0") R"(
// ---- use
xor.b32 %v1, %t, 63;
mad.lo.u32 %v1, %v1, 4, %z;
ld.shared.u32 %v0, [%v1]; //?
st.global.u32 [%o], %v0;
)",
     {"data race on shared memory"},
     {.block = {64, 1, 1}},
     [](std::uint32_t i) { return i ^ 63; }},
    {"more arrivals than a phase lacks",
     BARRIER R"(
// ---- arrive
@%k6 mbarrier.arrive.shared::cta.b64 _, [%z+4032], <<2||1>>; //!
st.global.u32 [%o], %t;
)",
     {"mbarrier: 2 arrivals are more than the phase lacks", "phase 0 lacks 1 of 1 arrivals"},
     {},
     [](std::uint32_t i) { return i; }},
    {"an overflow of the bytes that are expected",
     BARRIER R"(
// ---- expect
@%k6 mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%z+4032], 1048575;
@%k6 mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%z+4032], <<1||0>>; //!
st.global.u32 [%o], %t;
)",
     {"overflow of the tx-count by 1 bytes"},
     {},
     [](std::uint32_t i) { return i; }},
    {"a barrier that is set up twice",
     BARRIER R"(
<<||@%k6 mbarrier.inval.shared::cta.b64 [%z+4032];>>
// ---- set up again
@%k6 mbarrier.init.shared::cta.b64 [%z+4032], 1; //!
st.global.u32 [%o], %t;
)",
     {"mbarrier.init of a barrier in use, without mbarrier.inval", "phase: set up"},
     {},
     [](std::uint32_t i) { return i; }},
    {"a barrier that nobody has set up",
     R"(
setp.eq.u32 %k6, %t, 0;
<<||@%k6 mbarrier.init.shared::cta.b64 [%z+4032], 1;>>
// ---- arrive
@%k6 mbarrier.arrive.shared::cta.b64 _, [%z+4032]; //!
st.global.u32 [%o], %t;
)",
     {"no mbarrier was initialised at 0xfc0"},
     {},
     [](std::uint32_t i) { return i; }},
    {"a barrier that other warps may meet before it is set up",
     R"(
// ---- set up
setp.eq.u32 %k6, %t, 0;
@%k6 mbarrier.init.shared::cta.b64 [%z+4032], 64; //?
<<||bar.sync 0;>>
// ---- arrive
mbarrier.arrive.shared::cta.b64 _, [%z+4032]; //?
st.global.u32 [%o], %t;
)",
     {},
     {.block = {64, 1, 1}},
     [](std::uint32_t i) { return i; }},
    {"a barrier whose setting up no fence shows to copies",
     R"(
// ---- set up
setp.eq.u32 %k6, %t, 0;
@%k6 mbarrier.init.shared::cta.b64 [%z+4032], 1;
<<||@%k6 fence.mbarrier_init.release.cluster;>>
bar.sync 0;
// ---- fetch
@%k6 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%z+4032], 512;
@%k6 )" TILE R"( //!
)" WAIT("W0", "0") R"(
ld.shared.u32 %v0, [%s];
st.global.u32 [%o], %v0;
)",
     {"nothing makes the initialisation of the mbarrier at 0xfc0 visible to the async proxy",
      "phase: set up"},
     {},
     [](std::uint32_t i) { return i; }},
    {"a producer that laps a consumer",
     TWO_BARRIERS("32") R"(
setp.ge.u32 %k1, %t, 32;
mov.pred %k7, 0;
@!%k1 mbarrier.test_wait.parity.shared::cta.b64 %k7, [%z+4032], 0;
bar.sync 0;
setp.eq.u32 %k2, %t, 32;
@%k1 bra PRODUCE;
W0:
// ---- wait
mbarrier.try_wait.parity.shared::cta.b64 %k7, [%z+4032], 0; //!
@!%k7 bra W0;
mbarrier.arrive.shared::cta.b64 _, [%z+4040];
bra DONE;
PRODUCE:
// ---- produce
@%k2 mbarrier.arrive.shared::cta.b64 _, [%z+4032];
<<||)" WAIT_AT("4040", "W1", "0") R"(>>
@%k2 mbarrier.arrive.shared::cta.b64 _, [%z+4032];
DONE:
st.global.u32 [%o], %t;
)",
     {"lapped: the thread waits for phase 0 of the mbarrier, and the next one is complete already"},
     {.block = {64, 1, 1}},
     [](std::uint32_t i) { return i; },
     0,
     Outcome::launch_failed,
     true},
    {"a try_wait taken for a wait",
     CLEARED BARRIER R"(
// ---- fetch
@%k6 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%z+4032], 512;
@%k6 )" TILE R"( //!
// ---- wait
W0:
mbarrier.try_wait.parity.shared::cta.b64 %k7, [%z+4032], 0;
<<||@!%k7 bra W0;>>
// ---- use
ld.shared.u32 %v0, [%s]; //!
)" WAIT("W1", "0") R"(
st.global.u32 [%o], %v0;
)",
     {"data race on shared memory", "the copy completes on the mbarrier"},
     {},
     [](std::uint32_t i) { return i; },
     0,
     Outcome::launch_failed,
     true},
    {"an arrival that releases nothing",
     TWO_BARRIERS("64") R"(
// ---- publish
st.shared.u32 [%s], %t; //!
mbarrier.arrive.<<relaxed||release>>.cta.shared::cta.b64 _, [%z+4040];
)" WAIT_AT("4040", "W0", "0") R"(
// ---- use
xor.b32 %v1, %t, 63;
mad.lo.u32 %v1, %v1, 4, %z;
ld.shared.u32 %v0, [%v1]; //!
st.global.u32 [%o], %v0;
)",
     {"data race on shared memory", "reads it", "writes it"},
     {.block = {64, 1, 1}},
     [](std::uint32_t i) { return i ^ 63; }},
    {"a wait that acquires nothing",
     TWO_BARRIERS("64") R"(
// ---- publish
st.shared.u32 [%s], %t; //!
mbarrier.arrive.shared::cta.b64 _, [%z+4040];
W0:
mbarrier.try_wait.parity.<<relaxed||acquire>>.cta.shared::cta.b64 %k7, [%z+4040], 0;
@!%k7 bra W0;
// ---- use
xor.b32 %v1, %t, 63;
mad.lo.u32 %v1, %v1, 4, %z;
ld.shared.u32 %v0, [%v1]; //!
st.global.u32 [%o], %v0;
)",
     {"data race on shared memory", "reads it", "writes it"},
     {.block = {64, 1, 1}},
     [](std::uint32_t i) { return i ^ 63; }},
    {"a block that ends while a tile is on its way",
     BARRIER R"(
// ---- fetch
@%k6 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%z+4032], 512;
@%k6 )" TILE R"( //!
<<||)" WAIT("W0", "0") R"(>>
st.global.u32 [%o], %t;
)",
     {"block (0, 0, 0) ends while a bulk copy to its shared memory is in flight",
      "the mbarrier at 0xfc0"},
     {},
     [](std::uint32_t i) { return i; }},
    {"a block that ends while its result is being read",
     CLEARED R"(
setp.eq.u32 %k6, %t, 0;
@!%k6 bra DONE;
// ---- store
cp.async.bulk.global.shared::cta.bulk_group [%r], [%z], 512; //!
cp.async.bulk.commit_group;
<<||cp.async.bulk.wait_group.read 0;>>
DONE:
)",
     {"block (0, 0, 0) ends while a bulk copy still reads its shared memory",
      "cp.async.bulk.wait_group.read"},
     {},
     [](std::uint32_t) { return 0u; }},
    {"a tile that does not begin at a multiple of 128",
     BARRIER R"(
// ---- fetch
@%k6 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%z+4032], 512;
@%k6 cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%z+<<64||128>>], [%c, {0, 0}], [%z+4032]; //!
)" WAIT("W0", "0") R"(
ld.shared.u32 %v0, [%s+128];
st.global.u32 [%o], %v0;
)",
     {"misaligned", "is not a multiple of 128"},
     {},
     [](std::uint32_t i) { return i; },
     0,
     Outcome::misaligned_address},
    {"a bulk copy of bytes that do not come by 16",
     BARRIER R"(
// ---- fetch
@%k6 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%z+4032], <<136||128>>;
mov.u32 %v0, <<136||128>>;
@%k6 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%z], [%p], %v0, [%z+4032]; //!
)" WAIT("W0", "0") R"(
ld.shared.u32 %v0, [%s];
st.global.u32 [%o], %v0;
)",
     {"a bulk copy of 136 bytes, which is no multiple of 16"},
     {},
     [](std::uint32_t i) { return i; }},
    {"a copy by something that is no tensor map",
     BARRIER R"(
// ---- fetch
@%k6 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%z+4032], 512;
@%k6 cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%z], [%<<p||c>>, {0, 0}], [%z+4032]; //!
)" WAIT("W0", "0") R"(
ld.shared.u32 %v0, [%s];
st.global.u32 [%o], %v0;
)",
     {"is no tensor map: cuTensorMapEncodeTiled did not write it"},
     {},
     [](std::uint32_t i) { return i; }},
    {"copies that a barrier tracks, read before its phase is complete",
     ZEROED TWO_BARRIERS("64") R"(
// ---- fetch
cp.async.ca.shared.global [%s], [%q], 4; //!
cp.async.mbarrier.arrive.noinc.shared::cta.b64 [%z+4040];
<<||)" WAIT_AT("4040", "W0", "0") R"(>>
// ---- use
xor.b32 %v1, %t, 63;
mad.lo.u32 %v1, %v1, 4, %z;
ld.shared.u32 %v0, [%v1]; //!
st.global.u32 [%o], %v0;
)",
     {"data race on shared memory", "copies to it"},
     {.block = {64, 1, 1}},
     [](std::uint32_t i) { return i ^ 63; }},
    {"copies started behind the arrival that should cover them",
     ZEROED TWO_BARRIERS("64") R"(
// ---- fetch
<<cp.async.mbarrier.arrive.noinc.shared::cta.b64 [%z+4040];||>>
cp.async.ca.shared.global [%s], [%q], 4; //!
<<||cp.async.mbarrier.arrive.noinc.shared::cta.b64 [%z+4040];>>
)" WAIT_AT("4040", "W0", "0") R"(
// ---- use
xor.b32 %v1, %t, 63;
mad.lo.u32 %v1, %v1, 4, %z;
ld.shared.u32 %v0, [%v1]; //!
st.global.u32 [%o], %v0;
)",
     {"data race on shared memory", "copies to it"},
     {.block = {64, 1, 1}},
     [](std::uint32_t i) { return i ^ 63; }},
};

TEST_CASE("planted: barriers in shared memory") {
  for (const Planted& k : planted) check_planted(k, hopper, true);
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
