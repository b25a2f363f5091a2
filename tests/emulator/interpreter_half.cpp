// f16 and bf16 arithmetic: rounding to nearest even, fused products, packed forms.
#include <cmath>
#include <cstdint>

#include "interpreter_fixture.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

/// Decodes an f16.
double half(std::uint16_t h) {
  const int exponent = h >> 10 & 31, fraction = h & 1023;
  const double sign = (h & 0x8000) != 0 ? -1 : 1;
  if (exponent == 31) return fraction != 0 ? std::nan("") : sign * HUGE_VAL;
  return sign *
         (exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25));
}

TEST_CASE("f16 sums and products round to the nearest f16") {
  std::vector<std::uint16_t> v{0,      0x8000, 1,      0x3ff,  0x400,  0x3c00, 0xbc01,
                               0x4200, 0x7bff, 0x7c00, 0xfc00, 0x7e00, 0x1234, 0x5678};
  const auto operands = pairs(v, v);
  const auto& a = operands.first;
  const auto& b = operands.second;
  const auto product = evaluate<std::uint16_t>("mul.rn.f16 %d, %a, %b;", a, b);
  const auto sum = evaluate<std::uint16_t>("add.rn.f16 %d, %a, %b;", a, b);
  const auto check = [](std::uint16_t got, double exact) {
    if (std::isnan(exact)) {
      CHECK(got == 0x7fff);
      return;
    }
    const double value = half(got);
    if (std::isinf(value)) {
      CHECK(std::fabs(exact) >= 65520);
      return;
    }
    REQUIRE(std::isfinite(value));
    // No neighbour is nearer, and of two equally near the even one is taken.
    for (const int step : {-1, 1}) {
      const auto magnitude = static_cast<int>(got & 0x7fff) + step;
      if (magnitude < 0 || magnitude >= 0x7c00) continue;
      const double other = half(static_cast<std::uint16_t>((got & 0x8000) | magnitude));
      const double mine = std::fabs(value - exact), theirs = std::fabs(other - exact);
      CHECK((mine < theirs || (mine == theirs && (got & 1) == 0)));
    }
  };
  for (std::size_t i = 0; i < a.size(); ++i) {
    CAPTURE(a[i]);
    CAPTURE(b[i]);
    check(product[i], half(a[i]) * half(b[i]));
    check(sum[i], half(a[i]) + half(b[i]));
  }
  const auto packed = evaluate<std::uint32_t>(
      "fma.rn.f16x2 %d, %a, %b, %c;", std::vector<std::uint32_t>{0x3c004000},
      std::vector<std::uint32_t>{0x42004200}, std::vector<std::uint32_t>{0x3c003c00});
  CHECK(packed[0] == 0x44004700);  // 1 * 3 + 1 and 2 * 3 + 1
  // 1 + 2^-10 squared is 1 + 2^-9 + 2^-20: a tie only where the last term is lost first.
  const auto once =
      evaluate<std::uint16_t>("fma.rn.f16 %d, %a, %a, %b;", std::vector<std::uint16_t>{0x3c01},
                              std::vector<std::uint16_t>{0x1000});
  CHECK(once[0] == 0x3c03);  // 1 + 2^-9 + 2^-20 + 2^-11, above the tie by 2^-20
}

TEST_CASE("bf16 fma, relu and packed forms") {
  const auto d = evaluate<std::uint32_t>(
      "fma.rn.bf16x2 %d, %a, %b, %c;", std::vector<std::uint32_t>{0x40003f80},
      std::vector<std::uint32_t>{0x40403f80}, std::vector<std::uint32_t>{0x3f80bf80});
  CHECK(d[0] == 0x40e00000);  // 2 * 3 + 1 and 1 * 1 - 1
  const auto relu = evaluate<std::uint16_t>("fma.rn.relu.bf16 %d, %a, %a, %b;",
                                            std::vector<std::uint16_t>{0x3f80},
                                            std::vector<std::uint16_t>{0xc000});
  CHECK(relu[0] == 0);
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
