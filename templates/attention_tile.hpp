// How a CTA of prefill attention divides its work: which queries and keys make a tile, which part
// of it a lane computes, and how rows travel to shared memory.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "templates/emitter.hpp"

namespace ptxmill::kernels {

/// Neighbouring columns of the output that one lane computes: `width` of them, the first at
/// first + width * (l % lanes) for lane l of those that share a row.
struct ColumnPiece {
  int first, width, lanes;
};

/// The tile. A warp has 18 queries: its even lanes 9 of them, its odd lanes the others. The 16
/// lanes that share queries divide the tile's keys among them, and then the output's columns.
///
/// For 9 x 4 scores a lane makes 13 shared loads of 16 bytes and 144 multiply-adds. Each load is
/// the same for lanes that differ in bit 0 (K, V) or in bit 1 (Q, weights), which halves the cycles
/// that it takes, and so the multiply-adds are the limit. Nine rows and not eight: 72 queries a CTA
/// make 126 CTAs of 1500 positions and 6 heads, one wave on 132 multiprocessors; 64 would make 144.
struct AttentionTile {
  static constexpr int warps = 4, threads = 32 * warps;
  static constexpr int lanes = 16;
  static constexpr int rows = 9;
  static constexpr int warp_queries = rows * 32 / lanes;
  static constexpr int queries = warps * warp_queries;
  /// Elements after each row in shared memory: neighbouring rows begin in different banks.
  static constexpr int pad = 4;

  explicit AttentionTile(int head_dim);

  int head_dim;
  int keys;           ///< 64, or 32 where the tiles would not fit the 99 KB that every target has
  int keys_per_lane;  ///< neighbours
  std::vector<ColumnPiece> columns;

  int padded_row() const { return head_dim + pad; }
  int weights_row() const { return keys + pad; }
  /// A sum over `length` is taken in groups of four terms: how many groups in a loop's round.
  static int groups_a_round(int length);
};

/// The rows of one head in global memory, from some column on.
class HeadRows {
 public:
  HeadRows(const ElementPtr& first, const Extent& stride_bytes)
      : first_(first), stride_bytes_(stride_bytes) {}
  ElementPtr row(Emitter& k, const U32& row) const;
  HeadRows from_column(Emitter& k, const std::string& name, const U32& column) const;

 private:
  ElementPtr first_;
  Extent stride_bytes_;
};

/// A tile of K or V on its way to shared memory through the registers of all threads. A thread
/// carries vectors of four elements; in each pass a row is spread over a few threads.
class TileCopy {
 public:
  using Vectors = std::vector<std::vector<F32>>;

  TileCopy(Emitter& k, const AttentionTile& tile, const U32& tid);

  /// The thread's row in the first pass, and its first column.
  const U32& row() const { return row_; }
  const U32& column() const { return column_; }
  int rows_a_pass() const { return AttentionTile::threads / threads_a_row_; }

  /// The rows from `first` on of `from`, whose columns begin at the thread's; rows past `last`
  /// are read as that one.
  Vectors load(const HeadRows& from, const In<ptx::u32>& first, const Extent& last) const;
  /// Stores them; `to` is the place of the first pass's vector, the next pass's is `apart` on.
  void store(const SharedPtr<ptx::f32>& to, int apart, const Vectors& vectors) const;
  /// Zeros the rows from `end` on of a tile whose first row is `first`.
  void clear(const SharedPtr<ptx::f32>& to, int apart, const U32& first, const Extent& end) const;

 private:
  int passes() const { return tile_.keys / rows_a_pass(); }
  int column_of(int step) const { return 4 * threads_a_row_ * step; }
  bool is_ragged(int step) const { return in_row_ && step == steps_ - 1; }

  Emitter& k_;
  AttentionTile tile_;
  int threads_a_row_;
  int steps_;  ///< vectors of a row that one thread carries
  U32 row_, column_;
  std::optional<Pred> in_row_;  ///< where a row's vectors do not divide: whether there is a last
  std::optional<U32> last_column_;  ///< of the last vector, from the first; or 0
};

}  // namespace ptxmill::kernels
