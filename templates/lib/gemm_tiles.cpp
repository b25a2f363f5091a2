#include "templates/lib/gemm_tiles.hpp"

#include <algorithm>
#include <bit>
#include <iterator>
#include <limits>
#include <utility>

namespace ptxmill::kernels {
namespace {

// Efficiencies are those on an H200, with a long k.
constexpr GemmTile tiles[] = {
    {"32x64", {32, 64, 32, 8, 8, 4, 4, 3, 4, 2, 64, false}, 49, 0},
    {"48x96", {48, 96, 16, 12, 12, 4, 4, 4, 4, 2, 0, false}, 58, 1},
    {"128x128", {128, 128, 16, 16, 8, 4, 2, 3, 8, 1, 0, true}, 71, 2},
    {"96x192", {96, 192, 16, 12, 12, 4, 2, 3, 4, 1, 0, false}, 64, 3},
};
constexpr int count = std::size(tiles);

/// Multiprocessors that a launch should fill, and multiply-adds of one of them in a cycle.
constexpr std::int64_t processors = 132, fma_rate = 128;
/// Cycles of a tile outside its loop.
constexpr std::int64_t overhead = 8000;

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// Estimated cycles of a product: what the busiest multiprocessor has to do. In whole numbers, so
/// that every host chooses the same.
std::int64_t cycles(const GemmTile& t, std::int64_t m, std::int64_t n, std::int64_t k) {
  const std::int64_t all = ceil_div(m, t.tile.rows) * ceil_div(n, t.tile.cols);
  const std::int64_t work = std::int64_t{t.tile.rows} * t.tile.cols * k;
  return ceil_div(all, processors) * (work * 100 / (fma_rate * t.efficiency) + overhead);
}

/// The m for which tiles are compared: powers of two, and steps of 250 up to 12000, among which are
/// the batches of 1500 that an encoder of 30 seconds of speech has (Radford et al. 2022).
std::vector<std::int64_t> design_points() {
  std::vector<std::int64_t> all;
  for (std::int64_t m = 1; m <= 16384; m *= 2) all.push_back(m);
  for (std::int64_t m = 250; m <= 12000; m += 250) all.push_back(m);
  std::sort(all.begin(), all.end());
  return all;
}

/// Which tile each design point gets, and what that costs.
struct Assignment {
  std::vector<int> tile;
  std::int64_t cost;
};

constexpr std::int64_t one = 1024;  ///< the best tile's time, in which others are measured
constexpr std::int64_t cost_of_change = one / 8;  ///< of another tile at the next point
constexpr std::int64_t cost_of_tile = one / 4;    ///< of one tile more, which is a kernel more

/// The best assignment of the tiles in the set `allowed`, bit by bit: the sum over all points of
/// the time over the best tile's, and the costs above, is least.
Assignment assign(const std::vector<std::int64_t>& points, std::int64_t n, std::int64_t k,
                  unsigned allowed) {
  std::vector<std::vector<int>> from;
  std::vector<std::int64_t> cost(count, 0);
  const auto cheapest = [&] {
    int best = -1;
    for (int t = 0; t < count; ++t)
      if ((allowed >> t & 1u) != 0 && (best < 0 || cost[t] < cost[best])) best = t;
    return best;
  };
  for (const std::int64_t m : points) {
    std::int64_t fastest = std::numeric_limits<std::int64_t>::max();
    for (const GemmTile& t : tiles) fastest = std::min(fastest, cycles(t, m, n, k));
    const int least = cheapest();
    const std::int64_t changed = cost[least] + cost_of_change;
    std::vector<int> came(count);
    for (int t = 0; t < count; ++t) came[t] = cost[t] <= changed ? t : least;
    for (int t = 0; t < count; ++t)
      cost[t] = std::min(cost[t], changed) + cycles(tiles[t], m, n, k) * one / fastest;
    from.push_back(came);
  }
  Assignment result{std::vector<int>(points.size()), 0};
  int t = cheapest();
  result.cost = cost[t] + cost_of_tile * std::popcount(allowed);
  for (std::size_t i = points.size(); i-- > 0;) {
    result.tile[i] = t;
    t = from[i][t];
  }
  return result;
}

Assignment assign(const std::vector<std::int64_t>& points, std::int64_t n, std::int64_t k) {
  Assignment best = assign(points, n, k, 1);
  for (unsigned allowed = 2; allowed < 1u << count; ++allowed) {
    Assignment other = assign(points, n, k, allowed);
    if (other.cost < best.cost) best = std::move(other);
  }
  return best;
}

}  // namespace

const GemmTile& gemm_tile(int index) { return tiles[index]; }

const GemmTile& gemm_tile(const std::string& name) {
  return *std::find_if(std::begin(tiles), std::end(tiles),
                       [&](const GemmTile& t) { return name == t.name; });
}

std::vector<GemmTile> gemm_tiles(const Dim& m, const Dim& n, const Dim& k) {
  if (!n.is_static() || !k.is_static()) {
    // Large tiles where a square of them fills the multiprocessors.
    GemmTile large = gemm_tile("128x128"), middle = gemm_tile("48x96");
    large.least_m = large.least_n = 10 * 128 + 1;
    middle.least_m = 10 * 48 + 1;
    middle.least_n = 2 * 96 + 1;
    return {large, middle, gemm_tile("32x64")};
  }
  const std::vector<std::int64_t> points = m.is_static() ? std::vector{m.get()} : design_points();
  const std::vector<int> chosen = assign(points, n.get(), k.get()).tile;
  std::vector<GemmTile> all;
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (i > 0 && chosen[i] == chosen[i - 1]) continue;
    GemmTile tile = tiles[chosen[i]];
    // Between two points the choice turns after the lower one.
    tile.least_m = i == 0 ? 0 : points[i - 1] + 1;
    all.insert(all.begin(), tile);
  }
  return all;
}

}  // namespace ptxmill::kernels
