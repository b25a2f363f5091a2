#include "runtime/dtype.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "runtime/error.hpp"
#include "runtime/text.hpp"

namespace ptxmill::rt {
namespace {

struct Row {
  DType dtype;
  std::string_view name;
  std::size_t size;
};

constexpr std::array<Row, 14> rows{{
    {DType::f64, "f64", 8},
    {DType::f32, "f32", 4},
    {DType::f16, "f16", 2},
    {DType::bf16, "bf16", 2},
    {DType::e4m3, "e4m3", 1},
    {DType::e5m2, "e5m2", 1},
    {DType::s64, "s64", 8},
    {DType::u64, "u64", 8},
    {DType::s32, "s32", 4},
    {DType::u32, "u32", 4},
    {DType::s16, "s16", 2},
    {DType::u16, "u16", 2},
    {DType::s8, "s8", 1},
    {DType::u8, "u8", 1},
}};

const Row& row(DType dtype) { return rows[static_cast<std::size_t>(dtype)]; }

/// Layout of a small IEEE-like float: f16, bf16, e4m3 (no infinity) and e5m2.
struct FloatLayout {
  int exponent_bits, mantissa_bits;
  int bias() const { return (1 << (exponent_bits - 1)) - 1; }
};

constexpr FloatLayout f16_layout{5, 10}, bf16_layout{8, 7}, e4m3_layout{4, 3}, e5m2_layout{5, 2};

/// Rounds to nearest even straight from double, so that no step through float rounds twice.
std::uint64_t encode_float(FloatLayout layout, double value) {
  const int mantissa = layout.mantissa_bits;
  const std::uint64_t sign = std::uint64_t{std::signbit(value)}
                             << (layout.exponent_bits + mantissa);
  const std::uint64_t infinity = ((std::uint64_t{1} << layout.exponent_bits) - 1) << mantissa;
  if (std::isnan(value)) return sign | infinity | (std::uint64_t{1} << (mantissa - 1));
  const double magnitude = std::fabs(value);
  if (std::isinf(magnitude)) return sign | infinity;
  if (magnitude == 0) return sign;
  int exponent = 0;
  std::frexp(magnitude, &exponent);  // magnitude in [2^(exponent-1), 2^exponent)
  const int least = 1 - layout.bias();
  const int binade = std::max(exponent - 1, least);
  // Units of the last place in this binade; nearbyint rounds to even in the default mode. A carry
  // out of the mantissa runs into the exponent field, which is what rounding up a binade means.
  const auto units =
      static_cast<std::uint64_t>(std::nearbyint(std::ldexp(magnitude, mantissa - binade)));
  const std::uint64_t bits = (static_cast<std::uint64_t>(binade - least) << mantissa) + units;
  return sign | (bits >= infinity ? infinity : bits);
}

double decode_float(FloatLayout layout, std::uint64_t bits, bool has_infinity) {
  const int mantissa = layout.mantissa_bits;
  const std::uint64_t fraction = bits & ((std::uint64_t{1} << mantissa) - 1);
  const int field = static_cast<int>(bits >> mantissa) & ((1 << layout.exponent_bits) - 1);
  const bool negative = ((bits >> (mantissa + layout.exponent_bits)) & 1) != 0;
  const int top = (1 << layout.exponent_bits) - 1;
  double magnitude = 0;
  if (field == top && has_infinity) {
    magnitude = fraction == 0 ? std::numeric_limits<double>::infinity()
                              : std::numeric_limits<double>::quiet_NaN();
  } else if (field == top && fraction == (std::uint64_t{1} << mantissa) - 1) {
    magnitude = std::numeric_limits<double>::quiet_NaN();  // e4m3 has one NaN and no infinity
  } else if (field == 0) {
    magnitude = std::ldexp(static_cast<double>(fraction), 1 - layout.bias() - mantissa);
  } else {
    magnitude = std::ldexp(static_cast<double>(fraction | (std::uint64_t{1} << mantissa)),
                           field - layout.bias() - mantissa);
  }
  return negative ? -magnitude : magnitude;
}

template <class T>
std::uint64_t encode_integer(DType dtype, double value) {
  // 2^bits is exact in double where max() is not.
  const double end = std::ldexp(1.0, std::numeric_limits<T>::digits);
  const double begin = std::numeric_limits<T>::is_signed ? -end : 0.0;
  if (!(value >= begin && value < end) || value != std::trunc(value))
    throw Error(ErrorCode::invalid_argument, concat("the value ", value, " is no ", name(dtype)));
  const T converted = static_cast<T>(value);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &converted, sizeof converted);
  return bits;
}

template <class T>
T read(const std::byte* element) {
  T value;
  std::memcpy(&value, element, sizeof value);
  return value;
}

}  // namespace

std::size_t size_of(DType dtype) { return row(dtype).size; }

std::string_view name(DType dtype) { return row(dtype).name; }

std::optional<DType> dtype_named(std::string_view name) {
  for (const Row& candidate : rows)
    if (candidate.name == name) return candidate.dtype;
  return std::nullopt;
}

std::uint64_t encode(DType dtype, double value) {
  switch (dtype) {
    case DType::f64: return std::bit_cast<std::uint64_t>(value);
    case DType::f32: return std::bit_cast<std::uint32_t>(static_cast<float>(value));
    case DType::f16: return encode_float(f16_layout, value);
    case DType::bf16: return encode_float(bf16_layout, value);
    case DType::e4m3:
    case DType::e5m2:
      if (value == 0) return 0;
      throw Error(ErrorCode::invalid_argument,
                  concat("cannot convert ", value, " to ", name(dtype)));
    case DType::s64: return encode_integer<std::int64_t>(dtype, value);
    case DType::u64: return encode_integer<std::uint64_t>(dtype, value);
    case DType::s32: return encode_integer<std::int32_t>(dtype, value);
    case DType::u32: return encode_integer<std::uint32_t>(dtype, value);
    case DType::s16: return encode_integer<std::int16_t>(dtype, value);
    case DType::u16: return encode_integer<std::uint16_t>(dtype, value);
    case DType::s8: return encode_integer<std::int8_t>(dtype, value);
    case DType::u8: return encode_integer<std::uint8_t>(dtype, value);
  }
  return 0;
}

double decode(DType dtype, const std::byte* element) {
  switch (dtype) {
    case DType::f64: return read<double>(element);
    case DType::f32: return static_cast<double>(read<float>(element));
    case DType::f16: return decode_float(f16_layout, read<std::uint16_t>(element), true);
    case DType::bf16: return decode_float(bf16_layout, read<std::uint16_t>(element), true);
    case DType::e4m3: return decode_float(e4m3_layout, read<std::uint8_t>(element), false);
    case DType::e5m2: return decode_float(e5m2_layout, read<std::uint8_t>(element), true);
    case DType::s64: return static_cast<double>(read<std::int64_t>(element));
    case DType::u64: return static_cast<double>(read<std::uint64_t>(element));
    case DType::s32: return read<std::int32_t>(element);
    case DType::u32: return read<std::uint32_t>(element);
    case DType::s16: return read<std::int16_t>(element);
    case DType::u16: return read<std::uint16_t>(element);
    case DType::s8: return read<std::int8_t>(element);
    case DType::u8: return read<std::uint8_t>(element);
  }
  return 0;
}

}  // namespace ptxmill::rt
