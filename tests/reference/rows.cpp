#include "tests/reference/rows.hpp"

#include <algorithm>
#include <cmath>

namespace ptxmill::reference {

namespace {

using std::exp;
using std::log;
using std::sqrt;

// Halves the terms until two are left, as kernels do: the error grows with the logarithm of the
// length (Higham, section 4.2).
template <class T>
T sum(std::span<const T> terms) {
  if (terms.empty()) return T(0.0f);
  if (terms.size() == 1) return terms[0];
  const std::size_t half = terms.size() / 2;
  return sum(terms.first(half)) + sum(terms.subspan(half));
}

template <class T>
T mean_of_squares(std::span<const T> terms) {
  std::vector<T> squares;
  squares.reserve(terms.size());
  for (const T term : terms) squares.push_back(term * term);
  return sum(std::span<const T>(squares)) / T(static_cast<float>(terms.size()));
}

/// Calls `row_formula(in, out)` for every row.
template <class T, class RowFormula>
std::vector<T> for_rows(std::span<const T> x, std::size_t cols, RowFormula row_formula) {
  std::vector<T> y(x.size());
  for (std::size_t at = 0; at + cols <= x.size() && cols != 0; at += cols) {
    row_formula(x.subspan(at, cols), std::span<T>(y).subspan(at, cols));
  }
  return y;
}

/// `formula` in the three types that a bound takes.
template <class Formula>
Expected expect_rows(std::span<const float> x, Formula formula) {
  const std::vector<double> in_double(x.begin(), x.end());
  std::vector<Tracked> tracked;
  tracked.reserve(x.size());
  for (const float value : x) tracked.emplace_back(value);
  return expect_formula(formula(std::span<const double>(in_double)),
                        formula(std::span<const Tracked>(tracked)), formula(x));
}

}  // namespace

template <class T>
std::vector<T> layer_norm(std::span<const T> x, std::size_t cols, std::span<const float> gamma,
                          std::span<const float> beta, double eps) {
  return for_rows(x, cols, [&](std::span<const T> in, std::span<T> out) {
    const T mean = sum(in) / T(static_cast<float>(cols));
    for (std::size_t i = 0; i < cols; ++i) out[i] = in[i] - mean;
    const T rstd = T(1.0f) / sqrt(mean_of_squares(std::span<const T>(out)) + T(eps));
    for (std::size_t i = 0; i < cols; ++i) out[i] = out[i] * rstd * T(gamma[i]) + T(beta[i]);
  });
}

template <class T>
std::vector<T> rms_norm(std::span<const T> x, std::size_t cols, std::span<const float> gamma,
                        double eps) {
  return for_rows(x, cols, [&](std::span<const T> in, std::span<T> out) {
    const T scale = T(1.0f) / sqrt(mean_of_squares(in) + T(eps));
    for (std::size_t i = 0; i < cols; ++i) out[i] = in[i] * scale * T(gamma[i]);
  });
}

template <class T>
std::vector<T> softmax(std::span<const T> x, std::size_t cols) {
  return for_rows(x, cols, [&](std::span<const T> in, std::span<T> out) {
    const T max = *std::max_element(in.begin(), in.end());
    for (std::size_t i = 0; i < cols; ++i) out[i] = exp(in[i] - max);
    const T total = sum(std::span<const T>(out));
    for (T& y : out) y = y / total;
  });
}

template <class T>
std::vector<T> log_softmax(std::span<const T> x, std::size_t cols) {
  return for_rows(x, cols, [&](std::span<const T> in, std::span<T> out) {
    const T max = *std::max_element(in.begin(), in.end());
    for (std::size_t i = 0; i < cols; ++i) out[i] = exp(in[i] - max);
    const T log_total = log(sum(std::span<const T>(out)));
    for (std::size_t i = 0; i < cols; ++i) out[i] = (in[i] - max) - log_total;
  });
}

Expected expect_layer_norm(std::span<const float> x, std::size_t cols, std::span<const float> gamma,
                           std::span<const float> beta, double eps) {
  return expect_rows(
      x, [&]<class T>(std::span<const T> in) { return layer_norm<T>(in, cols, gamma, beta, eps); });
}

Expected expect_rms_norm(std::span<const float> x, std::size_t cols, std::span<const float> gamma,
                         double eps) {
  return expect_rows(
      x, [&]<class T>(std::span<const T> in) { return rms_norm<T>(in, cols, gamma, eps); });
}

Expected expect_softmax(std::span<const float> x, std::size_t cols) {
  return expect_rows(x, [&]<class T>(std::span<const T> in) { return softmax<T>(in, cols); });
}

Expected expect_log_softmax(std::span<const float> x, std::size_t cols) {
  return expect_rows(x, [&]<class T>(std::span<const T> in) { return log_softmax<T>(in, cols); });
}

#define PTXMILL_INSTANTIATE(T)                                                                   \
  template std::vector<T> layer_norm<T>(std::span<const T>, std::size_t, std::span<const float>, \
                                        std::span<const float>, double);                         \
  template std::vector<T> rms_norm<T>(std::span<const T>, std::size_t, std::span<const float>,   \
                                      double);                                                   \
  template std::vector<T> softmax<T>(std::span<const T>, std::size_t);                           \
  template std::vector<T> log_softmax<T>(std::span<const T>, std::size_t);
PTXMILL_INSTANTIATE(double)
PTXMILL_INSTANTIATE(float)
PTXMILL_INSTANTIATE(Tracked)
#undef PTXMILL_INSTANTIATE

}  // namespace ptxmill::reference
