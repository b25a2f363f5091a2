// f16 and bf16 by their definition, for expectations: exact values in double, and one rounding.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

namespace ptxmill::nvcc_test {

struct HalfFormat {
  int fraction, least_exponent, greatest_exponent;
};
inline constexpr HalfFormat f16{10, -14, 15}, bf16{7, -126, 127};

enum class Round { nearest, zero, down, up };

inline double from_bits(const HalfFormat& f, std::uint16_t bits) {
  const double sign = (bits & 0x8000) != 0 ? -1 : 1;
  const int exponent = (bits & 0x7fff) >> f.fraction;
  const int fraction = bits & ((1 << f.fraction) - 1);
  if (exponent == f.greatest_exponent - f.least_exponent + 2) {
    return fraction != 0 ? std::numeric_limits<double>::quiet_NaN() : sign * INFINITY;
  }
  if (exponent == 0) return sign * std::ldexp(fraction, f.least_exponent - f.fraction);
  return sign *
         std::ldexp(fraction + (1 << f.fraction), exponent - 1 + f.least_exponent - f.fraction);
}

/// `v` must not have been rounded before. NaN becomes the one of arithmetic.
inline std::uint16_t to_bits(const HalfFormat& f, double v, Round round = Round::nearest) {
  if (std::isnan(v)) return 0x7fff;
  const std::uint16_t sign = std::signbit(v) ? 0x8000 : 0;
  const int infinite = (f.greatest_exponent - f.least_exponent + 2) << f.fraction;
  if (std::isinf(v)) return static_cast<std::uint16_t>(sign | infinite);
  const double a = std::fabs(v);
  int exponent = a == 0 ? f.least_exponent : std::ilogb(a);
  if (exponent < f.least_exponent) exponent = f.least_exponent;
  const double units = std::ldexp(a, f.fraction - exponent);  // exact
  const bool away = (round == Round::up && sign == 0) || (round == Round::down && sign != 0);
  const double whole = round == Round::nearest ? std::nearbyint(units)
                       : away                  ? std::ceil(units)
                                               : std::floor(units);
  auto bits = static_cast<std::int64_t>(whole);
  const std::int64_t hidden = std::int64_t{1} << f.fraction;
  if (bits >= hidden) bits += std::int64_t{exponent - f.least_exponent} << f.fraction;
  if (bits >= infinite) bits = round == Round::nearest || away ? infinite : infinite - 1;
  return static_cast<std::uint16_t>(sign | bits);
}

}  // namespace ptxmill::nvcc_test
