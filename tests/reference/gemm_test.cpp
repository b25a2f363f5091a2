#include "tests/reference/gemm.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "tests/support/compare.hpp"
#include "tests/support/inputs.hpp"

namespace ptxmill::reference {
namespace {

Gemm sizes(std::size_t m, std::size_t n, std::size_t k) {
  Gemm problem;
  problem.m = m;
  problem.n = n;
  problem.k = k;
  return problem;
}

TEST_CASE("gemm by hand, in both layouts of the weights") {
  const std::vector<float> a = {1, 2, 3, 4, 5, 6};          // [2, 3]
  const std::vector<float> w = {1, 0, -1, 2, 2, 2};         // [2, 3]
  const std::vector<float> w_in_out = {1, 2, 0, 2, -1, 2};  // its transpose
  const std::vector<double> d = {-2, 12, -2, 30};
  Gemm problem = sizes(2, 2, 3);
  CHECK(expect_gemm(problem, a, w).value == d);
  CHECK(gemm<float>(problem, a, w) == std::vector<float>(d.begin(), d.end()));
  problem.layout = WeightLayout::in_out;
  CHECK(expect_gemm(problem, a, w_in_out).value == d);
}

TEST_CASE("gemm: alpha, bias, activation and residual in that order") {
  const std::vector<float> a = {1, 1};
  const std::vector<float> w = {1, 2, -3, -4};
  const std::vector<float> bias = {0.5f, 1};
  const std::vector<float> residual = {100, 200};
  Gemm problem = sizes(1, 2, 2);
  problem.alpha = 2.0f;
  problem.bias = bias;
  problem.activation = Activation::relu;
  problem.residual = residual;
  // 2 * 3 + 0.5 = 6.5; 2 * -7 + 1 = -13, which relu cuts off.
  CHECK(expect_gemm(problem, a, w).value == std::vector<double>{106.5, 200});
  CHECK(gemm<double>(problem, std::vector<double>(a.begin(), a.end()), w) ==
        std::vector<double>{106.5, 200});
}

TEST_CASE("gemm: gates lie eight columns before what they multiply") {
  // x = k + 1 for column k, but for the gates, of which all but one are so far below 0 that silu
  // is 0.
  std::vector<float> w(32), bias(32);
  for (std::size_t col = 0; col < 32; ++col) w[col] = col / 8 % 2 == 0 ? -1000.0f : float(col + 1);
  w[19] = 50;  // of which silu is 50
  bias[27] = 0.5f;
  std::vector<float> residual(16, 3);
  residual[12] = 4;
  Gemm problem = sizes(1, 32, 1);
  problem.gated = true;
  problem.bias = bias;
  problem.residual = residual;
  const std::vector<float> a = {1};
  std::vector<double> d(16, 3);
  d[11] = 50 * 28.5 + 3;
  d[12] = 4;
  CHECK(expect_gemm(problem, a, w).value == d);
}

TEST_CASE("gemm: the bound by hand") {
  const std::vector<float> a = {1, -2};
  const std::vector<float> w = {3, 4};
  // |ref| = 5, sum|a||b| = 11, k = 2.
  CHECK(expect_gemm(sizes(1, 1, 2), a, w).bound[0] == kUnitRoundoff * 5 + 2 * kUnitRoundoff * 11);
}

TEST_CASE("gemm: no terms leave the epilogue of zero") {
  const std::vector<float> bias = {3, 4};
  Gemm problem = sizes(2, 2, 0);
  problem.bias = bias;
  CHECK(expect_gemm(problem, {}, {}).value == std::vector<double>{3, 4, 3, 4});
  CHECK(expect_gemm(sizes(0, 4, 2), {}, std::vector<float>(8)).value.empty());
}

TEST_CASE("gemm: f32 in index order is within the bound, a dropped term is not") {
  test::Random random = test::random_for("gemm");
  std::vector<float> a = test::draw(random, 17 * 200);
  const auto w = test::draw(random, 13 * 200);
  const auto bias = test::draw(random, 13);
  for (const Activation activation : {Activation::none, Activation::gelu}) {
    Gemm problem = sizes(17, 13, 200);
    problem.activation = activation;
    if (activation != Activation::none) problem.bias = bias;
    const Expected expected = expect_gemm(problem, a, w);
    CHECK(test::compare(gemm<float>(problem, a, w), expected.value, expected.bound, {17, 13}));
    auto spoilt = a;
    spoilt[5 * 200 + 199] = 0.0f;
    CHECK_FALSE(
        test::compare(gemm<float>(problem, spoilt, w), expected.value, expected.bound, {17, 13}));
  }
}

TEST_CASE("gemm: small integers are exact") {
  test::Random random = test::random_for("gemm integers");
  const auto a = test::draw(random, 9 * 300, test::Inputs::small_integers);
  const auto w = test::draw(random, 7 * 300, test::Inputs::small_integers);
  const Expected expected = exactly(expect_gemm(sizes(9, 7, 300), a, w));
  CHECK(test::compare(gemm<float>(sizes(9, 7, 300), a, w), expected.value, expected.bound));
}

TEST_CASE("gemm: many rows over several threads are the same") {
  test::Random random = test::random_for("gemm threads");
  const auto a = test::draw(random, 400 * 256);
  const auto w = test::draw(random, 200 * 256);
  const auto whole = gemm<float>(sizes(400, 200, 256), a, w);
  const auto row = gemm<float>(sizes(1, 200, 256), std::span<const float>(a).subspan(399 * 256), w);
  CHECK(std::equal(row.begin(), row.end(), whole.begin() + 399 * 200));
}

TEST_CASE("gemv is a gemm of one row") {
  const std::vector<float> x = {1, 2, 3};
  const std::vector<float> w = {1, 1, 1, 0, 0, 1};
  CHECK(expect_gemv(sizes(0, 2, 3), x, w).value == std::vector<double>{6, 3});
}

TEST_CASE("conv1d by hand: padding, stride, channels, bias") {
  const std::vector<float> x = {1, 2, 3, 4, /* second channel */ 10, 20, 30, 40};
  const std::vector<float> w = {1, 2, 3, /* second channel */ 0, 1, 0};
  const std::vector<float> bias = {0.5f};
  Conv1d problem;
  problem.in_channels = 2;
  problem.out_channels = 1;
  problem.length = 4;
  problem.kernel = 3;
  problem.padding = 1;
  problem.bias = bias;
  // At 0: 0*1 + 1*2 + 2*3 + 10; at 1: 1 + 4 + 9 + 20; at 2: 2 + 6 + 12 + 30; at 3: 3 + 8 + 0 + 40.
  CHECK(expect_conv1d(problem, x, w).value == std::vector<double>{18.5, 34.5, 50.5, 51.5});
  problem.stride = 2;
  CHECK(problem.out_length() == 2);
  CHECK(expect_conv1d(problem, x, w).value == std::vector<double>{18.5, 50.5});
}

TEST_CASE("conv1d: batch and output channels keep to themselves") {
  Conv1d problem;
  problem.batch = 2;
  problem.in_channels = 1;
  problem.out_channels = 2;
  problem.length = 2;
  problem.kernel = 1;
  const std::vector<float> x = {1, 2, 3, 4};
  const std::vector<float> w = {1, 10};
  CHECK(expect_conv1d(problem, x, w).value == std::vector<double>{1, 2, 10, 20, 3, 4, 30, 40});
}

}  // namespace
}  // namespace ptxmill::reference
