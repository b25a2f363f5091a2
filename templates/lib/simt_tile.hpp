// A tile of a matrix product on the FMA units: panels of both operands pass through a ring of two
// stages in shared memory, and each thread keeps a block of the result in registers. Stored with k
// as the slow index, the panels give each thread the operands of one k in 16-byte reads.
#pragma once

#include <string>
#include <vector>

#include "templates/emitter.hpp"

namespace ptxmill::kernels {

/// One CTA's share of the product, and how its threads divide it. A warp's lanes stand 8 down and 4
/// across; a thread's block is made of 4 x 4 pieces, 32 rows or 16 columns apart, so that the lanes
/// of a 16-byte read of shared memory lie side by side.
struct SimtTile {
  static constexpr int lanes_down = 8, lanes_across = 4;

  int rows, cols;                ///< of the result
  int depth;                     ///< k of one stage
  int thread_rows, thread_cols;  ///< of a thread's block
  int steps;                     ///< k that one round of the loop multiplies; even, divides `depth`
  int ctas_per_sm;               ///< which the register count must allow

  constexpr int warps_down() const { return rows / (lanes_down * thread_rows); }
  constexpr int warps_across() const { return cols / (lanes_across * thread_cols); }
  constexpr int threads() const { return 32 * warps_down() * warps_across(); }
  /// Elements of the ring for one k: a row of A's panel, then one of W's.
  constexpr int slice() const { return rows + cols; }
  constexpr int ring_elements() const { return 2 * depth * slice(); }
};

/// A matrix operand in global memory, seen from one tile.
struct PanelSource {
  ElementPtr base;
  Extent extent;          ///< of the dimension that the result keeps: m or n
  Extent depth;           ///< k
  bool depth_contiguous;  ///< stored as [extent, depth], else as [depth, extent]
  int vector;             ///< elements of one access: 4, or 1 where rows are not aligned
  U32 first;              ///< the tile's first row or column
};

/// Brings one operand's panels from global memory through registers to the ring. A thread moves
/// blocks of 4 x 4: it reads along the contiguous dimension and writes along the other. The first
/// stage is padded in front, so that the later ones need no mask, and so that the sums are the same
/// for any `depth`: zeros come before the first product.
class Panel {
 public:
  /// `name` is "a" or "w"; `column` is where the operand stands in a slice; `extent` is the tile's.
  Panel(Emitter& k, const std::string& name, const PanelSource& source, const SimtTile& tile,
        int extent, const SharedPtr<ptx::f32>& ring, int column);

  /// Loads the stage that begins at `at`, counted with the padding, into registers.
  void fetch(Emitter& k, const Extent& at);
  /// The same for the first stage, with zeros where it is padded.
  void fetch_first(Emitter& k);
  /// Writes the registers to the ring, `offset` elements from its start.
  void deposit(Emitter& k, const Extent& offset);

 private:
  void point_to_rows(Emitter& k, const U32& corner, const U32& corner_depth);
  void point_to_depths(Emitter& k, const U32& corner, const U32& corner_depth);
  void load(Emitter& k, const Extent& at, bool masked);
  Var<ptx::f32>& staged(int block, int along_extent, int along_depth) {
    return staged_[static_cast<std::size_t>((block * 4 + along_extent) * 4 + along_depth)];
  }

  std::string name_;
  PanelSource source_;
  int blocks_;        ///< 4 x 4 blocks of a thread
  int block_stride_;  ///< from one to the next, along the extent
  int slice_;
  Extent padding_;
  std::vector<ElementPtr> lines_;    ///< a pointer for each line of each block
  std::vector<U32> columns_;         ///< of single elements, where the extent is contiguous
  std::vector<Pred> valid_;          ///< by k within the block: not padding
  std::vector<Var<ptx::f32>> staged_;
  std::vector<SharedPtr<ptx::f32>> to_;
};

/// A thread's block of the result, and the operands of the present k and of the next.
class Accumulators {
 public:
  Accumulators(Emitter& k, const SimtTile& tile, const SharedPtr<ptx::f32>& ring);

  /// Turns to the stage's rows from `offset`, in elements from the ring's start.
  void turn_to(const Extent& offset);
  /// Reads the operands of the `step`-th k from there into `set`, 0 or 1.
  void read(Emitter& k, int set, int step);
  /// Adds the outer product of a set's operands.
  void multiply(Emitter& k, int set);
  /// Writes the block to `to`, a row-major copy of rows `first_row` and on of the tile.
  void deposit(Emitter& k, const SharedPtr<ptx::f32>& to, int pitch, const U32& first_row) const;
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
