// Sums of products as tensor cores compute them. Internal to each translation unit, as lanes.hpp.
//
// A tensor core does not round product by product. It takes a block of exact products and the
// accumulator, shifts each to the largest exponent among them, drops what falls below a fixed
// number of fraction bits, adds the rest exactly, and rounds once. docs/emulator.md says how the
// numbers below were found.
#pragma once

#include <algorithm>

#include "emulator/lanes/floats.hpp"

namespace ptxmill::emu {
namespace {

/// A 19-bit float in the upper bits of a word.
struct TF32 {
  std::uint32_t bits;
};

/// Where a format's fields lie in its word.
template <class T>
struct TensorFormat;
template <>
struct TensorFormat<F16> {
  static constexpr int fraction = 10, exponent = 5, dropped = 0;
};
template <>
struct TensorFormat<BF16> {
  static constexpr int fraction = 7, exponent = 8, dropped = 0;
};
template <>
struct TensorFormat<TF32> {
  static constexpr int fraction = 10, exponent = 8, dropped = 13;
};
template <>
struct TensorFormat<float> {
  static constexpr int fraction = 23, exponent = 8, dropped = 0;
};

/// How many products a block has, and how many fraction bits an aligned term keeps.
template <class T>
struct TensorSum {
  static constexpr int block = std::is_same_v<T, TF32> ? 8 : 16;
  static constexpr int fraction = 25;
};

/// The same of a warpgroup's product: all that is taken to differ from `mma` stands here.
template <class T>
struct WarpgroupSum {
  static constexpr int block = TensorSum<T>::block;
  static constexpr int fraction = TensorSum<T>::fraction;
};

/// The exponent of a zero: below every other, so that it is never the largest.
inline constexpr std::int32_t zero_exponent = -0x4000;

/// A number as significand * 2^(exponent - fraction). Infinities and NaN appear as zeros.
struct Parts {
  std::int32_t significand;
  std::int32_t exponent;
};

template <class T>
[[gnu::always_inline]] inline Parts take_apart(std::uint32_t word) {
  using Format = TensorFormat<T>;
  constexpr std::uint32_t ones = (1u << Format::exponent) - 1;
  constexpr std::int32_t bias = (1 << (Format::exponent - 1)) - 1;
  const std::uint32_t pattern = word >> Format::dropped;
  const std::uint32_t field = pattern >> Format::fraction & ones;
  const std::uint32_t leading = field != 0 ? 1u << Format::fraction : 0u;
  std::uint32_t magnitude = leading | (pattern & ((1u << Format::fraction) - 1));
  magnitude = field == ones ? 0 : magnitude;
  const std::uint32_t sign = 0u - (pattern >> (Format::fraction + Format::exponent) & 1u);
  const std::int32_t exponent = static_cast<std::int32_t>(field) - bias + (field == 0 ? 1 : 0);
  return {static_cast<std::int32_t>((magnitude ^ sign) - sign),
          magnitude == 0 ? zero_exponent : exponent};
}

template <class T>
[[gnu::always_inline]] inline bool is_special(std::uint32_t word) {
  using Format = TensorFormat<T>;
  constexpr std::uint32_t ones = (1u << Format::exponent) - 1;
  return (word >> (Format::dropped + Format::fraction) & ones) == ones;
}

/// As a number of a wider range; a NaN stays one.
template <class T>
[[gnu::always_inline]] inline double wide_value(std::uint32_t word) {
  if constexpr (std::is_same_v<T, TF32>) {
    return unpack<float>(word & 0xffffe000u);
  } else if constexpr (std::is_same_v<T, float>) {
    return unpack<float>(word);
  } else {
    return to_float(unpack<T>(word));
  }
}

/// A double rounded to f32 toward zero, but to an infinity from 2^128 on.
[[gnu::always_inline]] inline std::uint32_t toward_zero(double v) {
  const float nearest = static_cast<float>(v);
  const std::uint32_t b = bits_of(nearest);
  const double magnitude = unpack<double>(bits_of(v) & ~sign_of<double>);
  const bool above = static_cast<double>(unpack<float>(b & 0x7fffffffu)) > magnitude;
  return b - (above && magnitude < 0x1p128 ? 1u : 0u);
}

inline constexpr int side_by_side = 8;    ///< columns that are computed together
inline constexpr int most_products = 16;  ///< in a row of a product

/// One 32-bit number for each of the columns that are computed together.
using Eight [[gnu::vector_size(4 * side_by_side)]] = std::int32_t;
using EightUnsigned [[gnu::vector_size(4 * side_by_side)]] = std::uint32_t;

/// Eight columns of one row of a factor.
struct Columns {
  Eight significand;
  Eight exponent;
};

/// 2^exponent. The exponent is out of range only where the sum is of nothing but zeros.
[[gnu::always_inline]] inline double power_of_two(std::int32_t exponent) {
  const std::int32_t field = (exponent > -1000 ? exponent : -1000) + 1023;
  return unpack<double>(static_cast<std::uint64_t>(static_cast<std::uint32_t>(field)) << 52);
}

/// sum[n] = c[n] + a[0] b[0][n] + ... of one block, exact but for what alignment drops.
template <class T, class Sum>
[[gnu::always_inline]] inline void add_block(const Parts* a, const Columns* b, int count,
                                             const Columns& c, int c_fraction, double* sum) {
  constexpr int fraction = Sum::fraction;
  constexpr int up = fraction - 2 * TensorFormat<T>::fraction;
  Eight largest = c.exponent;
  for (int k = 0; k < count; ++k) {
    const Eight e = a[k].exponent + b[k].exponent;
    largest = e > largest ? e : largest;
  }
  // Adds a significand shifted left, then right, its magnitude cut.
  const auto add = [](const Eight& v, int left, const Eight& right, Eight& to) {
    const Eight sign = v >> 31;
    const auto magnitude = reinterpret_cast<EightUnsigned>((v ^ sign) - sign) << left;
    const Eight by = right < 31 ? right : Eight{} + 31;
    const auto cut = reinterpret_cast<Eight>(magnitude >> reinterpret_cast<EightUnsigned>(by));
    to += (cut ^ sign) - sign;
  };
  // An aligned term is below 2^27: eight and the accumulator fit in 32 bits.
  static_assert(fraction <= 25 && Sum::block <= 16);
  Eight first{}, second{};
  add(c.significand, fraction - c_fraction, largest - c.exponent, first);
  for (int k = 0; k < count; ++k) {
    add(a[k].significand * b[k].significand, up, largest - a[k].exponent - b[k].exponent,
        k < 8 ? first : second);
  }
  for (int n = 0; n < side_by_side; ++n) {
    sum[n] = (static_cast<double>(first[n]) + static_cast<double>(second[n])) *
             power_of_two(largest[n] - fraction);
  }
}

/// Eight columns of a row of a * b + c, finite. C and D are float or F16.
template <class T, class C, class D, class Sum = TensorSum<T>>
void multiply_row(const Parts* a, const Columns* b, int count, const Columns& c, std::uint32_t* d) {
  constexpr int block = Sum::block;
  Columns sum = c;
  int fraction = TensorFormat<C>::fraction;
  for (int k = 0; k < count; k += block) {
    alignas(64) double exact[side_by_side];
    add_block<T, Sum>(a + k, b + k, count - k < block ? count - k : block, sum, fraction, exact);
    const bool last = k + block >= count;
    for (int n = 0; n < side_by_side; ++n) {
      if (last && std::is_same_v<D, F16>) {
        d[n] = round_to_half<F16>(exact[n]).bits;
      } else {
        d[n] = toward_zero(exact[n]);
      }
    }
    if (last) return;
    fraction = TensorFormat<float>::fraction;
    for (int n = 0; n < side_by_side; ++n) {
      const Parts p = take_apart<float>(d[n]);
      sum.significand[n] = p.significand;
      sum.exponent[n] = p.exponent;
    }
  }
}

/// What a sum with an infinity or NaN among its terms is; 0 where it has none.
template <class T, class C, class D>
std::uint32_t special_sum(const std::uint32_t* a, const std::uint32_t* b, int b_stride, int count,
                          std::uint32_t c) {
  constexpr auto nan = static_cast<std::uint32_t>(canonical_nan<D>);
  constexpr auto infinity = static_cast<std::uint32_t>(infinity_bits<D>);
  double sum = is_special<C>(c) ? wide_value<C>(c) : 0;
  bool special = is_special<C>(c);
  for (int k = 0; k < count; ++k) {
    const std::uint32_t x = a[k], y = b[k * b_stride];
    if (!is_special<T>(x) && !is_special<T>(y)) continue;
    sum += wide_value<T>(x) * wide_value<T>(y);
    special = true;
  }
  if (!special) return 0;
  if (is_nan(sum)) return nan;
  return sum < 0 ? infinity | static_cast<std::uint32_t>(sign_of<D>) : infinity;
}

}  // namespace
}  // namespace ptxmill::emu
