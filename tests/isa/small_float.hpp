// The 16-bit floating-point formats, by definition: IEEE 754 binary16, and bfloat16.
#pragma once

#include <cstdint>

#include "isa/types.hpp"

namespace ptxmill::test {

/// A sign bit, `exponent_bits`, then `mantissa_bits` without the leading one.
struct SmallFormat {
  int exponent_bits, mantissa_bits;
  int bias() const { return (1 << (exponent_bits - 1)) - 1; }
};
inline constexpr SmallFormat half_format{5, 10};
inline constexpr SmallFormat bfloat_format{8, 7};

/// The format of a 16-bit float type, or of the halves of a packed one.
SmallFormat small_format(isa::Type type);

/// The value of an element; exact.
double decode(SmallFormat format, std::uint16_t bits);
/// Rounded to nearest, ties to even, with subnormals; a NaN becomes some NaN.
std::uint16_t encode(SmallFormat format, double value);
/// a * b + c, rounded once.
std::uint16_t fused_multiply_add(SmallFormat format, std::uint16_t a, std::uint16_t b,
                                 std::uint16_t c);

}  // namespace ptxmill::test
