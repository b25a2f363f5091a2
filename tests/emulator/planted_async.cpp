// Planted bugs around asynchronous copies.
#include "planted_kernel.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

const char* const in_flight =
    "the copy is in flight: its thread has not waited for it (cp.async.wait_group, or wait_all)";

const Planted planted[] = {
    {"a copy that nobody waits for",
     ZEROED R"(
// ---- fetch
cp.async.ca.shared.global [%s], [%q], 4; //!
cp.async.commit_group;
<<||cp.async.wait_group 0;>>
// ---- use
ld.shared.u32 %v0, [%s]; //!
st.global.u32 [%o], %v0;
)",
     {"data race on shared memory", "copies to it", in_flight},
     {.block = {64, 1, 1}},
     [](std::uint32_t i) { return i; }},
    {"a wait that lets the last group fly on",
     ZEROED R"(
// ---- fetch
cp.async.ca.shared.global [%s], [%q], 4;
cp.async.commit_group;
cp.async.ca.shared.global [%s+128], [%q+128], 4; //!
cp.async.commit_group;
cp.async.wait_group <<1||0>>;
// ---- use
ld.shared.u32 %v0, [%s];
ld.shared.u32 %v1, [%s+128]; //!
add.u32 %v0, %v0, %v1;
st.global.u32 [%o], %v0;
)",
     {"data race on shared memory", in_flight},
     {},
     [](std::uint32_t i) { return 2 * i + 32; }},
    {"a wait before the group is committed",
     ZEROED R"(
// ---- fetch
cp.async.ca.shared.global [%s], [%q], 4; //!
<<cp.async.wait_group 0;||cp.async.commit_group;>>
<<cp.async.commit_group;||cp.async.wait_group 0;>>
// ---- use
ld.shared.u32 %v0, [%s]; //!
st.global.u32 [%o], %v0;
)",
     {"data race on shared memory", in_flight},
     {},
     [](std::uint32_t i) { return i; }},
    {"a wait for groups where none was committed",
     ZEROED R"(
// ---- fetch
cp.async.ca.shared.global [%s], [%q], 4; //!
cp.async.<<wait_group 0||wait_all>>;
// ---- use
ld.shared.u32 %v0, [%s]; //!
st.global.u32 [%o], %v0;
)",
     {"data race on shared memory", in_flight},
     {},
     [](std::uint32_t i) { return i; }},
    {"each thread waits for its own copy, and reads another warp's",
     ZEROED R"(
xor.b32 %v1, %t, 32;
mad.lo.u32 %v1, %v1, 4, %z;
// ---- fetch
cp.async.ca.shared.global [%s], [%q], 4; //!
cp.async.wait_all;
<<||bar.sync 0;>>
// ---- use
ld.shared.u32 %v0, [%v1]; //!
st.global.u32 [%o], %v0;
)",
     {"data race on shared memory", "copies to it"},
     {.block = {64, 1, 1}},
     [](std::uint32_t i) { return i ^ 32; }},
    {"each lane waits for its own copy, and reads another lane's",
     ZEROED R"(
xor.b32 %v1, %t, 1;
mad.lo.u32 %v1, %v1, 4, %z;
// ---- fetch
cp.async.ca.shared.global [%s], [%q], 4; //!
cp.async.wait_all;
<<||bar.warp.sync -1;>>
// ---- use
ld.shared.u32 %v0, [%v1]; //!
st.global.u32 [%o], %v0;
)",
     {"data race on shared memory", "copies to it", "bar.warp.sync would order them"},
     {},
     [](std::uint32_t i) { return i ^ 1; }},
    {"the barrier before the wait instead of after it",
     ZEROED R"(
xor.b32 %v1, %t, 32;
mad.lo.u32 %v1, %v1, 4, %z;
// ---- fetch
cp.async.ca.shared.global [%s], [%q], 4; //!
cp.async.commit_group;
<<bar.sync 0;||cp.async.wait_group 0;>>
<<cp.async.wait_group 0;||bar.sync 0;>>
// ---- use
ld.shared.u32 %v0, [%v1]; //!
st.global.u32 [%o], %v0;
)",
     {"data race on shared memory", "copies to it"},
     {.block = {64, 1, 1}},
     [](std::uint32_t i) { return i ^ 32; }},
    {"one warp waits for the copies of all",
     ZEROED R"(
xor.b32 %v1, %t, 32;
mad.lo.u32 %v1, %v1, 4, %z;
setp.lt.u32 %k0, %t, 32;
// ---- fetch
cp.async.ca.shared.global [%s], [%q], 4; //!
cp.async.commit_group;
<<@%k0||>> cp.async.wait_group 0;
bar.sync 0;
// ---- use
ld.shared.u32 %v0, [%v1]; //!
st.global.u32 [%o], %v0;
)",
     {"data race on shared memory", "copies to it", in_flight},
     {.block = {64, 1, 1}},
     [](std::uint32_t i) { return i ^ 32; }},
    {"a source that another warp has just stored",
     R"(
xor.b32 %v1, %t, 32;
mad.wide.u32 %w0, %v1, 4, %p;
add.u32 %v2, %t, 7;
// ---- produce
st.global.u32 [%q], %v2; //!
<<||bar.sync 0;>>
// ---- fetch
cp.async.ca.shared.global [%s], [%w0], 4; //!
cp.async.wait_all;
ld.shared.u32 %v0, [%s];
st.global.u32 [%o], %v0;
)",
     {"data race on global memory", "copies from it", "writes it"},
     {.block = {64, 1, 1}},
     [](std::uint32_t i) { return (i ^ 32) + 7; }},
    {"the source overwritten in flight",
     R"(
// ---- fetch
cp.async.ca.shared.global [%s], [%q], 4; //!
<<||cp.async.wait_all;>>
// ---- overwrite
st.global.u32 [%q], 77; //!
cp.async.wait_all;
ld.shared.u32 %v0, [%s];
st.global.u32 [%o], %v0;
)",
     {"data race on global memory", "copies from it", "writes it", in_flight},
     {},
     [](std::uint32_t i) { return i; }},
    {"the destination overwritten in flight",
     R"(
// ---- fetch
cp.async.ca.shared.global [%s], [%q], 4; //!
<<||cp.async.wait_all;>>
// ---- overwrite
st.shared.u32 [%s], 77; //!
cp.async.wait_all;
ld.shared.u32 %v0, [%s];
st.global.u32 [%o], %v0;
)",
     {"data race on shared memory", "copies to it", "writes it", in_flight},
     {},
     [](std::uint32_t) { return 77u; }},
    {"two copies to one place in flight at once",
     R"(
// ---- fetch
cp.async.ca.shared.global [%s], [%q], 4; //!
<<||cp.async.wait_all;>>
// ---- fetch again
cp.async.ca.shared.global [%s], [%q+4], 4; //!
cp.async.wait_all;
ld.shared.u32 %v0, [%s];
st.global.u32 [%o], %v0;
)",
     {"data race on shared memory", "copies to it"},
     {},
     [](std::uint32_t i) { return i + 1; }},
    {"a ring lapped while another warp still reads its stage",
     R"(
xor.b32 %v1, %t, 32;
mad.lo.u32 %v1, %v1, 4, %z;
mov.u32 %v5, 0;
mov.u32 %v6, 0;
LOOP:
// ---- fetch
cp.async.ca.shared.global [%s], [%q], 4; //!
cp.async.commit_group;
cp.async.wait_group 0;
bar.sync 0;
// ---- use
ld.shared.u32 %v7, [%v1]; //!
add.u32 %v6, %v6, %v7;
<<||bar.sync 0;>>
add.u64 %q, %q, 4;
add.u32 %v5, %v5, 1;
setp.lt.u32 %k0, %v5, 3;
@%k0 bra LOOP;
st.global.u32 [%o], %v6;
)",
     {"data race on shared memory", "copies to it", "reads it"},
     {.block = {64, 1, 1}},
     [](std::uint32_t i) { return 3 * (i ^ 32) + 3; }},
    {"a group that only one arm of a branch commits",
     ZEROED R"(
setp.lt.u32 %k0, %t, 32;
// ---- fetch
cp.async.ca.shared.global [%s], [%q], 4; //!
<<@!%k0 bra SKIP;||>>
cp.async.commit_group;
SKIP:
cp.async.wait_group 0;
// ---- use
ld.shared.u32 %v0, [%s]; //!
st.global.u32 [%o], %v0;
)",
     {"data race on shared memory", in_flight, "warp 1"},
     {.block = {64, 1, 1}},
     [](std::uint32_t i) { return i; }},
    {"fragments loaded while their rows are in flight",
     ZEROED R"(
mul.wide.u32 %w0, %t, 12;
add.u64 %w0, %w0, %q;
and.b32 %v0, %t, 7;
mad.lo.u32 %v1, %v0, 16, %z;
setp.lt.u32 %k0, %t, 8;
// ---- fetch rows
@%k0 cp.async.cg.shared.global [%v1], [%w0], 16; //!
cp.async.commit_group;
cp.async.wait_group <<1||0>>;
bar.warp.sync -1;
// ---- load fragments
ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%v2}, [%v1]; //!
st.global.u32 [%o], %v2;
)",
     {"data race on shared memory", in_flight},
     {},
     [](std::uint32_t i) { return i; }},
    {"the bytes beyond src-size, which are filled with zeros",
     ZEROED R"(
mad.lo.u32 %v1, %t, 16, %z;
mul.wide.u32 %w0, %t, 12;
add.u64 %w0, %w0, %q;
mov.u32 %v2, 8;
// ---- fetch
cp.async.cg.shared.global [%v1], [%w0], 16, %v2; //!
<<||cp.async.wait_all;>>
// ---- use
ld.shared.v4.u32 {%v3, %v4, %v5, %v6}, [%v1]; //!
add.u32 %v3, %v3, %v4;
add.u32 %v5, %v5, %v6;
mad.lo.u32 %v3, %v5, 1000, %v3;
st.global.u32 [%o], %v3;
)",
     {"data race on shared memory", in_flight},
     {},
     [](std::uint32_t i) { return 8 * i + 1; }},
    {"a copy that ignores its source for the lanes beyond the end",
     R"(
setp.ge.u32 %k0, %t, 20;
mul.wide.u32 %w0, %t, 4;
add.u64 %w0, %w0, %p;
add.u64 %w1, %w0, 4016;
// ---- fetch
cp.async.ca.shared.global [%s], [%w1], 4<<||, %k0>>; //!
cp.async.wait_all;
ld.shared.u32 %v0, [%s];
st.global.u32 [%o], %v0;
)",
     {"out of bounds: 4 bytes of global memory", "0 bytes past the end of the 4096-byte allocation",
      "lane 20"},
     {},
     [](std::uint32_t i) { return i < 20 ? 1004 + i : 0; },
     0,
     Outcome::illegal_address},
};

TEST_CASE("planted: asynchronous copies") {
  for (const Planted& k : planted) check_planted(k);
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
