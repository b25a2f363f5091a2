// What wgmma is told of an operand in shared memory (PTX ISA, "Asynchronous Warpgroup Level Matrix
// Multiply-Accumulate: Matrix Descriptor").
#pragma once

#include <string>

#include "generator/ptx/tile.hpp"

namespace ptxmill::ptx {

/// Descriptors of the tiles of a ring from a row on, k running along the rows. The bits that differ
/// between tiles and steps are the address's, in the lower word.
class Descriptors {
 public:
  /// `first_row` is a multiple of the swizzle's period.
  Descriptors(Kernel& k, const std::string& name, const SharedTile<b8>& ring,
              const In<u32>& first_row);

  /// The lower word for the ring's tile `index`, at the start of its rows.
  U32 tile(const In<u32>& index, Where where = Where::here()) const;
  /// The descriptor `step` products, of 32 bytes of k each, further along the rows.
  U64 step(const U32& tile, int step, Where where = Where::here()) const;

 private:
  Kernel& k_;
  TileShape shape_;
  U32 low_, high_;
};

}  // namespace ptxmill::ptx
