// Elementary functions on f32 registers. In full precision they are made of correctly rounded
// arithmetic: the same bits on every device, whatever its approximation units do.
#pragma once

#include "templates/emitter.hpp"

namespace ptxmill::kernels {

/// What becomes of a result.
enum class Precision : std::uint8_t {
  full,  ///< it stays f32
  half  ///< it is rounded to 16 bits: the device's approximation units are far more exact than that
};
inline Precision precision_for(Dtype result) {
  return result == Dtype::f32 ? Precision::full : Precision::half;
}

/// e^x within 0.9 units in the last place, in half precision with a relative error of at most
/// 2^-22 (1 + |x|); gradual underflow, infinity where it overflows, NaN for NaN.
F32 exp(Emitter& k, const F32& x, Precision precision = Precision::full);

/// e^x for x up to 40, with the accuracy of `exp` and fewer instructions: what softmax needs, whose
/// arguments are differences from a maximum.
F32 exp_nonpositive(Emitter& k, const F32& x, Precision precision = Precision::full);

/// e^x * 2^64 for x from -131 to 40. The factor keeps the result a normal number; multiplying by
/// `exp_unscale` takes it away, rounding once where the result is subnormal.
F32 exp_scaled(Emitter& k, const F32& x);
/// The same for x + x_low, the argument's rounding error, which a large |x| would magnify.
F32 exp_scaled(Emitter& k, const F32& x, const F32& x_low);
inline constexpr float exp_unscale = 0x1p-64f;
inline constexpr float exp_lowest = -131.f;

/// log(x) of a positive normal number within 1 unit in the last place; infinity and NaN give
/// themselves.
F32 log(Emitter& k, const F32& x);

/// c[0] x^(n-1) + c[1] x^(n-2) + ... + c[n-1] by Horner's rule.
F32 polynomial(Emitter& k, std::initializer_list<float> coefficients, const F32& x);

}  // namespace ptxmill::kernels
