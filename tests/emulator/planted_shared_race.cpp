// Planted races on shared memory between warps of a block.
#include "planted_kernel.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

const char* const no_barrier = "no barrier, and no release and acquire, lies between them";

/// %v1 is the place of the thread 32 away.
#define PARTNER "xor.b32 %v0, %t, 32;\nmad.lo.u32 %v1, %v0, 4, %z;\n"

const Planted planted[] = {
    {"a read of another warp's word without a barrier",
     ZEROED PARTNER R"(
// ---- fill
st.shared.u32 [%s], %t; //!
<<||bar.sync 0;>>
// ---- use
ld.shared.u32 %v2, [%v1]; //!
st.global.u32 [%o], %v2;
)",
     {"data race on shared memory", "into 's'", "reads it", "writes it", no_barrier},
     {.block = {64, 1, 1}},
     [](std::uint32_t i) { return i ^ 32; }},
    {"an overwrite while the other warp still reads",
     PARTNER R"(
// ---- first round
st.shared.u32 [%s], %t;
bar.sync 0;
ld.shared.u32 %v2, [%v1]; //!
<<||bar.sync 0;>>
// ---- second round
add.u32 %v3, %t, 100;
st.shared.u32 [%s], %v3; //!
bar.sync 0;
ld.shared.u32 %v4, [%v1];
add.u32 %v4, %v4, %v2;
st.global.u32 [%o], %v4;
)",
     {"data race on shared memory", no_barrier},
     {.block = {64, 1, 1}},
     [](std::uint32_t i) { return 2 * (i ^ 32) + 100; }},
    {"a double buffer whose barrier is left out in odd rounds",
     PARTNER R"(
mov.u32 %v5, 0;
mov.u32 %v9, 0;
LOOP:
and.b32 %v6, %v5, 1;
setp.eq.u32 %k1, %v6, 0;
mad.lo.u32 %v7, %v6, 256, %s;
mad.lo.u32 %v8, %v6, 256, %v1;
// ---- write a half
st.shared.u32 [%v7], %v5; //?
<<@%k1 bar.sync 0;||bar.sync 0;>>
// ---- read a half
ld.shared.u32 %v10, [%v8]; //!
add.u32 %v9, %v9, %v10;
add.u32 %v5, %v5, 1;
setp.lt.u32 %k0, %v5, 6;
@%k0 bra LOOP;
st.global.u32 [%o], %v9;
)",
     {"data race on shared memory", no_barrier},
     {.block = {64, 1, 1}},
     [](std::uint32_t) { return 15u; }},
    {"a double buffer with one half only",
     PARTNER R"(
mov.u32 %v5, 0;
mov.u32 %v9, 0;
LOOP:
and.b32 %v6, %v5, <<0||1>>;
mad.lo.u32 %v7, %v6, 256, %s;
mad.lo.u32 %v8, %v6, 256, %v1;
// ---- write a half
st.shared.u32 [%v7], %v5; //!
bar.sync 0;
// ---- read a half
ld.shared.u32 %v10, [%v8]; //!
add.u32 %v9, %v9, %v10;
add.u32 %v5, %v5, 1;
setp.lt.u32 %k0, %v5, 6;
@%k0 bra LOOP;
st.global.u32 [%o], %v9;
)",
     {"data race on shared memory", no_barrier},
     {.block = {64, 1, 1}},
     [](std::uint32_t) { return 15u; }},
    {"warps that wait at barriers of different numbers",
     ZEROED PARTNER R"(
setp.lt.u32 %k0, %t, 32;
// ---- fill
st.shared.u32 [%s], %t; //!
@%k0 bra LOW;
bar.sync <<2, 32||1, 64>>;
bra JOIN;
LOW:
bar.sync <<1, 32||1, 64>>;
JOIN:
// ---- use
ld.shared.u32 %v2, [%v1]; //!
st.global.u32 [%o], %v2;
)",
     {"data race on shared memory", no_barrier},
     {.block = {64, 1, 1}},
     [](std::uint32_t i) { return i ^ 32; }},
    {"a barrier that the third warp does not wait at",
     ZEROED R"(
setp.lt.u32 %k0, %t, 64;
// ---- fill
@%k0 st.shared.u32 [%s], %t; //!
<<@%k0 bar.sync 1, 64;||bar.sync 1, 96;>>
// ---- use
and.b32 %v0, %t, 31;
mad.lo.u32 %v1, %v0, 4, %z;
ld.shared.u32 %v2, [%v1]; //!
st.global.u32 [%o], %v2;
)",
     {"data race on shared memory", no_barrier},
     {.block = {96, 1, 1}},
     [](std::uint32_t i) { return i & 31; }},
    {"an arrival where the consumer should wait",
     ZEROED PARTNER R"(
setp.lt.u32 %k0, %t, 32;
@%k0 bra PRODUCE;
// ---- consume
bar.<<arrive||sync>> 1, 64;
ld.shared.u32 %v2, [%v1]; //!
st.global.u32 [%o], %v2;
bra DONE;
PRODUCE:
// ---- produce
st.shared.u32 [%s], %t; //!
bar.sync 1, 64;
st.global.u32 [%o], %t;
DONE:
)",
     {"data race on shared memory", no_barrier},
     {.block = {64, 1, 1}},
     [](std::uint32_t i) { return i & 31; }},
    {"a producer that does not wait for the slot to be empty",
     R"(
mov.u32 %v5, 0;
mov.u32 %v6, 0;
mad.lo.u32 %v1, %l, 4, %z;
setp.ge.u32 %k0, %t, 32;
@%k0 bra CONSUME;
PRODUCE:
// ---- produce
add.u32 %v7, %v5, %t;
st.shared.u32 [%v1], %v7; //!
bar.sync 1, 64;
<<||bar.sync 2, 64;>>
add.u32 %v5, %v5, 1;
setp.lt.u32 %k1, %v5, 4;
@%k1 bra PRODUCE;
st.global.u32 [%o], %t;
bra DONE;
CONSUME:
bar.sync 1, 64;
// ---- consume
ld.shared.u32 %v7, [%v1]; //!
add.u32 %v6, %v6, %v7;
<<||bar.sync 2, 64;>>
add.u32 %v5, %v5, 1;
setp.lt.u32 %k1, %v5, 4;
@%k1 bra CONSUME;
st.global.u32 [%o], %v6;
DONE:
)",
     {"data race on shared memory", no_barrier},
     {.block = {64, 1, 1}},
     [](std::uint32_t i) { return i < 32 ? i : 4 * (i - 32) + 6; }},
    {"a reduction tree without a barrier between its steps",
     R"(
// ---- fill
st.shared.u32 [%s], %t;
bar.sync 0;
mov.u32 %v0, 64;
// ---- reduce
STEP:
setp.lt.u32 %k0, %t, %v0;
mad.lo.u32 %v1, %v0, 4, %s;
@%k0 ld.shared.u32 %v2, [%v1]; //?
@%k0 ld.shared.u32 %v3, [%s]; //?
@%k0 add.u32 %v2, %v2, %v3;
@%k0 st.shared.u32 [%s], %v2; //?
<<||bar.sync 0;>>
shr.u32 %v0, %v0, 1;
setp.ne.u32 %k1, %v0, 0;
@%k1 bra STEP;
<<bar.sync 0;||>>
ld.shared.u32 %v4, [%z];
st.global.u32 [%o], %v4;
)",
     {"data race on shared memory", "phase: reduce"},
     {.block = {128, 1, 1}},
     [](std::uint32_t) { return 127u * 128 / 2; }},
    {"a counter read before all have counted",
     ZEROED R"(
// ---- count
red.shared.add.u32 [%z], 1; //!
<<||bar.sync 0;>>
// ---- total
ld.shared.u32 %v0, [%z]; //!
st.global.u32 [%o], %v0;
)",
     {"data race on shared memory", "updates it (atomic)", "reads it"},
     {.block = {64, 1, 1}},
     [](std::uint32_t) { return 64u; }},
    {"a counter set to zero without a barrier before the others count",
     ZEROED R"(
setp.eq.u32 %k0, %t, 0;
// ---- reset
@%k0 st.shared.u32 [%z], 10; //!
<<||bar.sync 0;>>
// ---- count
red.shared.add.u32 [%z], 1; //!
bar.sync 0;
ld.shared.u32 %v0, [%z];
st.global.u32 [%o], %v0;
)",
     {"data race on shared memory", "updates it (atomic)", "writes it"},
     {.block = {64, 1, 1}},
     [](std::uint32_t) { return 74u; }},
    {"a plain reset of a counter that another warp counts in",
     ZEROED R"(
setp.eq.u32 %k0, %t, 33;
setp.lt.u32 %k1, %t, 32;
// ---- count
@%k1 red.shared.add.u32 [%z], 1; //!
@%k0 <<st.shared.u32 [%z], 5||red.shared.add.u32 [%z], 5>>; //!
bar.sync 0;
ld.shared.u32 %v0, [%z];
st.global.u32 [%o], %v0;
)",
     {"data race on shared memory", "updates it (atomic)", "writes it", no_barrier},
     {.block = {64, 1, 1}},
     [](std::uint32_t) { return 37u; }},
    {"a histogram without atomics",
     ZEROED R"(
and.b32 %v0, %t, 7;
mad.lo.u32 %v1, %v0, 4, %z;
// ---- count
<<ld.shared.u32 %v2, [%v1]; //?||>>
<<add.u32 %v2, %v2, 1;||>>
<<st.shared.u32 [%v1], %v2; //!||red.shared.add.u32 [%v1], 1;>>
bar.sync 0;
ld.shared.u32 %v3, [%v1];
st.global.u32 [%o], %v3;
)",
     {"data race on shared memory", "phase: count"},
     {.block = {64, 1, 1}},
     [](std::uint32_t) { return 8u; }},
    {"different values written to one word",
     ZEROED R"(
// ---- announce
st.shared.u32 [%z], <<%t||7>>; //!
bar.sync 0;
ld.shared.u32 %v0, [%z];
st.global.u32 [%o], %v0;
)",
     {"data race on shared memory", "writes it"},
     {.block = {64, 1, 1}},
     [](std::uint32_t) { return 7u; }},
    {"a generic load that lands in shared memory",
     ZEROED PARTNER R"(
cvt.u64.u32 %w0, %v1;
cvta.shared.u64 %w0, %w0;
// ---- fill
st.shared.u32 [%s], %t; //!
<<||bar.sync 0;>>
// ---- use
ld.u32 %v2, [%w0]; //!
st.global.u32 [%o], %v2;
)",
     {"data race on shared memory", no_barrier},
     {.block = {64, 1, 1}},
     [](std::uint32_t i) { return i ^ 32; }},
    {"a fence taken for a barrier",
     ZEROED PARTNER R"(
// ---- fill
st.shared.u32 [%s], %t; //!
<<membar.cta||bar.sync 0>>;
// ---- use
ld.shared.u32 %v2, [%v1]; //!
st.global.u32 [%o], %v2;
)",
     {"data race on shared memory", no_barrier},
     {.block = {64, 1, 1}},
     [](std::uint32_t i) { return i ^ 32; }},
};

TEST_CASE("planted: races on shared memory between warps") {
  for (const Planted& k : planted) check_planted(k);
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
