// Planted misuse of what lanes of a warp do together.
#include "planted_kernel.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

std::uint32_t own(std::uint32_t i) { return i; }

const char* const no_member = "executes a warp-level instruction whose membermask";
const char* const incomplete =
    "not all 32 lanes of the warp execute an instruction that needs them all";

const Planted planted[] = {
    {"a shuffle from a lane that takes no part",
     R"(
setp.lt.u32 %k0, %l, 16;
mov.u32 %v0, %t;
@!%k0 bra SKIP;
// ---- exchange
shfl.sync.idx.b32 %v0, %t, <<20||10>>, 31, 0xffff; //!
SKIP:
bar.warp.sync -1;
// ---- result
st.global.u32 [%o], %v0; //!
)",
     {"undefined value stored", "the lane last read lane 20, which takes no part in the shuffle"},
     {},
     [](std::uint32_t i) { return i < 16 ? 10 : i; }},
    {"a shuffle from a lane that has returned",
     R"(
setp.ge.u32 %k0, %l, 24;
<<@%k0 ret;||>>
// ---- exchange
shfl.sync.bfly.b32 %v0, %t, 8, 31, -1; //!
// ---- result
st.global.u32 [%o], %v0; //!
)",
     {"undefined value stored", "the lane last read lane 24, which takes no part"},
     {},
     [](std::uint32_t i) { return i ^ 8; }},
    {"a shuffle beyond the last warp of an odd block",
     R"(
// ---- exchange
shfl.sync.down.b32 %v0, %t, 8, <<31||0x100f>>, -1; //!
// ---- result
st.global.u32 [%o], %v0; //!
)",
     {"undefined value stored", "warp 1 lane 8", "which takes no part in the shuffle"},
     {.block = {48, 1, 1}},
     [](std::uint32_t i) { return i % 16 < 8 ? i + 8 : i; }},
    {"an index computed by lanes that a shuffle left out",
     R"(
setp.lt.u32 %k0, %l, 8;
mov.u32 %v0, 0;
@!%k0 bra SKIP;
// ---- exchange
shfl.sync.up.b32 %v0, %l, 1, 0, 0xff;
<<shfl.sync.idx.b32 %v0, %l, 9, 31, 0xff; //!||>>
SKIP:
// ---- look up
mad.wide.u32 %w0, %v0, 4, %p;
ld.global.u32 %v1, [%w0]; //!
st.global.u32 [%o], %v1;
)",
     {"undefined value used as an address", "lane 9, which takes no part in the shuffle"},
     {},
     [](std::uint32_t i) { return i == 0 || i >= 8 ? 0 : i - 1; }},
    {"a membermask without the lane itself",
     R"(
// ---- exchange
shfl.sync.bfly.b32 %v0, %t, 1, 31, <<0x0000ffff||0xffffffff>>; //!
st.global.u32 [%o], %v0;
)",
     {"lane 16", no_member, "0x0000ffff does not name it"},
     {},
     [](std::uint32_t i) { return i ^ 1; }},
    {"a match with the mask of the other half",
     R"(
shr.u32 %v1, %t, 4;
setp.eq.u32 %k0, %v1, 0;
selp.b32 %v2, <<0xffff0000||0xffff>>, <<0xffff||0xffff0000>>, %k0;
// ---- group
match.any.sync.b32 %v0, %v1, %v2; //!
popc.b32 %v0, %v0;
st.global.u32 [%o], %v0;
)",
     {"lane 0", no_member, "0xffff0000 does not name it"},
     {},
     [](std::uint32_t) { return 16u; }},
    {"lanes that name one another with different masks",
     R"(
setp.lt.u32 %k0, %l, 16;
selp.b32 %v1, 0xffff, <<0xffffffff||0xffff0000>>, %k0;
// ---- exchange
shfl.sync.bfly.b32 %v0, %t, 3, 31, %v1; //!
st.global.u32 [%o], %v0;
)",
     {"lane 16 executes a warp-level instruction with membermask 0xffffffff, which names lane 0, "
      "whose membermask is 0x0000ffff"},
     {},
     [](std::uint32_t i) { return i ^ 3; }},
    {"a reduction with a mask that names too few",
     R"(
// ---- total
redux.sync.add.u32 %v0, %t, <<0x7fffffff||0xffffffff>>; //!
st.global.u32 [%o], %v0;
)",
     {"lane 31", no_member, "0x7fffffff does not name it"},
     {},
     [](std::uint32_t) { return 496u; }},
    {"bar.warp.sync that does not name the lane",
     R"(
mov.u32 %v0, <<0xfffffffe||0xffffffff>>;
// ---- step
bar.warp.sync %v0; //!
st.global.u32 [%o], %t;
)",
     {"lane 0", no_member, "0xfffffffe does not name it"},
     {},
     own},
    {"a membermask that nothing set",
     R"(
<<||mov.u32 %v1, -1;>>
setp.lt.u32 %k0, %t, 3;
// ---- vote
vote.sync.ballot.b32 %v0, %k0, %v1; //!
st.global.u32 [%o], %v0;
)",
     {"undefined value used"},
     {},
     [](std::uint32_t) { return 7u; }},
    {"a vote of all, taken in one arm of a branch",
     R"(
setp.lt.u32 %k0, %l, 16;
mov.u32 %v0, 0xffff;
<<@!%k0 bra OTHER;||>>
// ---- vote
vote.sync.ballot.b32 %v0, %k0, -1; //!
OTHER:
// ---- join
bar.warp.sync -1; //!
st.global.u32 [%o], %v0;
)",
     {"deadlock", "waits for lanes 0xffff0000 of its warp", "waits for lanes 0x0000ffff"},
     {},
     [](std::uint32_t) { return 0xffffu; },
     0,
     Outcome::launch_timeout},
    {"a shuffle in a loop that lanes leave at different times",
     R"(
mov.u32 %v0, 0;
mov.u32 %v3, 0;
and.b32 %v1, %l, <<3||0>>;
LOOP:
// ---- exchange
shfl.sync.idx.b32 %v2, %t, 0, 31, -1; //!
add.u32 %v0, %v0, 1;
setp.le.u32 %k0, %v0, %v1;
@%k0 bra LOOP;
// ---- join
bar.warp.sync -1; //!
st.global.u32 [%o], %v2;
)",
     {"deadlock", "of its warp"},
     {},
     [](std::uint32_t) { return 0u; },
     0,
     Outcome::launch_timeout},
    {"activemask after a branch, taken for the whole warp",
     R"(
setp.lt.u32 %k0, %l, 16;
mov.u32 %v0, 1;
@%k0 bra LOW;
mov.u32 %v0, 2;
bra JOIN;
LOW:
add.u32 %v0, %v0, 4;
JOIN:
<<||bar.warp.sync -1;>>
// ---- exchange
activemask.b32 %v1;
shfl.sync.bfly.b32 %v2, %v0, 16, 31, <<%v1||-1>>; //!
// ---- result
st.global.u32 [%o], %v2; //!
)",
     {"undefined value stored", "which takes no part in the shuffle"},
     {},
     [](std::uint32_t i) { return i < 16 ? 2u : 5u; },
     0,
     Outcome::launch_failed,
     true},
    {"a barrier of the warp taken for granted after a branch",
     R"(
setp.lt.u32 %k0, %l, 16;
@%k0 bra LOW;
// ---- upper half
st.shared.u32 [%s], %t; //?
bra JOIN;
LOW:
// ---- lower half
st.shared.u32 [%s], %t; //?
JOIN:
<<||bar.warp.sync -1;>>
// ---- use
xor.b32 %v0, %t, 16;
mad.lo.u32 %v0, %v0, 4, %z;
ld.shared.u32 %v1, [%v0]; //?
add.u32 %v1, %v1, 1;
st.shared.u32 [%v0+128], %v1;
bar.warp.sync -1;
ld.shared.u32 %v1, [%v0+128];
st.global.u32 [%o], %v1;
)",
     {"ptxmill emulator: error:", "bar.warp.sync would order them"},
     {},
     [](std::uint32_t i) { return (i ^ 16) + 1; }},
    {"ldmatrix without the upper lanes",
     R"(
setp.lt.u32 %k0, %l, 16;
and.b32 %v0, %t, 7;
mad.lo.u32 %v1, %v0, 16, %z;
st.shared.u32 [%s], %t;
bar.warp.sync -1;
// ---- load fragments
<<@%k0||>> ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%v2}, [%v1]; //!
<<mov.u32 %v2, %t;||>>
st.global.u32 [%o], %v2;
)",
     {incomplete},
     {},
     own},
    {"mma in one arm of a branch",
     R"(
setp.lt.u32 %k0, %l, 16;
mov.u32 %v0, 0x3c003c00;
mov.f32 %f0, 0f00000000;
<<@%k0 bra SKIP;||>>
// ---- multiply
mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%f1, %f2, %f3, %f4}, {%v0, %v0}, {%v0}, {%f0, %f0, %f0, %f0}; //!
cvt.rzi.u32.f32 %v1, %f1;
st.global.u32 [%o], %v1;
SKIP:
bar.warp.sync -1;
)",
     {"deadlock", "waits for lanes 0x0000ffff of its warp", "warp 0 lanes 0xffff0000"},
     {},
     [](std::uint32_t) { return 8u; },
     0,
     Outcome::launch_timeout},
    {"mma with a fragment that only some lanes loaded",
     R"(
setp.lt.u32 %k0, %l, <<24||32>>;
mov.f32 %f0, 0f00000000;
mov.u32 %v1, 0x3c003c00;
@%k0 mov.u32 %v0, 0x3c003c00;
// ---- multiply
mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%f1, %f2, %f3, %f4}, {%v0, %v0}, {%v1}, {%f0, %f0, %f0, %f0};
cvt.rzi.u32.f32 %v1, %f1;
// ---- result
st.global.u32 [%o], %v1; //!
)",
     {"undefined value stored to global memory"},
     {},
     [](std::uint32_t) { return 8u; }},
    {"movmatrix with lanes masked off",
     R"(
setp.lt.u32 %k0, %l, 31;
mov.u32 %v0, 5;
// ---- transpose
<<@%k0||>> movmatrix.sync.aligned.m8n8.trans.b16 %v0, %v0; //!
st.global.u32 [%o], %t;
)",
     {incomplete},
     {},
     own},
};

TEST_CASE("planted: what lanes of a warp do together") {
  for (const Planted& k : planted) check_planted(k);
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
