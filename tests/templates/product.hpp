// What the tests of gemm and gemv share: a problem with its inputs, its kernel's spec entry, its
// launch, and what it should give.
#pragma once

#include <doctest/doctest.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/manifest.hpp"
#include "tests/reference/element.hpp"
#include "tests/reference/gemm.hpp"
#include "tests/support/compare.hpp"
#include "tests/support/device_fixture.hpp"
#include "tests/support/inputs.hpp"
#include "tests/templates/harness.hpp"

namespace ptxmill::test {

/// The spec fields of a product besides its dimensions.
struct ProductOptions {
  std::string layout = "out_in";
  std::string activation = "none";
  bool bias = false, residual = false;
  float alpha = 1;
  reference::Element element = reference::Element::f32;
  std::optional<reference::Element> out = std::nullopt;  ///< of out and residual, where another
  bool on_tensor_cores = false;
  std::string math = "f32";  ///< how f32 operands are multiplied
  int head_dim = 0;          ///< 0: an out_layout of rows
  /// k whose products the tensor cores add up, where sums over more are added outside them; or 0.
  std::int64_t chunk = 0;

  reference::Element out_element() const { return out.value_or(element); }
  /// The spec's fields of element types.
  std::string types() const {
    const std::string own = fmt::format(R"("dtype": "{}")", reference::name_of(element));
    const std::string more =
        out ? fmt::format(R"(, "out_dtype": "{}")", reference::name_of(*out)) : "";
    return own + more + (math == "f32" ? "" : fmt::format(R"(, "math": "{}")", math));
  }
  /// What the accumulation of k products may be wrong by, in units of 2^-24 sum|a||b|. The tensor
  /// cores add up 16 products of 16-bit operands at once, or 8 of tf32, and round where they stop;
  /// an operand that is no tf32 loses 2^-10 of itself. Split in two, operands lose 2^-23 and 3 x
  /// 2^-23 of themselves, and the product of what is left, 2^-21.
  double error_units(std::int64_t k) const {
    const auto terms = static_cast<double>(k);
    if (!on_tensor_cores) return terms;
    if (math == "3xtf32" && chunk == 0) return 2 * terms;
    if (math == "3xtf32")
      return std::min(2 * terms, 16 + std::ceil(static_cast<double>(std::min(k, chunk)) / 8) * 12 +
                                     std::ceil(terms / static_cast<double>(chunk)));
    if (math == "tf32") return std::ceil(terms / 8) * 12 + 0x1p15;
    return std::ceil(terms / 16) * 12;
  }
  bool is_out_in() const { return layout == "out_in"; }
  bool is_gated() const { return activation == "silu_multiply"; }
  std::string json() const {
    const std::string heads =
        head_dim > 0 ? fmt::format(R"(, "out_layout": "heads", "head_dim": {})", head_dim) : "";
    return fmt::format(R"("layout": "{}", "activation": "{}", "bias": {}, "residual": {},)"
                       R"( "alpha": {}{})",
                       layout, activation, bias, residual, alpha, heads);
  }
  std::string name() const {
    return fmt::format("{} by {} to {}, {}, {}, bias {}, residual {}, alpha {}, head_dim {}",
                       reference::name_of(element), math, reference::name_of(out_element()), layout,
                       activation, bias, residual, alpha, head_dim);
  }
};

/// A spec entry called "p": `dims` is JSON, such as `"n": 5, "k": "dynamic"`.
inline std::string product_entry(const std::string& family, const std::string& dims,
                                 const ProductOptions& options, const std::string& more = "",
                                 const std::string& name = "p") {
  return fmt::format(R"({{"name": "{}", "template": "{}", {}, {}, {}{}}})", name, family,
                     options.types(), dims, options.json(), more);
}

inline const std::string dynamic_dims = R"("n": "dynamic", "k": "dynamic")";

/// A product with its inputs.
struct Product {
  std::int64_t m = 0, n = 0, k = 0;
  ProductOptions options;
  Inputs inputs = Inputs::normal;
  std::vector<float> a, w, bias, residual;

  Product(Random& random, std::int64_t rows, std::int64_t cols, std::int64_t depth,
          ProductOptions with, Inputs drawn = Inputs::normal)
      : m(rows), n(cols), k(depth), options(std::move(with)), inputs(drawn) {
    const auto count = [](std::int64_t x, std::int64_t y) {
      return static_cast<std::size_t>(x * y);
    };
    const auto of_type = [&](reference::Element element, std::size_t size) {
      return reference::round_to(element, draw(random, size, inputs));
    };
    a = of_type(options.element, count(m, k));
    w = of_type(options.element, count(n, k));
    if (options.bias) bias = of_type(options.element, count(n, 1));
    if (options.residual) residual = of_type(options.out_element(), count(m, out_cols()));
  }

  /// The product with some of its rows alone.
  Product with_rows(std::int64_t first, std::int64_t count) const {
    const auto part = [&](const std::vector<float>& of, std::int64_t width) {
      return std::vector<float>(of.begin() + first * width, of.begin() + (first + count) * width);
    };
    Product p = *this;
    p.m = count;
    p.a = part(a, k);
    if (options.residual) p.residual = part(residual, out_cols());
    return p;
  }

  std::int64_t out_cols() const { return options.is_gated() ? n / 2 : n; }

  std::string name(const std::string& family) const {
    return fmt::format("{} {}x{}x{}, {}, {}", family, m, n, k, options.name(), name_of(inputs));
  }
  /// Multiply-adds, with tiles of the given size counted whole.
  std::uint64_t cost(std::int64_t rows, std::int64_t cols, std::int64_t depth) const {
    const auto whole = [](std::int64_t x, std::int64_t unit) {
      return static_cast<std::uint64_t>((x + unit - 1) / unit * unit);
    };
    return whole(m, rows) * whole(n, cols) * whole(k, depth);
  }

  /// Small integers give exact sums, which must come out bit for bit.
  reference::Expected expected() const {
    const bool exact = inputs == Inputs::small_integers &&
                       (options.activation == "none" || options.activation == "relu");
    auto of_formula = in_layout(reference::expect_gemm(problem(), a, w));
    if (exact) return reference::exactly_as(options.out_element(), std::move(of_formula));
    const bool plain =
        options.activation == "none" && !options.bias && !options.residual && options.alpha == 1;
    return reference::stored_as(options.out_element(), std::move(of_formula), plain ? 1 : 2);
  }

 private:
  /// Of [m, n], or [n / head_dim, m, head_dim].
  reference::Expected in_layout(const reference::Expected& rows) const {
    if (options.head_dim == 0) return rows;
    reference::Expected heads = rows;
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t j = 0; j < n; ++j) {
        const std::int64_t d = options.head_dim;
        const auto from = static_cast<std::size_t>(i * n + j);
        const auto to = static_cast<std::size_t>((j / d * m + i) * d + j % d);
        heads.value[to] = rows.value[from];
        heads.bound[to] = rows.bound[from];
      }
    return heads;
  }

  reference::Gemm problem() const {
    using reference::Activation;
    reference::Gemm p;
    p.m = static_cast<std::size_t>(m);
    p.n = static_cast<std::size_t>(n);
    p.k = static_cast<std::size_t>(k);
    p.layout =
        options.is_out_in() ? reference::WeightLayout::out_in : reference::WeightLayout::in_out;
    p.alpha = options.alpha;
    p.bias = bias;
    p.residual = residual;
    p.gated = options.is_gated();
    p.error_units = options.error_units(k);
    const std::string& name = options.activation;
    p.activation = name == "relu"        ? Activation::relu
                   : name == "gelu"      ? Activation::gelu
                   : name == "gelu_tanh" ? Activation::gelu_tanh
                   : name == "silu"      ? Activation::silu
                                         : Activation::none;
    return p;
  }
};

/// Launches products on the test's device.
class ProductFixture : public DeviceFixture {
 public:
  /// The result. The kernel adds the residual in place where `in_place`.
  std::vector<float> run(const rt::Kernel& kernel, const Product& p, bool in_place = false) const {
    const bool is_gemv = kernel.info().template_name == "gemv";
    const rt::Shape w_shape = p.options.is_out_in() ? rt::Shape{p.n, p.k} : rt::Shape{p.k, p.n};
    const rt::Shape row_shape = is_gemv ? rt::Shape{p.out_cols()} : rt::Shape{p.m, p.out_cols()};
    const rt::DType dtype = dtype_of(p.options.element);
    const rt::DType out_dtype = dtype_of(p.options.out_element());
    const auto a = input(p.a, is_gemv ? rt::Shape{p.k} : rt::Shape{p.m, p.k}, dtype);
    const auto w = input(p.w, w_shape, dtype);
    const auto bias = input(p.bias, {static_cast<std::int64_t>(p.bias.size())}, dtype);
    const auto residual =
        input(p.residual, p.options.residual ? row_shape : rt::Shape{0}, out_dtype);
    const auto out = output(row_shape, out_dtype);
    const GuardedTensor& result = in_place ? residual : out;
    std::vector<rt::Argument> arguments{a.tensor(), w.tensor()};
    if (p.options.bias) arguments.emplace_back(bias.tensor());
    if (p.options.residual) arguments.emplace_back(residual.tensor());
    arguments.emplace_back(result.tensor());
    std::vector<rt::Dim> dims{{"n", p.n}, {"k", p.k}};
    if (!is_gemv) dims.push_back({"m", p.m});
    kernel.launch_packed(stream, dims, arguments);
    return result.values();
  }

  void check(const rt::Kernel& kernel, const Product& p, bool in_place = false) const {
    CAPTURE(p.name(kernel.info().template_name));
    const auto expected = p.expected();
    const auto actual = run(kernel, p, in_place);
    CHECK(compare(actual, expected.value, expected.bound,
                  {static_cast<std::size_t>(p.m), static_cast<std::size_t>(p.out_cols())}));
  }
};

}  // namespace ptxmill::test
