// Planted misuse of barriers of a block.
#include "planted_kernel.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

std::uint32_t own(std::uint32_t i) { return i; }
constexpr Shape two_warps{.block = {64, 1, 1}};

const Planted planted[] = {
    {"half of a warp skips an aligned barrier",
     R"(
setp.lt.u32 %k0, %l, 16;
<<@%k0 bra SKIP;||>>
// ---- gather
bar.sync 0; //?
SKIP:
// ---- gather again
bar.sync 0; //?
st.global.u32 [%o], %t;
)",
     {"barrier divergence: lanes 0x", "lanes 0xffff0000", "lanes 0x0000ffff"},
     two_warps,
     own},
    {"a guard that lets some lanes through to an aligned barrier",
     R"(
setp.lt.u32 %k0, %l, 7;
// ---- gather
<<@%k0||>> bar.sync 0; //!
st.global.u32 [%o], %t;
)",
     {"barrier divergence", "lanes 0x0000007f of the warp execute this barrier instruction",
      "lanes 0xffffff80 do not"},
     two_warps,
     own},
    {"a barrier in each arm of a branch within a warp",
     R"(
setp.lt.u32 %k0, %l, 16;
<<@%k0 bra LOW;||>>
// ---- upper arm
bar.sync 0; //?
<<bra JOIN;||>>
<<LOW:||>>
// ---- lower arm
<<bar.sync 0; //?||>>
<<JOIN:||>>
st.global.u32 [%o], %t;
)",
     {"barrier divergence", "the one on line"},
     two_warps,
     own},
    {"a loop with a barrier that lanes leave at different times",
     R"(
mov.u32 %v0, 0;
and.b32 %v1, %t, <<3||0>>;
LOOP:
// ---- round
bar.sync 0; //!
add.u32 %v0, %v0, 1;
setp.le.u32 %k0, %v0, %v1;
@%k0 bra LOOP;
bar.warp.sync -1;
st.global.u32 [%o], %t;
)",
     {"barrier divergence"},
     two_warps,
     own},
    {"a barrier that counts a warp too many",
     R"(
// ---- gather
bar.sync 1, <<96||64>>; //!
st.global.u32 [%o], %t;
)",
     {"deadlock: no warp of block (0, 0, 0) can go on", "waits at barrier 1",
      "warp 0 lanes 0xffffffff", "warp 1 lanes 0xffffffff"},
     two_warps,
     own,
     0,
     Outcome::launch_timeout},
    {"a counted barrier for a warp that has returned",
     R"(
setp.ge.u32 %k0, %t, 64;
@%k0 bra DONE;
// ---- gather
bar.sync 0, <<96||64>>; //!
DONE:
st.global.u32 [%o], %t;
)",
     {"deadlock", "waits at barrier 0"},
     {.block = {96, 1, 1}},
     own,
     0,
     Outcome::launch_timeout},
    {"arrivals that disagree on the number of threads",
     R"(
setp.lt.u32 %k0, %t, 32;
@%k0 bra LOW;
// ---- upper warp
bar.sync 1, 64; //?
bra JOIN;
LOW:
// ---- lower warp
bar.sync 1, <<96||64>>; //?
JOIN:
st.global.u32 [%o], %t;
)",
     {"barrier 1: this arrival says", "threads, an earlier one"},
     two_warps,
     own},
    {"a barrier's number that runs over",
     R"(
mov.u32 %v0, 14;
add.u32 %v0, %v0, <<2||1>>;
// ---- gather
barrier.sync %v0; //!
st.global.u32 [%o], %t;
)",
     {"barrier 16 with", "the number must be below 16"},
     two_warps,
     own},
    {"a count that is no multiple of a warp",
     R"(
mov.u32 %v0, <<48||64>>;
// ---- gather
barrier.sync 1, %v0; //!
st.global.u32 [%o], %t;
)",
     {"barrier 1 with 48 threads", "the count a multiple of 32"},
     two_warps,
     own},
    {"a warp that arrives twice",
     R"(
setp.lt.u32 %k0, %t, 32;
@%k0 bra LOW;
mov.u32 %v0, 0;
SPIN:
ld.acquire.cta.global.u32 %v0, [%c];
setp.eq.u32 %k1, %v0, 0;
@%k1 bra SPIN;
bar.sync 1, 64;
bra JOIN;
LOW:
// ---- arrive
bar.arrive 1, 64;
<<||bra RAISE;>>
// ---- arrive again
bar.arrive 1, 64; //!
RAISE:
st.release.cta.global.u32 [%c], 1;
JOIN:
st.global.u32 [%o], %t;
)",
     {"barrier 1: the warp arrives twice before the barrier completes"},
     two_warps,
     own},
    {"two barriers in opposite orders",
     R"(
setp.lt.u32 %k0, %t, 32;
@%k0 bra LOW;
// ---- upper warp
bar.sync <<2||1>>, 64; //!
bar.sync <<1||2>>, 64;
bra JOIN;
LOW:
// ---- lower warp
bar.sync 1, 64; //!
bar.sync 2, 64;
JOIN:
st.global.u32 [%o], %t;
)",
     {"deadlock", "waits at barrier 1", "waits at barrier 2", "warp 0 lanes 0xffffffff",
      "warp 1 lanes 0xffffffff"},
     two_warps,
     own,
     0,
     Outcome::launch_timeout},
    {"a consumer of one barrier too many",
     R"(
setp.lt.u32 %k0, %t, 32;
@%k0 bra LOW;
bar.arrive 1, 64;
bra JOIN;
LOW:
bar.sync 1, 64;
// ---- next item
<<bar.sync 1, 64; //!||>>
JOIN:
st.global.u32 [%o], %t;
)",
     {"deadlock", "waits at barrier 1", "warp 0 lanes 0xffffffff"},
     two_warps,
     own,
     0,
     Outcome::launch_timeout},
    {"some lanes of a warp wait for the block, the others for their warp",
     R"(
setp.lt.u32 %k0, %l, 16;
<<@%k0 bra LOW;||>>
// ---- upper half
bar.warp.sync 0xffffffff;
<<bra JOIN;||>>
<<LOW:||>>
// ---- lower half
bar.sync 0; //!
<<JOIN:||>>
st.global.u32 [%o], %t;
)",
     {"barrier divergence", "lanes 0x0000ffff"},
     two_warps,
     own},
    {"a vote of the block over an undefined predicate",
     R"(
<<||setp.lt.u32 %k0, %t, 10;>>
// ---- vote
bar.red.popc.u32 %v0, 0, %k0;
add.u32 %v0, %v0, %t;
// ---- result
st.global.u32 [%o], %v0; //!
)",
     {"undefined value stored to global memory"},
     two_warps,
     [](std::uint32_t i) { return i + 10; }},
    {"a barrier's number that nothing set",
     R"(
<<||mov.u32 %v0, 3;>>
// ---- gather
barrier.sync %v0; //!
st.global.u32 [%o], %t;
)",
     {"undefined value used"},
     two_warps,
     own},
};

TEST_CASE("planted: barriers of a block") {
  for (const Planted& k : planted) check_planted(k);
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
