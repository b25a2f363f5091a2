// Tensor maps: what cuTensorMapEncodeTiled writes and tensor copies read. The layout is the
// emulator's own, as the device's is the driver's own.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

namespace ptxmill::emu {

/// Types of elements, numbered as the Driver API does (CUtensorMapDataType).
enum class TensorElement : std::uint8_t {
  u8,
  u16,
  u32,
  s32,
  u64,
  s64,
  f16,
  f32,
  f64,
  bf16,
  f32_ftz,
  tf32,
  tf32_ftz,
};
inline constexpr int tensor_element_count = 13;
int bytes_of(TensorElement e);
bool is_float(TensorElement e);

/// How the 16-byte chunks of shared memory are permuted, numbered as CUtensorMapSwizzle.
enum class Swizzle : std::uint8_t { none, bytes32, bytes64, bytes128 };

/// The place in shared memory of what lies at `address` where nothing is permuted.
constexpr std::uint32_t swizzled(std::uint32_t address, Swizzle s) {
  // The index of a 16-byte chunk within its span changes with the line of 128 bytes it lies in.
  const std::uint32_t span = (1u << static_cast<int>(s)) - 1;
  return address ^ (address >> 7 & span) << 4;
}
/// The stretch of shared memory that a permutation stays within.
constexpr std::uint32_t swizzle_span(Swizzle s) {
  return s == Swizzle::none ? 16 : 16u << static_cast<int>(s);
}

inline constexpr int max_tensor_rank = 5;

/// A tensor in global memory, and the box of it that a copy moves.
struct TensorMap {
  TensorElement element = TensorElement::u8;
  Swizzle swizzle = Swizzle::none;
  bool fill_nan = false;  ///< elements outside of the tensor read as NaN, not as zeros
  int rank = 0;
  std::uint64_t address = 0;
  std::array<std::uint64_t, max_tensor_rank> size{1, 1, 1, 1, 1};    ///< elements
  std::array<std::uint64_t, max_tensor_rank> stride{0, 0, 0, 0, 0};  ///< bytes; [0] is an element
  std::array<std::uint32_t, max_tensor_rank> box{1, 1, 1, 1, 1};
  std::array<std::uint32_t, max_tensor_rank> step{1, 1, 1, 1, 1};

  /// Elements of the box along a dimension that are moved.
  std::uint32_t moved(int d) const {
    const auto k = static_cast<std::size_t>(d);
    return (box[k] + step[k] - 1) / step[k];
  }
  /// Bytes of shared memory that a box takes.
  std::uint64_t box_bytes() const;
};

using EncodedTensorMap = std::array<std::uint64_t, 16>;

/// Null, or what is wrong with the numbers: the rules of cuTensorMapEncodeTiled.
const char* fault_of(const TensorMap& map);
EncodedTensorMap encode(const TensorMap& map);
/// Nothing where the bytes are no tensor map.
std::optional<TensorMap> decode(const EncodedTensorMap& bytes);

/// Where a box lies in its tensor.
using Coordinates = std::array<std::int32_t, max_tensor_rank>;

/// A row of a box: elements that lie one behind the other.
struct BoxRow {
  std::uint64_t global = 0;  ///< address of the first element that is in the tensor
  std::uint32_t offset = 0;  ///< of the row in the box, in bytes, before any permutation
  std::uint32_t before = 0;  ///< bytes in front of those in the tensor, which lie outside of it
  std::uint32_t inside = 0;  ///< bytes in the tensor
  std::uint32_t after = 0;   ///< bytes behind them
};

/// Calls f(BoxRow) for each row of the box at `at`.
template <class F>
void for_rows(const TensorMap& m, const Coordinates& at, F f) {
  const auto element = static_cast<std::uint32_t>(bytes_of(m.element));
  const std::int64_t width = m.box[0], size = static_cast<std::int64_t>(m.size[0]);
  const std::int64_t first = at[0] < 0 ? std::min<std::int64_t>(-std::int64_t{at[0]}, width) : 0;
  const std::int64_t last = std::clamp<std::int64_t>(size - at[0], first, width);
  BoxRow row;
  std::array<std::uint32_t, max_tensor_rank> index{};
  for (;;) {
    bool inside = true;
    row.global = m.address;
    for (std::size_t d = 1; d < static_cast<std::size_t>(m.rank); ++d) {
      const std::int64_t x = std::int64_t{at[d]} + std::int64_t{index[d]} * m.step[d];
      inside = inside && x >= 0 && static_cast<std::uint64_t>(x) < m.size[d];
      row.global += static_cast<std::uint64_t>(x) * m.stride[d];
    }
    row.global += static_cast<std::uint64_t>(at[0] + first) * element;
    row.before = static_cast<std::uint32_t>(inside ? first : width) * element;
    row.inside = inside ? static_cast<std::uint32_t>(last - first) * element : 0;
    row.after = static_cast<std::uint32_t>(width) * element - row.before - row.inside;
    f(static_cast<const BoxRow&>(row));
    row.offset += static_cast<std::uint32_t>(width) * element;
    std::size_t d = 1;
    for (; d < static_cast<std::size_t>(m.rank); ++d) {
      if (++index[d] < m.moved(static_cast<int>(d))) break;
      index[d] = 0;
    }
    if (d >= static_cast<std::size_t>(m.rank)) return;
  }
}

}  // namespace ptxmill::emu
