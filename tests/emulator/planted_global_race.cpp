// Planted races on global memory, between blocks and within one.
#include "planted_kernel.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

const char* const any_order =
    "the blocks run in any order: only a release and an acquire of gpu scope";

constexpr Shape two_blocks{.grid = {2, 1, 1}, .block = {1, 1, 1}};
constexpr Shape four_blocks{.grid = {4, 1, 1}, .block = {1, 1, 1}};

/// Block 0 stores a payload and raises the flag at [%c]; block 1 waits for it and reads.
#define PASS_ON(payload, before, raise, look, after, use)                                   \
  "setp.eq.u32 %k0, %b, 0;\n@!%k0 bra READER;\n// ---- write\n" payload "\n" before         \
  "\n// ---- raise the flag\n" raise                                                        \
  "\nst.global.u32 [%o], 1;\nbra DONE;\nREADER:\n"                                          \
  "// ---- wait for the flag\n" look "\nsetp.eq.u32 %k1, %v0, 0;\n@%k1 bra READER;\n" after \
  "\n// ---- read\n" use "\nst.global.u32 [%o], %v1;\nDONE:\n"
#define WRITE "st.global.u32 [%c+64], 42; //!"
#define READ "ld.global.u32 %v1, [%c+64]; //!"

std::uint32_t passed_on(std::uint32_t i) { return i == 0 ? 1 : 42; }

const Planted planted[] = {
    {"two blocks write one word",
     R"(
mad.wide.u32 %w0, %b, <<0||4>>, %r;
add.u32 %v0, %b, 5;
// ---- result
st.global.u32 [%w0], %v0; //!
)",
     {"data race on global memory", "writes it", any_order},
     two_blocks,
     [](std::uint32_t i) { return i + 5; }},
    {"a block reads its neighbour's result of the same launch",
     R"(
xor.b32 %v0, %g, 1;
mad.wide.u32 %w0, %v0, 4, %r;
mad.wide.u32 %w1, %v0, 4, %p;
// ---- own result
st.global.u32 [%o], %v0; //!
// ---- neighbour's
ld.global.u32 %v1, [<<%w0||%w1>>]; //!
st.global.u32 [%o], %v1;
)",
     {"data race on global memory", "reads it", "writes it", any_order},
     two_blocks,
     [](std::uint32_t i) { return i ^ 1; }},
    {"the last block adds up partial sums without a fence before the count",
     R"(
add.u32 %v0, %b, 1;
// ---- partial sum
mad.wide.u32 %w0, %b, 4, %c;
st.global.u32 [%w0+64], %v0; //!
<<||fence.acq_rel.gpu;>>
atom.relaxed.gpu.global.add.u32 %v1, [%c], 1;
setp.ne.u32 %k0, %v1, 3;
@%k0 bra DONE;
fence.acq_rel.gpu;
// ---- total
ld.global.v4.u32 {%v2, %v3, %v4, %v5}, [%c+64]; //!
add.u32 %v2, %v2, %v3;
add.u32 %v4, %v4, %v5;
add.u32 %v2, %v2, %v4;
st.global.u32 [%r], %v2;
DONE:
)",
     {"data race on global memory", any_order},
     four_blocks,
     [](std::uint32_t) { return 10u; },
     1},
    {"the last block adds up partial sums without a fence after the count",
     R"(
add.u32 %v0, %b, 1;
// ---- partial sum
mad.wide.u32 %w0, %b, 4, %c;
st.global.u32 [%w0+64], %v0; //!
membar.gl;
atom.global.add.u32 %v1, [%c], 1;
setp.ne.u32 %k0, %v1, 3;
@%k0 bra DONE;
<<||membar.gl;>>
// ---- total
ld.global.v4.u32 {%v2, %v3, %v4, %v5}, [%c+64]; //!
add.u32 %v2, %v2, %v3;
add.u32 %v4, %v4, %v5;
add.u32 %v2, %v2, %v4;
st.global.u32 [%r], %v2;
DONE:
)",
     {"data race on global memory", any_order},
     four_blocks,
     [](std::uint32_t) { return 10u; },
     1},
    {"a plain flag",
     PASS_ON("st.global.u32 [%c+64], 42;", "fence.acq_rel.gpu;",
             "st.<<global||relaxed.gpu.global>>.u32 [%c], 1; //!",
             "ld.<<global||relaxed.gpu.global>>.u32 %v0, [%c]; //!", "fence.acq_rel.gpu;",
             "ld.global.u32 %v1, [%c+64];"),
     {"data race on global memory", "writes it", "reads it", any_order},
     two_blocks,
     passed_on},
    {"a relaxed flag",
     PASS_ON(WRITE, "", "st.<<relaxed||release>>.gpu.global.u32 [%c], 1;",
             "ld.<<relaxed||acquire>>.gpu.global.u32 %v0, [%c];", "", READ),
     {"data race on global memory", any_order},
     two_blocks,
     passed_on},
    {"a flag that is acquired, and was not released",
     PASS_ON(WRITE, "", "st.<<relaxed||release>>.gpu.global.u32 [%c], 1;",
             "ld.acquire.gpu.global.u32 %v0, [%c];", "", READ),
     {"data race on global memory", any_order},
     two_blocks,
     passed_on},
    {"a flag that is released, and not acquired",
     PASS_ON(WRITE, "", "st.release.gpu.global.u32 [%c], 1;",
             "ld.<<relaxed||acquire>>.gpu.global.u32 %v0, [%c];", "", READ),
     {"data race on global memory", any_order},
     two_blocks,
     passed_on},
    {"a flag of block scope between blocks",
     PASS_ON("st.global.u32 [%c+64], 42;", "", "st.release.<<cta||gpu>>.global.u32 [%c], 1; //!",
             "ld.acquire.<<cta||gpu>>.global.u32 %v0, [%c]; //!", "",
             "ld.global.u32 %v1, [%c+64];"),
     {"data race on global memory", "a scope of .cta does not reach the other's block"},
     two_blocks,
     passed_on},
    {"a fence of block scope between blocks",
     PASS_ON(WRITE, "fence.acq_rel.<<cta||gpu>>;", "st.relaxed.gpu.global.u32 [%c], 1;",
             "ld.relaxed.gpu.global.u32 %v0, [%c];", "fence.acq_rel.gpu;", READ),
     {"data race on global memory", any_order},
     two_blocks,
     passed_on},
    {"a fence after the flag instead of before it",
     PASS_ON(WRITE, "<<||membar.gl;>>", "st.volatile.global.u32 [%c], 1;\n<<membar.gl;||>>",
             "ld.volatile.global.u32 %v0, [%c];", "membar.gl;", READ),
     {"data race on global memory", any_order},
     two_blocks,
     passed_on},
    {"a fence before the flag is looked at instead of after",
     PASS_ON(WRITE, "membar.gl;", "st.volatile.global.u32 [%c], 1;",
             "<<membar.gl;||>>\nld.volatile.global.u32 %v0, [%c];", "<<||membar.gl;>>", READ),
     {"data race on global memory", any_order},
     two_blocks,
     passed_on},
    {"a volatile read of a plain payload",
     PASS_ON(WRITE, "", "st.<<relaxed||release>>.gpu.global.u32 [%c], 1;",
             "ld.<<relaxed||acquire>>.gpu.global.u32 %v0, [%c];", "",
             "ld.volatile.global.u32 %v1, [%c+64]; //!"),
     {"data race on global memory", "reads it (strong)", any_order},
     two_blocks,
     passed_on},
    {"an atomic update read plainly after a relaxed flag",
     PASS_ON("red.global.add.u32 [%c+64], 42; //!", "",
             "st.<<relaxed||release>>.gpu.global.u32 [%c], 1;",
             "ld.acquire.gpu.global.u32 %v0, [%c];", "", READ),
     {"data race on global memory", "updates it (atomic)", any_order},
     two_blocks,
     passed_on},
    {"a flag raised by one thread before the others have stored",
     R"(
setp.ne.u32 %k0, %b, 0;
@%k0 bra READER;
// ---- write
st.global.u32 [%o], %t; //!
<<||bar.sync 0;>>
setp.ne.u32 %k1, %t, 0;
@%k1 bra DONE;
// ---- raise the flag
st.release.gpu.global.u32 [%c], 1;
bra DONE;
READER:
// ---- wait for the flag
ld.acquire.gpu.global.u32 %v0, [%c];
setp.eq.u32 %k1, %v0, 0;
@%k1 bra READER;
// ---- read
mad.wide.u32 %w0, %t, 4, %r;
ld.global.u32 %v1, [%w0]; //!
st.global.u32 [%o], %v1;
DONE:
)",
     {"data race on global memory", any_order},
     {.grid = {2, 1, 1}, .block = {64, 1, 1}},
     [](std::uint32_t i) { return i % 64; }},
    {"a barrier of the grid that releases nothing",
     R"(
// ---- write
mad.wide.u32 %w0, %b, 4, %c;
st.global.u32 [%w0+64], %b; //!
// ---- barrier of the grid
red.<<relaxed||release>>.gpu.global.add.u32 [%c], 1;
WAIT:
ld.acquire.gpu.global.u32 %v0, [%c];
setp.lt.u32 %k0, %v0, 2;
@%k0 bra WAIT;
// ---- read
xor.b32 %v1, %b, 1;
mad.wide.u32 %w0, %v1, 4, %c;
ld.global.u32 %v1, [%w0+64]; //!
st.global.u32 [%o], %v1;
)",
     {"data race on global memory", any_order},
     {.grid = {2, 1, 1}, .block = {1, 1, 1}, .cooperative = true},
     [](std::uint32_t i) { return 1 - i; }},
    {"a barrier of the grid that only one thread of a block waits at",
     R"(
// ---- write
mad.wide.u32 %w0, %g, 4, %r;
st.global.u32 [%w0], %b; //!
bar.sync 0;
// ---- barrier of the grid
setp.ne.u32 %k0, %t, 0;
@%k0 bra WAITED;
red.release.gpu.global.add.u32 [%c], 1;
WAIT:
ld.acquire.gpu.global.u32 %v0, [%c];
setp.lt.u32 %k1, %v0, 2;
@%k1 bra WAIT;
WAITED:
<<||bar.sync 0;>>
// ---- read
xor.b32 %v1, %g, 64;
mad.wide.u32 %w0, %v1, 4, %r;
ld.global.u32 %v1, [%w0]; //!
st.global.u32 [%o+1024], %v1;
)",
     {"data race on global memory", any_order},
     {.grid = {2, 1, 1}, .block = {64, 1, 1}, .cooperative = true},
     [](std::uint32_t i) { return i / 64; }},
    {"a counter without an atomic",
     R"(
// ---- count
<<ld.global.u32 %v0, [%r]; //?||>>
<<add.u32 %v0, %v0, 1;||>>
<<st.global.u32 [%r], %v0; //!||red.global.add.u32 [%r], 1;>>
)",
     {"data race on global memory", any_order},
     four_blocks,
     [](std::uint32_t) { return 4u; },
     1},
    {"an atomic of block scope between blocks",
     R"(
// ---- count
atom.relaxed.<<cta||gpu>>.global.add.u32 %v0, [%r], 1; //!
)",
     {"data race on global memory", "updates it (atomic)",
      "a scope of .cta does not reach the other's block"},
     four_blocks,
     [](std::uint32_t) { return 4u; },
     1},
    {"a lock that is given back without a release",
     R"(
// ---- lock
LOCK:
atom.acquire.gpu.global.cas.b32 %v0, [%c], 0, 1;
setp.ne.u32 %k0, %v0, 0;
@%k0 bra LOCK;
// ---- update
ld.global.u32 %v1, [%r]; //?
add.u32 %v1, %v1, 1;
st.global.u32 [%r], %v1; //!
// ---- unlock
atom.<<relaxed||release>>.gpu.global.exch.b32 %v0, [%c], 0;
)",
     {"data race on global memory", any_order},
     four_blocks,
     [](std::uint32_t) { return 4u; },
     1},
    {"a lock that is taken without an acquire",
     R"(
// ---- lock
LOCK:
atom.<<relaxed||acquire>>.gpu.global.cas.b32 %v0, [%c], 0, 1;
setp.ne.u32 %k0, %v0, 0;
@%k0 bra LOCK;
// ---- update
ld.global.u32 %v1, [%r]; //?
add.u32 %v1, %v1, 1;
st.global.u32 [%r], %v1; //!
// ---- unlock
atom.release.gpu.global.exch.b32 %v0, [%c], 0;
)",
     {"data race on global memory", any_order},
     four_blocks,
     [](std::uint32_t) { return 4u; },
     1},
    {"warps of a block that exchange words in global memory without a barrier",
     R"(
xor.b32 %v0, %t, 32;
mad.wide.u32 %w0, %v0, 4, %p;
add.u32 %v2, %t, 7;
// ---- write
st.global.u32 [%q], %v2; //!
<<||bar.sync 0;>>
// ---- read
ld.global.u32 %v1, [%w0]; //!
st.global.u32 [%o], %v1;
)",
     {"data race on global memory", "no barrier, and no release and acquire, lies between them"},
     {.block = {64, 1, 1}},
     [](std::uint32_t i) { return (i ^ 32) + 7; }},
};

TEST_CASE("planted: races on global memory") {
  for (const Planted& k : planted) check_planted(k);
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
