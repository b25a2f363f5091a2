#include "tests/reference/expected.hpp"

#include <algorithm>
#include <cmath>

namespace ptxmill::reference {

Expected exactly(Expected expected) {
  std::fill(expected.bound.begin(), expected.bound.end(), 0.0);
  return expected;
}

Expected exactly(std::span<const float> values) {
  return {{values.begin(), values.end()}, std::vector<double>(values.size(), 0.0)};
}

Expected expect_formula(std::vector<double> value, std::span<const Tracked> tracked,
                        std::span<const float> in_f32) {
  std::vector<double> bound(value.size());
  for (std::size_t i = 0; i < value.size(); ++i) {
    const double of_this_evaluation = std::abs(in_f32[i] - value[i]);
    double error = tracked[i].error;
    if (std::isfinite(of_this_evaluation)) error = std::max(error, of_this_evaluation);
    bound[i] = 2.0 * rounding_error(value[i]) + 2.0 * error;
  }
  return {std::move(value), std::move(bound)};
}

}  // namespace ptxmill::reference
