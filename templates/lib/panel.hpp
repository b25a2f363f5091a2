// Brings the panels of a matrix product's operands from global memory to shared memory, stage by
// stage, with asynchronous copies. In shared memory k is the slow index: for one k there are a
// column of each panel and padding.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "templates/emitter.hpp"
#include "templates/lib/simt_tile.hpp"

namespace ptxmill::kernels {

/// How k is divided into stages. k is counted with zeros before its first element, as many as make
/// whole stages: later stages then need no mask.
struct Stages {
  Stages(Emitter& k, const SimtTile& tile, const Extent& depth);

  SimtTile tile;
  Extent depth;           ///< k
  Extent count, padding;  ///< stages; zeros before k
  U32 tid;
};

/// A matrix operand in global memory, seen from one tile.
struct PanelSource {
  std::string name;  ///< "a" or "w", for its values
  ElementPtr base;
  Extent extent;  ///< of the dimension that the result keeps: m or n
  U32 first;      ///< the tile's first row or column
  int tile;       ///< the tile's extent
};

/// One operand's way to the ring. Four bytes a copy: memory holds an operand in an order of its
/// own, and the ring with k as the slow index; a warp's copies cover whole sectors of memory and
/// all banks of shared memory.
class Panel {
 public:
  virtual ~Panel() = default;
  /// Copies the first stage, with zeros where it is padded, to the ring's start.
  virtual void fetch_first(Emitter& k) = 0;
  /// Copies the stage whose first k is `at`, not the first, to `offset` elements from the ring's
  /// start; only `when` that holds, if it is given.
  virtual void fetch(Emitter& k, const Extent& at, const Extent& offset, const Pred* when) = 0;
};

/// An operand stored as [extent, k]. `to` is where its panel begins in the ring's first column.
std::unique_ptr<Panel> row_panel(Emitter& k, const Stages& stages, const PanelSource& source,
                                 const SharedPtr<ptx::f32>& to);
/// An operand stored as [k, extent].
std::unique_ptr<Panel> column_panel(Emitter& k, const Stages& stages, const PanelSource& source,
                                    const SharedPtr<ptx::f32>& to);

}  // namespace ptxmill::kernels
