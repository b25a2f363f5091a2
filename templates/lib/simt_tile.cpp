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

/// The lane's place in the direction that has eight of them, or in the one that has four. Pairs of
/// lanes share one and quarters of a warp the other, which is how the hardware serves the 16-byte
/// reads of half a warp at once.
U32 lane_of_eight(const U32& tid) { return tid / 2 % 8; }
U32 lane_of_four(const U32& tid) { return tid % 32 / 16 * 2 + tid % 2; }

U32 first_row(const SimtTile& tile, const U32& tid) {
  const int warp_rows = tile.lanes_down * tile.thread_rows;
  const U32 warp = tid / (32 * tile.warps_across()) % tile.warps_down();
  const U32 lane = tile.lanes_down == 8 ? lane_of_eight(tid) : lane_of_four(tid);
  return warp * warp_rows + lane * 4;
}

U32 first_col(const SimtTile& tile, const U32& tid) {
  const int warp_cols = tile.lanes_across() * tile.thread_cols;
  const U32 warp = tid / 32 % tile.warps_across();
  const U32 lane = tile.lanes_down == 8 ? lane_of_four(tid) : lane_of_eight(tid);
  return warp * warp_cols + lane * 4;
}

}  // namespace

Accumulators::Accumulators(Emitter& k, const SimtTile& tile, const U32& tid, const Shared& ring)
    : tile_(tile),
      slice_(k.let("slice", tid / tile.slice_threads())),
      thread_row_(k.let("thread_row", first_row(tile, tid))),
      thread_col_(k.let("thread_col", first_col(tile, tid))),
      a_lane_(k.let("a_lane", ring + (slice_ * (tile.slice_depth() * tile.pitch()) + thread_row_))),
      w_lane_(k.let("w_lane", ring + (slice_ * (tile.slice_depth() * tile.pitch()) + thread_col_ +
                                      tile.rows))),
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
  const int bytes = steps * tile_.pitch() * Shared::element_bytes;
  a_at_ += bytes;
  w_at_ += bytes;
}

void Accumulators::read(Emitter& k, int set, int step) {
  const auto fill = [&](std::vector<Var<ptx::f32>>& to, const Var<ptx::u32>& at, int apart) {
    const Shared from = Shared(at.recorder(), a_lane_.array(), at.id(), 0) + step * tile_.pitch();
    for (int piece : unroll(static_cast<int>(to.size()) / 4)) {
      auto v = k.load<4>(from + piece * apart);
      for (int i : unroll(4)) to[piece * 4 + i] = std::move(v[i]);
    }
  };
  fill(a_[set], a_at_, 4 * tile_.lanes_down);
  fill(w_[set], w_at_, 4 * tile_.lanes_across());
}

void Accumulators::multiply(Emitter& k, int set) {
  for (int i : unroll(tile_.thread_rows))
    for (int step : unroll(tile_.thread_cols)) {
      // To and fro along the rows: each product shares an operand with the one before it, which the
      // hardware then takes from its operand cache.
      const int j = i % 2 == 0 ? step : tile_.thread_cols - 1 - step;
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

void Accumulators::deposit(Emitter& k, const Shared& to, int pitch) const {
  const Shared corner = k.let("corner", to + (thread_row_ * pitch + thread_col_));
  k.sync();
  const auto write = [&](const std::string& phase, bool add) {
    k.phase(phase, [&] { deposit_slice(k, corner, pitch, add); });
  };
  if (tile_.slices == 1) {
    write("put the sums into shared memory", false);
    k.sync();
    return;
  }
  k.if_("slice_is_first", slice_ == 0, [&] { write("put the sums into shared memory", false); });
  k.sync();
  k.for_range("next_slice", 1, tile_.slices, 1, [&](const U32& next) {
    k.if_("slice_is_next", slice_ == next, [&] { write("add the next slice's sums", true); });
    k.sync();
  });
}

// A sum and the operand of its column are best kept in different banks of registers. Both come in
// aligned vectors of four, so that they would share a bank if the columns had the same order.
void Accumulators::deposit_slice(Emitter& k, const Shared& corner, int pitch, bool add) const {
  constexpr int order[] = {1, 0, 3, 2};
  for (int i : unroll(tile_.thread_rows)) {
    const int row = i / 4 * 4 * tile_.lanes_down + i % 4;
    for (int piece : unroll(tile_.thread_cols / 4)) {
      const Shared at = corner + (row * pitch + piece * 4 * tile_.lanes_across());
      std::vector<F32> v;
      if (add) v = load_shared(k, at, 4);
      for (int column : unroll(4)) {
        const F32 sum = k.present(sums_[i * tile_.thread_cols + piece * 4 + order[column]]);
        if (add)
          v[column] = v[column] + sum;
        else
          v.push_back(sum);
      }
      store_shared(k, at, v);
    }
  }
}

}  // namespace ptxmill::kernels
