// Brings the panels of a matrix product's operands from global memory to shared memory, stage by
// stage. In shared memory k is the slow index: a slice holds, for one k, a column of each panel.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "templates/emitter.hpp"
#include "templates/lib/simt_tile.hpp"

namespace ptxmill::kernels {

/// How k is divided into stages. k is counted with zeros before its first element, as many as make
/// whole stages: later stages then need no mask, and a sum does not depend on the depth of a stage,
/// since zeros only precede its first term.
struct Stages {
  Stages(Emitter& k, const SimtTile& tile, const Extent& depth, int vector);

  SimtTile tile;
  Extent depth;         ///< k
  int vector;           ///< elements of one access to global memory: 4, or 1 where k is not aligned
  Extent end, padding;  ///< k with the zeros before it; how many those are
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

/// One operand's way through registers to the ring.
class Panel {
 public:
  virtual ~Panel() = default;
  /// Loads the first stage into registers, with zeros where it is padded.
  virtual void fetch_first(Emitter& k) = 0;
  /// Loads the stage that begins at `at`, not the first.
  virtual void fetch(Emitter& k, const Extent& at) = 0;
  /// Writes the registers to the ring, `offset` elements from its start.
  virtual void deposit(Emitter& k, const Extent& offset) const = 0;
};

/// An operand stored as [extent, k]. `to` is where its panel begins in the ring's first slice.
std::unique_ptr<Panel> row_panel(Emitter& k, const Stages& stages, const PanelSource& source,
                                 const SharedPtr<ptx::f32>& to);
/// An operand stored as [k, extent].
std::unique_ptr<Panel> column_panel(Emitter& k, const Stages& stages, const PanelSource& source,
                                    const SharedPtr<ptx::f32>& to);

}  // namespace ptxmill::kernels
