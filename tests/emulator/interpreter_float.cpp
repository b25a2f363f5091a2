// Floating point arithmetic: rounding, special values, flushing, saturation, approximations.
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "interpreter_fixture.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

constexpr float inf = std::numeric_limits<float>::infinity();
constexpr std::uint32_t canonical_nan = 0x7fffffff;

float f32(std::uint32_t bits) { return std::bit_cast<float>(bits); }
std::uint32_t bits(float v) { return std::bit_cast<std::uint32_t>(v); }

std::vector<float> edges() {
  return {0.f,
          -0.f,
          1.f,
          -1.f,
          inf,
          -inf,
          f32(0x7fc00000),
          f32(0xff812345),
          f32(1),
          f32(0x80000001),
          f32(0x007fffff),
          f32(0x00800000),
          f32(0x7f7fffff),
          -3.4028235e38f,
          0.5f,
          1.5f,
          3.f,
          0.1f,
          -0.3333333f,
          16777216.f,
          1.0000001f,
          0.99999994f,
          1e-20f,
          -1e20f,
          1e30f,
          2.5f,
          -7.25f};
}

enum class Direction { nearest, zero, down, up };
struct Mode {
  const char* name;
  Direction direction;
};
constexpr Mode modes[] = {{".rn", Direction::nearest},
                          {".rz", Direction::zero},
                          {".rm", Direction::down},
                          {".rp", Direction::up}};

/// Rounds a wider value to f32 in a direction; `exact` must hold the exact value or be nearer to
/// it than any two floats are to one another.
float round_to(long double exact, Direction direction) {
  const auto nearest = static_cast<float>(exact);
  if (std::isnan(exact) || static_cast<long double>(nearest) == exact) return nearest;
  const bool above = static_cast<long double>(nearest) > exact;
  const bool toward_zero_is_down = exact > 0;
  switch (direction) {
    case Direction::nearest: return nearest;
    case Direction::down: return above ? std::nextafterf(nearest, -inf) : nearest;
    case Direction::up: return above ? nearest : std::nextafterf(nearest, inf);
    case Direction::zero:
      if (toward_zero_is_down) return above ? std::nextafterf(nearest, -inf) : nearest;
      return above ? nearest : std::nextafterf(nearest, inf);
  }
  return nearest;
}

void check_same(float got, float expected) {
  if (std::isnan(expected)) {
    CHECK(bits(got) == canonical_nan);
  } else {
    CHECK(bits(got) == bits(expected));
  }
}

TEST_CASE("f32 products and quotients round as asked") {
  const auto operands = pairs(edges(), edges());
  const auto& a = operands.first;
  const auto& b = operands.second;
  for (const Mode& mode : modes) {
    CAPTURE(mode.name);
    const auto product = evaluate<float>(std::string("mul") + mode.name + ".f32 %d, %a, %b;", a, b);
    const auto quotient =
        evaluate<float>(std::string("div") + mode.name + ".f32 %d, %a, %b;", a, b);
    for (std::size_t i = 0; i < a.size(); ++i) {
      CAPTURE(a[i]);
      CAPTURE(b[i]);
      check_same(product[i], round_to(static_cast<long double>(a[i]) * b[i], mode.direction));
      check_same(quotient[i], round_to(static_cast<long double>(a[i]) / b[i], mode.direction));
    }
  }
}

TEST_CASE("f32 sums are exact where they can be and rounded where they cannot") {
  // Values within 2^40 of one another, so that a long double holds their sum.
  std::vector<float> v;
  for (const float x : edges())
    if (std::isnan(x) || std::isinf(x) || x == 0 || (std::fabs(x) > 1e-5f && std::fabs(x) < 1e9f))
      v.push_back(x);
  const auto operands = pairs(v, v);
  const auto& a = operands.first;
  const auto& b = operands.second;
  for (const Mode& mode : modes) {
    CAPTURE(mode.name);
    const auto sum = evaluate<float>(std::string("add") + mode.name + ".f32 %d, %a, %b;", a, b);
    const auto difference =
        evaluate<float>(std::string("sub") + mode.name + ".f32 %d, %a, %b;", a, b);
    for (std::size_t i = 0; i < a.size(); ++i) {
      CAPTURE(a[i]);
      CAPTURE(b[i]);
      const auto expected = [&](long double y) {
        const long double s = static_cast<long double>(a[i]) + y;
        // An exact zero from operands of either sign is -0 when rounding down, else +0.
        if (s == 0 && std::signbit(a[i]) != std::signbit(y))
          return mode.direction == Direction::down ? -0.f : 0.f;
        return round_to(s, mode.direction);
      };
      check_same(sum[i], expected(b[i]));
      check_same(difference[i], expected(-static_cast<long double>(b[i])));
    }
  }
}

TEST_CASE("fma rounds once") {
  // (1 + 2^-12)^2 - (1 + 2^-11) is 2^-24 exactly; a rounded product would give 0.
  const std::vector<float> a{1.f + 0x1p-12f, 3.f, inf, 0.f, 0x1p100f};
  const std::vector<float> c{-(1.f + 0x1p-11f), 4.f, 1.f, -0.f, -inf};
  const auto d = evaluate<float>("fma.rn.f32 %d, %a, %a, %b;", a, c);
  CHECK(d[0] == 0x1p-24f);
  CHECK(d[1] == 13.f);
  CHECK(d[2] == inf);
  CHECK(bits(d[3]) == 0);
  CHECK(bits(d[4]) == bits(-inf));
  const auto nan = evaluate<float>("fma.rn.f32 %d, %a, %b, %a;", std::vector<float>{inf},
                                   std::vector<float>{0.f});
  CHECK(bits(nan[0]) == canonical_nan);
  const std::vector<double> x{1.0 + 0x1p-30, 0.1}, z{-(1.0 + 0x1p-29), 3.0};
  const auto d64 = evaluate<double>("fma.rn.f64 %d, %a, %a, %b;", x, z);
  CHECK(d64[0] == 0x1p-60);
  CHECK(d64[1] == std::fma(0.1, 0.1, 3.0));
}

TEST_CASE("arithmetic NaN is canonical; an f64 NaN stays a NaN") {
  const std::vector<float> a{f32(0xff800001), inf, 0.f}, b{1.f, -inf, 0.f};
  CHECK(bits(evaluate<float>("add.f32 %d, %a, %b;", a, b)[0]) == canonical_nan);
  CHECK(bits(evaluate<float>("add.f32 %d, %a, %b;", a, b)[1]) == canonical_nan);
  CHECK(bits(evaluate<float>("div.rn.f32 %d, %a, %b;", a, b)[2]) == canonical_nan);
  CHECK(bits(evaluate<float>("sqrt.rn.f32 %d, %a;", std::vector<float>{-1.f})[0]) == canonical_nan);
  const std::vector<double> x{std::nan(""), 1.0};
  CHECK(std::isnan(evaluate<double>("add.rn.f64 %d, %a, %a;", x)[0]));
}

TEST_CASE("ftz flushes operands and results, keeping the sign") {
  const std::vector<float> a{f32(1), f32(0x80000001), 0x1p-100f, -0x1p-100f, 1.f, f32(0x00800000)};
  const std::vector<float> b{0.f, -0.f, 0x1p-30f, 0x1p-30f, f32(5), f32(0x3f7fffff)};
  const auto sum = evaluate<float>("add.ftz.f32 %d, %a, %b;", a, b);
  const auto product = evaluate<float>("mul.ftz.f32 %d, %a, %b;", a, b);
  const auto exact = evaluate<float>("mul.f32 %d, %a, %b;", a, b);
  CHECK(bits(sum[0]) == 0);
  CHECK(bits(sum[1]) == 0x80000000);
  CHECK(bits(product[2]) == 0);
  CHECK(bits(product[3]) == 0x80000000);
  CHECK(exact[2] == 0x1p-130f);
  CHECK(sum[4] == 1.f);
  CHECK(bits(product[4]) == 0);
  // 2^-126 (1 - 2^-24) rounds to the least normal, but is flushed for what it was before.
  CHECK(bits(exact[5]) == 0x00800000);
  CHECK(bits(product[5]) == 0);
}

TEST_CASE("sat clamps to [0, 1] and sends NaN to 0") {
  const std::vector<float> a{-1.f, -0.f, 0.25f, 0.75f, 2.f, inf, f32(0x7fc00000)};
  const auto d = evaluate<float>("add.sat.f32 %d, %a, 0f00000000;", a);
  CHECK(d == std::vector<float>{0.f, 0.f, 0.25f, 0.75f, 1.f, 1.f, 0.f});
  for (const float v : d) CHECK_FALSE(std::signbit(v));
}

TEST_CASE("min and max order the zeros and prefer numbers to NaN") {
  const auto operands = pairs(edges(), edges());
  const auto& a = operands.first;
  const auto& b = operands.second;
  const auto least = evaluate<float>("min.f32 %d, %a, %b;", a, b);
  const auto most = evaluate<float>("max.f32 %d, %a, %b;", a, b);
  const auto least_nan = evaluate<float>("min.NaN.f32 %d, %a, %b;", a, b);
  const auto most_nan = evaluate<float>("max.NaN.f32 %d, %a, %b;", a, b);
  for (std::size_t i = 0; i < a.size(); ++i) {
    CAPTURE(a[i]);
    CAPTURE(b[i]);
    const bool an = std::isnan(a[i]), bn = std::isnan(b[i]);
    const auto before = [](float x, float y) {
      return x < y || (x == y && std::signbit(x) && !std::signbit(y));
    };
    float lo = before(a[i], b[i]) ? a[i] : b[i], hi = before(a[i], b[i]) ? b[i] : a[i];
    if (an || bn) lo = hi = an && bn ? f32(canonical_nan) : an ? b[i] : a[i];
    check_same(least[i], lo);
    check_same(most[i], hi);
    check_same(least_nan[i], an || bn ? f32(canonical_nan) : lo);
    check_same(most_nan[i], an || bn ? f32(canonical_nan) : hi);
  }
}

TEST_CASE("comparisons are ordered or unordered as spelled") {
  const auto operands = pairs(edges(), edges());
  const auto& a = operands.first;
  const auto& b = operands.second;
  const auto holds = [&](const std::string& op) {
    return evaluate<std::uint32_t>("setp." + op + ".f32 %p, %a, %b;\nselp.u32 %d, 1, 0, %p;", a, b);
  };
  const auto eq = holds("eq"), ne = holds("ne"), lt = holds("lt"), ge = holds("ge"),
             equ = holds("equ"), neu = holds("neu"), ltu = holds("ltu"), geu = holds("geu"),
             num = holds("num"), nan = holds("nan");
  for (std::size_t i = 0; i < a.size(); ++i) {
    const bool u = std::isnan(a[i]) || std::isnan(b[i]);
    CHECK(eq[i] == (!u && a[i] == b[i]));
    CHECK(ne[i] == (!u && a[i] != b[i]));
    CHECK(lt[i] == (!u && a[i] < b[i]));
    CHECK(ge[i] == (!u && a[i] >= b[i]));
    CHECK(equ[i] == (u || a[i] == b[i]));
    CHECK(neu[i] == (u || a[i] != b[i]));
    CHECK(ltu[i] == (u || a[i] < b[i]));
    CHECK(geu[i] == (u || a[i] >= b[i]));
    CHECK(num[i] == !u);
    CHECK(nan[i] == u);
  }
}

TEST_CASE("copysign takes the sign of its first operand; testp classifies") {
  const auto operands = pairs(edges(), edges());
  const auto& a = operands.first;
  const auto& b = operands.second;
  const auto d = evaluate<float>("copysign.f32 %d, %a, %b;", a, b);
  for (std::size_t i = 0; i < a.size(); ++i) {
    CHECK(bits(d[i]) == ((bits(a[i]) & 0x80000000u) | (bits(b[i]) & 0x7fffffffu)));
  }
  const auto v = edges();
  const auto is = [&](const std::string& what) {
    return evaluate<std::uint32_t>("testp." + what + ".f32 %p, %a;\nselp.u32 %d, 1, 0, %p;", v);
  };
  const auto finite = is("finite"), infinite = is("infinite"), nan = is("notanumber"),
             normal = is("normal"), subnormal = is("subnormal");
  for (std::size_t i = 0; i < v.size(); ++i) {
    CAPTURE(v[i]);
    CHECK(finite[i] == std::isfinite(v[i]));
    CHECK(infinite[i] == std::isinf(v[i]));
    CHECK(nan[i] == std::isnan(v[i]));
    CHECK(normal[i] == (std::isnormal(v[i]) || v[i] == 0));
    CHECK(subnormal[i] == (std::fpclassify(v[i]) == FP_SUBNORMAL));
  }
}

/// Distance in units of the last place of the expected value.
double ulps(float got, double expected) {
  const auto near = static_cast<float>(expected);
  const double ulp = std::fabs(static_cast<double>(std::nextafterf(near, inf)) - near);
  return std::fabs(got - expected) / ulp;
}

TEST_CASE("approximations keep the manual's bounds") {
  std::vector<float> x, positive, angle;
  for (int i = 0; i < 2000; ++i) {
    x.push_back(-100.f + 0.1f * static_cast<float>(i));
    positive.push_back(std::exp2(-60.f + 0.06f * static_cast<float>(i)));
    angle.push_back(-3.14159f + 0.00314159f * static_cast<float>(i));
  }
  const auto check = [](const std::vector<float>& in, const std::vector<float>& out, auto f,
                        double bound) {
    for (std::size_t i = 0; i < in.size(); ++i) {
      CAPTURE(in[i]);
      const double expected = f(static_cast<double>(in[i]));
      if (std::fabs(expected) > 1.2e-38) CHECK(ulps(out[i], expected) <= bound);
    }
  };
  check(
      x, evaluate<float>("ex2.approx.f32 %d, %a;", x), [](double v) { return std::exp2(v); }, 2);
  check(
      positive, evaluate<float>("rcp.approx.f32 %d, %a;", positive), [](double v) { return 1 / v; },
      1);
  check(
      positive, evaluate<float>("rsqrt.approx.f32 %d, %a;", positive),
      [](double v) { return 1 / std::sqrt(v); }, 2);
  check(
      positive, evaluate<float>("sqrt.approx.f32 %d, %a;", positive),
      [](double v) { return std::sqrt(v); }, 2);
  const auto lg2 = evaluate<float>("lg2.approx.f32 %d, %a;", positive);
  const auto sine = evaluate<float>("sin.approx.f32 %d, %a;", angle);
  const auto cosine = evaluate<float>("cos.approx.f32 %d, %a;", angle);
  const auto tanh = evaluate<float>("tanh.approx.f32 %d, %a;", angle);
  for (std::size_t i = 0; i < positive.size(); ++i) {
    CHECK(std::fabs(lg2[i] - std::log2(static_cast<double>(positive[i]))) <=
          0x1p-21 * std::max(1.0, std::fabs(lg2[i]) * 0.125));
    CHECK(std::fabs(sine[i] - std::sin(static_cast<double>(angle[i]))) <= 0x1p-20);
    CHECK(std::fabs(cosine[i] - std::cos(static_cast<double>(angle[i]))) <= 0x1p-20);
    CHECK(std::fabs(tanh[i] - std::tanh(static_cast<double>(angle[i]))) <=
          std::ldexp(std::fabs(tanh[i]) + 1e-30, -11));
  }
}

TEST_CASE("approximations of the special values") {
  const std::vector<float> v{0.f, -0.f, inf, -inf, f32(0x7fc00000), -1.f};
  const auto at = [&](const std::string& op) { return evaluate<float>(op + ".f32 %d, %a;", v); };
  const auto ex2 = at("ex2.approx"), lg2 = at("lg2.approx"), rsqrt = at("rsqrt.approx"),
             rcp = at("rcp.approx");
  CHECK(ex2[0] == 1.f);
  CHECK(ex2[2] == inf);
  CHECK(bits(ex2[3]) == 0);
  CHECK(bits(ex2[4]) == canonical_nan);
  CHECK(lg2[0] == -inf);
  CHECK(lg2[2] == inf);
  CHECK(bits(lg2[5]) == canonical_nan);
  CHECK(rsqrt[0] == inf);
  CHECK(rsqrt[1] == -inf);
  CHECK(bits(rsqrt[2]) == 0);
  CHECK(rcp[1] == -inf);
  CHECK(bits(rcp[3]) == 0x80000000);
  const std::vector<float> tiny{-149.f, -150.5f, -127.f};
  CHECK(evaluate<float>("ex2.approx.f32 %d, %a;", tiny)[0] == 0x1p-149f);
  CHECK(evaluate<float>("ex2.approx.f32 %d, %a;", tiny)[2] == 0x1p-127f);
  CHECK(bits(evaluate<float>("ex2.approx.ftz.f32 %d, %a;", tiny)[2]) == 0);
  // div.approx: a divisor above 2^126 gives a zero.
  const auto quotient =
      evaluate<float>("div.approx.f32 %d, %a, %b;", std::vector<float>{1e30f, inf, 6.f},
                      std::vector<float>{0x1p127f, 0x1p127f, 3.f});
  CHECK(bits(quotient[0]) == 0);
  CHECK(bits(quotient[1]) == canonical_nan);
  CHECK(quotient[2] == 2.f);
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
