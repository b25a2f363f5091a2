// A tile of a matrix product on the FMA units: panels of both operands pass through a ring of
// stages in shared memory (panel.hpp), and each thread keeps a block of the result in registers.
#pragma once

#include <string>
#include <vector>

#include "templates/emitter.hpp"

namespace ptxmill::kernels {

/// One CTA's share of the product, and how its threads divide it. The warps of a slice cover the
/// tile; with several slices each takes its part of every stage's k, and their sums are added in
/// the end. A warp's lanes stand `lanes_down` by `lanes_across()`; a thread's block is made of 4 x
/// 4 pieces, a warp's lanes apart, so that what the lanes read from shared memory in one access
/// lies side by side.
struct SimtTile {
  int rows, cols;                ///< of the result; multiples of 32 or of half of it
  int depth;                     ///< k of one stage; a multiple of 8
  int thread_rows, thread_cols;  ///< of a thread's block
  int lanes_down;                ///< 4 or 8
  int slices;                    ///< parts into which a stage's k is divided
  int stages;                    ///< of the ring
  int steps;                     ///< k of one round of the loop: even, and divides slice_depth()
  int ctas_per_sm;               ///< which the registers must allow
  /// Products that a thread adds up before their sum joins the total, which keeps the rounding
  /// error near that of sums of this length; 0 adds all of them in one chain, and needs no
  /// registers for totals. A multiple of slice_depth().
  int chunk;
  /// Whether copies stand under a guard among the multiplications, and not in a branch of their
  /// own: faster where there are registers enough.
  bool guards_copies;

  constexpr int lanes_across() const { return 32 / lanes_down; }
  constexpr int warps_down() const { return rows / (lanes_down * thread_rows); }
  constexpr int warps_across() const { return cols / (lanes_across() * thread_cols); }
  constexpr int slice_threads() const { return 32 * warps_down() * warps_across(); }
  constexpr int threads() const { return slices * slice_threads(); }
  constexpr int slice_depth() const { return depth / slices; }
  /// Elements of the ring for one k: a column of A's panel, a column of W's, and padding that
  /// spreads eight k over all banks.
  constexpr int pitch() const { return rows + cols + 4; }
  constexpr int stage_elements() const { return depth * pitch(); }
  constexpr int ring_elements() const { return stages * stage_elements(); }
};

/// A thread's block of the result, and its operands for the present k and the next.
class Accumulators {
 public:
  Accumulators(Emitter& k, const SimtTile& tile, const U32& tid, const SharedPtr<ptx::f32>& ring);

  /// Turns to the stage that begins `offset` elements from the ring's start.
  void turn_to(const Extent& offset);
  /// Turns to the operands `steps` k further on.
  void advance(int steps);
  /// Reads the operands of the `step`-th k from there into `set`, 0 or 1.
  void read(Emitter& k, int set, int step);
  /// Adds the outer product of a set's operands.
  void multiply(Emitter& k, int set);
  /// Adds the chunk's sums to the totals, and begins the next chunk.
  void end_chunk(Emitter& k);
  /// Adds the last chunk: the sums are then the result of this slice.
  void finish(Emitter& k);
  /// Writes the tile into `to`, `pitch` elements from one row to the next, the slices' sums added
  /// in their order. Synchronises the CTA. Of each pair of columns the second comes first.
  void deposit(Emitter& k, const SharedPtr<ptx::f32>& to, int pitch) const;

 private:
  void deposit_slice(Emitter& k, const SharedPtr<ptx::f32>& corner, int pitch, bool add) const;

  SimtTile tile_;
  U32 slice_, thread_row_, thread_col_;
  SharedPtr<ptx::f32> a_lane_, w_lane_;
  Var<ptx::u32> a_at_, w_at_;
  std::vector<Var<ptx::f32>> a_[2], w_[2], sums_, totals_;
};

}  // namespace ptxmill::kernels
