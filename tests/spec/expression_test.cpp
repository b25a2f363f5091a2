// Expressions over launch dimensions: folded where they are constant, printed so that the runtime
// reads back what was meant.
#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>

#include "generator/manifest/expression.hpp"
#include "runtime/expression.hpp"

namespace ptxmill::test {
namespace {

using manifest::Expr;

const Expr m = Expr::dim("m"), n = Expr::dim("n");

TEST_CASE("constants fold") {
  CHECK((Expr(6) + Expr(4)).value() == 10);
  CHECK((Expr(6) - Expr(4)).value() == 2);
  CHECK((Expr(6) * Expr(4)).value() == 24);
  CHECK((Expr(6) / Expr(4)).value() == 1);
  CHECK(ceil_div(Expr(6), Expr(4)).value() == 2);
  CHECK(ceil_div(Expr(8), Expr(4)).value() == 2);
  CHECK(ceil_div(Expr(INT64_MAX), Expr(2)).value() == INT64_MAX / 2 + 1);
  CHECK(min(Expr(6), Expr(4)).value() == 4);
  CHECK(max(Expr(6), Expr(4)).value() == 6);
  CHECK((Expr(2) * Expr(3) + Expr(1)).text() == "7");
  CHECK((Expr(2) + Expr(3)).is_constant());
  CHECK_FALSE((m + Expr(3)).is_constant());
}

TEST_CASE("what does nothing is not written") {
  CHECK((m + Expr(0)).text() == "m");
  CHECK((Expr(0) + m).text() == "m");
  CHECK((m - Expr(0)).text() == "m");
  CHECK((m * Expr(1)).text() == "m");
  CHECK((Expr(1) * m).text() == "m");
  CHECK((m / Expr(1)).text() == "m");
  CHECK(ceil_div(m, Expr(1)).text() == "m");
}

TEST_CASE("parentheses stand where they are needed") {
  CHECK((m + n * Expr(2)).text() == "m + n * 2");
  CHECK(((m + n) * Expr(2)).text() == "(m + n) * 2");
  CHECK((m - (n - Expr(2))).text() == "m - (n - 2)");
  CHECK((m - n - Expr(2)).text() == "m - n - 2");
  CHECK((m / (n * Expr(2))).text() == "m / (n * 2)");
  CHECK((m * (n / Expr(2))).text() == "m * (n / 2)");
  CHECK((m / n / Expr(2)).text() == "m / n / 2");
  CHECK(ceil_div(m + n, Expr(64)).text() == "ceil_div(m + n, 64)");
  CHECK((min(m, Expr(65535)) * n).text() == "min(m, 65535) * n");
}

TEST_CASE("sizes neither overflow nor become negative") {
  CHECK_THROWS_AS(Expr(INT64_MAX) + Expr(1), std::overflow_error);
  CHECK_THROWS_AS(Expr(INT64_MAX) * Expr(2), std::overflow_error);
  CHECK_THROWS_AS(Expr(1) - Expr(2), std::overflow_error);
  CHECK_THROWS_AS(m / Expr(0), std::domain_error);
  CHECK_THROWS_AS(ceil_div(m, Expr(0)), std::domain_error);
}

/// An expression and, for one choice of the dimensions, its value: nothing where it has none.
struct Drawn {
  Expr expr;
  std::optional<std::int64_t> value;
};

Drawn drawn(int depth, std::int64_t m_value, std::int64_t n_value) {
  const int kind = *rc::gen::inRange(0, depth == 0 ? 3 : 10);
  if (kind == 0) return {m, m_value};
  if (kind == 1) return {n, n_value};
  if (kind == 2) {
    const auto c = *rc::gen::inRange<std::int64_t>(0, 9);
    return {Expr(c), c};
  }
  const Drawn a = drawn(depth - 1, m_value, n_value), b = drawn(depth - 1, m_value, n_value);
  const bool both = a.value && b.value;
  const std::int64_t x = a.value.value_or(0), y = b.value.value_or(0);
  const auto defined = [&](bool is, std::int64_t v) {
    return both && is ? std::optional(v) : std::nullopt;
  };
  switch (kind) {
    case 3: return {a.expr + b.expr, defined(true, x + y)};
    case 4: return {a.expr - b.expr, defined(x >= y, x - y)};
    case 5: return {a.expr * b.expr, defined(true, x * y)};
    case 6: return {a.expr / b.expr, defined(y != 0, y == 0 ? 0 : x / y)};
    case 7: return {ceil_div(a.expr, b.expr), defined(y != 0, y == 0 ? 0 : (x + y - 1) / y)};
    case 8: return {min(a.expr, b.expr), defined(true, std::min(x, y))};
    default: return {max(a.expr, b.expr), defined(true, std::max(x, y))};
  }
}

std::int64_t evaluated(const std::string& text, std::int64_t m_value, std::int64_t n_value) {
  const std::string names[] = {"m", "n"};
  const std::int64_t values[] = {m_value, n_value};
  return rt::Expression::parse(text, names).evaluate(values);
}

TEST_CASE("the runtime reads what the generator means") {
  CHECK(rc::check([] {
    const auto m_value = *rc::gen::inRange<std::int64_t>(0, 20),
               n_value = *rc::gen::inRange<std::int64_t>(0, 20);
    std::optional<Drawn> d;
    try {
      d = drawn(4, m_value, n_value);
    } catch (const std::overflow_error&) {  // a constant part is negative
    } catch (const std::domain_error&) {    // or divides by zero
    }
    if (!d || !d->value) RC_DISCARD("no value");
    RC_ASSERT(evaluated(d->expr.text(), m_value, n_value) == *d->value);
  }));
}

}  // namespace
}  // namespace ptxmill::test
