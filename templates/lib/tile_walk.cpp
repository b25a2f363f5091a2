#include "templates/lib/tile_walk.hpp"

namespace ptxmill::kernels {

TileWalk::TileWalk(Emitter& k, const Extent& m, const Extent& n, int rows, int cols, int group)
    : k_(k),
      rows_(rows),
      cols_(cols),
      group_(group),
      down_(k.let("tiles_down", ceil_div(m, rows))),
      group_tiles_(k.let("group_tiles", ceil_div(n, cols) * group)),
      count_(k.let("tiles", down_ * ceil_div(n, cols))) {}

std::pair<U32, U32> TileWalk::place(const std::string& name, const U32& tile) const {
  const U32 top = k_.let(name + "_group_top", tile / group_tiles_ * group_);
  const U32 height = k_.let(name + "_group_height", k_.min(down_ - Extent(top), group_));
  const U32 within = k_.let(name + "_within_group", tile % group_tiles_);
  return {k_.let(name + "_row", (top + within % height) * rows_),
          k_.let(name + "_col", within / height * cols_)};
}

}  // namespace ptxmill::kernels
