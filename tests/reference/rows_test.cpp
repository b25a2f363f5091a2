#include "tests/reference/rows.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "tests/support/compare.hpp"
#include "tests/support/inputs.hpp"

namespace ptxmill::reference {
namespace {

using doctest::Approx;

const std::vector<float> kOnes(4, 1.0f);
const std::vector<float> kZeros(4, 0.0f);

TEST_CASE("layer_norm by hand") {
  // Mean 2.5, variance 1.25.
  const std::vector<double> x = {1, 2, 3, 4};
  const auto y = layer_norm<double>(x, 4, kOnes, kZeros, 0.0);
  const double unit = 1.0 / std::sqrt(1.25);
  CHECK(y[0] == Approx(-1.5 * unit));
  CHECK(y[1] == Approx(-0.5 * unit));
  CHECK(y[3] == Approx(1.5 * unit));

  const std::vector<float> gamma = {2, 2, 2, 2};
  const std::vector<float> beta = {10, 20, 30, 40};
  const auto z = layer_norm<double>(x, 4, gamma, beta, 0.0);
  CHECK(z[0] == Approx(10.0 - 3.0 * unit));
  CHECK(z[2] == Approx(30.0 + 1.0 * unit));
}

TEST_CASE("layer_norm of a constant row is beta, also with eps") {
  const std::vector<double> x = {7, 7, 7, 7, 1, 1, 1, 1};
  const std::vector<float> beta = {1, 2, 3, 4};
  const auto y = layer_norm<double>(x, 4, kOnes, beta, 1e-5);
  CHECK(y == std::vector<double>{1, 2, 3, 4, 1, 2, 3, 4});
}

TEST_CASE("layer_norm: eps joins the variance under the root") {
  const std::vector<double> x = {-1, 1};
  const auto y = layer_norm<double>(x, 2, kOnes, kZeros, 3.0);  // variance 1, so 1 / sqrt(4)
  CHECK(y[0] == Approx(-0.5));
  CHECK(y[1] == Approx(0.5));
}

TEST_CASE("rms_norm by hand") {
  const std::vector<double> x = {3, 4, 0, 0};  // mean square 25 / 4
  const std::vector<float> gamma = {1, 1, 1, 5};
  const auto y = rms_norm<double>(x, 4, gamma, 0.0);
  CHECK(y[0] == Approx(3.0 / 2.5));
  CHECK(y[1] == Approx(4.0 / 2.5));
  CHECK(y[3] == 0.0);
}

TEST_CASE("softmax by hand, row by row, unmoved by a shift") {
  const double ln2 = std::log(2.0);
  const std::vector<double> x = {0, ln2, 2 * ln2, 1000, 1000 + ln2, 1000 + 2 * ln2};
  const auto y = softmax<double>(x, 3);
  for (const std::size_t row : {0u, 3u}) {
    CHECK(y[row] == Approx(1.0 / 7.0));
    CHECK(y[row + 1] == Approx(2.0 / 7.0));
    CHECK(y[row + 2] == Approx(4.0 / 7.0));
  }
  const auto log_y = log_softmax<double>(x, 3);
  CHECK(log_y[2] == Approx(std::log(4.0 / 7.0)));
  CHECK(softmax<double>(std::vector<double>{42.0}, 1) == std::vector<double>{1.0});
  CHECK(log_softmax<double>(std::vector<double>{42.0}, 1) == std::vector<double>{0.0});
}

TEST_CASE("expected rows admit an f32 evaluation in another order and refuse a wrong one") {
  test::Random random = test::random_for("rows");
  for (const std::size_t cols : {1u, 2u, 31u, 384u, 1000u}) {
    CAPTURE(cols);
    const auto x = test::draw(random, 3 * cols);
    const auto gamma = test::draw(random, cols);
    const auto beta = test::draw(random, cols);
    const Expected norm = expect_layer_norm(x, cols, gamma, beta, 1e-5);
    std::vector<float> actual(x.size());
    for (std::size_t row = 0; row < 3; ++row) {  // two passes, summed from the right
      const float* in = &x[row * cols];
      float sum = 0.0f;
      for (std::size_t i = cols; i-- > 0;) sum += in[i];
      const float mean = sum / static_cast<float>(cols);
      float squares = 0.0f;
      for (std::size_t i = cols; i-- > 0;) squares += (in[i] - mean) * (in[i] - mean);
      const float rstd = 1.0f / std::sqrt(squares / static_cast<float>(cols) + 1e-5f);
      for (std::size_t i = 0; i < cols; ++i) {
        actual[row * cols + i] = (in[i] - mean) * rstd * gamma[i] + beta[i];
      }
    }
    CHECK(test::compare(actual, norm.value, norm.bound, {3, cols}));
    if (cols > 2) {
      const Expected unbiased = expect_layer_norm(x, cols, gamma, beta, 1e-3);
      CHECK_FALSE(test::compare(actual, unbiased.value, unbiased.bound, {3, cols}));
    }
  }
}

TEST_CASE("expected softmax: small probabilities are held to their own size") {
  const std::vector<float> x = {0.0f, -30.0f, -60.0f};
  const Expected expected = expect_softmax(x, 3);
  CHECK(expected.bound[2] < 1e-4 * expected.value[2]);
  CHECK(expected.bound[2] > expected.value[2] * kUnitRoundoff);
}

TEST_CASE("no rows give no output") {
  CHECK(softmax<double>(std::vector<double>{}, 8).empty());
  CHECK(expect_layer_norm({}, 4, kOnes, kZeros, 1e-5).value.empty());
}

}  // namespace
}  // namespace ptxmill::reference
