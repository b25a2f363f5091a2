#pragma once

#include <cstddef>
#include <vector>

#include "tests/support/random.hpp"

namespace ptxmill::test {

/// What a test's input values look like.
enum class Inputs {
  normal,          ///< standard normal
  small_integers,  ///< -4 to 4: products and sums are exact in f32, so results are compared bit for
                   ///< bit
  extremes,  ///< normal values between zeros of both signs, subnormals, 1e-30 and values up to 1e4
};

/// The distribution for the `index`-th random case: every fourth is of small integers, every
/// seventh of extremes.
Inputs inputs_of_case(int index);

const char* name_of(Inputs inputs);

std::vector<float> draw(Random& random, std::size_t count, Inputs inputs = Inputs::normal);

}  // namespace ptxmill::test
