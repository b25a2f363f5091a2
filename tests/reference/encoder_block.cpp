#include "tests/reference/encoder_block.hpp"

#include <algorithm>
#include <cmath>

#include "tests/reference/attention.hpp"
#include "tests/reference/gemm.hpp"
#include "tests/reference/layout.hpp"
#include "tests/reference/rows.hpp"

namespace ptxmill::reference {

namespace {

/// The layers of one block over activations of type T.
template <class T>
class Layers {
 public:
  Layers(const EncoderBlock& problem, const Weights& weights)
      : problem_(problem), weights_(weights) {}

  std::vector<T> norm(const std::string& name, const std::vector<T>& x) const {
    return layer_norm<T>(x, problem_.d_model, weights_.at(name + ".weight"),
                         weights_.at(name + ".bias"), problem_.eps);
  }

  std::vector<T> linear(const std::string& name, const std::vector<T>& x, std::size_t in,
                        std::size_t out, Activation activation = Activation::none) const {
    Gemm product;
    product.m = problem_.batch * problem_.seq_len;
    product.n = out;
    product.k = in;
    product.activation = activation;
    const auto bias = weights_.find(name + ".bias");
    if (bias != weights_.end()) product.bias = bias->second;
    return gemm<T>(product, x, weights_.at(name + ".weight"));
  }

  std::vector<T> self_attention(const std::vector<T>& x) const {
    const std::size_t d = problem_.d_model;
    Attention shape;
    shape.batch = problem_.batch;
    shape.heads = shape.kv_heads = problem_.heads;
    shape.q_len = shape.kv_len = problem_.seq_len;
    shape.head_dim = d / problem_.heads;
    const auto heads_of = [&](const std::string& name) {
      return split_heads<T>(linear(name, x, d, d), shape.batch, shape.q_len, shape.heads,
                            shape.head_dim);
    };
    const auto attended = attention<T>(shape, heads_of("self_attn.q_proj"),
                                       heads_of("self_attn.k_proj"), heads_of("self_attn.v_proj"));
    const auto merged =
        merge_heads<T>(attended.out, shape.batch, shape.q_len, shape.heads, shape.head_dim);
    return linear("self_attn.out_proj", merged, d, d);
  }

  std::vector<T> feed_forward(const std::vector<T>& x) const {
    const auto hidden = linear("fc1", x, problem_.d_model, problem_.ffn_dim, problem_.activation);
    return linear("fc2", hidden, problem_.ffn_dim, problem_.d_model);
  }

 private:
  const EncoderBlock& problem_;
  const Weights& weights_;
};

template <class T>
void add_to(std::vector<T>& x, const std::vector<T>& delta) {
  std::transform(x.begin(), x.end(), delta.begin(), x.begin(), [](T a, T b) { return a + b; });
}

}  // namespace

template <class T>
std::vector<T> encoder_block(const EncoderBlock& problem, std::span<const T> x,
                             const Weights& weights) {
  const Layers<T> layers(problem, weights);
  std::vector<T> y(x.begin(), x.end());
  add_to(y, layers.self_attention(layers.norm("self_attn_layer_norm", y)));
  add_to(y, layers.feed_forward(layers.norm("final_layer_norm", y)));
  return y;
}

template std::vector<double> encoder_block<double>(const EncoderBlock&, std::span<const double>,
                                                   const Weights&);
template std::vector<float> encoder_block<float>(const EncoderBlock&, std::span<const float>,
                                                 const Weights&);

Expected expect_encoder_block(const EncoderBlock& problem, std::span<const float> x,
                              const Weights& weights) {
  const std::vector<double> widened(x.begin(), x.end());
  return expect_block(encoder_block<double>(problem, widened, weights),
                      encoder_block<float>(problem, x, weights), problem.d_model);
}

Expected expect_block(std::span<const double> in_f64, std::span<const float> in_f32,
                      std::size_t cols) {
  Expected expected{{in_f64.begin(), in_f64.end()}, std::vector<double>(in_f64.size())};
  double largest_error = 0.0;
  for (std::size_t i = 0; i < in_f64.size(); ++i) {
    largest_error = std::max(largest_error, std::abs(in_f32[i] - in_f64[i]));
  }
  for (std::size_t row = 0; row + cols <= in_f64.size() && cols != 0; row += cols) {
    double largest_value = 0.0;
    for (const double y : in_f64.subspan(row, cols))
      largest_value = std::max(largest_value, std::abs(y));
    std::fill_n(expected.bound.begin() + static_cast<std::ptrdiff_t>(row), cols,
                2.0 * largest_error + kUnitRoundoff * largest_value);
  }
  return expected;
}

}  // namespace ptxmill::reference
