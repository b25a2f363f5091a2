// Facts and conversions of the float formats. Internal to each translation unit, as lanes.hpp.
#pragma once

#include "emulator/lanes/lanes.hpp"

namespace ptxmill::emu {
namespace {

template <class T>
inline constexpr Word<T> sign_of = Word<T>{1} << (sizeof(T) * 8 - 1);
template <class T>
inline constexpr Word<T> infinity_bits = sizeof(T) == 8   ? static_cast<Word<T>>(0x7ff0000000000000)
                                         : sizeof(T) == 4 ? static_cast<Word<T>>(0x7f800000)
                                         : std::is_same_v<T, F16> ? 0x7c00
                                                                  : 0x7f80;
template <class T>
inline constexpr Word<T> least_normal_bits = sizeof(T) == 8
                                                 ? static_cast<Word<T>>(0x0010000000000000)
                                             : sizeof(T) == 4 ? static_cast<Word<T>>(0x00800000)
                                             : std::is_same_v<T, F16> ? 0x0400
                                                                      : 0x0080;
/// The NaN that arithmetic produces.
template <class T>
inline constexpr Word<T> canonical_nan = sizeof(T) == 8   ? static_cast<Word<T>>(0x7ff8000000000000)
                                         : sizeof(T) == 4 ? static_cast<Word<T>>(0x7fffffff)
                                                          : 0x7fff;

template <class T>
[[gnu::always_inline]] inline Word<T> bits_of(T v) {
  return pack<T>(v);
}

/// Subnormals become zeros of their sign.
[[gnu::always_inline]] inline float flushed(float v) {
  const std::uint32_t b = bits_of(v);
  return unpack<float>((b & 0x7f800000u) == 0 ? b & 0x80000000u : b);
}

template <class T>
[[gnu::always_inline]] inline bool is_nan(T v) {
  return (bits_of(v) & ~sign_of<T>) > infinity_bits<T>;
}

/// A NaN with the quiet bit set.
[[gnu::always_inline]] inline double quiet(double v) {
  return unpack<double>(bits_of(v) | std::uint64_t{1} << 51);
}

/// Of f64 arithmetic, a result that is NaN is the last NaN among the operands, made quiet.
template <class T>
[[gnu::always_inline]] inline T with_last_nan(T result, T a, T b) {
  if constexpr (std::is_same_v<T, double>) {
    const T nan = b != b ? b : a;
    return nan != nan ? quiet(nan) : result;
  } else {
    return result;
  }
}
/// Of a * b + c, that of b goes before that of c, and this before that of a.
template <class T>
[[gnu::always_inline]] inline T with_last_nan(T result, T a, T b, T c) {
  return with_last_nan(result, c != c ? c : a, b);
}

/// Replaces any NaN by the one that f32 arithmetic delivers; f64 keeps the payload.
template <class T>
[[gnu::always_inline]] inline T canonical(T v) {
  if constexpr (std::is_same_v<T, float>) {
    return v == v ? v : unpack<float>(canonical_nan<float>);
  } else {
    return v;
  }
}

[[gnu::always_inline]] inline float to_float(BF16 v) {
  return unpack<float>(static_cast<std::uint32_t>(v.bits) << 16);
}

[[gnu::always_inline]] inline float to_float(F16 v) {
  const std::uint32_t sign = static_cast<std::uint32_t>(v.bits & 0x8000u) << 16;
  const std::uint32_t magnitude = v.bits & 0x7fffu;
  if (magnitude >= 0x7c00u) return unpack<float>(sign | 0x7f800000u | magnitude << 13);
  if (magnitude >= 0x0400u) return unpack<float>(sign | ((magnitude << 13) + 0x38000000u));
  // A subnormal f16 is an integer times 2^-24, exactly.
  const float value = static_cast<float>(static_cast<std::int32_t>(magnitude)) * 0x1p-24f;
  return unpack<float>(sign | bits_of(value));
}

/// Parameters of a 16-bit format: its fraction bits and exponent bias.
template <class H>
struct HalfFormat;
template <>
struct HalfFormat<F16> {
  static constexpr int fraction = 10, bias = 15;
};
template <>
struct HalfFormat<BF16> {
  static constexpr int fraction = 7, bias = 127;
};

/// Rounds a double to a 16-bit format: to nearest even, toward zero, or away from it.
template <class H, bool may_grow = false>
[[gnu::always_inline]] inline H round_to_half(double v, bool toward_zero = false) {
  using Format = HalfFormat<H>;
  const std::uint64_t b = bits_of(v);
  const std::uint32_t sign = static_cast<std::uint32_t>(b >> 48) & 0x8000u;
  const std::uint64_t magnitude = b & ~sign_of<double>;
  if (magnitude > infinity_bits<double>) return H{static_cast<std::uint16_t>(canonical_nan<H>)};
  if (magnitude == infinity_bits<double>) {
    return H{static_cast<std::uint16_t>(sign | infinity_bits<H>)};
  }
  const int exponent = static_cast<int>(magnitude >> 52) - 1023 + Format::bias;
  const std::uint64_t significand =
      (magnitude & 0x000fffffffffffffu) | (magnitude >> 52 != 0 ? std::uint64_t{1} << 52 : 0);
  // A result below the least normal loses one bit more for each step of the exponent.
  int drop = 52 - Format::fraction + (exponent < 1 ? 1 - exponent : 0);
  if (drop > 63) drop = 63;
  std::uint64_t kept = significand >> drop;
  const std::uint64_t rest = significand & ((std::uint64_t{1} << drop) - 1);
  const std::uint64_t half = std::uint64_t{1} << (drop - 1);
  const bool grows = may_grow ? rest != 0 : rest > half || (rest == half && (kept & 1) != 0);
  if (!toward_zero && grows) ++kept;
  // The leading bit of a normal adds one to the exponent field, hence the -1.
  std::uint64_t r =
      kept + (exponent < 1 ? 0 : static_cast<std::uint64_t>(exponent - 1) << Format::fraction);
  if (exponent > 2 * Format::bias || r >= infinity_bits<H>) {
    r = toward_zero ? infinity_bits<H> - 1 : infinity_bits<H>;
  }
  return H{static_cast<std::uint16_t>(sign | r)};
}

/// Rounds a double to a 16-bit format downwards or upwards.
template <class H>
[[gnu::always_inline]] inline H round_to_half_directed(double v, bool up) {
  const bool toward_zero = (bits_of(v) >> 63 != 0) == up;
  return round_to_half<H, true>(v, toward_zero);
}

}  // namespace
}  // namespace ptxmill::emu
