#include "templates/attention_tile.hpp"

#include <array>

namespace ptxmill::kernels {
namespace {

/// Output columns as wide pieces as they come, so that a lane's part is read in few loads.
std::vector<ColumnPiece> divide_columns(int head_dim) {
  constexpr int lanes = AttentionTile::lanes;
  std::vector<ColumnPiece> pieces;
  int first = 0;
  for (const int width : {4, 2, 1})
    for (; head_dim - first >= width * lanes; first += width * lanes)
      pieces.push_back({first, width, lanes});
  if (first < head_dim) pieces.push_back({first, 1, head_dim - first});
  return pieces;
}

/// Threads for a row of `vectors` vectors, each at least one, such that they carry as few as may
/// be.
int choose_threads_a_row(int keys, int vectors) {
  int best = 0, least = 0;
  for (int n = 32; n >= 2; n /= 2) {
    const int rows = AttentionTile::threads / n;
    if (n > vectors) continue;
    if (rows > keys) break;
    const int carried = keys / rows * static_cast<int>(ceil_div(vectors, n));
    if (best == 0 || carried < least) {
      best = n;
      least = carried;
    }
  }
  return best;
}

}  // namespace

AttentionTile::AttentionTile(int dim)
    : head_dim(dim),
      keys(dim <= 96 ? 64 : 32),
      keys_per_lane(keys / lanes),
      columns(divide_columns(dim)) {}

int AttentionTile::groups_a_round(int length) {
  int groups = 4;
  while (length / 4 % groups != 0) --groups;
  return groups;
}

ElementPtr HeadRows::row(Emitter& k, const U32& row) const {
  return {first_.dtype(), k.mad_wide(row, stride_bytes_, first_.base()), first_.offset()};
}

HeadRows HeadRows::from_column(Emitter& k, const std::string& name, const U32& column) const {
  return {k.let(name, first_ + column), stride_bytes_};
}

TileCopy::TileCopy(Emitter& k, const AttentionTile& tile, const U32& tid)
    : k_(k),
      tile_(tile),
      threads_a_row_(choose_threads_a_row(tile.keys, tile.head_dim / 4)),
      steps_(static_cast<int>(ceil_div(tile.head_dim / 4, threads_a_row_))),
      row_(k.let("copy_row", tid / threads_a_row_)),
      column_(k.let("copy_column", tid % threads_a_row_ * 4)) {
  if (tile.head_dim % (4 * threads_a_row_) == 0) return;
  in_row_ = k.let("copy_last", column_ < tile.head_dim - column_of(steps_ - 1));
  last_column_ =
      k.let("copy_last_column", k.select(*in_row_, k.constant<ptx::u32>(column_of(steps_ - 1)), 0));
}

TileCopy::Vectors TileCopy::load(const HeadRows& from, const In<ptx::u32>& first,
                                 const Extent& last) const {
  Vectors vectors;
  const U32 thread_row = row_ + first;
  for (int pass : unroll(passes())) {
    const U32 row = k_.min(thread_row + pass * rows_a_pass(), last);
    const ElementPtr at = from.row(k_, row);
    for (int step : unroll(steps_))
      vectors.push_back(
          k_.load_vector(is_ragged(step) ? at + *last_column_ : at + column_of(step), 4));
  }
  return vectors;
}

void TileCopy::store(const SharedPtr<ptx::f32>& to, int apart, const Vectors& vectors) const {
  std::size_t next = 0;
  for (int pass : unroll(passes()))
    for (int step : unroll(steps_)) {
      const auto& v = vectors[next++];
      const std::array<F32, 4> vector{v[0], v[1], v[2], v[3]};
      const auto put = [&] { k_.store(to + (pass * apart + column_of(step)), vector); };
      if (is_ragged(step))
        k_.guard(*in_row_, put);
      else
        put();
    }
}

void TileCopy::clear(const SharedPtr<ptx::f32>& to, int apart, const U32& first,
                     const Extent& end) const {
  const F32 zero = k_.constant<ptx::f32>(0);
  const U32 thread_row = row_ + first;
  for (int pass : unroll(passes())) {
    const Pred beyond = thread_row + pass * rows_a_pass() >= end;
    for (int step : unroll(steps_)) {
      const Pred here = is_ragged(step) ? beyond && *in_row_ : beyond;
      k_.guard(here, [&] {
        k_.store(to + (pass * apart + column_of(step)), std::array<F32, 4>{zero, zero, zero, zero});
      });
    }
  }
}

}  // namespace ptxmill::kernels
