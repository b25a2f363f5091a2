// Floating point (PTX ISA, "Floating Point Instructions"), comparison and selection.
#include <cmath>
#include <limits>
#include <numbers>

#include "tests/isa/reference.hpp"
#include "tests/isa/small_float.hpp"

namespace ptxmill::test {
namespace {

using isa::Op;

constexpr double smallest_f32 = 0x1p-149;

/// One unit in the last place of an f32 of this magnitude.
double f32_ulp(double value) {
  int exponent = 0;
  std::frexp(value, &exponent);
  return std::ldexp(1.0, std::max(exponent - 24, -149));
}

/// Where the rows on one f32 promise an approximation.
template <class F>
Function approximately(F f) {
  return [f](const Instance&, const Sources& s) { return f(static_cast<double>(s.as<float>(0))); };
}

// div.approx promises its error for divisors between 2^-126 and 2^126, and 0 (NaN for an infinite
// dividend) for divisors beyond 2^126.
Expected approximate_quotient(float a, float b) {
  const double size = std::fabs(b);
  if (std::isfinite(b) && size > 0x1p126) {
    if (std::isnan(a) || std::isinf(a)) return exactly(std::numeric_limits<float>::quiet_NaN());
    return near(0, smallest_f32);
  }
  if (std::isfinite(b) && size < 0x1p-126 && b != 0) return unspecified();
  return near_ulps(static_cast<double>(a) / b, 2);
}

Expected logarithm(double a) {
  const double value = std::log2(a);
  if (!std::isfinite(value)) return near(value, 0);
  return a > 0.5 && a < 2 ? near(value, 0x1p-22) : near_relative(value, -22);
}

/// sin and cos promise an absolute error within two turns of the circle.
template <class F>
Function circular(F f) {
  return approximately([f](double a) {
    if (std::isfinite(a) && std::fabs(a) > 2 * std::numbers::pi) return unspecified();
    return near(f(a), 0x1p-20);
  });
}

float flushed(float v) { return std::fpclassify(v) == FP_SUBNORMAL ? std::copysign(0.0f, v) : v; }

/// 1 / a with subnormal arguments and results flushed to zero.
Expected reciprocal_flushed(double a) {
  const double value = 1 / static_cast<double>(flushed(static_cast<float>(a)));
  return std::fabs(value) < 0x1p-126 ? exactly(std::copysign(0.0f, static_cast<float>(value)))
                                     : near_ulps(value, 1);
}

/// 2^a with subnormal results flushed to zero: near the smallest normal number either is right.
Expected power_flushed(double a) {
  const double value = std::exp2(static_cast<double>(flushed(static_cast<float>(a))));
  if (value >= 0x1p-126 * (1 - 0x1p-22) && value <= 0x1p-126 * (1 + 0x1p-22))
    return near(value, value);
  return value < 0x1p-126 ? exactly(0.0f) : near_relative(value, -22);
}

/// min.NaN and max.NaN: a NaN wins, and -0 is less than +0.
template <class T>
T extreme(T a, T b, bool least) {
  if (std::isnan(a) || std::isnan(b)) return std::numeric_limits<T>::quiet_NaN();
  if (a == b) return std::signbit(a) == least ? a : b;
  return (a < b) == least ? a : b;
}

/// Both orders of a comparison: false for a NaN, or true.
template <class F>
Function ordered(F f) {
  return either(integers<2>(f), reals<2>(f));
}
template <class F>
Function or_unordered(F f) {
  return reals<2>([f](auto a, auto b) { return std::isnan(a) || std::isnan(b) || f(a, b); });
}

/// f16 and bf16, or the two halves of a packed register.
template <class F>
Function halves(F f) {
  return [f](const Instance& i, const Sources& s) {
    const SmallFormat format = small_format(i.type);
    const bool packed = isa::bits(i.type) == 32;
    Expected e{.kind = Expected::Kind::number};
    for (int half = 0; half < (packed ? 2 : 1); ++half) {
      const auto at = [&](std::size_t k) {
        return static_cast<std::uint16_t>(s.u32(k) >> (16 * half));
      };
      e.bits[0] |= std::uint64_t{f(format, at(0), at(1), at(2))} << (16 * half);
    }
    return e;
  };
}

template <class F>
Function half_pairs(F f) {
  // The exact sum, difference or product of two 16-bit floats fits a double.
  return halves([f](SmallFormat format, std::uint16_t a, std::uint16_t b, std::uint16_t) {
    return encode(format, f(decode(format, a), decode(format, b)));
  });
}

}  // namespace

Expected near(double value, double bound) {
  return {.kind = Expected::Kind::near, .value = value, .bound = bound};
}

Expected near_relative(double value, double exponent) {
  return near(value, std::fabs(value) * std::exp2(exponent) + smallest_f32);
}

Expected near_ulps(double value, double ulps) {
  return near(value, std::isfinite(value) ? ulps * f32_ulp(value) : 0);
}

// clang-format off
const std::vector<Reference>& float_references() {
  static const std::vector<Reference> all{
      {Op::add_rn, reals<2>([](auto a, auto b) { return a + b; })},
      {Op::sub_rn, reals<2>([](auto a, auto b) { return a - b; })},
      {Op::mul_rn, reals<2>([](auto a, auto b) { return a * b; })},
      {Op::fma_rn, reals<3>([](auto a, auto b, auto c) { return std::fma(a, b, c); })},
      {Op::div_rn, reals<2>([](auto a, auto b) { return a / b; })},
      {Op::div_full, reals<2>([](auto a, auto b) { return near_ulps(static_cast<double>(a) / b, 2); })},
      {Op::div_approx, [](const Instance&, const Sources& s) { return approximate_quotient(s.as<float>(0), s.as<float>(1)); }},
      {Op::rcp_rn, reals<1>([](auto a) { return 1 / a; })},
      {Op::rcp_approx, approximately([](double a) { return near_ulps(1 / a, 1); })},
      {Op::rcp_approx_ftz, approximately(reciprocal_flushed)},
      {Op::sqrt_rn, reals<1>([](auto a) { return std::sqrt(a); })},
      {Op::sqrt_approx, approximately([](double a) { return near_relative(std::sqrt(a), -23); })},
      {Op::rsqrt_approx, reals<1>([](auto a) {
         // f64: no bound is stated; the CUDA C++ Programming Guide gives its rsqrt() 1 ulp.
         const double value = 1 / std::sqrt(static_cast<double>(a));
         return sizeof a == 4 ? near_relative(value, -22.9) : near(value, std::fabs(value) * 0x1p-51);
       })},
      {Op::sin_approx, circular([](double a) { return std::sin(a); })},
      {Op::cos_approx, circular([](double a) { return std::cos(a); })},
      {Op::lg2_approx, approximately(logarithm)},
      {Op::ex2_approx, approximately([](double a) { return near_relative(std::exp2(a), -22); })},
      {Op::ex2_approx_ftz, approximately(power_flushed)},
      {Op::tanh_approx, approximately([](double a) { return near_relative(std::tanh(a), -11); })},
      {Op::min_nan, reals<2>([](auto a, auto b) { return extreme(a, b, true); })},
      {Op::max_nan, reals<2>([](auto a, auto b) { return extreme(a, b, false); })},
      {Op::copysign, reals<2>([](auto sign, auto magnitude) { return std::copysign(magnitude, sign); })},
      {Op::testp_finite, reals<1>([](auto a) { return std::isfinite(a); })},
      {Op::testp_infinite, reals<1>([](auto a) { return std::isinf(a); })},
      {Op::testp_notanumber, reals<1>([](auto a) { return std::isnan(a); })},
  };
  return all;
}

const std::vector<Reference>& half_references() {
  static const std::vector<Reference> all{
      {Op::add_half, half_pairs([](double a, double b) { return a + b; })},
      {Op::sub_half, half_pairs([](double a, double b) { return a - b; })},
      {Op::mul_half, half_pairs([](double a, double b) { return a * b; })},
      {Op::fma_half, halves(fused_multiply_add)},
  };
  return all;
}

const std::vector<Reference>& comparison_references() {
  static const std::vector<Reference> all{
      {Op::setp_eq, ordered([](auto a, auto b) { return a == b; })},
      {Op::setp_ne, either(integers<2>([](auto a, auto b) { return a != b; }), reals<2>([](auto a, auto b) { return a < b || a > b; }))},
      {Op::setp_lt, ordered([](auto a, auto b) { return a < b; })},
      {Op::setp_le, ordered([](auto a, auto b) { return a <= b; })},
      {Op::setp_gt, ordered([](auto a, auto b) { return a > b; })},
      {Op::setp_ge, ordered([](auto a, auto b) { return a >= b; })},
      {Op::setp_equ, or_unordered([](auto a, auto b) { return a == b; })},
      {Op::setp_neu, or_unordered([](auto a, auto b) { return a != b; })},
      {Op::setp_ltu, or_unordered([](auto a, auto b) { return a < b; })},
      {Op::setp_leu, or_unordered([](auto a, auto b) { return a <= b; })},
      {Op::setp_gtu, or_unordered([](auto a, auto b) { return a > b; })},
      {Op::setp_geu, or_unordered([](auto a, auto b) { return a >= b; })},
      {Op::setp_num, reals<2>([](auto a, auto b) { return !std::isnan(a) && !std::isnan(b); })},
      {Op::setp_nan, reals<2>([](auto a, auto b) { return std::isnan(a) || std::isnan(b); })},
      {Op::selp, [](const Instance&, const Sources& s) {
         return exactly(s.as<bool>(2) ? s.as<std::uint64_t>(0) : s.as<std::uint64_t>(1));
       }},
  };
  return all;
}
// clang-format on

}  // namespace ptxmill::test
