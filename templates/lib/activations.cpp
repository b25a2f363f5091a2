#include "templates/lib/activations.hpp"

#include <cmath>
#include <stdexcept>

namespace ptxmill::kernels {
namespace {

/// x / (1 + e^-w) where w has the sign of x, from |w| and e^-|w| 2^64: with both signs an
/// exponential of a negative argument, so that nothing overflows and the tail keeps its accuracy.
/// Where |w| was too large and is not `bounded`, the result for negative x is 0.
F32 gate(Emitter& k, const F32& x, const F32& scaled_exp, const Pred& bounded) {
  const F32 d = k.fma(scaled_exp, exp_unscale, 1.f);
  const F32 d_low = k.fma(scaled_exp, exp_unscale, 1.f - d);
  // 1 / (d + d_low): one Newton step on the device's approximation.
  const F32 y = k.rcp_approx_ftz(d);
  const F32 residual = k.fma(-d_low, y, k.fma(-d, y, 1.f));
  const F32 reciprocal = k.fma(y, residual, y);
  // A negative x: x e^-|w| / (1 + e^-|w|). The scale goes last, where a subnormal result rounds.
  const F32 tail = x * k.select(bounded, scaled_exp, 0.f) * exp_unscale;
  return k.select(x < 0.f, tail, x) * reciprocal;
}

F32 silu(Emitter& k, const F32& x) {
  const F32 w = k.min_nan(k.abs(x), -exp_lowest);
  const F32 e = exp_scaled(k, -w);
  return gate(k, x, e, w < -exp_lowest);
}

F32 gelu_tanh(Emitter& k, const F32& x) {
  // (1 + tanh z) / 2 = 1 / (1 + e^-2z); 2z = a (c0 + c1 a^2), with its rounding error, since the
  // exponential turns an absolute error of 2z into a relative one. c0 is split so that its first
  // part has few bits and v - c0_high is exact.
  const double c0 = 2 * std::sqrt(2 / 3.14159265358979323846), c1 = 0.044715 * c0;
  const auto c0_high = static_cast<float>(std::floor(c0 * 2048) / 2048);
  const auto c1_high = static_cast<float>(c1);
  constexpr float largest = 11.5f;  // 2z is 127 there
  const F32 a = k.min_nan(k.abs(x), largest);
  const F32 a2 = a * a;
  const F32 a2_low = k.fma(a, a, -a2);
  const F32 v = k.fma(a2, c1_high, c0_high);
  const F32 v_error = k.fma(a2, c1_high, c0_high - v);
  const F32 v_exact = v_error + (c0 - c0_high);
  const F32 v_square = k.fma(a2_low, c1_high, v_exact);
  const F32 v_low = k.fma(a2, c1 - c1_high, v_square);
  const F32 w = -(a * v);
  const F32 w_error = k.fma(-a, v, -w);
  const F32 w_low = k.fma(-a, v_low, w_error);
  const F32 e = exp_scaled(k, w, w_low);
  return gate(k, x, e, a < largest);
}

// R(a) = erfcx(a/sqrt 2)/2 on [0, 15] as a quotient of degrees 4 and 5 with R(0) = 1/2: minimax
// for the relative error, which is 1.2e-8 (0.2 u) with the coefficients rounded to f32.
F32 gelu_numerator(Emitter& k, const F32& a, float scale) {
  const float s = scale;
  return polynomial(
      k, {0x1.0e3d68p-8f * s, 0x1.4d5a36p-5f * s, 0x1.77a842p-3f * s, 0x1.c11a9ap-2f * s, 0.5f * s},
      a);
}

F32 gelu_denominator(Emitter& k, const F32& a) {
  return polynomial(
      k, {0x1.52b112p-7f, 0x1.a1d228p-4f, 0x1.e1400ep-2f, 0x1.340df2p+0f, 0x1.accf7cp+0f, 1.f}, a);
}

/// x Phi(x). Away from 0 the lower tail Q(a) = erfc(a/sqrt 2)/2 of a = |x| comes without
/// cancellation as e^(-a^2/2) R(a); near 0 the upper form 1/2 + x G(-x^2/2) has fewer roundings.
F32 gelu(Emitter& k, const F32& x) {
  constexpr float largest = 16.f;  // Q is 0 in f32 from 14.2 on
  constexpr float near_zero = 0.9f;
  const F32 a = k.min_nan(k.abs(x), largest);
  const F32 half = a * -0.5f;
  const F32 h = a * half;
  const F32 h_low = k.fma(a, half, -h);
  const F32 e = exp_scaled(k, h, h_low);
  // The numerator takes the exponential's scale away.
  const F32 n = gelu_numerator(k, a, exp_unscale);
  const F32 d = gelu_denominator(k, a);
  const F32 y = k.rcp_approx_ftz(d);
  const F32 estimate = n * y;
  const F32 residual = k.fma(-d, estimate, n);
  const F32 r = k.fma(residual, y, estimate);
  const F32 q = e * r;
  const F32 outer = k.select(x < 0.f, q, 1.f - q);
  // G(h) = (Phi(x) - 1/2)/x on |x| <= 0.9, degree 4 in h = -x^2/2: minimax for its effect on the
  // relative error of Phi, which is 9.8e-9 (0.16 u) with the coefficients rounded to f32.
  const F32 g = polynomial(
      k, {0x1.8fe734p-10f, 0x1.32d7d2p-7f, 0x1.469ad4p-5f, 0x1.105726p-3f, 0x1.98845p-2f}, h);
  const F32 phi = k.select(a < near_zero, k.fma(x, g, 0.5f), outer);
  return x * phi;
}

// ---- in half precision: the same formulas without what serves the last bits

constexpr double log2_e = 1.4426950408889634;

/// x / (1 + e^-w) where w has the sign of x, from e^-|w|.
F32 half_gate(Emitter& k, const F32& x, const F32& exponential) {
  const F32 reciprocal = k.rcp_approx_ftz(exponential + 1.f);
  const F32 upper = x * reciprocal;
  return upper * k.select(x < 0.f, exponential, 1.f);
}

F32 half_silu(Emitter& k, const F32& x) {
  return half_gate(k, x, k.ex2_approx(k.abs(x) * -log2_e));
}

F32 half_gelu_tanh(Emitter& k, const F32& x) {
  const double c0 = 2 * std::sqrt(2 / 3.14159265358979323846) * log2_e, c1 = 0.044715 * c0;
  const F32 a = k.min_nan(k.abs(x), 12.f);
  const F32 v = k.fma(a * a, -c1, -c0);
  return half_gate(k, x, k.ex2_approx(a * v));
}

/// x Phi(x) from the lower tail Q(a) = e^(-a^2/2) R(a) as in `gelu`. R on [0, 14] as a polynomial
/// in t = 1 / (1 + 3a/8) (Abramowitz and Stegun, 7.1.26): minimax for the relative error, which
/// is 3.1e-5.
F32 half_gelu(Emitter& k, const F32& x) {
  const F32 a = k.min(k.abs(x), 16.f);
  const F32 t = k.rcp_approx_ftz(k.fma(a, 0.375f, 1.f));
  const F32 e = k.ex2_approx(a * (-0.5 * log2_e) * a);
  const F32 r =
      polynomial(k, {-0.09064266f, 0.20028134f, 0.08356428f, 0.15773392f, 0.14906103f, 0.f}, t);
  const F32 q = e * r;
  return x * k.select(x < 0.f, q, 1.f - q);
}

}  // namespace

F32 activation(Emitter& k, const std::string& name, const F32& x, Precision precision) {
  if (name == "none") return x;
  if (name == "relu") return k.max_nan(x, 0.f);
  const bool half = precision == Precision::half;
  if (name == "gelu") return half ? half_gelu(k, x) : gelu(k, x);
  if (name == "gelu_tanh") return half ? half_gelu_tanh(k, x) : gelu_tanh(k, x);
  if (name == "silu") return half ? half_silu(k, x) : silu(k, x);
  throw std::logic_error("no activation is called '" + name + "'");
}

}  // namespace ptxmill::kernels
