// The swizzled tile: where its chunks lie, what its addresses cost, and what it refuses.
#include "generator/ptx/tile.hpp"

#include <set>

#include "tests/ptx/scratch_kernel.hpp"

namespace ptxmill::test {
namespace {

template <class F>
void refused(const std::string& message, F offend) {
  check_refused(__FILE__, message, offend);
}

constexpr TileShape shapes[] = {{32, 16, 2}, {64, 32, 2}, {16, 64, 2},  {24, 128, 2},
                                {32, 8, 4},  {16, 16, 4}, {128, 32, 4}, {8, 96, 4}};

TEST_CASE("a tile lies as TMA's swizzle puts it: address bits from 4 on, with those from 7 on") {
  for (const TileShape& shape : shapes) {
    CAPTURE(shape.rows);
    CAPTURE(shape.cols);
    const int span = std::min(shape.cols * shape.element_bytes, 128);
    std::set<int> seen;
    for (int row = 0; row < shape.rows; ++row)
      for (int chunk = 0; chunk < shape.cols * shape.element_bytes / 16; ++chunk) {
        const int panel = chunk * 16 / span;
        const int plain = row * span + chunk * 16 % span;
        const int mask = span == 128 ? 0x70 : span == 64 ? 0x30 : 0x10;
        const int swizzled = plain ^ (plain >> 3 & mask);
        REQUIRE(shape.offset(row, chunk) == panel * shape.rows * span + swizzled);
        seen.insert(swizzled + panel * shape.rows * span);
      }
    CHECK(static_cast<int>(seen.size()) * 16 == shape.bytes());
    CHECK(*seen.rbegin() + 16 == shape.bytes());
  }
}

TEST_CASE("the chunks that eight neighbouring rows have in a column lie in different banks") {
  for (const TileShape& shape : shapes)
    for (int chunk = 0; chunk < shape.row_chunks(); ++chunk)
      for (int first = 0; first < shape.rows; first += 8) {
        std::set<int> banks;
        for (int row = first; row < first + 8; ++row) banks.insert(shape.offset(row, chunk) % 128);
        CHECK(banks.size() == 8);
      }
}

TEST_CASE("constant places cost no instruction") {
  ScratchKernel k;
  const SharedTile<bf16> tile(k, "tile", 16, 128, 2);
  k.load(tile.at(9, 10).as<b32>());
  k.load(tile.place(9, 1, 2).across(10).down(-8).later(1).ptr().as<b32>());
  k.load(tile.panel(1).as<b32>());
  CHECK(instructions(k.recorder) ==
        "ld.shared.b32 %r0, [tile+3248];\n"
        "ld.shared.b32 %r1, [tile+6304];\n"
        "ld.shared.b32 %r2, [tile+2048];\n");
  CHECK(tile.shape().offset(9, 10) == 3248);
  CHECK(tile.shape().bytes() + tile.shape().offset(1, 11) == 6304);
}

TEST_CASE("a thread's place costs a few instructions, and the way to others at most one") {
  ScratchKernel k;
  const SharedTile<bf16> tile(k, "tile", 16, 128, 2);
  const U32 lane = k.let("lane", k.tid_x());
  const auto place = tile.place(lane % 16, lane / 16, 2).named(k, "place");
  const auto across = place.across(4);
  k.load<4>(across.ptr().as<b32>());
  k.load<4>(across.down(8).ptr().as<b32>());
  k.load<4>(place.later(1).across(8).ptr().as<b32>());
  CHECK(instructions(k.recorder) ==
        "mov.u32 %r_lane, %tid.x;\n"
        "and.b32 %r0, %r_lane, 15;\n"
        "shr.u32 %r1, %r_lane, 4;\n"
        "mov.u32 %r2, tile;\n"
        "and.b32 %r3, %r0, 7;\n"
        "xor.b32 %r4, %r3, %r1;\n"
        "mad.lo.u32 %r5, %r0, 128, %r2;\n"
        "mad.lo.u32 %r_place, %r4, 16, %r5;\n"
        "xor.b32 %r6, %r_place, 64;\n"
        "ld.shared.v4.b32 {%r7, %r8, %r9, %r10}, [%r6];\n"
        "ld.shared.v4.b32 {%r11, %r12, %r13, %r14}, [%r6+1024];\n"
        "ld.shared.v4.b32 {%r15, %r16, %r17, %r18}, [%r_place+6144];\n");
}

TEST_CASE("the way to a tile in a register costs one instruction") {
  ScratchKernel k;
  const SharedTile<bf16> tile(k, "tile", 16, 64, 3);
  const auto place = tile.place(k.n, 0, 1).named(k, "place");
  k.load<4>(place.later(k.n).down(8).ptr().as<b32>());
  k.load<4>(tile.place(2, 0, 1).later(k.n).ptr().as<b32>());
  CHECK(instructions(k.recorder) ==
        "mov.u32 %r0, tile;\n"
        "and.b32 %r1, %r_n, 7;\n"
        "mad.lo.u32 %r2, %r_n, 128, %r0;\n"
        "mad.lo.u32 %r_place, %r1, 16, %r2;\n"
        "mad.lo.u32 %r3, %r_n, 2048, %r_place;\n"
        "ld.shared.v4.b32 {%r4, %r5, %r6, %r7}, [%r3+1024];\n"
        "mov.u32 %r8, tile+288;\n"
        "mad.lo.u32 %r9, %r_n, 2048, %r8;\n"
        "ld.shared.v4.b32 {%r10, %r11, %r12, %r13}, [%r9];\n");
}

TEST_CASE("a chunk in a register may lie in any panel") {
  ScratchKernel k;
  const SharedTile<f32> tile(k, "tile", 8, 64);
  k.load<4>(tile.at(3, k.n));
  CHECK(instructions(k.recorder) ==
        "mov.u32 %r0, tile;\n"
        "shr.u32 %r1, %r_n, 3;\n"
        "mad.lo.u32 %r2, %r1, 1024, %r0;\n"
        "and.b32 %r3, %r_n, 7;\n"
        "xor.b32 %r4, %r3, 3;\n"
        "mad.lo.u32 %r5, %r4, 16, %r2;\n"
        "ld.shared.v4.f32 {%f0, %f1, %f2, %f3}, [%r5+384];\n");
}

TEST_CASE("tiles that cannot be swizzled, and places outside them, are refused") {
  ScratchKernel k;
  refused("the tile 't' has rows of 48 bytes; expected 32, 64 or a multiple of 128",
          [&](int& line) {
            line = __LINE__ + 1;
            SharedTile<bf16>(k, "t", 64, 24);
          });
  refused("the tile 't' has 12 rows; expected a multiple of 8", [&](int& line) {
    line = __LINE__ + 1;
    SharedTile<bf16>(k, "t", 12, 64);
  });
  refused("the tile 't' has 8 rows; expected a multiple of 16", [&](int& line) {
    line = __LINE__ + 1;
    SharedTile<f32>(k, "t", 8, 16);
  });
  const SharedTile<bf16> tile(k, "tile", 16, 64);
  refused("row 16 of a tile that has 16", [&](int& line) {
    line = __LINE__ + 1;
    tile.at(16, 0);
  });
  refused("chunk 8 of a tile that has 8", [&](int& line) {
    line = __LINE__ + 1;
    tile.at(k.n, 8);
  });
  refused("a place's width is a power of two up to the panel's 8 chunks, not 3", [&](int& line) {
    line = __LINE__ + 1;
    tile.place(0, k.n, 3);
  });
  const auto place = tile.place(k.tid_x(), 0, 2);
  refused("4 rows down: the swizzle repeats after multiples of 8", [&](int& line) {
    line = __LINE__ + 1;
    place.down(4);
  });
  refused("3 chunks across: expected a multiple of 2, below which the place's own chunk lies",
          [&](int& line) {
            line = __LINE__ + 1;
            place.across(3);
          });
  refused("a place that moved across its row moves no further", [&](int& line) {
    line = __LINE__ + 1;
    place.across(2).across(2);
  });
}

}  // namespace
}  // namespace ptxmill::test
