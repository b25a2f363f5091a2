// Planted races on shared memory within a warp, and between parts of words, rows and tiles.
#include "planted_kernel.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

const char* const one_warp =
    "the lanes belong to one warp: bar.warp.sync would order them, running together does not";
const char* const no_barrier = "no barrier, and no release and acquire, lies between them";

/// %v1 is the place of the next lane's word.
#define NEXT "xor.b32 %v0, %t, 1;\nmad.lo.u32 %v1, %v0, 4, %z;\n"

const Planted planted[] = {
    {"lanes that hand words over without bar.warp.sync",
     ZEROED NEXT R"(
// ---- fill
st.shared.u32 [%s], %t; //!
<<||bar.warp.sync -1;>>
// ---- use
ld.shared.u32 %v2, [%v1]; //!
st.global.u32 [%o], %v2;
)",
     {"data race on shared memory", one_warp},
     {},
     [](std::uint32_t i) { return i ^ 1; }},
    {"one lane writes what the others read",
     ZEROED R"(
setp.eq.u32 %k0, %l, 5;
// ---- broadcast
@%k0 st.shared.u32 [%z], 9; //!
<<||bar.warp.sync -1;>>
ld.shared.u32 %v2, [%z]; //!
st.global.u32 [%o], %v2;
)",
     {"data race on shared memory", one_warp},
     {},
     [](std::uint32_t) { return 9u; }},
    {"bar.warp.sync without the lane that writes",
     ZEROED R"(
setp.eq.u32 %k0, %l, 31;
setp.ne.u32 %k1, %l, 31;
// ---- broadcast
@%k0 st.shared.u32 [%z], 9; //!
<<@%k1 bar.warp.sync 0x7fffffff;||bar.warp.sync 0xffffffff;>>
ld.shared.u32 %v2, [%z]; //!
st.global.u32 [%o], %v2;
)",
     {"data race on shared memory", one_warp, "lane 31"},
     {},
     [](std::uint32_t) { return 9u; }},
    {"a shuffle taken for a memory barrier",
     ZEROED NEXT R"(
// ---- fill
st.shared.u32 [%s], %t; //!
shfl.sync.idx.b32 %v3, %t, 0, 31, -1;
<<||bar.warp.sync -1;>>
// ---- use
ld.shared.u32 %v2, [%v1]; //!
add.u32 %v2, %v2, %v3;
st.global.u32 [%o], %v2;
)",
     {"data race on shared memory", one_warp},
     {},
     [](std::uint32_t i) { return i ^ 1; }},
    {"a vote taken for a memory barrier",
     ZEROED NEXT R"(
setp.lt.u32 %k0, %t, 40;
// ---- fill
st.shared.u32 [%s], %t; //!
vote.sync.all.pred %k1, %k0, -1;
<<||bar.warp.sync -1;>>
// ---- use
ld.shared.u32 %v2, [%v1]; //!
st.global.u32 [%o], %v2;
)",
     {"data race on shared memory", one_warp},
     {},
     [](std::uint32_t i) { return i ^ 1; }},
    {"a match taken for a memory barrier",
     ZEROED NEXT R"(
// ---- fill
st.shared.u32 [%s], %t; //!
match.any.sync.b32 %v3, %t, -1;
<<||bar.warp.sync -1;>>
// ---- use
ld.shared.u32 %v2, [%v1]; //!
st.global.u32 [%o], %v2;
)",
     {"data race on shared memory", one_warp},
     {},
     [](std::uint32_t i) { return i ^ 1; }},
    {"a reduction within a warp without bar.warp.sync",
     R"(
// ---- fill
st.shared.u32 [%s], %t;
bar.sync 0;
mov.u32 %v0, 16;
// ---- reduce
STEP:
setp.lt.u32 %k0, %t, %v0;
mad.lo.u32 %v1, %v0, 4, %s;
@%k0 ld.shared.u32 %v2, [%v1]; //?
@%k0 ld.shared.u32 %v3, [%s];
@%k0 add.u32 %v2, %v2, %v3;
@%k0 st.shared.u32 [%s], %v2; //!
<<||bar.warp.sync -1;>>
shr.u32 %v0, %v0, 1;
setp.ne.u32 %k1, %v0, 0;
@%k1 bra STEP;
bar.warp.sync -1;
ld.shared.u32 %v4, [%z];
st.global.u32 [%o], %v4;
)",
     {"data race on shared memory", one_warp},
     {},
     [](std::uint32_t) { return 496u; }},
    {"an inclusive scan in place that reads and writes in one step",
     R"(
// ---- fill
st.shared.u32 [%s], 1;
bar.sync 0;
mov.u32 %v0, 1;
// ---- scan
STEP:
setp.ge.u32 %k0, %t, %v0;
sub.u32 %v1, %t, %v0;
mad.lo.u32 %v1, %v1, 4, %z;
mov.u32 %v2, 0;
@%k0 ld.shared.u32 %v2, [%v1]; //?
ld.shared.u32 %v3, [%s]; //?
<<||bar.sync 0;>>
add.u32 %v3, %v3, %v2;
st.shared.u32 [%s], %v3; //!
bar.sync 0;
shl.b32 %v0, %v0, 1;
setp.lt.u32 %k1, %v0, 64;
@%k1 bra STEP;
st.global.u32 [%o], %v3;
)",
     {"data race on shared memory", "phase: scan"},
     {.block = {64, 1, 1}},
     [](std::uint32_t i) { return i + 1; }},
    {"two arms of a branch, one of which reads what the other writes",
     ZEROED R"(
setp.lt.u32 %k0, %l, 16;
@%k0 bra LOW;
// ---- upper half
st.shared.u32 [%s], %t; //!
<<||bar.warp.sync -1;>>
mov.u32 %v2, %t;
bra JOIN;
LOW:
// ---- lower half
<<||bar.warp.sync -1;>>
ld.shared.u32 %v2, [%s+64]; //!
JOIN:
st.global.u32 [%o], %v2;
)",
     {"data race on shared memory", one_warp},
     {},
     [](std::uint32_t i) { return i < 16 ? i + 16 : i; }},
    {"a transposed tile read before it is filled",
     ZEROED R"(
and.b32 %v0, %t, 7;
shr.u32 %v1, %t, 3;
mad.lo.u32 %v2, %v0, 8, %v1;
mad.lo.u32 %v3, %v2, 4, %z;
// ---- fill the tile
st.shared.u32 [%s], %t; //!
<<bar.warp.sync -1||bar.sync 0>>;
// ---- transpose
ld.shared.u32 %v4, [%v3]; //!
st.global.u32 [%o], %v4;
)",
     {"data race on shared memory", no_barrier},
     {.block = {64, 1, 1}},
     [](std::uint32_t i) { return i % 8 * 8 + i / 8; }},
    {"the halo of a stencil, one word beyond the warp's own",
     ZEROED R"(
setp.eq.u32 %k0, %t, 63;
// ---- load
st.shared.u32 [%s], %t; //!
@%k0 st.shared.u32 [%s+4], 64;
<<bar.warp.sync -1||bar.sync 0>>;
// ---- stencil
ld.shared.u32 %v0, [%s];
ld.shared.u32 %v1, [%s+4]; //!
add.u32 %v0, %v0, %v1;
st.global.u32 [%o], %v0;
)",
     {"data race on shared memory", no_barrier},
     {.block = {64, 1, 1}},
     [](std::uint32_t i) { return 2 * i + 1; }},
    {"bytes of a word: each thread's own, or two at once",
     ZEROED R"(
and.b32 %v0, %t, <<-2||-1>>;
add.u32 %v0, %v0, %z;
cvt.u16.u32 %h0, %t;
// ---- pack
st.shared.<<u16||u8>> [%v0], %h0; //!
bar.sync 0;
add.u32 %v1, %z, %t;
ld.shared.u8 %v2, [%v1];
st.global.u32 [%o], %v2;
)",
     {"data race on shared memory", "writes it", one_warp},
     {.block = {64, 1, 1}},
     [](std::uint32_t i) { return i; }},
    {"halves of a word: the next thread's half is overwritten",
     ZEROED R"(
mad.lo.u32 %v0, %t, 2, %z;
and.b32 %v3, %t, 1;
setp.eq.u32 %k0, %v3, 0;
setp.ne.u32 %k1, %v3, 0;
cvt.u16.u32 %h0, %t;
// ---- pack
@%k1 st.shared.u16 [%v0], %h0; //!
@%k0 st.shared.<<u32 [%v0], %t||u16 [%v0], %h0>>; //!
bar.sync 0;
ld.shared.u16 %v2, [%v0];
st.global.u32 [%o], %v2;
)",
     {"data race on shared memory", "writes it", one_warp},
     {.block = {64, 1, 1}},
     [](std::uint32_t i) { return i; }},
    {"a vector whose last word another warp writes",
     ZEROED R"(
setp.eq.u32 %k0, %t, 0;
setp.eq.u32 %k1, %t, 33;
// ---- write
@%k0 st.shared.v4.u32 [%z], {%t, %t, %t, %t}; //!
@%k1 st.shared.u32 [%z+<<12||16>>], %t; //!
bar.sync 0;
ld.shared.u32 %v2, [%z+<<12||16>>];
st.global.u32 [%o], %v2;
)",
     {"data race on shared memory", "writes it", no_barrier},
     {.block = {64, 1, 1}},
     [](std::uint32_t) { return 33u; }},
    {"matrices loaded before the other lanes have stored their rows",
     ZEROED R"(
and.b32 %v0, %t, 7;
mad.lo.u32 %v1, %v0, 16, %z;
// ---- rows
st.shared.u32 [%s], %t; //!
<<||bar.warp.sync -1;>>
// ---- load fragments
ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%v2}, [%v1]; //!
st.global.u32 [%o], %v2;
)",
     {"data race on shared memory", one_warp},
     {},
     [](std::uint32_t i) { return i; }},
    {"matrices stored, and read by another warp",
     ZEROED R"(
setp.lt.u32 %k0, %t, 32;
and.b32 %v0, %t, 7;
mad.lo.u32 %v1, %v0, 16, %z;
mad.lo.u32 %v3, %l, 4, %z;
@!%k0 bra READ;
// ---- store fragments
stmatrix.sync.aligned.m8n8.x1.shared.b16 [%v1], {%t}; //!
READ:
<<||bar.sync 0;>>
// ---- read rows
ld.shared.u32 %v2, [%v3]; //!
st.global.u32 [%o], %v2;
)",
     {"data race on shared memory"},
     {.block = {64, 1, 1}},
     [](std::uint32_t i) { return i & 31; }},
};

TEST_CASE("planted: races on shared memory within a warp, and on parts of words") {
  for (const Planted& k : planted) check_planted(k);
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
