#include "templates/lib/elementary.hpp"

#include <optional>

namespace ptxmill::kernels {
namespace {

constexpr float log2_e = 0x1.715476p+0f;
// ln 2 in two parts. The first has 10 bits, so that n times it is exact (Cody and Waite, Software
// Manual for the Elementary Functions, chapter 6).
constexpr float ln2_high = 0x1.63p-1f;
constexpr float ln2_low = -0x1.bd0106p-13f;
// Adding 1.5 * 2^23 rounds to a whole number and leaves it in the lowest bits.
constexpr float to_integer = 0x1.8p+23f;

/// x = n ln 2 + r: e^x is e^r 2^n.
struct Reduced {
  F32 shifted;  ///< its lowest bits are n + bias
  F32 power;    ///< e^r, from 0.7 to 1.42
};

Reduced reduce(Emitter& k, const F32& x, const std::optional<F32>& x_low, int bias) {
  const F32 shifted = k.fma(x, log2_e, to_integer + static_cast<float>(bias));
  const F32 n = shifted - (to_integer + static_cast<float>(bias));
  const F32 r_high = k.fma(n, -ln2_high, x);
  F32 r = k.fma(n, -ln2_low, r_high);
  if (x_low) r = r + *x_low;
  // e^r on |r| <= ln(2)/2, degree 6, the first two coefficients fixed at 1: minimax for the
  // relative error, which is 3.2e-9 (0.05 u) with the coefficients rounded to f32.
  const F32 power = polynomial(
      k, {0x1.6a4d6p-10f, 0x1.12398ep-7f, 0x1.5558bp-5f, 0x1.555492p-3f, 0x1.fffffcp-2f, 1.f, 1.f},
      r);
  return {shifted, power};
}

F32 exp_scaled(Emitter& k, const F32& x, const std::optional<F32>& x_low) {
  // With the exponent's bias among the lowest bits, a shift makes 2^(n + 64).
  const Reduced e = reduce(k, x, x_low, 127 + 64);
  const F32 scale = k.shl(e.shifted, 23);
  return e.power * scale;
}

}  // namespace

F32 polynomial(Emitter& k, std::initializer_list<float> coefficients, const F32& x) {
  const float* c = coefficients.begin();
  F32 sum = k.fma(x, c[0], c[1]);
  for (std::size_t i = 2; i < coefficients.size(); ++i) sum = k.fma(sum, x, c[i]);
  return sum;
}

F32 exp_scaled(Emitter& k, const F32& x) { return exp_scaled(k, x, std::nullopt); }

F32 exp_scaled(Emitter& k, const F32& x, const F32& x_low) {
  return exp_scaled(k, x, std::optional<F32>(x_low));
}

F32 exp_nonpositive(Emitter& k, const F32& x, Precision precision) {
  if (precision == Precision::half) return k.ex2_approx(x * log2_e);
  return exp_scaled(k, k.max_nan(x, exp_lowest)) * exp_unscale;
}

F32 exp(Emitter& k, const F32& x, Precision precision) {
  if (precision == Precision::half) return k.ex2_approx(x * log2_e);
  // 2^n with n from -189 to 189 takes two factors: 2^64 away from where n would not fit, and back.
  const F32 bounded = k.min_nan(k.max_nan(x, exp_lowest), -exp_lowest);
  const Reduced e = reduce(k, bounded, std::nullopt, 127);
  const Pred small = bounded < 0.f;
  const F32 exponent = k.shl(e.shifted, 23);
  const U32 moved = k.bit_cast<ptx::u32>(exponent) +
                    k.select(small, U32(k.constant<ptx::u32>(64u << 23)), 0u - (64u << 23));
  const F32 back = k.select(small, k.constant<ptx::f32>(exp_unscale), 1 / exp_unscale);
  return e.power * k.bit_cast<ptx::f32>(moved) * back;
}

F32 log(Emitter& k, const F32& x) {
  // x = 2^n f with f from sqrt(1/2) to sqrt(2): the bits of sqrt(1/2) are 0x3f3504f3.
  const auto bits = k.as<ptx::s32>(k.bit_cast<ptx::u32>(x));
  const auto n = (bits - 0x3f3504f3) >> 23;
  const F32 f = k.bit_cast<ptx::f32>(bits - (n << 23));
  const F32 t = f - 1.f;
  const F32 z = t / (f + 1.f);
  const F32 z2 = z * z;
  // log f = 2 atanh z = 2z + z^3 P(z^2), and 2z = t - z t, whose first term is exact. P has degree
  // 2 and is minimax for the relative error of log f on |z| <= 0.1717: 8.1e-10 (0.014 u).
  const F32 p = polynomial(k, {0x1.31e1a8p-2f, 0x1.995edp-2f, 0x1.55557ap-1f}, z2);
  const F32 log_f = k.fma(z, k.fma(p, z2, -t), t);
  const F32 whole = k.cvt_rn<ptx::f32>(n);
  const F32 low = k.fma(whole, ln2_low, log_f);
  const F32 result = k.fma(whole, ln2_high, low);
  return k.select(k.testp_finite(x), result, x);
}

}  // namespace ptxmill::kernels
