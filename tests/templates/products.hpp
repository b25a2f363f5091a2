// Matrix products under test: a spec entry, inputs, a launch and the comparison, for gemm and gemv.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <fmt/format.h>

#include "tests/reference/gemm.hpp"
#include "tests/support/compare.hpp"
#include "tests/support/device_fixture.hpp"
#include "tests/support/inputs.hpp"
#include "tests/support/shapes.hpp"
#include "tests/templates/harness.hpp"

namespace ptxmill::test {

/// What the spec says of a product, apart from its sizes.
struct Product {
  std::string layout = "out_in";
  std::string activation = "none";
  bool bias = false, residual = false;
  float alpha = 1;

  /// The entry "k"; `sizes` are its dimension fields.
  std::string spec(const std::string& family, const std::string& sizes) const {
    return fmt::format(
        R"({{"name": "k", "template": "{}", "dtype": "f32", {}, "layout": "{}", "activation": "{}",)"
        R"( "bias": {}, "residual": {}, "alpha": {}}})",
        family, sizes, layout, activation, bias, residual, alpha);
  }
};

class ProductFixture : public DeviceFixture {
 public:
  /// Runs a product of a[m, k] and the weights, with `rows` 0 for gemv (which has no m), and
  /// compares all of it; small integers bit for bit. Returns the result.
  std::vector<float> check(const rt::Kernel& kernel, const Product& product, std::int64_t rows,
                           std::int64_t n, std::int64_t k, Inputs inputs = Inputs::normal) {
    const bool is_gemv = rows == 0;
    const std::int64_t m = is_gemv ? 1 : rows;
    const std::string name = fmt::format("{} {}x{}x{} {} {}", is_gemv ? "gemv" : "gemm", m, n, k,
                                         product.layout, product.activation);
    CAPTURE(name);
    if (!budget.allows(name, static_cast<std::uint64_t>(m * n * k))) return {};
    const auto size = [](std::int64_t a, std::int64_t b) {
      return static_cast<std::size_t>(a * b);
    };
    const std::vector<float> a = draw(random, size(m, k), inputs),
                             w = draw(random, size(n, k), inputs);
    const std::vector<float> bias = draw(random, product.bias ? size(n, 1) : 0, inputs);
    const std::vector<float> residual = draw(random, product.residual ? size(m, n) : 0, inputs);
    const GuardedTensor a_in = input(a, {m, k}), w_in = input(w, {n, k}),
                        bias_in = input(bias, {static_cast<std::int64_t>(bias.size())});
    const GuardedTensor residual_in = input(residual, {static_cast<std::int64_t>(residual.size())}),
                        out = output({m, n});
    std::vector<rt::Argument> arguments{a_in.tensor(), w_in.tensor()};
    if (product.bias) arguments.emplace_back(bias_in.tensor());
    if (product.residual) arguments.emplace_back(residual_in.tensor());
    arguments.emplace_back(out.tensor());
    std::vector<rt::Dim> dims{{"n", n}, {"k", k}};
    if (!is_gemv) dims.push_back({"m", m});
    kernel.launch_packed(stream, dims, arguments);
    stream.synchronize();
    const reference::Expected expected = expect(product, {m, n, k}, a, w, bias, residual);
    const std::vector<float> result = out.read();
    CHECK(compare(result, expected.value, expected.bound,
                  {static_cast<std::size_t>(m), static_cast<std::size_t>(n)}));
    if (inputs == Inputs::small_integers && product.activation == "none")
      CHECK(compare_bits(result, std::vector<float>(expected.value.begin(), expected.value.end())));
    return result;
  }

  Random random = random_for("products");
  CaseBudget budget{1'500'000, 25'000'000};

 private:
  static reference::Expected expect(const Product& product, std::array<std::int64_t, 3> sizes,
                                    const std::vector<float>& a, const std::vector<float>& w,
                                    const std::vector<float>& bias,
                                    const std::vector<float>& residual) {
    using reference::Activation;
    reference::Gemm problem;
    problem.m = static_cast<std::size_t>(sizes[0]);
    problem.n = static_cast<std::size_t>(sizes[1]);
    problem.k = static_cast<std::size_t>(sizes[2]);
    problem.layout = product.layout == "in_out" ? reference::WeightLayout::in_out
                                                : reference::WeightLayout::out_in;
    problem.alpha = product.alpha;
    problem.bias = bias;
    problem.residual = residual;
    problem.activation = product.activation == "relu"        ? Activation::relu
                         : product.activation == "gelu"      ? Activation::gelu
                         : product.activation == "gelu_tanh" ? Activation::gelu_tanh
                         : product.activation == "silu"      ? Activation::silu
                                                             : Activation::none;
    return reference::expect_gemm(problem, a, w);
  }
};

}  // namespace ptxmill::test
