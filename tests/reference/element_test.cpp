#include "tests/reference/element.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

namespace ptxmill::reference {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

TEST_CASE("element: rounding to f16") {
  CHECK(round_to(Element::f16, 1.0) == 1.0f);
  CHECK(round_to(Element::f16, 1 + 0x1p-11) == 1.0f);  // ties go to even
  CHECK(round_to(Element::f16, 1 + 0x3p-11) == 1 + 0x1p-9f);
  CHECK(round_to(Element::f16, 1 + 0x1p-11 + 0x1p-30) == 1 + 0x1p-10f);
  CHECK(round_to(Element::f16, -2049.0) == -2048.0f);
  CHECK(round_to(Element::f16, 65504.0) == 65504.0f);
  CHECK(round_to(Element::f16, 65519.9) == 65504.0f);
  CHECK(round_to(Element::f16, 65520.0) == infinity);
  CHECK(round_to(Element::f16, -1e9) == -infinity);
  CHECK(round_to(Element::f16, 0x1p-24) == 0x1p-24f);
  CHECK(round_to(Element::f16, 0x1p-25) == 0.0f);
  CHECK(round_to(Element::f16, 0x1.8p-25) == 0x1p-24f);
  CHECK(std::signbit(round_to(Element::f16, -0x1p-26)));
  CHECK(std::isnan(round_to(Element::f16, std::nan(""))));
}

TEST_CASE("element: rounding to bf16 and f32") {
  CHECK(round_to(Element::bf16, 1 + 0x1p-8) == 1.0f);
  CHECK(round_to(Element::bf16, 1 + 0x3p-8) == 1 + 0x1p-6f);
  CHECK(round_to(Element::bf16, 257.0) == 256.0f);
  CHECK(round_to(Element::bf16, 0x1p-133) == 0x1p-133f);
  CHECK(round_to(Element::bf16, 0x1p-134) == 0.0f);
  CHECK(round_to(Element::bf16, 0x1.ffp127) == infinity);
  CHECK(round_to(Element::bf16, 0x1.fep127) == 0x1.fep127f);
  CHECK(round_to(Element::f32, 1 + 0x1p-24) == 1.0f);
  CHECK(round_to(Element::f32, 0.1) == 0.1f);
}

TEST_CASE("element: bounds grow by the type's rounding error") {
  CHECK(rounding_error(Element::f16, 1.5) == 0x1p-11);
  CHECK(rounding_error(Element::f16, 0x1p-20) == 0x1p-25);
  CHECK(rounding_error(Element::bf16, 3.0) == 0x1p-7);
  CHECK(rounding_error(Element::bf16, 0.0) == 0x1p-134);
  const Expected in_f32{{1.0, 1e6}, {0x1p-20, 1.0}};
  const Expected in_f16 = stored_as(Element::f16, in_f32, 2);
  CHECK(in_f16.bound[0] == 0x1p-20 + 0x1p-10);
  CHECK(in_f16.value[1] == infinity);
  CHECK(stored_as(Element::f32, in_f32, 2).bound == in_f32.bound);
  const Expected exact = exactly_as(Element::f16, {{2049.0}, {1.0}});
  CHECK(exact.value[0] == 2048.0);
  CHECK(exact.bound[0] == 0.0);
}

}  // namespace
}  // namespace ptxmill::reference
