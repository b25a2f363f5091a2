// The tiles of gemm on Hopper's tensor cores.
#pragma once

#include <cstdint>

namespace ptxmill::kernels {

/// Bytes of k in a stage: a row of the swizzled tiles.
inline constexpr int wgmma_stage_bytes = 128;

/// How a CTA computes its tiles of the result.
struct WgmmaTile {
  const char* name;  ///< in specs: "128x128"
  int cols;          ///< of the tile
  int consumers;     ///< warpgroups that multiply
  int blocks = 1;    ///< of 64 rows that each of them has
  /// Whether the warpgroups take turns, each with a tile of its own, so that one multiplies while
  /// another stores; else they share a tile.
  bool alternates = false;
  /// Whether they lie side by side on one block of rows, each with a part of the columns.
  bool across = false;
  int splitters = 0;  ///< warpgroups that split operands
  int stages = 4;     ///< of 128 bytes of k each
  int cluster = 1;    ///< CTAs below one another that share the copies for the columns
  int split = 1;      ///< CTAs of a cluster that share a tile's k
  int ctas_per_sm = 1;
  int rows() const { return 64 * blocks * (alternates || across ? 1 : consumers); }
  /// Columns of a warpgroup.
  int own_cols() const { return across ? cols / consumers : cols; }
  /// Whether the rows are of w and the columns of a: for few rows of a, of which no block of 64
  /// would be full.
  bool swaps = false;
  /// The tile that takes its place where an activation costs tens of instructions, which
  /// warpgroups that share a tile cannot hide.
  const char* for_costly = nullptr;
  /// For the choice among tiles: per cent of the tensor cores' rate that the loop reaches, cycles
  /// that each tile takes outside it, and cycles that the last one takes to be stored. Measured.
  int efficiency = 90;
  std::int64_t overhead = 0, tail = 0;

  int ctas_in_cluster() const { return cluster * split; }
  int threads() const { return 128 * (1 + splitters + consumers); }
};

}  // namespace ptxmill::kernels
