// Element types of tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ptxmill::rt {

enum class DType : std::uint8_t {
  f64,
  f32,
  f16,
  bf16,
  e4m3,
  e5m2,
  s64,
  u64,
  s32,
  u32,
  s16,
  u16,
  s8,
  u8,
};

/// Bytes of one element.
std::size_t size_of(DType dtype);
/// The name that specs and manifests use, as `bf16`.
std::string_view name(DType dtype);
/// The type of that name, if there is one.
std::optional<DType> dtype_named(std::string_view name);

/// `value` as the low bits of one element, rounded to nearest even; integers are converted exactly.
/// Throws `invalid_argument` where an integer type cannot hold the value, and for e4m3 and e5m2
/// where the value is not zero (nothing here converts to 8-bit floats).
std::uint64_t encode(DType dtype, double value);
/// The value of the element whose bits start at `element`.
double decode(DType dtype, const std::byte* element);

/// The element type of a C++ type, for the typed transfers of Tensor.
template <class T>
struct DTypeOf;
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::f64;
};
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::f32;
};
template <>
struct DTypeOf<std::int64_t> {
  static constexpr DType value = DType::s64;
};
template <>
struct DTypeOf<std::uint64_t> {
  static constexpr DType value = DType::u64;
};
template <>
struct DTypeOf<std::int32_t> {
  static constexpr DType value = DType::s32;
};
template <>
struct DTypeOf<std::uint32_t> {
  static constexpr DType value = DType::u32;
};
template <>
struct DTypeOf<std::int16_t> {
  static constexpr DType value = DType::s16;
};
template <>
struct DTypeOf<std::uint16_t> {
  static constexpr DType value = DType::u16;
};
template <>
struct DTypeOf<std::int8_t> {
  static constexpr DType value = DType::s8;
};
template <>
struct DTypeOf<std::uint8_t> {
  static constexpr DType value = DType::u8;
};

}  // namespace ptxmill::rt
