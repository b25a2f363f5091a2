#include "templates/lib/stream_tile.hpp"

#include <algorithm>

namespace ptxmill::kernels {
namespace {

// In flight are 2 KB for each warp, 16 features and round: 96 to 192 KB in the CTAs that fit an SM.
// No ring takes more than the 99 KiB that the smallest of these GPUs have.
const std::vector<StreamTile> tiles_that_stream{
    {"s16x8k4", 16, 8, 4, 1, 4, 4, 6},   {"s16x8k8", 16, 8, 8, 1, 4, 4, 3},
    {"s16x8k16", 16, 8, 16, 1, 3, 1, 2}, {"s32x8k8", 32, 8, 8, 1, 2, 4, 2},
    {"s16x16k4", 16, 16, 4, 1, 4, 2, 5}, {"s16x16k8", 16, 16, 8, 1, 4, 2, 2},
    {"s32x16k4", 32, 16, 4, 1, 4, 2, 3}, {"s32x16k8", 32, 16, 8, 1, 2, 1, 2},
};
/// The number of the first of them.
constexpr int first_number = 100;

}  // namespace

std::vector<std::pair<std::string, std::string>> StreamTile::division() const {
  return {{"CTA's tile", std::to_string(rows) + " x " + std::to_string(cta_features())},
          {"k shared by", std::to_string(split) + " warps"},
          {"in flight", std::to_string(features / 8 * 2 * rounds) + " copies a thread"}};
}

const std::vector<StreamTile>& stream_tiles() { return tiles_that_stream; }

int stream_tile_number(const std::string& name) {
  const auto found = std::find_if(tiles_that_stream.begin(), tiles_that_stream.end(),
                                  [&](const StreamTile& t) { return name == t.name; });
  if (found == tiles_that_stream.end()) return -1;
  return first_number + static_cast<int>(found - tiles_that_stream.begin());
}

bool is_stream_tile(int number) { return number >= first_number; }

const StreamTile& stream_tile(int number) {
  return tiles_that_stream[static_cast<std::size_t>(number - first_number)];
}

}  // namespace ptxmill::kernels
