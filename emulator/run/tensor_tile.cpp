// Where a factor of a product lies in shared memory.
#include "emulator/run/warpgroup.hpp"

namespace ptxmill::emu {
namespace {

/// A descriptor's fields, in bytes.
struct Descriptor {
  std::uint32_t start, leading, stride;
  std::uint32_t base;   ///< 128-byte lines by which the swizzle's pattern is off
  std::uint32_t width;  ///< of a swizzled row, in chunks; 1: no swizzle
};

Descriptor fields_of(std::uint64_t d) {
  const auto bytes = [&](int at) { return static_cast<std::uint32_t>(d >> at & 0x3fffu) * 16; };
  constexpr std::uint32_t widths[] = {1, 8, 4, 2};
  return {bytes(0), bytes(16), bytes(32), static_cast<std::uint32_t>(d >> 49 & 7u),
          widths[d >> 62]};
}

/// The address whose contents a swizzled one stands for: the chunk's place in its line of 128 bytes
/// by exclusive or with the line's place in the pattern.
std::uint32_t swizzled(const Descriptor& d, std::uint32_t address) {
  const std::uint32_t line = (address >> 7) - d.base;
  return address ^ (line & (d.width - 1)) << 4;
}

}  // namespace

TensorTile tensor_tile(std::uint64_t descriptor, bool along_k, int count, int element_bytes) {
  const Descriptor d = fields_of(descriptor);
  const auto n = static_cast<std::uint32_t>(count);
  TensorTile tile;
  tile.along_k = along_k;
  const auto add = [&](std::uint32_t offset) {
    tile.chunks.push_back(swizzled(d, d.start + offset));
  };
  if (along_k) {
    // Eight rows make a core matrix, or a swizzled pattern; the next chunk along k stands beside.
    const std::uint32_t row_bytes = d.width * chunk_bytes;
    const std::uint32_t next = d.width == 1 ? d.leading : chunk_bytes;
    for (std::uint32_t row = 0; row < n; ++row) {
      add(row % 8 * row_bytes + row / 8 * d.stride);
      add(row % 8 * row_bytes + row / 8 * d.stride + next);
    }
    return tile;
  }
  const auto depth = static_cast<std::uint32_t>(product_depth_bytes / element_bytes);
  const std::uint32_t chunks = n * static_cast<std::uint32_t>(element_bytes) / chunk_bytes;
  // Without a swizzle, the two offsets change their roles.
  const std::uint32_t across = d.width == 1 ? d.stride : d.leading;
  const std::uint32_t along = d.width == 1 ? d.leading : d.stride;
  for (std::uint32_t k = 0; k < depth; ++k) {
    for (std::uint32_t c = 0; c < chunks; ++c)
      add(c % d.width * chunk_bytes + c / d.width * across + k % 8 * d.width * chunk_bytes +
          k / 8 * along);
  }
  return tile;
}

}  // namespace ptxmill::emu
