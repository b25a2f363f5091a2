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
/// that it takes: shared memory is busy for less time than the multiply-adds. Nine rows and not
/// eight: 72 queries a CTA make 126 CTAs of 1500 positions and 6 heads, one wave on the 132
/// multiprocessors of an H200, where 64 would make 144 and take over half as long again.
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

/// A tile of rows on its way to shared memory through the registers of all threads. A thread
/// carries vectors of four elements; in each pass a row is spread over a few threads.
class TileCopy {
 public:
  using Vectors = std::vector<std::vector<F32>>;

  /// Of `rows` rows of `row_length` elements. The values that cross phases are named name_...
  TileCopy(Emitter& k, const std::string& name, int rows, int row_length, const U32& tid);

  /// The thread's row of the tile in the first pass, and the first column that it carries.
  const U32& row() const { return row_; }
  const U32& column() const { return column_; }
  int rows_a_pass() const { return rows_a_pass_; }

  /// Loads from rows that begin at the thread's column; `row` is the thread's in the first pass.
  /// Rows past `last` are read as that one.
  Vectors load(const HeadRows& from, const U32& row, const Extent& last) const;
  /// Stores them; `to` is the place of the first pass's vector, the next pass's is `apart` on.
  void store(const SharedPtr<ptx::f32>& to, int apart, const Vectors& vectors) const;
  /// Stores zeros for the rows from `end` on; `row` is the thread's in the first pass.
  void clear(const SharedPtr<ptx::f32>& to, int apart, const U32& row, const Extent& end) const;

 private:
  TileCopy(Emitter& k, const std::string& name, int rows, int row_length, const U32& tid,
           int threads_a_row);
  int column_of(int step) const { return 4 * threads_a_row_ * step; }
  U32 row_of(const U32& first, int pass) const;
  std::optional<Pred> condition(int pass, int step) const;
  void put(const SharedPtr<ptx::f32>& to, const std::vector<F32>& v,
           std::optional<Pred> where) const;

  Emitter& k_;
  int threads_a_row_, rows_a_pass_;
  int passes_, steps_;  ///< of the tile's rows; of a row's vectors
  U32 row_, column_;
  std::optional<Pred> in_tile_, in_row_;  ///< in the last pass, the last step, where not all are
  std::optional<U32> last_column_;        ///< of the last step, from the first; 0 where not in_row_
};

}  // namespace ptxmill::kernels
