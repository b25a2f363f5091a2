// The order in which a grid computes the tiles of a matrix: groups of rows of tiles, within which
// tiles follow each other down, so that L2 serves most reads of both operands.
#pragma once

#include <string>

#include "templates/emitter.hpp"

namespace ptxmill::kernels {

class TileWalk {
 public:
  /// Tiles of `rows` x `cols` over m x n; `group` rows of tiles belong together.
  TileWalk(Emitter& k, const Extent& m, const Extent& n, int rows, int cols, int group);

  /// How many tiles there are.
  const Extent& count() const { return count_; }
  /// The first row and column of a tile. `name` distinguishes walks in one kernel.
  std::pair<U32, U32> place(const std::string& name, const U32& tile) const;

 private:
  Emitter& k_;
  int rows_, cols_, group_;
  Extent down_, group_tiles_, count_;
};

}  // namespace ptxmill::kernels
