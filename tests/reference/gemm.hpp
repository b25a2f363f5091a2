#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "tests/reference/elementwise.hpp"
#include "tests/reference/expected.hpp"

namespace ptxmill::reference {

/// How a weight matrix lies in memory: PyTorch's [out_features, in_features], or its transpose.
enum class WeightLayout { out_in, in_out };

/// D[m, n] = activation(alpha A[m, k] W^T + bias[n]) + residual[m, n]; an empty bias or residual is
/// absent. Where it is gated, columns 16 j + i and 16 j + i + 8 of x = alpha A W^T + bias, i < 8,
/// make one column of D[m, n / 2]: silu(x[16 j + i]) x[16 j + i + 8] + residual.
struct Gemm {
  std::size_t m = 0;
  std::size_t n = 0;
  std::size_t k = 0;
  WeightLayout layout = WeightLayout::out_in;
  float alpha = 1.0f;
  std::span<const float> bias = {};
  Activation activation = Activation::none;
  std::span<const float> residual = {};
  bool gated = false;
  /// What an accumulation's error is at most, in units of 2^-24 sum|a||b|; 0: k, for f32.
  double error_units = 0;

  std::size_t out_cols() const { return gated ? n / 2 : n; }
};

/// The product in type T (double or float), terms added in the order of k.
template <class T>
std::vector<T> gemm(const Gemm& problem, std::span<const T> a, std::span<const float> w);

/// |D - ref| <= u|ref| + error_units 2^-24 sum|a||b|, with k units for f32 inputs and f32
/// accumulation. An epilogue
/// carries that error on, and its own operations add theirs as those of the elementwise formulas
/// do.
Expected expect_gemm(const Gemm& problem, std::span<const float> a, std::span<const float> w);

/// y[n] = W[n, k] x[k] with the same epilogue and bound: a GEMM of one row.
Expected expect_gemv(Gemm problem, std::span<const float> x, std::span<const float> w);

/// y[batch, out_channels, out_length]: a convolution (as in PyTorch, a cross-correlation) along the
/// length of x[batch, in_channels, length] with w[out_channels, in_channels, kernel] and zeros
/// beyond both ends.
struct Conv1d {
  std::size_t batch = 1;
  std::size_t in_channels = 0;
  std::size_t out_channels = 0;
  std::size_t length = 0;
  std::size_t kernel = 0;
  std::size_t stride = 1;
  std::size_t padding = 0;
  std::span<const float> bias = {};
  Activation activation = Activation::none;

  std::size_t out_length() const { return (length + 2 * padding - kernel) / stride + 1; }
};

/// The bound of the GEMM with k = in_channels * kernel.
Expected expect_conv1d(const Conv1d& problem, std::span<const float> x, std::span<const float> w);

}  // namespace ptxmill::reference
