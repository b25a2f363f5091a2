// Brings the rows of a matrix product's operands from global memory to the ring of the tensor
// cores' tile (mma_tile.hpp), in asynchronous copies of 16 bytes.
#pragma once

#include <optional>
#include <string>

#include "templates/lib/mma_tile.hpp"

namespace ptxmill::kernels {

/// How k is divided into stages. k is counted with zeros before its first element, as many as make
/// whole stages: later stages then need no mask.
struct MmaStages {
  MmaStages(Emitter& k, const MmaTile& tile, Dtype dtype, const Extent& depth);

  MmaTile tile;
  int chunk_elements;     ///< of the operands
  int stage_depth;        ///< k of one stage
  Extent depth;           ///< k
  Extent count, padding;  ///< stages; zeros before k
  U32 tid;
};

/// An operand stored as [extent, k], seen from one tile.
struct ChunkSource {
  std::string name;  ///< "a" or "w", for its values
  ElementPtr base;
  Extent extent;      ///< of the dimension that the result keeps: m or n
  U32 first;          ///< the tile's first row of the operand
  int rows;           ///< the tile's number of them
  int first_in_ring;  ///< where they begin in a stage
};

/// One operand's way to the ring. As many neighbouring lanes as a stage's row has chunks copy a
/// row.
class ChunkCopy {
 public:
  ChunkCopy(Emitter& k, const MmaStages& stages, const ChunkSource& source,
            const OperandRing& ring);

  /// Copies that a thread makes for a stage.
  int count() const { return source_.rows / apart_; }
  /// The first stage to the ring's first slot, with zeros where it is padded.
  void copy_first(Emitter& k) const;
  /// The copies `begin` to `end` of the stage whose first k is `at`, not the first, to a slot; only
  /// `when` that holds, if it is given.
  void copy(Emitter& k, const Extent& at, const In<ptx::u32>& slot, int begin, int end,
            const Pred* when) const;

 private:
  MmaStages stages_;
  ChunkSource source_;
  int apart_;  ///< from one of the thread's rows to the next
  U32 depth_;  ///< its first k
  ptx::TilePlace<ptx::b32> to_;
  ElementPtr line_;          ///< its first row, there
  std::optional<U32> left_;  ///< rows from that one on, where the tile may overhang
};

}  // namespace ptxmill::kernels
