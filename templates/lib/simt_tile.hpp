// A tile of a matrix product on the FMA units: panels of both operands pass through a ring of two
// stages in shared memory, and each thread keeps a block of the result in registers. In the ring k
// is the slow index, so that a thread reads the operands of one k in 16-byte accesses.
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
  int depth;                     ///< k of one stage
  int thread_rows, thread_cols;  ///< of a thread's block
  int steps;                     ///< k of one round of the loop: even, and divides `depth`
  int ctas_per_sm;               ///< which the registers must allow

  constexpr int warps_down() const { return rows / (lanes_down * thread_rows); }
  constexpr int warps_across() const { return cols / (lanes_across * thread_cols); }
  constexpr int threads() const { return 32 * warps_down() * warps_across(); }
  /// Elements of the ring for one k: a column of A's panel, then one of W's.
  constexpr int slice() const { return rows + cols; }
  constexpr int ring_elements() const { return 2 * depth * slice(); }
};

/// How k is divided into stages, and what a thread moves of one. A panel is moved in blocks of 4 x
/// 4, one or more a thread.
///
/// k is counted with zeros before the first element, as many as make whole stages. Stages after the
/// first then need no mask, and a sum does not depend on the depth of a stage: zeros only precede
/// its first term.
struct Stages {
  Stages(Emitter& k, const SimtTile& tile, const Extent& depth, int vector);

  SimtTile tile;
  Extent depth;         ///< k
  int vector;           ///< elements of one access to global memory: 4, or 1 if not aligned
  Extent end, padding;  ///< k and the zeros before it; the zeros
  U32 tid;
  U32 corner;               ///< of the thread's blocks, along a panel's m or n
  U32 corner_depth;         ///< the same along k
  std::vector<Pred> valid;  ///< in the first stage: which k of a block are not padding, or of all
};

/// A matrix operand in global memory, seen from one tile.
struct PanelSource {
  std::string name;  ///< "a" or "w", for its values
  ElementPtr base;
  Extent extent;          ///< the dimension that the result keeps: m or n
  bool depth_contiguous;  ///< stored as [extent, k], else as [k, extent]
  U32 first;              ///< the tile's first row or column
};

/// Brings one operand's panels from global memory through registers to the ring. A thread reads its
/// blocks along the contiguous dimension, and writes them along the other than k.
class Panel {
 public:
  /// `extent` is the tile's; `to` is where the panel begins in the ring's first slice.
  Panel(Emitter& k, const Stages& stages, const PanelSource& source, int extent,
        const SharedPtr<ptx::f32>& to);

  /// Loads the first stage into registers.
  void fetch_first(Emitter& k);
  /// Loads the stage that begins at `at`, not the first.
  void fetch(Emitter& k, const Extent& at);
  /// Writes the registers to the ring, `offset` elements from its start.
  void deposit(Emitter& k, const Extent& offset) const;

 private:
  void find_blocks(Emitter& k);
  void load(Emitter& k, const Extent& at, bool masked);
  ElementPtr line(Emitter& k, const ElementPtr& block, int b, int i) const;
  void load_line(Emitter& k, const ElementPtr& from, int b, int i, bool masked);
  int index(int b, int i, int j) const { return (b * 4 + i) * 4 + j; }

  Stages stages_;
  PanelSource source_;
  int blocks_;                     ///< of a thread
  int stride_;                     ///< from a block to the next, along the extent
  bool clamped_;                   ///< whether a tile may reach beyond the matrix
  std::vector<ElementPtr> first_;  ///< to each block's first element
  std::vector<U32> reach_;  ///< lines (in bytes of k) or columns that the matrix has after each
                            ///< block's first, at most 3
  SharedPtr<ptx::f32> to_;
  std::vector<Var<ptx::f32>> staged_;  ///< by block, line of it, element of the line
};

/// A thread's block of the result, and its operands for the present k and the next.
class Accumulators {
 public:
  Accumulators(Emitter& k, const Stages& stages, const SharedPtr<ptx::f32>& ring);

  /// Turns to the slices that begin `offset` elements from the ring's start.
  void turn_to(const Extent& offset);
  /// Reads the operands of the `step`-th slice from there into `set`, 0 or 1.
  void read(Emitter& k, int set, int step);
  /// Adds the outer product of a set's operands.
  void multiply(Emitter& k, int set);
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
  std::vector<Var<ptx::f32>> a_[2], w_[2], sums_;
};

}  // namespace ptxmill::kernels
