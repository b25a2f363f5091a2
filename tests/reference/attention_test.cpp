#include "tests/reference/attention.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/support/compare.hpp"
#include "tests/support/inputs.hpp"

namespace ptxmill::reference {
namespace {

using doctest::Approx;

Attention lengths(std::size_t q_len, std::size_t kv_len, std::size_t head_dim) {
  Attention problem;
  problem.q_len = q_len;
  problem.kv_len = kv_len;
  problem.head_dim = head_dim;
  return problem;
}

TEST_CASE("attention by hand: two keys with weights 1/3 and 2/3") {
  Attention problem = lengths(1, 2, 2);
  problem.scale = 1.0f;
  const auto ln2 = std::log(2.0);
  const std::vector<double> q = {1, 0};
  const std::vector<double> k = {0, 5, ln2, 7};
  const std::vector<double> v = {3, 30, 6, 60};
  const auto result = attention<double>(problem, q, k, v);
  CHECK(result.out[0] == Approx(5.0));
  CHECK(result.out[1] == Approx(50.0));
  CHECK(result.log_sum_exp[0] == Approx(std::log(3.0)));
}

TEST_CASE("attention: the scale is 1 / sqrt(head_dim) unless given") {
  Attention problem = lengths(1, 1, 4);
  const std::vector<double> q = {1, 1, 1, 1};
  const auto result = attention<double>(problem, q, q, q);
  CHECK(result.log_sum_exp[0] == Approx(2.0));
}

TEST_CASE("attention: zero queries average what they see, causal from the bottom right") {
  // With equal scores the output is the mean of the visible values, which are 1, 2, 3, ... .
  const auto mean_seen = [](std::size_t q_len, std::size_t kv_len) {
    Attention problem = lengths(q_len, kv_len, 1);
    problem.causal = true;
    std::vector<double> values(kv_len);
    for (std::size_t j = 0; j < kv_len; ++j) values[j] = static_cast<double>(j + 1);
    return attention<double>(problem, std::vector<double>(q_len), std::vector<double>(kv_len),
                             values);
  };
  CHECK(mean_seen(3, 3).out == std::vector<double>{1.0, 1.5, 2.0});
  CHECK(mean_seen(2, 4).out == std::vector<double>{2.0, 2.5});
  const auto short_kv = mean_seen(4, 2);
  CHECK(short_kv.out == std::vector<double>{0.0, 0.0, 1.0, 1.5});
  CHECK(short_kv.log_sum_exp[1] == -std::numeric_limits<double>::infinity());
  CHECK(short_kv.log_sum_exp[3] == Approx(std::log(2.0)));
}

TEST_CASE("attention: without keys the output is zero and the log-sum-exp minus infinity") {
  const auto expected = expect_attention(lengths(2, 0, 4), std::vector<float>(8, 1.0f), {}, {});
  CHECK(expected.out.value == std::vector<double>(8, 0.0));
  CHECK(expected.log_sum_exp.value ==
        std::vector<double>(2, -std::numeric_limits<double>::infinity()));
  CHECK(expect_attention(lengths(0, 3, 2), {}, std::vector<float>(6), std::vector<float>(6))
            .out.value.empty());
}

TEST_CASE("attention: query heads share the key heads of their group, batches their own") {
  Attention problem = lengths(1, 1, 1);
  problem.batch = 2;
  problem.heads = 4;
  problem.kv_heads = 2;
  const std::vector<double> v = {1, 2, 3, 4};
  const auto result = attention<double>(problem, std::vector<double>(8), std::vector<double>(4), v);
  CHECK(result.out == std::vector<double>{1, 1, 2, 2, 3, 3, 4, 4});
}

TEST_CASE("attention: the bound covers f32 and is small") {
  test::Random random = test::random_for("attention");
  Attention problem = lengths(13, 29, 64);
  problem.heads = problem.kv_heads = 2;
  const auto q = test::draw(random, 2 * 13 * 64);
  const auto k = test::draw(random, 2 * 29 * 64);
  const auto v = test::draw(random, 2 * 29 * 64);
  const auto expected = expect_attention(problem, q, k, v);
  const auto in_f32 = attention<float>(problem, q, k, v);
  CHECK(test::compare(in_f32.out, expected.out.value, expected.out.bound));
  CHECK(test::compare(in_f32.log_sum_exp, expected.log_sum_exp.value, expected.log_sum_exp.bound));
  CHECK(expected.out.bound[0] < 1e-5);
}

}  // namespace
}  // namespace ptxmill::reference
