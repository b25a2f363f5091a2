#pragma once

#include <algorithm>
#include <cmath>

namespace ptxmill::reference {

/// 2^-24: the unit roundoff of f32.
inline constexpr double kUnitRoundoff = 0x1p-24;

/// The largest error of rounding `value` to f32. Below the normal range the spacing no longer
/// shrinks.
inline double rounding_error(double value) {
  return std::max(kUnitRoundoff * std::abs(value), 0x1p-150);
}

/// A number and a bound on the error that f32 arithmetic makes on the way to it: running error
/// analysis (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.3), to
/// first order. A formula written as a template over its number type gives its value with `double`
/// and its f32 error with this.
struct Tracked {
  double value = 0.0;
  double error = 0.0;

  Tracked() = default;
  Tracked(double value_in, double error_in) : value(value_in), error(error_in) {}
  explicit Tracked(float exact) : value(exact) {}
  /// A constant of the formula, which f32 code rounds once.
  explicit Tracked(double constant)
      : value(constant),
        error(std::abs(constant - static_cast<double>(static_cast<float>(constant)))) {}
};

/// A result that carries `propagated` from its operands and is rounded itself. Elementary functions
/// are taken to be right to one unit in the last place, which is twice the unit roundoff.
inline Tracked rounded(double value, double propagated, double roundings = 1.0) {
  return {value, propagated + roundings * rounding_error(value)};
}

inline Tracked operator-(Tracked a) { return {-a.value, a.error}; }
inline Tracked operator+(Tracked a, Tracked b) {
  return rounded(a.value + b.value, a.error + b.error);
}
inline Tracked operator-(Tracked a, Tracked b) { return a + -b; }
inline Tracked operator*(Tracked a, Tracked b) {
  return rounded(a.value * b.value, std::abs(a.value) * b.error + std::abs(b.value) * a.error);
}
inline Tracked operator/(Tracked a, Tracked b) {
  const double quotient = a.value / b.value;
  return rounded(quotient, (a.error + std::abs(quotient) * b.error) / std::abs(b.value));
}
inline bool operator<(Tracked a, Tracked b) { return a.value < b.value; }

inline Tracked sqrt(Tracked x) {
  const double root = std::sqrt(x.value);
  return rounded(root, root > 0.0 ? x.error / (2.0 * root) : std::sqrt(x.error));
}
inline Tracked exp(Tracked x) {
  const double power = std::exp(x.value);
  return rounded(power, power * x.error, 2.0);
}
inline Tracked log(Tracked x) { return rounded(std::log(x.value), x.error / x.value, 2.0); }
inline Tracked tanh(Tracked x) {
  const double t = std::tanh(x.value);
  return rounded(t, (1.0 - t * t) * x.error, 2.0);
}
inline Tracked erf(Tracked x) {
  constexpr double kTwoOverRootPi = 1.1283791670955126;
  return rounded(std::erf(x.value), kTwoOverRootPi * std::exp(-x.value * x.value) * x.error, 2.0);
}

}  // namespace ptxmill::reference
