#include "tests/isa/small_float.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace ptxmill::test {

SmallFormat small_format(isa::Type type) {
  return type == isa::Type::bf16 || type == isa::Type::bf16x2 ? bfloat_format : half_format;
}

double decode(SmallFormat f, std::uint16_t bits) {
  const int all_ones = (1 << f.exponent_bits) - 1;
  const int exponent = (bits >> f.mantissa_bits) & all_ones;
  const int mantissa = bits & ((1 << f.mantissa_bits) - 1);
  const double sign = (bits & 0x8000) != 0 ? -1 : 1;
  if (exponent == all_ones)
    return mantissa == 0 ? sign * std::numeric_limits<double>::infinity()
                         : std::numeric_limits<double>::quiet_NaN();
  if (exponent == 0) return sign * std::ldexp(mantissa, 1 - f.bias() - f.mantissa_bits);
  return sign *
         std::ldexp(mantissa + (1 << f.mantissa_bits), exponent - f.bias() - f.mantissa_bits);
}

std::uint16_t encode(SmallFormat f, double value) {
  const int sign = std::signbit(value) ? 0x8000 : 0;
  const int infinity = ((1 << f.exponent_bits) - 1) << f.mantissa_bits;
  if (std::isnan(value)) return 0x7fff;
  if (value == 0) return static_cast<std::uint16_t>(sign);
  if (std::isinf(value)) return static_cast<std::uint16_t>(sign | infinity);
  // The distance of neighbours at the value; subnormals all have the same.
  int exponent = 0;
  std::frexp(value, &exponent);
  const int smallest = 1 - f.bias() - f.mantissa_bits;
  const int quantum = std::max(exponent - 1 - f.mantissa_bits, smallest);
  const auto steps = static_cast<int>(std::nearbyint(std::ldexp(std::fabs(value), -quantum)));
  // The encoding of magnitudes counts up through all binades, so that a carry out of the mantissa
  // lands where it belongs.
  const int leading_one = 1 << f.mantissa_bits;
  const int magnitude = quantum == smallest ? steps : (quantum - smallest) * leading_one + steps;
  return static_cast<std::uint16_t>(sign | std::min(magnitude, infinity));
}

std::uint16_t fused_multiply_add(SmallFormat f, std::uint16_t a, std::uint16_t b, std::uint16_t c) {
  const double product = decode(f, a) * decode(f, b);  // exact: at most 22 bits
  const double addend = decode(f, c);
  const double sum = product + addend;
  if (!std::isfinite(sum)) return encode(f, sum);
  // What the sum lost (D. E. Knuth, The Art of Computer Programming, vol. 2, 4.2.2).
  const double virtual_addend = sum - product;
  const double lost = (product - (sum - virtual_addend)) + (addend - virtual_addend);
  // Rounded to odd, the sum keeps what the second rounding needs to know (S. Boldo and
  // G. Melquiond, "Emulation of a FMA and correctly rounded sums", 2008).
  auto bits = std::bit_cast<std::uint64_t>(sum);
  if (lost != 0 && (bits & 1) == 0)
    bits += (lost > 0) == (sum > 0) ? 1 : static_cast<std::uint64_t>(-1);
  return encode(f, std::bit_cast<double>(bits));
}

}  // namespace ptxmill::test
