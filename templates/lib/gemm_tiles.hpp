// The tiles that gemm has, and the choice among them.
#pragma once

#include <string>
#include <vector>

#include "templates/lib/simt_tile.hpp"

namespace ptxmill::kernels {

struct GemmTile {
  const char* name;  ///< in specs: "128x128"
  SimtTile tile;
  int efficiency;  ///< per cent of the FMA units' rate that its loop reaches, measured
};

/// All tiles, in the order in which specs may name them.
const std::vector<GemmTile>& gemm_tiles();
/// The number of the tile with that name.
int gemm_tile_number(const std::string& name);

/// A tile, by its number, and from which dimensions on it is used.
struct TileChoice {
  int tile;
  std::int64_t least_m = 0, least_n = 0;
};

/// The tiles to generate for a product of these dimensions, in the order in which a launch tries
/// them; the last is for any dimensions.
std::vector<TileChoice> choose_tiles(const Dim& m, const Dim& n, const Dim& k);

}  // namespace ptxmill::kernels
