#include "tests/reference/encoder_block.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "tests/support/compare.hpp"
#include "tests/support/inputs.hpp"

namespace ptxmill::reference {
namespace {

std::vector<float> identity(std::size_t n, float scale = 1.0f) {
  std::vector<float> w(n * n);
  for (std::size_t i = 0; i < n; ++i) w[i * n + i] = scale;
  return w;
}

/// A block of width 2 whose projections are given by their scale alone.
Weights diagonal_weights(float v_scale, float out_scale, float fc_scale) {
  return {{"self_attn_layer_norm.weight", {1, 1}},
          {"self_attn_layer_norm.bias", {0, 0}},
          {"self_attn.q_proj.weight", identity(2)},
          {"self_attn.q_proj.bias", {0, 0}},
          {"self_attn.k_proj.weight", identity(2)},
          {"self_attn.v_proj.weight", identity(2, v_scale)},
          {"self_attn.v_proj.bias", {0, 0}},
          {"self_attn.out_proj.weight", identity(2, out_scale)},
          {"self_attn.out_proj.bias", {0, 0}},
          {"final_layer_norm.weight", {1, 1}},
          {"final_layer_norm.bias", {0, 0}},
          {"fc1.weight", identity(2, fc_scale)},
          {"fc1.bias", {0, 0}},
          {"fc2.weight", identity(2)},
          {"fc2.bias", {0, 0}}};
}

EncoderBlock two_wide(std::size_t seq_len) {
  EncoderBlock problem;
  problem.seq_len = seq_len;
  problem.d_model = 2;
  problem.heads = 1;
  problem.ffn_dim = 2;
  problem.eps = 0.0;
  problem.activation = Activation::relu;
  return problem;
}

TEST_CASE("encoder block by hand: one position attends to itself") {
  // LN(3, 1) = (1, -1); attention returns v = 2 (1, -1), out_proj doubles it: x = (7, -3).
  // LN(7, -3) = (1, -1); fc1 triples, relu keeps (3, 0), fc2 is the identity: (10, -3).
  const std::vector<double> x = {3, 1};
  const auto y = encoder_block<double>(two_wide(1), x, diagonal_weights(2, 2, 3));
  CHECK(y[0] == doctest::Approx(10.0));
  CHECK(y[1] == doctest::Approx(-3.0));
}

TEST_CASE("encoder block by hand: opposite positions attend mostly to themselves") {
  // Rows normalise to a = (1, -1) and -a; scores are +-2 / sqrt 2, so each gets a tanh(sqrt 2) of
  // itself.
  const std::vector<double> x = {1, -1, -1, 1};
  const auto y = encoder_block<double>(two_wide(2), x, diagonal_weights(1, 1, 0));
  const double attended = std::tanh(std::sqrt(2.0));
  CHECK(y[0] == doctest::Approx(1.0 + attended));
  CHECK(y[1] == doctest::Approx(-1.0 - attended));
  CHECK(y[2] == doctest::Approx(-1.0 - attended));
  CHECK(y[3] == doctest::Approx(1.0 + attended));
}

TEST_CASE("encoder block: biases of all four projections count, an absent one is zero") {
  Weights weights = diagonal_weights(0, 1, 0);
  weights["self_attn.v_proj.bias"] = {5, 6};
  weights["self_attn.out_proj.bias"] = {10, 20};
  weights["fc2.bias"] = {100, 200};
  const std::vector<double> x = {3, 1};
  CHECK(encoder_block<double>(two_wide(1), x, weights) == std::vector<double>{118, 227});
  weights.erase("self_attn.v_proj.bias");
  CHECK(encoder_block<double>(two_wide(1), x, weights) == std::vector<double>{113, 221});
}

TEST_CASE("expected block: the bound by hand") {
  // Largest error 0.25, so 0.5 everywhere and u times each row's largest value.
  const Expected expected =
      expect_block(std::vector<double>{1, -4, 2, 0}, std::vector<float>{1.25f, -4, 2, 0}, 2);
  CHECK(expected.bound[0] == 0.5 + kUnitRoundoff * 4);
  CHECK(expected.bound[1] == 0.5 + kUnitRoundoff * 4);
  CHECK(expected.bound[3] == 0.5 + kUnitRoundoff * 2);
}

TEST_CASE("expected block: random weights, f32 within, a lost bias outside") {
  test::Random random = test::random_for("encoder block");
  EncoderBlock problem;
  problem.batch = 2;
  problem.seq_len = 5;
  problem.d_model = 32;
  problem.heads = 4;
  problem.ffn_dim = 64;
  Weights weights;
  const auto set = [&](const std::string& name, std::size_t count) {
    weights[name] = test::draw(random, count);
    for (float& w : weights[name]) w *= 0.2f;
  };
  for (const char* name : {"q", "k", "v", "out"}) {
    set(std::string("self_attn.") + name + "_proj.weight", 32 * 32);
    set(std::string("self_attn.") + name + "_proj.bias", 32);
  }
  for (const char* name : {"self_attn_layer_norm", "final_layer_norm"}) {
    set(std::string(name) + ".weight", 32);
    set(std::string(name) + ".bias", 32);
  }
  set("fc1.weight", 64 * 32);
  set("fc1.bias", 64);
  set("fc2.weight", 32 * 64);
  set("fc2.bias", 32);
  const auto x = test::draw(random, 2 * 5 * 32);
  const Expected expected = expect_encoder_block(problem, x, weights);
  CHECK(test::compare(encoder_block<float>(problem, x, weights), expected.value, expected.bound));
  CHECK(expected.bound[0] < 1e-4);
  weights.erase("fc1.bias");
  CHECK_FALSE(
      test::compare(encoder_block<float>(problem, x, weights), expected.value, expected.bound));
}

}  // namespace
}  // namespace ptxmill::reference
