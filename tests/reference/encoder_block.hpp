#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "tests/reference/elementwise.hpp"
#include "tests/reference/expected.hpp"

namespace ptxmill::reference {

/// A transformer encoder block with the norms in front, as in Whisper:
///   x = x + out_proj(attention(self_attn_layer_norm(x)));  x = x +
///   fc2(gelu(fc1(final_layer_norm(x)))).
struct EncoderBlock {
  std::size_t batch = 1;
  std::size_t seq_len = 0;
  std::size_t d_model = 0;
  std::size_t heads = 0;
  std::size_t ffn_dim = 0;
  double eps = 1e-5;
  Activation activation = Activation::gelu;
};

/// A block's weights by the names that checkpoints give them: `self_attn.{q,k,v,out}_proj`, `fc1`,
/// `fc2`
/// ([out, in]), `self_attn_layer_norm`, `final_layer_norm`, each with `.weight` and `.bias`. A bias
/// of a projection may be absent; Whisper's k_proj has none.
using Weights = std::map<std::string, std::vector<float>>;

/// x[batch, seq_len, d_model] -> the same shape, in type T (double or float).
template <class T>
std::vector<T> encoder_block(const EncoderBlock& problem, std::span<const T> x,
                             const Weights& weights);

/// The bound of a row is 2 x the largest error anywhere of `encoder_block<float>`, + u max|ref| of
/// that row.
Expected expect_encoder_block(const EncoderBlock& problem, std::span<const float> x,
                              const Weights& weights);

/// The same from results that another program computed in f64 and f32. Rows have `cols` elements.
Expected expect_block(std::span<const double> in_f64, std::span<const float> in_f32,
                      std::size_t cols);

}  // namespace ptxmill::reference
