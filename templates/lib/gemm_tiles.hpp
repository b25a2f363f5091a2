// The tiles that gemm has, and the choice among them.
#pragma once

#include <string>
#include <vector>

#include "templates/lib/mma_tile.hpp"
#include "templates/lib/simt_tile.hpp"
#include "templates/lib/stream_tile.hpp"
#include "templates/lib/tile_choice.hpp"
#include "templates/lib/wgmma_tile.hpp"

namespace ptxmill::kernels {

/// A tile on the FMA units.
struct GemmTile {
  const char* name;  ///< in specs: "128x128"
  SimtTile tile;
  int efficiency;  ///< per cent of the FMA units' rate that its loop reaches, measured
};

/// All tiles, in the order in which specs may name them.
const std::vector<GemmTile>& gemm_tiles();
const std::vector<MmaTile>& mma_tiles(MmaMath math);
const std::vector<WgmmaTile>& wgmma_tiles(MmaMath math);
/// The number of the tile with that name; -1 where there is none.
int gemm_tile_number(const std::string& name);
int mma_tile_number(MmaMath math, const std::string& name);
int wgmma_tile_number(MmaMath math, const std::string& name);

/// The tiles to generate for a product of these dimensions, in the order in which a launch tries
/// them; the last is for any dimensions.
std::vector<TileChoice> choose_gemm_tiles(const Dim& m, const Dim& n, const Dim& k);
std::vector<TileChoice> choose_mma_tiles(MmaMath math, const Dim& m, const Dim& n, const Dim& k);
std::vector<TileChoice> choose_wgmma_tiles(MmaMath math, const Dim& m, const Dim& n, const Dim& k);

}  // namespace ptxmill::kernels
