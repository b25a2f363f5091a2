#include "tests/support/device_fixture.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <vector>

#include "tests/support/compare.hpp"

namespace ptxmill::test {
namespace {

TEST_CASE_FIXTURE(DeviceFixture,
                  "device fixture: an input holds its values, an output starts as NaN") {
  const std::vector<float> values = {1.0f, -2.0f, 3.5f, -0.0f, 1e-40f, 6.0f};
  CHECK(compare_bits(input(values, {2, 3}).read(), values));
  for (const float value : output({5}).read()) CHECK(std::isnan(value));
  CHECK(output({0, 4}).read().empty());
}

TEST_CASE_FIXTURE(DeviceFixture,
                  "device fixture: what a kernel leaves alone is told from what it writes") {
  const auto x = input({1.0f, 2.0f, 3.0f, 4.0f}, {4});
  x.tensor().slice(0, 1, 3).fill(stream, 9.0);
  CHECK(x.read() == std::vector<float>{1.0f, 9.0f, 9.0f, 4.0f});
  x.check_untouched(0, sizeof(float));
  x.check_untouched(3 * sizeof(float), 4 * sizeof(float));
}

}  // namespace
}  // namespace ptxmill::test
