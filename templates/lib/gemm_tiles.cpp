#include "templates/lib/gemm_tiles.hpp"

#include <algorithm>

namespace ptxmill::kernels {
namespace {

// Efficiencies are those on an H200, with a long k.
const std::vector<GemmTile> simt_tiles{
    {.name = "32x64",
     .tile = {.rows = 32,
              .cols = 64,
              .depth = 32,
              .thread_rows = 8,
              .thread_cols = 8,
              .lanes_down = 4,
              .slices = 4,
              .stages = 3,
              .steps = 4,
              .ctas_per_sm = 2,
              .chunk = 64},
     .efficiency = 49},
    {.name = "48x96",
     .tile = {.rows = 48,
              .cols = 96,
              .depth = 16,
              .thread_rows = 12,
              .thread_cols = 12,
              .lanes_down = 4,
              .slices = 4,
              .stages = 4,
              .steps = 4,
              .ctas_per_sm = 2},
     .efficiency = 58},
    {.name = "128x128",
     .tile = {.rows = 128,
              .cols = 128,
              .depth = 16,
              .thread_rows = 16,
              .thread_cols = 8,
              .lanes_down = 4,
              .slices = 2,
              .stages = 3,
              .steps = 8,
              .ctas_per_sm = 1,
              .guards_copies = true},
     .efficiency = 71},
    {.name = "96x192",
     .tile = {.rows = 96,
              .cols = 192,
              .depth = 16,
              .thread_rows = 12,
              .thread_cols = 12,
              .lanes_down = 4,
              .slices = 2,
              .stages = 3,
              .steps = 4,
              .ctas_per_sm = 1},
     .efficiency = 64},
};

// Warps of 64 x 64 read shared memory least often for what they multiply. No ring takes more than
// the 99 KiB that the smallest of these GPUs have.
const std::vector<MmaTile> mma_tiles_of_halves{
    {.name = "32x64",
     .rows = 32,
     .cols = 64,
     .warp_rows = 16,
     .warp_cols = 32,
     .chunks = 8,
     .stages = 4,
     .ctas_per_sm = 4,
     .efficiency = 22},
    {.name = "64x128",
     .rows = 64,
     .cols = 128,
     .warp_rows = 32,
     .warp_cols = 64,
     .chunks = 8,
     .stages = 4,
     .ctas_per_sm = 2,
     .efficiency = 39},
    {.name = "64x64",
     .rows = 64,
     .cols = 64,
     .warp_rows = 32,
     .warp_cols = 32,
     .chunks = 8,
     .stages = 4,
     .ctas_per_sm = 3,
     .efficiency = 32},
    {.name = "128x128",
     .rows = 128,
     .cols = 128,
     .warp_rows = 64,
     .warp_cols = 64,
     .chunks = 8,
     .stages = 3,
     .ctas_per_sm = 2,
     .efficiency = 49},
    {.name = "128x256",
     .rows = 128,
     .cols = 256,
     .warp_rows = 64,
     .warp_cols = 64,
     .chunks = 4,
     .stages = 4,
     .ctas_per_sm = 1,
     .efficiency = 52},
};
// Three products need registers for both parts of each operand.
const std::vector<MmaTile> mma_tiles_of_three{
    {.name = "64x64",
     .rows = 64,
     .cols = 64,
     .warp_rows = 32,
     .warp_cols = 32,
     .chunks = 8,
     .stages = 4,
     .ctas_per_sm = 3,
     .efficiency = 25},
    {.name = "128x128",
     .rows = 128,
     .cols = 128,
     .warp_rows = 64,
     .warp_cols = 32,
     .chunks = 8,
     .stages = 3,
     .ctas_per_sm = 1,
     .efficiency = 39},
};

/// A tile for few rows of a, whose weights stream: 64 features by so many rows, by one warpgroup, k
/// shared by `split` CTAs. Two CTAs fit a multiprocessor, each with as much in flight as its half
/// of the shared memory holds beside the sums that the others send.
constexpr WgmmaTile few_rows_tile(const char* name, int cols, int split) {
  constexpr int half = 232448 / 2 - 1024, slack = 2048;
  const int panels = cols / 8, owned = (panels + split - 1) / split;
  const int partial = split == 1 ? 0 : (split - 1) * owned * 4 * 128 * 4;
  return {.name = name,
          .cols = cols,
          .consumers = 1,
          .stages = (half - slack - partial) / ((64 + cols) * wgmma_stage_bytes),
          .split = split,
          .ctas_per_sm = 2,
          .swaps = true};
}

// An SM takes in 64 bytes in a cycle, and the tensor cores' rate is 2048: tiles of few rows wait
// for copies. 229,440 of the 232,448 bytes of shared memory are in use.
const std::vector<WgmmaTile> tiles_of_warpgroups{
    {.name = "64x96",
     .cols = 96,
     .consumers = 2,
     .alternates = true,
     .stages = 9,
     .efficiency = 52,
     .tail = 600},
    {.name = "64x128",
     .cols = 128,
     .consumers = 2,
     .alternates = true,
     .stages = 8,
     .efficiency = 60,
     .tail = 700},
    {.name = "64x192",
     .cols = 192,
     .consumers = 2,
     .alternates = true,
     .stages = 6,
     .efficiency = 70,
     .tail = 1100},
    {.name = "128x128",
     .cols = 128,
     .consumers = 2,
     .blocks = 2,
     .alternates = true,
     .stages = 6,
     .efficiency = 90,
     .tail = 3000},
    {.name = "128x192",
     .cols = 192,
     .consumers = 2,
     .blocks = 2,
     .alternates = true,
     .stages = 4,
     .efficiency = 92,
     .tail = 5000},
    {.name = "128x256",
     .cols = 256,
     .consumers = 2,
     .stages = 4,
     .cluster = 2,
     .for_costly = "128x128",
     .efficiency = 95,
     .overhead = 4000},
    // All of an SM's shared memory for one CTA, where there are no more tiles than SMs.
    {.name = "w128x16", .cols = 16, .consumers = 2, .stages = 12, .swaps = true},
    {.name = "w128x64", .cols = 64, .consumers = 2, .stages = 8, .swaps = true},
    // Half of it: the next launch's weights come in while this one ends.
    few_rows_tile("w64x16", 16, 1),
    few_rows_tile("w64x16k2", 16, 2),
    few_rows_tile("w64x16k4", 16, 4),
    few_rows_tile("w64x32", 32, 1),
    few_rows_tile("w64x32k2", 32, 2),
    few_rows_tile("w64x32k4", 32, 4),
    few_rows_tile("w64x64k2", 64, 2),
    few_rows_tile("w64x64k4", 64, 4),
};

// Three products of tf32. The widest tile has as many columns as there are registers for, and each
// a ring that fills shared memory. Where tiles are few, two CTAs of a cluster share k.
const std::vector<WgmmaTile> tiles_of_warpgroups_of_three{
    {.name = "64x128",
     .cols = 128,
     .consumers = 2,
     .across = true,
     .splitters = 1,
     .stages = 4,
     .efficiency = 64,
     .overhead = 1200,
     .tail = 4700},
    {.name = "128x48",
     .cols = 48,
     .consumers = 2,
     .splitters = 1,
     .stages = 7,
     .efficiency = 79,
     .overhead = 2200,
     .tail = 4000},
    {.name = "128x64",
     .cols = 64,
     .consumers = 2,
     .splitters = 1,
     .stages = 6,
     .efficiency = 79,
     .overhead = 2200,
     .tail = 4000},
    {.name = "128x128",
     .cols = 128,
     .consumers = 2,
     .splitters = 1,
     .stages = 4,
     .efficiency = 90,
     .overhead = 4500,
     .tail = 2900},
    {.name = "64x128k2",
     .cols = 128,
     .consumers = 2,
     .across = true,
     .splitters = 1,
     .stages = 4,
     .split = 2,
     .efficiency = 60,
     .overhead = 6500,
     .tail = 1000},
    {.name = "128x64k2",
     .cols = 64,
     .consumers = 2,
     .splitters = 1,
     .stages = 5,
     .split = 2,
     .efficiency = 68,
     .overhead = 5500,
     .tail = 1000},
};

template <class Tiles>
int number_of(const Tiles& tiles, const std::string& name) {
  const auto found =
      std::find_if(tiles.begin(), tiles.end(), [&](const auto& t) { return name == t.name; });
  return found == tiles.end() ? -1 : static_cast<int>(found - tiles.begin());
}

}  // namespace

const std::vector<GemmTile>& gemm_tiles() { return simt_tiles; }

const std::vector<MmaTile>& mma_tiles(MmaMath math) {
  return math == MmaMath::tf32_x3 ? mma_tiles_of_three : mma_tiles_of_halves;
}

const std::vector<WgmmaTile>& wgmma_tiles(MmaMath math) {
  return math == MmaMath::tf32_x3 ? tiles_of_warpgroups_of_three : tiles_of_warpgroups;
}

int gemm_tile_number(const std::string& name) { return number_of(simt_tiles, name); }

int mma_tile_number(MmaMath math, const std::string& name) {
  return number_of(mma_tiles(math), name);
}

int wgmma_tile_number(MmaMath math, const std::string& name) {
  return number_of(wgmma_tiles(math), name);
}

}  // namespace ptxmill::kernels
