// gemm's tiles for few rows of 16-bit elements, which several tests go over.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ptxmill::test {

struct StreamTile {
  const char* name;
  std::int64_t rows, cols;
  std::int64_t split;  ///< warps that share k, each 64 of it in turns
};

/// Those that a target has.
inline std::vector<StreamTile> stream_tiles(const std::string& target) {
  std::vector<StreamTile> all{
      {"s64x8", 8, 64, 1},     {"s16x8k2", 8, 16, 2},   {"s16x8k4", 8, 16, 4},
      {"s16x8k8", 8, 16, 8},   {"s32x8k4", 8, 32, 4},   {"s32x8k8", 8, 32, 8},
      {"s16x16k4", 16, 16, 4}, {"s16x16k8", 16, 16, 8}, {"s32x16k2", 16, 32, 2},
      {"s32x16k4", 16, 32, 4}, {"s32x16k8", 16, 32, 8}, {"s64x16k4", 16, 64, 4}};
  if (target != "sm_90a") return all;
  // In clusters.
  for (const StreamTile& tile :
       {StreamTile{"s32x8k4c2", 8, 32, 8}, {"s32x16k4c2", 16, 32, 8}, {"s64x16k4c4", 16, 64, 16}})
    all.push_back(tile);
  return all;
}

}  // namespace ptxmill::test
