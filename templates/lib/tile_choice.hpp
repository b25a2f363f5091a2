// The choice among the tiles that a matrix product may be divided into.
#pragma once

#include <cstdint>
#include <vector>

#include "templates/template.hpp"

namespace ptxmill::kernels {

/// A tile, by its number, and from which dimensions on it is used.
struct TileChoice {
  int tile;
  std::int64_t least_m = 0, least_n = 0;
};

/// What a tile takes of a multiprocessor.
struct TileCost {
  int rows, cols;
  int rate;               ///< multiply-adds that its units do in a cycle
  int efficiency;         ///< per cent of that rate which its loop reaches, measured
  std::int64_t overhead;  ///< cycles outside the loop, for each tile
  std::int64_t tail = 0;  ///< cycles after the last tile's loop
  int split = 1;          ///< multiprocessors that share its k
};

/// The tiles to generate for a product with these n and k, in the order in which a launch tries
/// them; the last is for any m.
std::vector<TileChoice> choose_tiles(const std::vector<TileCost>& tiles, const Dim& m,
                                     std::int64_t n, std::int64_t k);

}  // namespace ptxmill::kernels
