// The tiles of gemm for few rows of 16-bit elements whose weights stream.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace ptxmill::kernels {

/// How a CTA divides its part of the weights. A team of warps has 16 features or more, and its
/// warps share k.
struct StreamTile {
  const char* name;  ///< in specs: "s16x8k4", features by rows of a CTA, and warps that share k
  int features;      ///< of a team; a multiple of 16
  int rows;          ///< of a; a multiple of 8
  int split;         ///< warps of a team
  int teams;         ///< of a CTA
  int rounds;        ///< that a thread has in flight, each of two copies of each of its features
  int loaded;        ///< rounds for which it has loaded its rows of a
  int ctas_per_sm;   ///< which shared memory and the registers must allow

  constexpr int team_threads() const { return 32 * split; }
  constexpr int threads() const { return team_threads() * teams; }
  constexpr int cta_features() const { return features * teams; }
  /// Floats from one row of sums to the next in shared memory: against bank conflicts between a
  /// warp's eight features and four pairs of rows.
  constexpr int sums_pitch() const { return features + 4; }
  constexpr int sums_of_warp() const { return rows * sums_pitch(); }
  /// As Template::division().
  std::vector<std::pair<std::string, std::string>> division() const;
};

/// All tiles, in the order in which specs may name them.
const std::vector<StreamTile>& stream_tiles();

// They stand beside the tiles of another engine of gemm (lib/gemm_tiles.hpp), and their numbers
// come after all of those.
/// The number of the tile with that name; -1 where there is none.
int stream_tile_number(const std::string& name);
bool is_stream_tile(int number);
const StreamTile& stream_tile(int number);

}  // namespace ptxmill::kernels
