#include <doctest/doctest.h>

#include <cmath>

#include "tests/reference/elementwise.hpp"
#include "tests/reference/expected.hpp"
#include "tests/reference/tracked.hpp"
#include "tests/support/random.hpp"

namespace ptxmill::reference {
namespace {

constexpr double kU = kUnitRoundoff;

TEST_CASE("tracked: one operation is one rounding") {
  const Tracked three(3.0f);
  const Tracked sum = three + Tracked(4.0f);
  CHECK(sum.value == 7.0);
  CHECK(sum.error == 7.0 * kU);
  const Tracked product = sum * three;  // carries 3 * 7 u, adds 21 u
  CHECK(product.value == 21.0);
  CHECK(product.error == 42.0 * kU);
}

TEST_CASE("tracked: cancellation leaves the operands' errors") {
  const Tracked difference = Tracked(1.0, kU) - Tracked(1.0, kU);
  CHECK(difference.value == 0.0);
  CHECK(difference.error >= 2.0 * kU);
  CHECK(difference.error < 2.001 * kU);
}

TEST_CASE("tracked: a constant that f32 cannot hold brings its rounding along") {
  CHECK(Tracked(0.5).error == 0.0);
  CHECK(Tracked(0.1).error == std::abs(0.1 - static_cast<double>(0.1f)));
}

TEST_CASE("tracked: below the normal range the error stays half the spacing") {
  CHECK(rounding_error(0x1p-140) == 0x1p-150);
  CHECK(rounding_error(1.0) == kU);
}

template <class T>
T a_formula(T x) {
  using std::exp;
  using std::log;
  using std::sqrt;
  using std::tanh;
  return log(exp(x) + sqrt(x * x + T(1.0f))) / (T(2.0f) - tanh(x)) - T(0.1);
}

TEST_CASE("tracked: the error of a real f32 evaluation stays within the tracked one") {
  test::Random random = test::random_for("tracked");
  for (int i = 0; i < 2000; ++i) {
    const auto x = static_cast<float>(4.0 * random.normal());
    const Tracked tracked = a_formula(Tracked(x));
    CAPTURE(x);
    CHECK(std::abs(a_formula(x) - a_formula(static_cast<double>(x))) <= tracked.error);
    CHECK(tracked.error < 1e-5 * (1.0 + std::abs(tracked.value)));
  }
}

TEST_CASE("expected: twice the rounding and twice the larger error") {
  // By hand: the f32 evaluation is off by 3 u, the tracked error is 1 u, so 2 * u * 1 + 2 * 3 u.
  const Expected by_evaluation = expect_formula({1.0}, std::vector<Tracked>{{1.0, kU}},
                                                std::vector<float>{1.0f + 4 * 0x1p-24f});
  CHECK(by_evaluation.bound[0] == 2.0 * kU + 2.0 * 4.0 * kU);
  const Expected by_tracking =
      expect_formula({1.0}, std::vector<Tracked>{{1.0, 5.0 * kU}}, std::vector<float>{1.0f});
  CHECK(by_tracking.bound[0] == 2.0 * kU + 2.0 * 5.0 * kU);
  CHECK(exactly(by_tracking).bound[0] == 0.0);
}

}  // namespace
}  // namespace ptxmill::reference
