// The tiles that gemm has, and the choice among them.
#pragma once

#include <string>
#include <vector>

#include "templates/lib/simt_tile.hpp"

namespace ptxmill::kernels {

/// A tile of gemm, and from which dimensions on it is used.
struct GemmTile {
  const char* name;  ///< in specs: "128x128"
  SimtTile tile;
  int efficiency;  ///< per cent of the FMA units' rate that its loop reaches, measured
  int index;       ///< among all tiles
  std::int64_t least_m = 0, least_n = 0;

  std::string form_name() const { return std::string("t") + name; }
};

/// The tile with that name, or at that index.
const GemmTile& gemm_tile(const std::string& name);
const GemmTile& gemm_tile(int index);

/// The tiles to generate for a product of these dimensions, in the order in which a launch tries
/// them; the last is for any dimensions.
std::vector<GemmTile> gemm_tiles(const Dim& m, const Dim& n, const Dim& k);

}  // namespace ptxmill::kernels
