#include "templates/lib/simt_tile.hpp"

#include <utility>

#include "templates/lib/access.hpp"

namespace ptxmill::kernels {
namespace {

using Shared = SharedPtr<ptx::f32>;

/// A shared address that moves.
Var<ptx::u32> cursor(Emitter& k, const std::string& name) {
  Var<ptx::u32> at = k.var<ptx::u32>(name);
  k.assume_multiple(U32(at.recorder(), at.id()), 16);
  return at;
}

}  // namespace

// The two lanes of a pair share their rows, and those two apart their columns: the hardware then
// serves a 16-byte read of half a warp at once.
Accumulators::Accumulators(Emitter& k, const SimtTile& tile, const U32& tid, const Shared& ring)
    : tile_(tile),
      warp_row_(k.let("warp_row", tid / (32 * tile.warps_across()))),
      thread_row_(k.let("thread_row", warp_row_ * (SimtTile::lanes_down * tile.thread_rows) +
                                          tid / 2 % SimtTile::lanes_down * 4)),
      thread_col_(k.let("thread_col", tid / 32 % tile.warps_across() *
                                              (SimtTile::lanes_across * tile.thread_cols) +
                                          (tid % 32 / 16 * 2 + tid % 2) * 4)),
      a_lane_(k.let("a_lane", ring + thread_row_)),
      w_lane_(k.let("w_lane", ring + (thread_col_ + tile.rows))),
      a_at_(cursor(k, "a_at")),
      w_at_(cursor(k, "w_at")) {
  for (int set : unroll(2)) {
    a_[set] = k.array<ptx::f32>("a" + std::to_string(set) + "_", tile.thread_rows);
    w_[set] = k.array<ptx::f32>("w" + std::to_string(set) + "_", tile.thread_cols);
  }
  for (int i : unroll(tile.thread_rows))
    for (int j : unroll(tile.thread_cols)) {
      const std::string place = std::to_string(i) + "_" + std::to_string(j);
      sums_.push_back(k.var<ptx::f32>("c" + place, 0));
      if (tile.chunk > 0) totals_.push_back(k.var<ptx::f32>("total" + place, 0));
    }
}

void Accumulators::turn_to(const Extent& offset) {
  const auto turn = [&](Var<ptx::u32>& at, const Shared& lane) {
    const Shared p = lane + offset;
    at.set(U32(p.recorder(), p.base()));
  };
  turn(a_at_, a_lane_);
  turn(w_at_, w_lane_);
}

void Accumulators::advance(int steps) {
  const int bytes = steps * tile_.slice() * Shared::element_bytes;
  a_at_ += bytes;
  w_at_ += bytes;
}

void Accumulators::read(Emitter& k, int set, int step) {
  const auto fill = [&](std::vector<Var<ptx::f32>>& to, const Var<ptx::u32>& at, int apart) {
    const Shared from = Shared(at.recorder(), a_lane_.array(), at.id(), 0) + step * tile_.slice();
    for (int piece : unroll(static_cast<int>(to.size()) / 4)) {
      auto v = k.load<4>(from + piece * apart);
      for (int i : unroll(4)) to[piece * 4 + i] = std::move(v[i]);
    }
  };
  fill(a_[set], a_at_, 4 * SimtTile::lanes_down);
  fill(w_[set], w_at_, 4 * SimtTile::lanes_across);
}

void Accumulators::multiply(Emitter& k, int set) {
  for (int i : unroll(tile_.thread_rows))
    for (int j : unroll(tile_.thread_cols)) {
      Var<ptx::f32>& sum = sums_[i * tile_.thread_cols + j];
      sum = k.fma(a_[set][i], w_[set][j], sum);
    }
}

void Accumulators::end_chunk(Emitter& k) {
  k.phase("add the chunk to the totals", [&] {
    for (std::size_t i = 0; i < totals_.size(); ++i) totals_[i] += sums_[i];
    for (Var<ptx::f32>& sum : sums_) sum = 0;
  });
}

void Accumulators::finish(Emitter& k) {
  if (totals_.empty()) return;
  k.phase("add the last chunk", [&] {
    for (std::size_t i = 0; i < totals_.size(); ++i) sums_[i] = totals_[i] + sums_[i];
  });
}

void Accumulators::deposit(Emitter& k, const Shared& to, int pitch, const Extent& first_row) const {
  const U32 top = first_row.is(0) ? thread_row_ : thread_row_ - first_row;
  const Shared corner = to + (top * pitch + thread_col_);
  for (int i : unroll(tile_.thread_rows)) {
    const int row = i / 4 * 4 * SimtTile::lanes_down + i % 4;
    for (int piece : unroll(tile_.thread_cols / 4)) {
      const Var<ptx::f32>* v = &sums_[i * tile_.thread_cols + piece * 4];
      store_shared(k, corner + (row * pitch + piece * 4 * SimtTile::lanes_across),
                   {present(v[0]), present(v[1]), present(v[2]), present(v[3])});
    }
  }
}

}  // namespace ptxmill::kernels
