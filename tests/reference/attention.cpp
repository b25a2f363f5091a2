#include "tests/reference/attention.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/reference/parallel.hpp"

namespace ptxmill::reference {

namespace {

/// How many keys, from the first, query `i` sees.
std::size_t keys_seen(const Attention& problem, std::size_t i) {
  if (!problem.causal) return problem.kv_len;
  const std::size_t end = i + 1 + problem.kv_len;
  return end <= problem.q_len ? 0 : std::min(end - problem.q_len, problem.kv_len);
}

/// One query row over the keys that it sees; returns the log-sum-exp and writes `out`, which holds
/// zeros.
template <class T>
T attend(std::span<const T> q, std::span<const T> k, std::span<const T> v, std::size_t keys,
         T scale, std::span<T> out) {
  if (keys == 0) return -std::numeric_limits<T>::infinity();
  const std::size_t head_dim = q.size();
  std::vector<T> weights(keys);
  for (std::size_t j = 0; j < keys; ++j) {
    T score = 0;
    for (std::size_t d = 0; d < head_dim; ++d) score += q[d] * k[j * head_dim + d];
    weights[j] = score * scale;
  }
  const T max = *std::max_element(weights.begin(), weights.end());
  T total = 0;
  for (T& weight : weights) {
    weight = std::exp(weight - max);
    total += weight;
  }
  for (std::size_t j = 0; j < keys; ++j) {
    for (std::size_t d = 0; d < head_dim; ++d) out[d] += weights[j] * v[j * head_dim + d];
  }
  for (T& y : out) y /= total;
  return max + std::log(total);
}

}  // namespace

template <class T>
AttentionResult<T> attention(const Attention& problem, std::span<const T> q, std::span<const T> k,
                             std::span<const T> v) {
  const std::size_t rows = problem.batch * problem.heads * problem.q_len;
  const std::size_t group = problem.heads / problem.kv_heads;
  const std::size_t kv_size = problem.kv_len * problem.head_dim;
  const T scale = problem.scale != 0.0f ? static_cast<T>(problem.scale)
                                        : T(1) / std::sqrt(static_cast<T>(problem.head_dim));
  AttentionResult<T> result{std::vector<T>(rows * problem.head_dim), std::vector<T>(rows)};
  for_each_row(rows, 2 * kv_size, [&](std::size_t row) {
    const std::size_t i = row % problem.q_len;
    const std::size_t head = row / problem.q_len % problem.heads;
    const std::size_t b = row / problem.q_len / problem.heads;
    const std::size_t kv_at = (b * problem.kv_heads + head / group) * kv_size;
    result.log_sum_exp[row] =
        attend(q.subspan(row * problem.head_dim, problem.head_dim), k.subspan(kv_at, kv_size),
               v.subspan(kv_at, kv_size), keys_seen(problem, i), scale,
               std::span<T>(result.out).subspan(row * problem.head_dim, problem.head_dim));
  });
  return result;
}

template AttentionResult<double> attention<double>(const Attention&, std::span<const double>,
                                                   std::span<const double>,
                                                   std::span<const double>);
template AttentionResult<float> attention<float>(const Attention&, std::span<const float>,
                                                 std::span<const float>, std::span<const float>);

ExpectedAttention expect_attention(const Attention& problem, std::span<const float> q,
                                   std::span<const float> k, std::span<const float> v) {
  const auto widen = [](std::span<const float> x) {
    return std::vector<double>(x.begin(), x.end());
  };
  auto exact = attention<double>(problem, widen(q), widen(k), widen(v));
  const auto in_f32 = attention<float>(problem, q, k, v);
  double largest_error = 0.0;
  double largest_value = 0.0;
  for (std::size_t i = 0; i < exact.out.size(); ++i) {
    largest_error = std::max(largest_error, std::abs(in_f32.out[i] - exact.out[i]));
    largest_value = std::max(largest_value, std::abs(exact.out[i]));
  }
  const double bound = 2.0 * largest_error + 2.0 * kUnitRoundoff * largest_value;
  const std::size_t outs = exact.out.size();
  const std::size_t rows = exact.log_sum_exp.size();
  return {{std::move(exact.out), std::vector<double>(outs, bound)},
          {std::move(exact.log_sum_exp), std::vector<double>(rows, 1e-5)}};
}

}  // namespace ptxmill::reference
