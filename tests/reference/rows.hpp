#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "tests/reference/expected.hpp"

namespace ptxmill::reference {

// Formulas over the rows of x[rows, cols]. T is the type to compute in: double, float or Tracked.

/// (x - mean) / sqrt(variance + eps) * gamma + beta, with the biased variance (Ba et al. 2016).
/// gamma and beta: [cols].
template <class T>
std::vector<T> layer_norm(std::span<const T> x, std::size_t cols, std::span<const float> gamma,
                          std::span<const float> beta, double eps);

/// x / sqrt(mean(x^2) + eps) * gamma (Zhang and Sennrich 2019).
template <class T>
std::vector<T> rms_norm(std::span<const T> x, std::size_t cols, std::span<const float> gamma,
                        double eps);

/// exp(x - max) / sum exp(x - max).
template <class T>
std::vector<T> softmax(std::span<const T> x, std::size_t cols);

/// (x - max) - log sum exp(x - max).
template <class T>
std::vector<T> log_softmax(std::span<const T> x, std::size_t cols);

Expected expect_layer_norm(std::span<const float> x, std::size_t cols, std::span<const float> gamma,
                           std::span<const float> beta, double eps);
Expected expect_rms_norm(std::span<const float> x, std::size_t cols, std::span<const float> gamma,
                         double eps);
Expected expect_softmax(std::span<const float> x, std::size_t cols);
Expected expect_log_softmax(std::span<const float> x, std::size_t cols);

}  // namespace ptxmill::reference
