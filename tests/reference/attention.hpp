#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "tests/reference/expected.hpp"

namespace ptxmill::reference {

/// out = softmax(scale q k^T + mask) v for q[batch, heads, q_len, head_dim] and
/// k, v[batch, kv_heads, kv_len, head_dim]; query head h reads key head h / (heads / kv_heads).
struct Attention {
  std::size_t batch = 1;
  std::size_t heads = 1;
  std::size_t kv_heads = 1;
  std::size_t q_len = 0;
  std::size_t kv_len = 0;
  std::size_t head_dim = 0;
  /// Query i sees key j where j <= i + kv_len - q_len: the mask's corner is at the bottom right.
  bool causal = false;
  /// 0 stands for 1 / sqrt(head_dim).
  float scale = 0.0f;
};

/// A query that sees no key has an output of zeros and a log-sum-exp of minus infinity.
template <class T>
struct AttentionResult {
  std::vector<T> out;          ///< [batch, heads, q_len, head_dim]
  std::vector<T> log_sum_exp;  ///< [batch, heads, q_len], of the scaled scores
};

/// In type T (double or float), each row's scores at once and every sum in index order.
template <class T>
AttentionResult<T> attention(const Attention& problem, std::span<const T> q, std::span<const T> k,
                             std::span<const T> v);

/// The output's bound is 2 x the largest error of `attention<float>`, + 2 u max|ref|, and for the
/// log-sum-exp 1e-5.
struct ExpectedAttention {
  Expected out;
  Expected log_sum_exp;
};

ExpectedAttention expect_attention(const Attention& problem, std::span<const float> q,
                                   std::span<const float> k, std::span<const float> v);

}  // namespace ptxmill::reference
