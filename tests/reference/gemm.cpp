#include "tests/reference/gemm.hpp"

#include <cmath>

#include "tests/reference/parallel.hpp"

namespace ptxmill::reference {

namespace {

/// sum a b, and sum |a||b|, from which its error in f32 follows.
struct Dot {
  double sum = 0.0;
  double magnitude = 0.0;

  void add(double a, double b) {
    sum += a * b;
    magnitude += std::abs(a * b);
  }
};

/// The columns of A W^T that make a column of the result.
std::vector<std::size_t> sources(const Gemm& problem, std::size_t col) {
  if (!problem.gated) return {col};
  const std::size_t gate = col / 8 * 16 + col % 8;
  return {gate, gate + 8};
}

/// `accumulated`: the sums of the column's sources.
template <class T>
T epilogue(const Gemm& problem, std::size_t row, std::size_t col,
           const std::vector<T>& accumulated) {
  const std::vector<std::size_t> from = sources(problem, col);
  std::vector<T> x;
  for (std::size_t i = 0; i < from.size(); ++i) {
    x.push_back(accumulated[i]);
    if (problem.alpha != 1.0f) x[i] = T(problem.alpha) * x[i];
    if (!problem.bias.empty()) x[i] = x[i] + T(problem.bias[from[i]]);
  }
  T y = problem.gated ? silu(x[0]) * x[1] : activate(problem.activation, x[0]);
  if (!problem.residual.empty()) y = y + T(problem.residual[row * problem.out_cols() + col]);
  return y;
}

bool has_epilogue(const Gemm& problem) {
  return problem.alpha != 1.0f || !problem.bias.empty() || problem.activation != Activation::none ||
         !problem.residual.empty() || problem.gated;
}

double accumulation_error(const Dot& dot, double units) {
  return units * rounding_error(dot.magnitude);
}

/// Writes what element (row, col) of a product with `terms` terms should be after the epilogue.
/// `dots`: those of the column's sources.
void finish(const Gemm& problem, std::size_t row, std::size_t col, const std::vector<Dot>& dots,
            std::size_t terms, double& value, double& bound) {
  std::vector<double> sums;
  std::vector<Tracked> tracked;
  double error = 0;
  for (const Dot& dot : dots) {
    error = accumulation_error(
        dot, problem.error_units > 0 ? problem.error_units : static_cast<double>(terms));
    sums.push_back(dot.sum);
    // The accumulation's error counts once, the epilogue's twice.
    tracked.emplace_back(dot.sum, error / 2.0);
  }
  value = epilogue(problem, row, col, sums);
  if (!has_epilogue(problem)) {
    bound = rounding_error(value) + error;
    return;
  }
  bound = 2.0 * rounding_error(value) + 2.0 * epilogue(problem, row, col, tracked).error;
}

std::size_t weight_index(const Gemm& problem, std::size_t col, std::size_t i) {
  return problem.layout == WeightLayout::out_in ? col * problem.k + i : i * problem.n + col;
}

}  // namespace

template <class T>
std::vector<T> gemm(const Gemm& problem, std::span<const T> a, std::span<const float> w) {
  const std::size_t width = problem.out_cols();
  std::vector<T> d(problem.m * width);
  for_each_row(problem.m, problem.n * problem.k, [&](std::size_t row) {
    for (std::size_t col = 0; col < width; ++col) {
      std::vector<T> sums;
      for (const std::size_t source : sources(problem, col)) {
        T accumulated = 0;
        for (std::size_t i = 0; i < problem.k; ++i) {
          accumulated +=
              a[row * problem.k + i] * static_cast<T>(w[weight_index(problem, source, i)]);
        }
        sums.push_back(accumulated);
      }
      d[row * width + col] = epilogue(problem, row, col, sums);
    }
  });
  return d;
}

template std::vector<double> gemm<double>(const Gemm&, std::span<const double>,
                                          std::span<const float>);
template std::vector<float> gemm<float>(const Gemm&, std::span<const float>,
                                        std::span<const float>);

Expected expect_gemm(const Gemm& problem, std::span<const float> a, std::span<const float> w) {
  const std::size_t width = problem.out_cols();
  Expected d{std::vector<double>(problem.m * width), std::vector<double>(problem.m * width)};
  for_each_row(problem.m, problem.n * problem.k, [&](std::size_t row) {
    for (std::size_t col = 0; col < width; ++col) {
      std::vector<Dot> dots;
      for (const std::size_t source : sources(problem, col)) {
        Dot dot;
        for (std::size_t i = 0; i < problem.k; ++i) {
          dot.add(a[row * problem.k + i], w[weight_index(problem, source, i)]);
        }
        dots.push_back(dot);
      }
      const std::size_t at = row * width + col;
      finish(problem, row, col, dots, problem.k, d.value[at], d.bound[at]);
    }
  });
  return d;
}

Expected expect_gemv(Gemm problem, std::span<const float> x, std::span<const float> w) {
  problem.m = 1;
  return expect_gemm(problem, x, w);
}

Expected expect_conv1d(const Conv1d& problem, std::span<const float> x, std::span<const float> w) {
  const std::size_t out_length = problem.out_length();
  const std::size_t count = problem.batch * problem.out_channels * out_length;
  Expected y{std::vector<double>(count), std::vector<double>(count)};
  // The epilogue sees one row of out_channels for each position.
  Gemm product;
  product.n = problem.out_channels;
  product.bias = problem.bias;
  product.activation = problem.activation;
  const std::size_t terms = problem.in_channels * problem.kernel;
  for_each_row(problem.batch * problem.out_channels, out_length * terms, [&](std::size_t row) {
    const std::size_t b = row / problem.out_channels;
    const std::size_t out = row % problem.out_channels;
    for (std::size_t t = 0; t < out_length; ++t) {
      Dot dot;
      for (std::size_t in = 0; in < problem.in_channels; ++in) {
        for (std::size_t tap = 0; tap < problem.kernel; ++tap) {
          const std::size_t padded = t * problem.stride + tap;
          if (padded < problem.padding || padded - problem.padding >= problem.length) continue;
          dot.add(x[(b * problem.in_channels + in) * problem.length + padded - problem.padding],
                  w[(out * problem.in_channels + in) * problem.kernel + tap]);
        }
      }
      const std::size_t at = row * out_length + t;
      finish(product, 0, out, {dot}, terms, y.value[at], y.bound[at]);
    }
  });
  return y;
}

}  // namespace ptxmill::reference
