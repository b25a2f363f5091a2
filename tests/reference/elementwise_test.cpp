#include "tests/reference/elementwise.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "tests/reference/expected.hpp"
#include "tests/support/compare.hpp"
#include "tests/support/random.hpp"

namespace ptxmill::reference {
namespace {

// Values from tables of the normal distribution and of the hyperbolic tangent.
TEST_CASE("activations at known points") {
  CHECK(relu(-2.0) == 0.0);
  CHECK(relu(3.0) == 3.0);
  CHECK(gelu(0.0) == 0.0);
  CHECK(gelu(1.0) == doctest::Approx(0.8413447460685429).epsilon(1e-14));
  CHECK(gelu(-1.0) == doctest::Approx(-0.15865525393145707).epsilon(1e-14));
  CHECK(gelu(2.0) == doctest::Approx(2.0 * 0.9772498680518208).epsilon(1e-14));
  CHECK(silu(0.0) == 0.0);
  CHECK(silu(1.0) == doctest::Approx(0.7310585786300049).epsilon(1e-14));
  // 0.5 (1 + tanh(sqrt(2 / pi) * 1.044715)), by hand 0.5 (1 + tanh 0.8335620).
  CHECK(gelu_tanh(1.0) == doctest::Approx(0.8411919906082768).epsilon(1e-12));
}

TEST_CASE("activations far out keep their relative accuracy in double") {
  // Mills' ratio: Phi(-x) ~ phi(x) / x (1 - 1 / x^2 + 3 / x^4 - 15 / x^6).
  const double x = 20.0;
  const double phi = std::exp(-0.5 * x * x) / std::sqrt(2.0 * 3.14159265358979323846);
  const double tail =
      phi * (1.0 - std::pow(x, -2) + 3.0 * std::pow(x, -4) - 15.0 * std::pow(x, -6));
  CHECK(gelu(-x) / -tail == doctest::Approx(1.0).epsilon(1e-8));
  CHECK(silu(-50.0) == doctest::Approx(-50.0 * std::exp(-50.0)).epsilon(1e-13));
  CHECK(gelu_tanh(-5.0) < 0.0);
}

TEST_CASE("the forms for double agree with the formulas as defined") {
  test::Random random = test::random_for("activation forms");
  for (int i = 0; i < 1000; ++i) {
    const double x = random.normal() * 2.0;
    const double inner = std::sqrt(2.0 / 3.14159265358979323846) * (x + 0.044715 * x * x * x);
    CHECK(gelu(x) == doctest::Approx(0.5 * x * (1.0 + std::erf(x / std::sqrt(2.0)))).epsilon(1e-9));
    CHECK(gelu_tanh(x) == doctest::Approx(0.5 * x * (1.0 + std::tanh(inner))).epsilon(1e-9));
  }
}

TEST_CASE("expected activations admit f32 and refuse an error of 1e-4") {
  test::Random random = test::random_for("activation bounds");
  std::vector<float> x(2000);
  for (float& value : x) value = static_cast<float>(random.normal() * 3.0);
  for (const Activation activation :
       {Activation::relu, Activation::gelu, Activation::gelu_tanh, Activation::silu}) {
    const Expected expected = expect_each(
        x.size(), [&]<class T>(std::size_t i) { return activate(activation, T(x[i])); });
    std::vector<float> actual(x.size());
    std::vector<float> spoilt(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      actual[i] = activate(activation, x[i]);
      spoilt[i] = actual[i] * 1.0001f;
    }
    CHECK(test::compare(actual, expected.value, expected.bound));
    const auto caught = test::compare(spoilt, expected.value, expected.bound);
    CHECK(caught.failures > x.size() / 3);
  }
}

TEST_CASE("silu where exp overflows f32: its zero is within the bound") {
  const Expected expected = expect_each(1, []<class T>(std::size_t) { return silu(T(-95.0f)); });
  CHECK(test::compare(std::vector<float>{-0.0f}, expected.value, expected.bound));
  CHECK_FALSE(test::compare(std::vector<float>{-1e-38f}, expected.value, expected.bound));
}

TEST_CASE("a chain of operations is one formula") {
  const std::vector<float> x = {1.0f, -2.0f, 0.25f};
  const std::vector<float> y = {0.5f, 0.5f, 0.5f};
  const Expected expected = expect_each(
      x.size(), [&]<class T>(std::size_t i) { return relu(T(x[i]) * T(2.0f) + T(y[i])); });
  CHECK(expected.value == std::vector<double>{2.5, 0.0, 1.0});
}

}  // namespace
}  // namespace ptxmill::reference
