#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "tests/reference/tracked.hpp"

namespace ptxmill::reference {

/// What a kernel should have written: each element's value, and how far from it the kernel may be.
struct Expected {
  std::vector<double> value;
  std::vector<double> bound;
};

/// The same values to be met bit for bit, for inputs whose every product and partial sum is exact.
Expected exactly(Expected expected);

/// Values that a kernel only moves: bound zero.
Expected exactly(std::span<const float> values);

/// The bound of the formulas that work on one element or one row: |y - ref| <= 2 u |ref| + 2 e,
/// with e the error of the same formula in f32 for that element. One evaluation in f32 may be right
/// by luck, so e is the larger of its error and of the error bound that came with `tracked`.
Expected expect_formula(std::vector<double> value, std::span<const Tracked> tracked,
                        std::span<const float> in_f32);

/// The same for a formula of one element, `formula.operator()<T>(i)`, with T the type to compute
/// in:
///   expect_each(x.size(), [&]<class T>(std::size_t i) { return gelu(T(x[i])); })
template <class Formula>
Expected expect_each(std::size_t count, Formula formula) {
  std::vector<double> value(count);
  std::vector<Tracked> tracked(count);
  std::vector<float> in_f32(count);
  for (std::size_t i = 0; i < count; ++i) {
    value[i] = formula.template operator()<double>(i);
    tracked[i] = formula.template operator()<Tracked>(i);
    in_f32[i] = formula.template operator()<float>(i);
  }
  return expect_formula(std::move(value), tracked, in_f32);
}

}  // namespace ptxmill::reference
