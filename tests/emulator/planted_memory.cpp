// Planted accesses that miss their memory, and uses of what nothing wrote.
#include "planted_kernel.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

std::uint32_t own(std::uint32_t i) { return i; }
constexpr Outcome illegal = Outcome::illegal_address, misaligned = Outcome::misaligned_address;
constexpr Shape two_warps{.block = {64, 1, 1}};

const Planted misses[] = {
    {"one block too many for the array",
     R"(
<<||setp.ge.u32 %k0, %g, 1024;>>
<<||@%k0 bra DONE;>>
// ---- load
ld.global.u32 %v0, [%q]; //!
st.global.u32 [%o], %v0;
DONE:
)",
     {"out of bounds: 4 bytes of global memory", "bytes past the end of the 4096-byte allocation",
      "block (4, 0, 0)"},
     {.grid = {5, 1, 1}, .block = {256, 1, 1}},
     own,
     1024,
     illegal},
    {"an index that wraps below zero",
     R"(
sub.u32 %v0, %t, 1;
mul.wide.<<u32||s32>> %w0, %v0, 4;
add.u64 %w0, %w0, %p;
// ---- neighbour
ld.global.u32 %v1, [%w0+4]; //!
st.global.u32 [%o], %v1;
)",
     {"out of bounds: 4 bytes of global memory at 0x", "thread (0, 0, 0)"},
     {},
     own,
     0,
     illegal},
    {"a signed index before the array",
     R"(
add.s32 %v0, %t, <<-1||0>>;
mad.wide.s32 %w0, %v0, 4, %p;
// ---- neighbour
ld.global.u32 %v1, [%w0]; //!
st.global.u32 [%o], %v1;
)",
     {"out of bounds: 4 bytes of global memory", "thread (0, 0, 0)"},
     {},
     own,
     0,
     illegal},
    {"a null pointer",
     R"(
mov.u64 %w0, <<0||%q>>;
// ---- load
ld.global.u32 %v0, [%w0]; //!
st.global.u32 [%o], %v0;
)",
     {"out of bounds: 4 bytes of global memory at 0x0", "no live allocation lies at or below it"},
     {},
     own,
     0,
     illegal},
    {"a pointer cut to 32 bits",
     R"(
<<cvt.u32.u64 %v1, %q;||>>
<<cvt.u64.u32 %w0, %v1;||mov.u64 %w0, %q;>>
// ---- load
ld.global.u32 %v0, [%w0]; //!
st.global.u32 [%o], %v0;
)",
     {"out of bounds: 4 bytes of global memory", "no live allocation lies at or below it"},
     {},
     own,
     0,
     illegal},
    {"a word beyond the block's shared memory",
     R"(
mad.lo.u32 %v0, %t, 4, %z;
// ---- store
st.shared.u32 [%v0+<<4092||3840>>], %t; //!
ld.shared.u32 %v1, [%v0+<<4092||3840>>];
st.global.u32 [%o], %v1;
)",
     {"out of bounds: 4 bytes of shared memory at 0x1000", "4096 bytes of shared memory",
      "past the end of 's'", "lane 1)"},
     {},
     own,
     0,
     illegal},
    {"dynamic shared memory that the launch did not ask for",
     R"(
<<add.u32 %v0, %s, 4096;||mov.u32 %v0, %s;>>
// ---- stage
st.shared.u32 [%v0], %t; //!
ld.shared.u32 %v1, [%v0];
st.global.u32 [%o], %v1;
)",
     {"out of bounds: 4 bytes of shared memory at 0x1000", "(4096 static, 0 dynamic)"},
     {},
     own,
     0,
     illegal},
    {"an element beyond a local array",
     R"(
.local .align 4 .b8 stack[64];
mov.u64 %w0, stack;
and.b32 %v0, %t, <<31||15>>;
mad.wide.u32 %w0, %v0, 4, %w0;
// ---- spill
st.local.u32 [%w0], %t; //!
ld.local.u32 %v1, [%w0];
st.global.u32 [%o], %v1;
)",
     {"out of bounds: 4 bytes of local memory at 0x40", "64 bytes of local memory",
      "past the end of 'stack'", "lane 16"},
     {},
     own,
     0,
     illegal},
    {"an index beyond a constant table",
     R"(
mov.u64 %w0, table;
and.b32 %v0, %t, <<7||3>>;
mad.wide.u32 %w0, %v0, 4, %w0;
// ---- look up
ld.const.u32 %v1, [%w0]; //!
st.global.u32 [%o], %v1;
)",
     {"out of bounds: 4 bytes of", "0 bytes past the end of the 16-byte allocation", "lane 4"},
     {},
     [](std::uint32_t i) { return 5 + i % 4; },
     0,
     illegal},
    {"a read beyond the parameters",
     R"(
// ---- arguments
mov.u64 %w0, p;
ld.param.u64 %w1, [%w0+<<24||8>>]; //!
st.global.u32 [%o], %t;
)",
     {"out of bounds: 8 bytes of parameter memory at 0x18", "24 bytes of parameters"},
     {},
     own,
     0,
     illegal},
    {"a shared offset used as a generic address",
     R"(
cvt.u64.u32 %w0, %s;
<<||cvta.shared.u64 %w0, %w0;>>
// ---- store
st.u32 [%w0], %t; //!
ld.shared.u32 %v1, [%s];
st.global.u32 [%o], %v1;
)",
     {"out of bounds: 4 bytes of generic memory at 0x0"},
     {},
     own,
     0,
     illegal},
    {"a generic address used as a shared one",
     R"(
<<cvt.u64.u32 %w0, %s;||>>
<<cvta.shared.u64 %w0, %w0;||>>
<<cvt.u32.u64 %v0, %w0;||mov.u32 %v0, %s;>>
<<add.u32 %v0, %v0, 0x10000;||>>
// ---- store
st.shared.u32 [%v0], %t; //!
ld.shared.u32 %v1, [%v0];
st.global.u32 [%o], %v1;
)",
     {"out of bounds: 4 bytes of shared memory"},
     {},
     own,
     0,
     illegal},
    {"a copy of 16 bytes at the array's last word",
     R"(
mov.u32 %v1, <<16||4>>;
mad.lo.u32 %v0, %t, 16, %z;
// ---- fetch
cp.async.cg.shared.global [%v0], [%p+4080], 16;
cp.async.ca.shared.global [%v0+1024], [%p+4092], <<8||4>>; //!
cp.async.wait_all;
st.global.u32 [%o], %t;
)",
     {"misaligned: 8 bytes", "is not a multiple of 8"},
     {},
     own,
     0,
     misaligned},
    {"words at an odd offset",
     R"(
add.u64 %w0, %q, <<2||4>>;
// ---- load
ld.global.u32 %v0, [%w0]; //!
st.global.u32 [%o], %v0;
)",
     {"misaligned: 4 bytes at 0x", "is not a multiple of 4"},
     {},
     [](std::uint32_t i) { return i + 1; },
     0,
     misaligned},
    {"vectors that start at any word",
     R"(
mul.wide.u32 %w0, %t, <<4||16>>;
add.u64 %w0, %w0, %p;
// ---- load
ld.global.v4.u32 {%v0, %v1, %v2, %v3}, [%w0]; //!
st.global.u32 [%o], %v0;
)",
     {"misaligned: 16 bytes", "is not a multiple of 16", "thread (1, 0, 0)"},
     {},
     [](std::uint32_t i) { return 4 * i; },
     0,
     misaligned},
    {"rows of a matrix with a pitch that is no multiple of 16",
     R"(
and.b32 %v0, %l, 7;
mad.lo.u32 %v1, %v0, <<20||16>>, %z;
st.shared.u32 [%s], %t;
st.shared.u32 [%s+128], %t;
bar.warp.sync -1;
// ---- load fragments
ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%v2}, [%v1]; //!
st.global.u32 [%o], %v2;
)",
     {"misaligned: 16 bytes", "is not a multiple of 16"},
     {},
     own,
     0,
     misaligned},
    {"an atomic on half of two words",
     R"(
// ---- count
red.global.add.u64 [%c+<<4||8>>], 1; //!
st.global.u32 [%o], %t;
)",
     {"misaligned: 8 bytes", "is not a multiple of 8"},
     {},
     own,
     0,
     misaligned},
};

const Planted undefined[] = {
    {"an accumulator that nothing set",
     R"(
<<||mov.u32 %v0, 0;>>
// ---- sum
add.u32 %v0, %v0, %t;
// ---- result
st.global.u32 [%o], %v0; //!
)",
     {"undefined value stored to global memory"},
     {},
     own},
    {"a value set under a condition, and used without",
     R"(
setp.lt.u32 %k0, %t, 20;
<<||mov.u32 %v0, 9;>>
@%k0 mov.u32 %v0, 8;
// ---- result
st.global.u32 [%o], %v0; //!
)",
     {"undefined value stored to global memory", "thread (20, 0, 0)"},
     {},
     [](std::uint32_t i) { return i < 20 ? 8u : 9u; }},
    {"an address from a register that nothing set",
     R"(
<<||mov.u32 %v0, %t;>>
mad.wide.u32 %w0, %v0, 4, %p;
// ---- look up
ld.global.u32 %v1, [%w0]; //!
st.global.u32 [%o], %v1;
)",
     {"undefined value used as an address"},
     {},
     own},
    {"a branch on a comparison with nothing",
     R"(
<<||mov.u32 %v0, 100;>>
setp.lt.u32 %k0, %t, %v0;
// ---- decide
@!%k0 bra DONE; //!
st.global.u32 [%o], %t;
DONE:
)",
     {"undefined value decides a branch"},
     {},
     own},
    {"a guard that nothing set",
     R"(
<<||setp.lt.u32 %k0, %t, 100;>>
// ---- store
@%k0 st.global.u32 [%o], %t; //!
)",
     {"undefined value guards an instruction"},
     {},
     own},
    {"the halo of a tile that nobody filled",
     R"(
setp.eq.u32 %k0, %t, 0;
// ---- fill
st.shared.u32 [%s+4], %t;
<<||@%k0 st.shared.u32 [%z], 0;>>
bar.sync 0;
// ---- use
ld.shared.u32 %v0, [%s]; //!
ld.shared.u32 %v1, [%s+4];
add.u32 %v0, %v0, %v1;
// ---- result
st.global.u32 [%o], %v0; //!
)",
     {"undefined value stored to global memory", "thread (0, 0, 0)",
      "the lane last loaded what nothing had written"},
     two_warps,
     [](std::uint32_t i) { return i == 0 ? 0 : 2 * i - 1; }},
    {"another warp's word read before it is written",
     R"(
xor.b32 %v0, %t, 32;
mad.lo.u32 %v1, %v0, 4, %z;
// ---- fill
st.shared.u32 [%s], %t; //?
<<||bar.sync 0;>>
// ---- use
ld.shared.u32 %v2, [%v1]; //!
// ---- result
st.global.u32 [%o], %v2; //?
)",
     {"ptxmill emulator: error"},
     two_warps,
     [](std::uint32_t i) { return i ^ 32; }},
    {"half of a word written, all of it read",
     R"(
cvt.u16.u32 %h0, %t;
// ---- pack
st.shared.<<u16 [%s], %h0||u32 [%s], %t>>;
// ---- unpack
ld.shared.u32 %v0, [%s]; //!
// ---- result
st.global.u32 [%o], %v0; //!
)",
     {"undefined value stored to global memory", "the lane last loaded what nothing had written"},
     {},
     own},
    {"a local slot read before it is spilled to",
     R"(
.local .align 4 .b8 stack[16];
<<||st.local.u32 [stack+8], %t;>>
// ---- reload
ld.local.u32 %v0, [stack+8]; //!
// ---- result
st.global.u32 [%o], %v0; //!
)",
     {"undefined value stored to global memory", "the lane last loaded what nothing had written"},
     {},
     own},
    {"a product with a fragment of an unfilled tile",
     R"(
and.b32 %v0, %t, 7;
mad.lo.u32 %v1, %v0, 16, %z;
mov.u32 %v2, 0x3c003c00;
mov.f32 %f0, 0f00000000;
setp.lt.u32 %k0, %t, <<28||32>>;
// ---- fill
@%k0 st.shared.u32 [%s], %v2;
bar.warp.sync -1;
// ---- load fragments
ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%v3}, [%v1];
// ---- multiply
mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%f1, %f2, %f3, %f4}, {%v2, %v2}, {%v3}, {%f0, %f0, %f0, %f0};
cvt.rzi.u32.f32 %v4, %f2;
// ---- result
st.global.u32 [%o], %v4; //!
)",
     {"undefined value stored to global memory"},
     {},
     [](std::uint32_t) { return 8u; }},
};

TEST_CASE("planted: accesses that miss their memory") {
  for (const Planted& k : misses) check_planted(k);
}

TEST_CASE("planted: uses of what nothing wrote") {
  for (const Planted& k : undefined) check_planted(k);
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
