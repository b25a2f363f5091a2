// What a product of a warpgroup works on (PTX ISA, "wgmma.mma_async"): d = a * b + d, with a of 64
// x k elements and b of k x n.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "emulator/decode/instruction.hpp"

namespace ptxmill::emu {

inline constexpr int warpgroup_warps = 4;
inline constexpr int product_rows = 64;
inline constexpr int most_product_columns = 256;
/// Of either factor along k, whatever its type.
inline constexpr int product_depth_bytes = 32;
inline constexpr int chunk_bytes = 16;

/// A factor in shared memory, as the offsets of chunks of 16 bytes. Where elements lie along k, two
/// chunks for each row of a, or column of b; else those of one k, eight elements each, one behind
/// the other.
struct TensorTile {
  std::vector<std::uint32_t> chunks;
  bool along_k = true;
};

struct WarpgroupProduct {
  std::array<std::byte*, warpgroup_warps> registers{};
  std::array<LaneMask*, warpgroup_warps> defined{};
  const Slot* d = nullptr;
  const Slot* a = nullptr;  ///< four registers a thread; null: `a_tile` says where a lies
  TensorTile a_tile, b_tile;
  const std::byte* shared = nullptr;
  const std::uint8_t* written = nullptr;  ///< a flag for each byte of `shared`
  int n = 0;
  bool accumulate = true;  ///< else d = a * b
  bool negate = false;     ///< the products
  bool saturate = false;   ///< integers stay within s32
  bool checked = true;     ///< track what is defined
};

using WarpgroupHandler = void (*)(const WarpgroupProduct&);

}  // namespace ptxmill::emu
