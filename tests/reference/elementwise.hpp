#pragma once

#include <cmath>
#include <type_traits>

#include "tests/reference/tracked.hpp"

namespace ptxmill::reference {

enum class Activation { none, relu, gelu, gelu_tanh, silu };

template <class T>
T relu(T x) {
  return x < T(0.0f) ? T(0.0f) : x;
}

/// x Phi(x) with the error function: 0.5 x (1 + erf(x / sqrt 2)) (Hendrycks and Gimpel 2016).
template <class T>
T gelu(T x) {
  using std::erf;
  // In double the sum would cancel for large negative x; the complement does not.
  if constexpr (std::is_same_v<T, double>) return 0.5 * x * std::erfc(-x * std::sqrt(0.5));
  return T(0.5f) * x * (T(1.0f) + erf(x * T(std::sqrt(0.5))));
}

/// Its approximation 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), from the same paper.
template <class T>
T gelu_tanh(T x) {
  using std::tanh;
  const T inner = T(std::sqrt(2.0 / 3.14159265358979323846)) * (x + T(0.044715) * x * x * x);
  // 0.5 (1 + tanh z) = 1 / (1 + exp(-2 z)), which does not cancel.
  if constexpr (std::is_same_v<T, double>) return x / (1.0 + std::exp(-2.0 * inner));
  return T(0.5f) * x * (T(1.0f) + tanh(inner));
}

/// x / (1 + exp(-x)).
template <class T>
T silu(T x) {
  using std::exp;
  return x / (T(1.0f) + exp(-x));
}

template <class T>
T activate(Activation activation, T x) {
  switch (activation) {
    case Activation::none: return x;
    case Activation::relu: return relu(x);
    case Activation::gelu: return gelu(x);
    case Activation::gelu_tanh: return gelu_tanh(x);
    case Activation::silu: return silu(x);
  }
  return x;
}

}  // namespace ptxmill::reference
