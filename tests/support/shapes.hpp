#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/random.hpp"

namespace ptxmill::test {

/// Sizes at which kernels go wrong: 1, 2, primes, and one below, at and above each tile edge;
/// sorted, unique.
std::vector<std::int64_t> edge_sizes(const std::vector<std::int64_t>& tiles);

/// A size from 1 to `max`, small ones as likely as large ones (uniform in its logarithm).
std::int64_t random_size(Random& random, std::int64_t max);

/// (q_len, kv_len) pairs with which attention kernels are usually tested, and lengths of 0 and 1.
const std::vector<std::pair<std::int64_t, std::int64_t>>& attention_lengths();

/// Public dimensions of the models that the shipped specs serve.
struct ModelShape {
  std::string name;
  std::int64_t d_model, heads, kv_heads, head_dim, ffn_dim, vocab;
};

const std::vector<ModelShape>& model_shapes();

}  // namespace ptxmill::test
