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

inline const std::vector<StreamTile> stream_tiles{{"s16x8k4", 8, 16, 4},   {"s16x8k8", 8, 16, 8},
                                                  {"s16x8k16", 8, 16, 16}, {"s32x8k8", 8, 32, 8},
                                                  {"s16x16k4", 16, 16, 4}, {"s16x16k8", 16, 16, 8},
                                                  {"s32x16k4", 16, 32, 4}, {"s32x16k8", 16, 32, 8}};

}  // namespace ptxmill::test
