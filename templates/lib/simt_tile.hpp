// A tile of a matrix product on the FMA units: panels of both operands pass through a ring of two
// stages in shared memory (panel.hpp), and each thread keeps a block of the result in registers.
#pragma once

#include <string>
#include <vector>

#include "templates/emitter.hpp"

namespace ptxmill::kernels {

/// One CTA's share of the product, and how its threads divide it. A warp's lanes stand 8 down and 4
/// across; a thread's block is made of 4 x 4 pieces, 32 rows or 16 columns apart, so that what the
/// lanes read from shared memory in one access lies side by side.
struct SimtTile {
  static constexpr int lanes_down = 8, lanes_across = 4;

  int rows, cols;                ///< of the result
  int depth;                     ///< k of one stage; a multiple of 8
  int thread_rows, thread_cols;  ///< of a thread's block
  int steps;                     ///< k of one round of the loop: even, and divides `depth`
  int ctas_per_sm;               ///< which the registers must allow
  /// Products that are added up before their sum joins the total, which keeps the rounding error
  /// near that of sums of this length; 0 adds all of them in one chain, and needs no registers for
  /// totals. A multiple of `depth`.
  int chunk;

  constexpr int warps_down() const { return rows / (lanes_down * thread_rows); }
  constexpr int warps_across() const { return cols / (lanes_across * thread_cols); }
  constexpr int threads() const { return 32 * warps_down() * warps_across(); }
  /// Elements of the ring for one k: a column of A's panel, a column of W's, and padding that
  /// shifts each four k by half of the banks.
  constexpr int slice() const { return rows + cols + 4; }
  constexpr int ring_elements() const { return 2 * depth * slice(); }
};

/// A thread's block of the result, and its operands for the present k and the next.
class Accumulators {
 public:
  Accumulators(Emitter& k, const SimtTile& tile, const U32& tid, const SharedPtr<ptx::f32>& ring);

  /// Turns to the slices that begin `offset` elements from the ring's start.
  void turn_to(const Extent& offset);
  /// Turns to the slices `steps` further on.
  void advance(int steps);
  /// Reads the operands of the `step`-th slice from there into `set`, 0 or 1.
  void read(Emitter& k, int set, int step);
  /// Adds the outer product of a set's operands.
  void multiply(Emitter& k, int set);
  /// Adds the chunk's sums to the totals, and begins the next chunk.
  void end_chunk(Emitter& k);
  /// Adds the last chunk: the sums are then the result.
  void finish(Emitter& k);
  /// Writes the block into `to`: a copy of the tile's rows from `first_row` on, `pitch` elements
  /// from one to the next.
  void deposit(Emitter& k, const SharedPtr<ptx::f32>& to, int pitch, const Extent& first_row) const;
  /// The warp's place among `warps_down`.
  const U32& warp_row() const { return warp_row_; }

 private:
  SimtTile tile_;
  U32 warp_row_, thread_row_, thread_col_;
  SharedPtr<ptx::f32> a_lane_, w_lane_;
  Var<ptx::u32> a_at_, w_at_;
  std::vector<Var<ptx::f32>> a_[2], w_[2], sums_, totals_;
};

}  // namespace ptxmill::kernels
