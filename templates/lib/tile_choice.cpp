#include "templates/lib/tile_choice.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

namespace ptxmill::kernels {
namespace {

/// Multiprocessors that a launch should fill.
constexpr std::int64_t processors = 132;

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// Estimated cycles of a product: what the busiest multiprocessor has to do. In whole numbers, so
/// that every host chooses the same.
std::int64_t cycles(const TileCost& t, std::int64_t m, std::int64_t n, std::int64_t k) {
  const std::int64_t all = ceil_div(m, t.rows) * ceil_div(n, t.cols) * t.split;
  const std::int64_t work = std::int64_t{t.rows} * t.cols * k / t.split;
  return ceil_div(all, processors) * (work * 100 / (t.rate * t.efficiency) + t.overhead) + t.tail;
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
Assignment assign(const std::vector<TileCost>& tiles, const std::vector<std::int64_t>& points,
                  std::int64_t n, std::int64_t k, unsigned allowed) {
  const int count = static_cast<int>(tiles.size());
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
    for (const TileCost& t : tiles) fastest = std::min(fastest, cycles(t, m, n, k));
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

Assignment assign(const std::vector<TileCost>& tiles, const std::vector<std::int64_t>& points,
                  std::int64_t n, std::int64_t k) {
  Assignment best = assign(tiles, points, n, k, 1);
  for (unsigned allowed = 2; allowed < 1u << tiles.size(); ++allowed) {
    Assignment other = assign(tiles, points, n, k, allowed);
    if (other.cost < best.cost) best = std::move(other);
  }
  return best;
}

}  // namespace

std::vector<TileChoice> choose_tiles(const std::vector<TileCost>& tiles, const Dim& m,
                                     std::int64_t n, std::int64_t k) {
  const std::vector<std::int64_t> points = m.is_static() ? std::vector{m.get()} : design_points();
  const std::vector<int> chosen = assign(tiles, points, n, k).tile;
  std::vector<TileChoice> all;
  for (std::size_t i = 0; i < points.size(); ++i)
    // Between two points the choice turns after the lower one.
    if (i == 0 || chosen[i] != chosen[i - 1])
      all.insert(all.begin(), {chosen[i], i == 0 ? 0 : points[i - 1] + 1});
  return all;
}

}  // namespace ptxmill::kernels
