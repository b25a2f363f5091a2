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

/// How many threads share a row of `vectors` vectors, each at least one, so that a thread carries
/// as few as may be of a tile of `rows`.
int choose_threads_a_row(int rows, int vectors) {
  int best = 0;
  std::int64_t least = 0;
  for (int n = 32; n >= 1; n /= 2) {
    if (n > vectors) continue;
    const std::int64_t carried = ceil_div(rows, AttentionTile::threads / n) * ceil_div(vectors, n);
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

TileCopy::TileCopy(Emitter& k, const std::string& name, int rows, int row_length, const U32& tid)
    : TileCopy(k, name, rows, row_length, tid, choose_threads_a_row(rows, row_length / 4)) {}

TileCopy::TileCopy(Emitter& k, const std::string& name, int rows, int row_length, const U32& tid,
                   int threads_a_row)
    : k_(k),
      threads_a_row_(threads_a_row),
      rows_a_pass_(AttentionTile::threads / threads_a_row),
      passes_(static_cast<int>(ceil_div(rows, rows_a_pass_))),
      steps_(static_cast<int>(ceil_div(row_length / 4, threads_a_row))),
      row_(k.let(name + "_row", tid / threads_a_row)),
      column_(k.let(name + "_column", tid % threads_a_row * 4)) {
  if (rows % rows_a_pass_ != 0)
    in_tile_ = k.let(name + "_in_tile", row_ < rows - (passes_ - 1) * rows_a_pass_);
  if (row_length % (4 * threads_a_row) == 0) return;
  const int last = column_of(steps_ - 1);
  in_row_ = k.let(name + "_in_row", column_ < row_length - last);
  last_column_ = k.let(name + "_last_column", k.select(*in_row_, k.constant<ptx::u32>(last), 0));
}

U32 TileCopy::row_of(const U32& first, int pass) const {
  return pass == 0 ? first : first + pass * rows_a_pass_;
}

/// Where a thread takes part in a step of a pass; nothing: everywhere.
std::optional<Pred> TileCopy::condition(int pass, int step) const {
  const bool ends_tile = in_tile_ && pass == passes_ - 1, ends_row = in_row_ && step == steps_ - 1;
  if (ends_tile && ends_row) return *in_tile_ && *in_row_;
  if (ends_tile) return in_tile_;
  if (ends_row) return in_row_;
  return {};
}

TileCopy::Vectors TileCopy::load(const HeadRows& from, const U32& row, const Extent& last) const {
  Vectors vectors;
  for (int pass : unroll(passes_)) {
    const U32 clamped = k_.min(row_of(row, pass), last);
    const ElementPtr at = from.row(k_, clamped);
    for (int step : unroll(steps_)) {
      const bool ends_row = in_row_ && step == steps_ - 1;
      vectors.push_back(k_.load_vector(ends_row ? at + *last_column_ : at + column_of(step), 4));
    }
  }
  return vectors;
}

void TileCopy::put(const SharedPtr<ptx::f32>& to, const std::vector<F32>& v,
                   std::optional<Pred> where) const {
  const auto store = [&] { k_.store(to, std::array<F32, 4>{v[0], v[1], v[2], v[3]}); };
  if (where)
    k_.guard(*where, store);
  else
    store();
}

void TileCopy::store(const SharedPtr<ptx::f32>& to, int apart, const Vectors& vectors) const {
  std::size_t next = 0;
  for (int pass : unroll(passes_))
    for (int step : unroll(steps_))
      put(to + (pass * apart + column_of(step)), vectors[next++], condition(pass, step));
}

void TileCopy::clear(const SharedPtr<ptx::f32>& to, int apart, const U32& row,
                     const Extent& end) const {
  const F32 zero = k_.constant<ptx::f32>(0);
  for (int pass : unroll(passes_)) {
    const Pred beyond = row_of(row, pass) >= end;
    for (int step : unroll(steps_)) {
      const std::optional<Pred> here = condition(pass, step);
      put(to + (pass * apart + column_of(step)), {zero, zero, zero, zero},
          here ? beyond && *here : beyond);
    }
  }
}

}  // namespace ptxmill::kernels
