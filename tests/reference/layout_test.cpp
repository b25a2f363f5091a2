#include "tests/reference/layout.hpp"

#include <doctest/doctest.h>

#include <numeric>
#include <vector>

namespace ptxmill::reference {
namespace {

TEST_CASE("transpose by hand") {
  const std::vector<float> x = {1, 2, 3, 4, 5, 6};
  CHECK(transpose<float>(x, 2, 3) == std::vector<float>{1, 4, 2, 5, 3, 6});
}

TEST_CASE("split_heads by hand") {
  // Two positions of two heads of two: head 0 holds 1 2 and 5 6.
  const std::vector<float> x = {1, 2, 3, 4, 5, 6, 7, 8};
  CHECK(split_heads<float>(x, 1, 2, 2, 2) == std::vector<float>{1, 2, 5, 6, 3, 4, 7, 8});
}

TEST_CASE("merge_heads undoes split_heads") {
  std::vector<float> x(2 * 5 * 3 * 4);
  std::iota(x.begin(), x.end(), 0.0f);
  CHECK(merge_heads<float>(split_heads<float>(x, 2, 5, 3, 4), 2, 5, 3, 4) == x);
}

}  // namespace
}  // namespace ptxmill::reference
