// Arguments and tolerances for functions of one float.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "tests/support/compare.hpp"
#include "tests/support/random.hpp"

namespace ptxmill::test {

/// Floats of every exponent and both signs within [low, high], with many mantissas each, drawn with
/// the run's seed; then as many evenly from [dense_low, dense_high], and the ends.
inline std::vector<float> every_exponent(float low, float high, float dense_low, float dense_high) {
  Random random = random_for("every_exponent");
  std::vector<float> x{low, high, 0.f, -0.f, dense_low, dense_high};
  constexpr int per_exponent = 100;
  for (std::uint32_t sign_and_exponent = 0; sign_and_exponent < 512; ++sign_and_exponent)
    for (int i = 0; i < per_exponent; ++i) {
      const auto mantissa = static_cast<std::uint32_t>(random.next()) & 0x7fffffu;
      x.push_back(std::bit_cast<float>(sign_and_exponent << 23 | (i == 0 ? 0 : mantissa)));
    }
  for (int i = 0; i < 512 * per_exponent; ++i)
    x.push_back(static_cast<float>(dense_low + random.uniform() * (dense_high - dense_low)));
  const auto outside = [&](float v) { return !(v >= low && v <= high); };
  x.erase(std::remove_if(x.begin(), x.end(), outside), x.end());
  return x;
}

/// The gap between floats at `value`: the unit in which accuracy is stated.
inline double unit_in_last_place(double value) {
  int exponent = 0;
  std::frexp(value, &exponent);
  return std::ldexp(1.0, std::max(exponent - 24, -149));
}

/// |actual - exact(x)| <= units * unit_in_last_place(exact(x)) for every element.
inline Comparison compare_units(std::span<const float> actual, std::span<const float> x,
                                const std::function<double(double)>& exact, double units) {
  std::vector<double> expected, bound;
  for (const float v : x) {
    expected.push_back(exact(v));
    bound.push_back(units * unit_in_last_place(expected.back()));
  }
  return compare(actual, expected, bound);
}

}  // namespace ptxmill::test
