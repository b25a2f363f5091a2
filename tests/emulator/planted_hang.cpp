// Planted hangs and deadlocks, and broken promises of uniformity.
#include "planted_kernel.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

std::uint32_t own(std::uint32_t i) { return i; }

const Planted hangs[] = {
    {"a flag that nobody raises",
     R"(
setp.ne.u32 %k0, %b, 0;
@%k0 bra WAIT;
<<||st.release.gpu.global.u32 [%c], 1;>>
bra DONE;
// ---- wait
WAIT:
ld.acquire.gpu.global.u32 %v0, [%c]; //?
setp.eq.u32 %k1, %v0, 0; //?
@%k1 bra WAIT; //?
DONE:
st.global.u32 [%o], %b;
)",
     {"hang: the launch did not end within 300000 warp instructions", "block (1, 0, 0) warp 0"},
     {.grid = {2, 1, 1}, .block = {1, 1, 1}},
     own,
     0,
     Outcome::launch_timeout},
    {"a lock that is never given back",
     R"(
// ---- lock
LOCK:
atom.acquire.gpu.global.cas.b32 %v0, [%c], 0, 1; //?
setp.ne.u32 %k0, %v0, 0; //?
@%k0 bra LOCK; //?
<<||atom.release.gpu.global.exch.b32 %v0, [%c], 0;>>
st.global.u32 [%o], %b;
)",
     {"hang", "phase: lock"},
     {.grid = {3, 1, 1}, .block = {1, 1, 1}},
     own,
     0,
     Outcome::launch_timeout},
    {"two locks taken in opposite orders",
     R"(
mov.u32 %v9, <<%b||0>>;
setp.eq.u32 %k0, %v9, 0;
selp.u64 %w2, 0, 4, %k0;
add.u64 %w0, %c, %w2;
xor.b64 %w2, %w2, 4;
add.u64 %w1, %c, %w2;
// ---- first lock
FIRST:
atom.acquire.gpu.global.cas.b32 %v0, [%w0], 0, 1;
setp.ne.u32 %k1, %v0, 0;
@%k1 bra FIRST;
red.release.gpu.global.add.u32 [%c+8], 1;
// ---- let the other take its own
mov.u32 %v2, 0;
BOTH:
ld.acquire.gpu.global.u32 %v1, [%c+8];
add.u32 %v2, %v2, 1;
setp.lt.u32 %k2, %v1, 2;
setp.lt.u32 %k3, %v2, 23000;
and.pred %k2, %k2, %k3;
@%k2 bra BOTH;
// ---- second lock
SECOND:
atom.acquire.gpu.global.cas.b32 %v0, [%w1], 0, 1; //?
setp.ne.u32 %k1, %v0, 0; //?
@%k1 bra SECOND; //?
atom.release.gpu.global.exch.b32 %v0, [%w1], 0;
atom.release.gpu.global.exch.b32 %v0, [%w0], 0;
st.global.u32 [%o], %b;
)",
     {"hang", "phase: second lock", "block (0, 0, 0)", "block (1, 0, 0)"},
     {.grid = {2, 1, 1}, .block = {1, 1, 1}},
     own,
     0,
     Outcome::launch_timeout},
    {"a barrier of the grid that counts a block too many",
     R"(
red.release.gpu.global.add.u32 [%c], 1;
// ---- barrier of the grid
WAIT:
ld.acquire.gpu.global.u32 %v0, [%c]; //?
setp.lt.u32 %k0, %v0, <<3||2>>; //?
@%k0 bra WAIT; //?
st.global.u32 [%o], %b;
)",
     {"hang", "phase: barrier of the grid", "block (1, 0, 0)"},
     {.grid = {2, 1, 1}, .block = {1, 1, 1}, .cooperative = true},
     own,
     0,
     Outcome::launch_timeout},
    {"a loop whose counter steps over its end",
     R"(
mov.u32 %v0, 0;
// ---- count
LOOP:
add.u32 %v0, %v0, <<2||1>>; //?
setp.ne.u32 %k0, %v0, 7; //?
@%k0 bra LOOP; //?
st.global.u32 [%o], %t;
)",
     {"hang", "phase: count"},
     {},
     own,
     0,
     Outcome::launch_timeout},
    {"a lane that spins for a lane that waits for it",
     R"(
setp.ne.u32 %k0, %l, 0;
@%k0 bra WAIT;
<<bar.warp.sync -1; //!||>>
st.release.gpu.global.u32 [%c], 1;
bra JOIN;
// ---- wait
WAIT:
ld.acquire.gpu.global.u32 %v0, [%c]; //?
setp.eq.u32 %k1, %v0, 0; //?
@%k1 bra WAIT; //?
JOIN:
bar.warp.sync -1;
st.global.u32 [%o], %t;
)",
     {"hang", "waits for lanes 0xfffffffe of its warp"},
     {},
     own,
     0,
     Outcome::launch_timeout},
};

const Planted promises[] = {
    {"a value of the lane said to be the warp's",
     R"(
// ---- row
shr.u32 %v0, %t, <<4||5>>;
//@ uniform warp %v0
st.global.u32 [%o], %t;
)",
     {"broken promise", "uniform across the warp", "another lane of its warp"},
     {.block = {64, 1, 1}},
     own},
    {"a value of the warp said to be the warpgroup's",
     R"(
// ---- row
shr.u32 %v0, %t, <<6||7>>;
//@ uniform warpgroup %v0
st.global.u32 [%o], %t;
)",
     {"broken promise", "uniform across the warpgroup", "another warp"},
     {.block = {256, 1, 1}},
     own},
    {"a value of the warpgroup said to be the block's",
     R"(
// ---- row
shr.u32 %v0, %t, <<7||8>>;
//@ uniform cta %v0
st.global.u32 [%o], %t;
)",
     {"broken promise", "uniform across the cta"},
     {.block = {256, 1, 1}},
     own},
    {"a value of the block said to be the grid's",
     R"(
// ---- tile
mov.u32 %v0, <<%b||%nctaid.x>>;
//@ uniform grid %v0
st.global.u32 [%o], %g;
)",
     {"broken promise", "uniform across the grid"},
     {.grid = {3, 1, 1}, .block = {32, 1, 1}},
     own},
    {"a predicate that depends on the lane, promised for a branch",
     R"(
// ---- decide
setp.lt.u32 %k0, <<%l||%b>>, 9;
//@ uniform cta %k0
st.global.u32 [%o], %t;
)",
     {"broken promise: the value is 0x0 here and 0x1"},
     {.block = {64, 1, 1}},
     own},
};

TEST_CASE("planted: launches that cannot end") {
  for (const Planted& k : hangs) check_planted(k);
}

TEST_CASE("planted: broken promises of uniformity") {
  for (const Planted& k : promises) check_planted(k);
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
