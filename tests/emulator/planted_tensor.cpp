// Planted bugs around bulk and tensor copies: what touches a tile in flight.
#include "hopper_ptx.hpp"
#include "planted_kernel.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

const char* const on_barrier = "the copy completes on the mbarrier at 0xfc0";
const char* const in_group = "cp.async.bulk.wait_group";

/// Thread 0 fetches 4 rows of 32 words: 512 bytes of p.
#define FETCH                                                                         \
  "// ---- fetch\n"                                                                   \
  "@%k6 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%z+4032], 512;\n"               \
  "@%k6 cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes " \
  "[%z], [%c, {0, 0}], [%z+4032]; //!\n"

/// Each thread fills 16 bytes with its number, seen by copies.
#define FILLED                                   \
  "// ---- fill\nmad.lo.u32 %v14, %t, 16, %z;\n" \
  "st.shared.v4.u32 [%v14], {%t, %t, %t, %t};\n"

const Planted planted[] = {
    {"a tile read before the wait",
     CLEARED BARRIER FETCH R"(
<<||)" WAIT("W0", "0") R"(>>
// ---- use
ld.shared.u32 %v0, [%s]; //!
st.global.u32 [%o], %v0;
)",
     {"data race on shared memory", "copies to it", on_barrier},
     {},
     [](std::uint32_t i) { return i; }},
    {"a tile that another warp has waited for",
     CLEARED BARRIER FETCH R"(
setp.lt.u32 %k1, %t, 32;
@!%k1 bra USE;
)" WAIT("W0", "0") R"(
USE:
<<||bar.sync 0;>>
// ---- use
ld.shared.u32 %v0, [%s]; //!
st.global.u32 [%o], %v0;
)",
     {"data race on shared memory", "copies to it", "reads it"},
     {.block = {64, 1, 1}},
     [](std::uint32_t i) { return i; }},
    {"a phase that completes with the first of two tiles",
     CLEARED BARRIER R"(
// ---- fetch
@%k6 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%z+4032], <<512||1024>>;
@%k6 cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%z], [%c, {0, 0}], [%z+4032]; //?
@%k6 cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%z+512], [%c, {0, 4}], [%z+4032]; //?
)" WAIT("W0", "0") R"(
// ---- use
ld.shared.u32 %v0, [%s];
ld.shared.u32 %v1, [%s+512];
add.u32 %v0, %v0, %v1;
st.global.u32 [%o], %v0;
)",
     {"data race on shared memory", "copies to it", on_barrier},
     {.block = {64, 1, 1}},
     [](std::uint32_t i) { return 2 * i + 128; }},
    {"a tile overwritten in flight",
     CLEARED BARRIER FETCH R"(
<<||)" WAIT("W0", "0") R"(>>
// ---- overwrite
st.shared.u32 [%s], 77; //!
)" WAIT("W1", "0") R"(
ld.shared.u32 %v0, [%s];
st.global.u32 [%o], %v0;
)",
     {"data race on shared memory", "copies to it", "writes it", on_barrier},
     {},
     [](std::uint32_t) { return 77u; }},
    {"a tile fetched again while another warp still reads it",
     CLEARED BARRIER R"(
mov.u32 %v5, 0;
mov.u32 %v6, 0;
LOOP:
and.b32 %v4, %v5, 1;
// ---- fetch
@%k6 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%z+4032], 512;
@%k6 cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%z], [%c, {0, %v5}], [%z+4032]; //!
)" WAIT("W0", "%v4") R"(
bar.sync 0;
// ---- use
ld.shared.u32 %v0, [%s]; //!
add.u32 %v6, %v6, %v0;
<<||bar.sync 0;>>
add.u32 %v5, %v5, 1;
setp.lt.u32 %k0, %v5, 3;
@%k0 bra LOOP;
st.global.u32 [%o], %v6;
)",
     {"data race on shared memory", "copies to it", "reads it"},
     {.block = {64, 1, 1}},
     [](std::uint32_t i) { return 3 * i + 96; }},
    {"the source of a store changed before it is read",
     FILLED R"(
fence.proxy.async.shared::cta;
bar.sync 0;
setp.eq.u32 %k6, %t, 0;
@!%k6 bra AFTER;
// ---- store
add.u64 %w0, %c, 128;
cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%w0, {0, 0}], [%z]; //!
cp.async.bulk.commit_group;
<<||cp.async.bulk.wait_group.read 0;>>
// ---- reuse
st.shared.u32 [%z], 77; //!
cp.async.bulk.wait_group 0;
AFTER:
)",
     {"data race on shared memory", "copies from it", "writes it", in_group},
     {},
     [](std::uint32_t i) { return i / 4; },
     128},
    {"a wait that lets the last store fly on",
     FILLED R"(
fence.proxy.async.shared::cta;
bar.sync 0;
setp.eq.u32 %k6, %t, 0;
@!%k6 bra AFTER;
// ---- store
cp.async.bulk.global.shared::cta.bulk_group [%r], [%z], 256;
cp.async.bulk.commit_group;
cp.async.bulk.global.shared::cta.bulk_group [%r+256], [%z+256], 256; //!
cp.async.bulk.commit_group;
cp.async.bulk.wait_group.read <<1||0>>;
// ---- reuse
st.shared.u32 [%z+256], 77; //!
cp.async.bulk.wait_group 0;
AFTER:
)",
     {"data race on shared memory", "copies from it", in_group},
     {},
     [](std::uint32_t i) { return i / 4; },
     128},
    {"a result read when only the source has been",
     FILLED R"(
fence.proxy.async.shared::cta;
bar.sync 0;
setp.eq.u32 %k6, %t, 0;
@!%k6 bra AFTER;
// ---- store
cp.async.bulk.global.shared::cta.bulk_group [%r], [%z], 512; //!
cp.async.bulk.commit_group;
cp.async.bulk.wait_group<<.read||>> 0;
// ---- look
ld.global.u32 %v0, [%r+508]; //!
st.global.u32 [%r+512], %v0;
cp.async.bulk.wait_group 0;
AFTER:
)",
     {"data race on global memory", "copies to it", "reads it", in_group},
     {},
     [](std::uint32_t i) { return i < 128 ? i / 4 : 31; },
     129},
    {"a store of what no fence has shown to it",
     FILLED R"(
<<||fence.proxy.async.shared::cta;>>
bar.sync 0;
setp.eq.u32 %k6, %t, 0;
@!%k6 bra AFTER;
// ---- store
add.u64 %w0, %c, 128;
cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%w0, {0, 0}], [%z]; //!
cp.async.bulk.commit_group;
cp.async.bulk.wait_group 0;
AFTER:
)",
     {"missing proxy fence on shared memory", "reads what the generic proxy has written",
      "fence.proxy.async", "phase: fill"},
     {},
     [](std::uint32_t i) { return i / 4; },
     128},
    {"a fence before the writes instead of behind them",
     R"(
<<fence.proxy.async.shared::cta;||>>
)" FILLED R"(
<<||fence.proxy.async.shared::cta;>>
bar.sync 0;
setp.eq.u32 %k6, %t, 0;
@!%k6 bra AFTER;
// ---- store
cp.async.bulk.global.shared::cta.bulk_group [%r], [%z], 512; //!
cp.async.bulk.commit_group;
cp.async.bulk.wait_group 0;
AFTER:
)",
     {"missing proxy fence on shared memory", "phase: fill"},
     {},
     [](std::uint32_t i) { return i / 4; },
     128},
    {"a fence of one warp for the writes of two",
     FILLED R"(
setp.lt.u32 %k1, %t, 32;
<<@%k1||>> fence.proxy.async.shared::cta;
bar.sync 0;
setp.eq.u32 %k6, %t, 0;
@!%k6 bra AFTER;
// ---- store
cp.async.bulk.global.shared::cta.bulk_group [%r], [%z], 1024; //!
cp.async.bulk.commit_group;
cp.async.bulk.wait_group 0;
AFTER:
)",
     {"missing proxy fence on shared memory at 0x200", "phase: fill"},
     {.block = {64, 1, 1}},
     [](std::uint32_t i) { return i / 4; },
     256},
    {"a tile fetched over what threads have written, with no fence",
     FILLED R"(
<<||fence.proxy.async.shared::cta;>>
)" BARRIER FETCH WAIT("W0", "0") R"(
ld.shared.u32 %v0, [%s];
st.global.u32 [%o], %v0;
)",
     {"missing proxy fence on shared memory", "overwrites what the generic proxy has written",
      "phase: fill"},
     {},
     [](std::uint32_t i) { return i; }},
    {"a store of a tile that nobody has waited for",
     CLEARED BARRIER FETCH R"(
@!%k6 bra AFTER;
<<||)" WAIT("W0", "0") R"(>>
// ---- store
cp.async.bulk.global.shared::cta.bulk_group [%r], [%z], 512; //!
cp.async.bulk.commit_group;
cp.async.bulk.wait_group 0;
AFTER:
)" WAIT("W1", "0"),
     {"data race on shared memory", "copies to it", "copies from it", on_barrier},
     {},
     [](std::uint32_t i) { return i; },
     128},
    {"a source in global memory changed while it is fetched",
     CLEARED BARRIER FETCH R"(
<<||)" WAIT("W0", "0") R"(>>
// ---- change
st.global.u32 [%q], 5; //!
)" WAIT("W1", "0") R"(
ld.shared.u32 %v0, [%s];
st.global.u32 [%o], %v0;
)",
     {"data race on global memory", "copies from it", "writes it", on_barrier},
     {},
     [](std::uint32_t i) { return i; }},
};

TEST_CASE("planted: tensor copies") {
  for (const Planted& k : planted) check_planted(k, hopper, true);
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
