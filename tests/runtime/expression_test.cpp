#include "runtime/expression.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "tests/support/manifest_fixture.hpp"
#include "tests/support/random.hpp"

namespace {

using ptxmill::rt::ErrorCode;
using ptxmill::rt::Expression;
using ptxmill::test::Thrown;
using ptxmill::test::thrown_by;

const std::vector<std::string> names{"m", "n", "sm_count"};

std::int64_t value(const std::string& text, std::int64_t m = 0, std::int64_t n = 0) {
  const std::vector<std::int64_t> values{m, n, 132};
  return Expression::parse(text, names).evaluate(values);
}

Thrown refusal(const std::string& text) {
  return thrown_by([&] { Expression::parse(text, names); });
}

}  // namespace

TEST_CASE("expression: operators, precedence and functions") {
  CHECK(value("0") == 0);
  CHECK(value("9223372036854775807") == std::numeric_limits<std::int64_t>::max());
  CHECK(value("2 + 3 * 4") == 14);
  CHECK(value("(2 + 3) * 4") == 20);
  CHECK(value("20 - 3 - 4") == 13);
  CHECK(value("100 / 7 / 2") == 7);
  CHECK(value("7 - 10 + 5") == 2);
  CHECK(value("(3 - 10) / 2 + 3") == 0);
  CHECK(value("ceil_div(m, 64) * n", 65, 3) == 6);
  CHECK(value("ceil_div(m, 64)", 64) == 1);
  CHECK(value("ceil_div(m, 64)", 0) == 0);
  CHECK(value("min(m, n) + max( m ,n )", 3, 5) == 8);
  CHECK(value("min(ceil_div(m, 2), max(n, sm_count))", 1000, 4) == 132);
  CHECK(value("m") == 0);
}

TEST_CASE("expression: what it knows of itself") {
  CHECK(Expression::parse("3 * (2 + 1)", names).constant());
  CHECK_FALSE(Expression::parse("3 * m", names).constant());
  CHECK(Expression::parse("3 * m", names).text() == "3 * m");
  CHECK(Expression().evaluate({}) == 0);
}

TEST_CASE("expression: syntax errors name the text and the place") {
  for (const std::string text : {"",
                                 " ",
                                 "1 +",
                                 "* 2",
                                 "(1",
                                 "1)",
                                 "min(1)",
                                 "min(1, 2",
                                 "ceil_div(1 2)",
                                 "1 2",
                                 "m n",
                                 "-1",
                                 "1.5",
                                 "1e3",
                                 "12a",
                                 "m++n",
                                 "max 1, 2",
                                 "%",
                                 "0x10",
                                 "9223372036854775808",
                                 "99999999999999999999999"}) {
    const Thrown thrown = refusal(text);
    CAPTURE(text);
    CAPTURE(thrown.what);
    CHECK(thrown.any);
    CHECK(thrown.code == ErrorCode::corrupt);
    CHECK(thrown.says("'" + text + "'"));
    CHECK(thrown.says("column"));
  }
  CHECK(refusal("rows + 1").says("one of m, n, sm_count was expected"));
  CHECK(refusal("floor(m, 2)").says("ceil_div, min or max was expected"));
}

TEST_CASE("expression: deep nesting is refused, not crashed on") {
  const std::string deep = std::string(100'000, '(') + "1" + std::string(100'000, ')');
  CHECK(refusal(deep).code == ErrorCode::corrupt);
  std::string right = "m";
  for (int i = 0; i < 40; ++i) right = "m - (" + right + ")";
  CHECK(refusal(right).says("a simpler expression"));
  CHECK(value("((((((((m))))))))", 4) == 4);
}

TEST_CASE("expression: overflow, division by zero and negative results name the expression") {
  const auto failure = [](const std::string& text, std::int64_t m, std::int64_t n) {
    return thrown_by([&] { value(text, m, n); });
  };
  const std::int64_t big = std::numeric_limits<std::int64_t>::max();
  const Thrown product = failure("m * n", big, 2);
  CHECK(product.code == ErrorCode::invalid_argument);
  CHECK(product.says("'m * n' overflows 64 bits"));
  CHECK(failure("m + n", big, 1).says("overflows"));
  CHECK(failure("0 - m - n", big, 2).says("overflows"));
  CHECK(failure("m / n", 1, 0).says("'m / n' divides by zero"));
  CHECK(failure("ceil_div(m, n)", 1, 0).says("divides by zero"));
  const Thrown negative = failure("m - n", 3, 5);
  CHECK(negative.code == ErrorCode::invalid_argument);
  CHECK(negative.says("'m - n' is negative"));
  CHECK(negative.says("3, 5"));
}

TEST_CASE("expression: random sums and products agree with plain arithmetic") {
  std::mt19937_64 random(ptxmill::test::run_seed());
  for (int round = 0; round < 500; ++round) {
    const auto draw = [&] { return static_cast<std::int64_t>(random() % 1000); };
    const std::int64_t m = draw(), n = draw() + 1, a = draw(), b = draw() + 1;
    const std::string sa = std::to_string(a), sb = std::to_string(b);
    CHECK(value("m * n + " + sa + " / " + sb, m, n) == m * n + a / b);
    CHECK(value("ceil_div(m + " + sa + ", n) * " + sb, m, n) == (m + a + n - 1) / n * b);
    CHECK(value("max(m - n, n - m)", m, n) == (m > n ? m - n : n - m));
  }
}
