// Which of its tiles gemm is generated for where neither the spec nor a measurement names them.
#include <algorithm>

#include "templates/lib/gemm_tiles.hpp"
#include "templates/lib/stream_tile.hpp"

namespace ptxmill::kernels {
namespace {

/// Multiply-adds that a multiprocessor does in a cycle, and a tile's cycles outside its loop.
constexpr int fma_rate = 128;
constexpr std::int64_t simt_overhead = 8000, mma_overhead = 3000;

int mma_rate(MmaMath math) {
  return math == MmaMath::half ? 2048 : math == MmaMath::tf32 ? 1024 : 1024 / 3;
}

/// Replaces the choices for m up to `few`.
void leave_few(std::vector<TileChoice>& all, std::int64_t few,
               const std::vector<TileChoice>& choices) {
  // The choice that covers the least m that is not few ends the list.
  const auto last = std::find_if(all.begin(), all.end(),
                                 [&](const TileChoice& c) { return c.least_m <= few + 1; });
  last->least_m = few + 1;
  all.erase(last + 1, all.end());
  all.insert(all.end(), choices.begin(), choices.end());
}

/// Up to so many rows stream.
constexpr std::int64_t most_that_stream = 16;

/// The tiles for them: wider where there are many features, which share what is read of a.
std::vector<TileChoice> streaming(const Dim& n) {
  const bool wide = n.get() > 4096;
  return {{stream_tile_number(wide ? "s32x16k8" : "s16x16k8"), 9},
          {stream_tile_number(wide ? "s32x8k8" : "s16x8k8")}};
}

/// For any n and k.
TileChoice streaming() { return {stream_tile_number("s32x16k8")}; }

/// The tiles for few rows, to which the others leave m up to 64. Weights of 16 MB and less stream
/// for the fewest; longer ones come faster by tensor copies. To split k pays where tiles of 64
/// features leave most multiprocessors without one and k is long (specs/tuning has the figures).
std::vector<TileChoice> few_rows(MmaMath math, const Dim& n, const Dim& k) {
  constexpr std::int64_t most_weights = 1 << 23, most_k = 2048;
  const int split = n.get() <= 2048 && k.get() >= 1024   ? 4
                    : n.get() <= 8192 && k.get() >= 2048 ? 2
                                                         : 1;
  const auto number = [](const std::string& name) {
    return wgmma_tile_number(MmaMath::half, name);
  };
  const std::string parts = split == 1 ? "" : "k" + std::to_string(split);
  const int more = number(split == 1 ? "w128x64" : "w64x64" + parts);
  std::vector<TileChoice> all{{more, most_that_stream + 1}};
  if (math != MmaMath::half || n.get() * k.get() > most_weights || k.get() > most_k)
    all.push_back({number("w64x16" + parts)});
  else
    for (const TileChoice& choice : streaming(n)) all.push_back(choice);
  return all;
}

/// The same in three products of tf32: tiles of 64 rows, of which two CTAs share one where that
/// leaves no multiprocessor with two.
std::vector<TileChoice> few_rows_of_three(const Dim& n) {
  constexpr std::int64_t shared = 66;
  const bool split = n.get() <= shared * 128;
  return {{wgmma_tile_number(MmaMath::tf32_x3, split ? "64x128k2" : "64x128")}};
}

}  // namespace

std::vector<TileChoice> choose_gemm_tiles(const Dim& m, const Dim& n, const Dim& k) {
  if (!n.is_static() || !k.is_static()) {
    // Large tiles where a square of them fills the multiprocessors. 48 x 96 would gain a few per
    // cent between the two, and be the largest part of what is generated for any shape.
    return {{gemm_tile_number("128x128"), 10 * 128 + 1, 10 * 128 + 1}, {gemm_tile_number("32x64")}};
  }
  std::vector<TileCost> costs;
  for (const GemmTile& t : gemm_tiles())
    costs.push_back({t.tile.rows, t.tile.cols, fma_rate, t.efficiency, simt_overhead});
  return choose_tiles(costs, m, n.get(), k.get());
}

std::vector<TileChoice> choose_mma_tiles(MmaMath math, const Dim& m, const Dim& n, const Dim& k) {
  const bool of_halves = math == MmaMath::half;
  if (!n.is_static() || !k.is_static()) {
    const TileChoice large{mma_tile_number(math, "128x128"), 10 * 128 + 1, 10 * 64 + 1};
    const int small = mma_tile_number(math, "64x64");
    if (!of_halves) return {large, {small}};
    return {large, {small, most_that_stream + 1}, streaming()};
  }
  std::vector<TileCost> costs;
  for (const MmaTile& t : mma_tiles(math))
    costs.push_back({t.rows, t.cols, mma_rate(math), t.efficiency, mma_overhead});
  std::vector<TileChoice> all = choose_tiles(costs, m, n.get(), k.get());
  if (of_halves) leave_few(all, most_that_stream, streaming(n));
  return all;
}

std::vector<TileChoice> choose_wgmma_tiles(MmaMath math, const Dim& m, const Dim& n, const Dim& k) {
  constexpr std::int64_t few = 64;
  const bool of_three = math == MmaMath::tf32_x3;
  const auto number = [&](const char* name) { return wgmma_tile_number(math, name); };
  if (!n.is_static() || !k.is_static()) {
    const TileChoice large{number("128x128"), 10 * 128 + 1, 10 * 64 + 1};
    if (of_three) return {large, {number("128x64"), few + 1}, {number("64x128k2")}};
    const TileChoice few_of_halves = streaming(), few_of_tf32{number("w64x16k4")};
    return {large,
            {number("64x128"), most_that_stream + 1},
            math == MmaMath::half ? few_of_halves : few_of_tf32};
  }
  std::vector<TileCost> costs;
  for (const WgmmaTile& t : wgmma_tiles(math))
    if (!t.swaps)
      costs.push_back(
          {t.rows(), t.cols, mma_rate(math), t.efficiency, t.overhead, t.tail, t.split});
  std::vector<TileChoice> all = choose_tiles(costs, m, n.get(), k.get());
  leave_few(all, few, of_three ? few_rows_of_three(n) : few_rows(math, n, k));
  return all;
}

}  // namespace ptxmill::kernels
