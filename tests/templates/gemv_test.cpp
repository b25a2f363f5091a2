// gemv: the product with one row, at the edges of its rounds and rows, in every form.
#include <doctest/doctest.h>

#include <fmt/format.h>

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/shapes.hpp"
#include "tests/templates/product.hpp"

namespace ptxmill::test {
namespace {

constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();

std::string entry(const ProductOptions& options, const std::string& dims = dynamic_dims) {
  return product_entry("gemv", dims, options);
}

class GemvFixture : public ProductFixture {
 public:
  Product draw_product(std::int64_t n, std::int64_t k, const ProductOptions& options,
                       Inputs inputs = Inputs::normal) {
    return {random, 1, n, k, options, inputs};
  }
  void check_within_budget(const rt::Kernel& kernel, const Product& p) {
    if (budget.allows(p.name("gemv"), p.cost(1, 1, 1))) check(kernel, p);
  }

  reference::Element element = reference::Element::f32;
  Random random = random_for("gemv");
  CaseBudget budget{8'000'000, 120'000'000};
};

}  // namespace

TEST_CASE_FIXTURE(GemvFixture, "gemv, the edges of rounds, of warps and of CTAs") {
  element = each_element();
  // A round of the loop takes 6 x 128 or 6 x 32 of k, or with split rows 6 x 512; of 16-bit
  // elements 4 x 256 and 2 x 32.
  const std::int64_t depths[] = {1,    2,    3,    4,    8,    31,   32,   33,  127, 128,
                                 132,  191,  192,  193,  256,  264,  764,  768, 772, 1024,
                                 1028, 1032, 1531, 1536, 3068, 3072, 3076, 3080};
  const std::int64_t widths[] = {1, 2, 3, 4, 5, 8, 31, 32, 33, 36, 61, 72};
  for (const char* layout : {"out_in", "in_out"}) {
    const ProductOptions options{.layout = layout, .element = element};
    const GeneratedLibrary library(device(), entry(options));
    int index = 0;
    for (const std::int64_t k : depths)
      for (const std::int64_t n : widths)
        check_within_budget(library.kernel("p"),
                            draw_product(n, k, options, inputs_of_case(index++)));
  }
}

TEST_CASE_FIXTURE(GemvFixture, "gemv, rows enough for a warp each, and one fewer") {
  const ProductOptions options{.bias = true};
  const GeneratedLibrary library(device(), entry(options));
  for (const std::int64_t n : {1055, 1056, 1057, 1058, 1060})
    for (const std::int64_t k : {1024, 1028})
      check_within_budget(library.kernel("p"), draw_product(n, k, options));
}

TEST_CASE_FIXTURE(GemvFixture, "gemv, fixed dimensions") {
  element = each_element();
  for (const auto& [n, k] :
       {std::pair{1, 1}, std::pair{4, 384}, std::pair{7, 768}, std::pair{33, 772},
        std::pair{36, 1300}, std::pair{5, 3000}, std::pair{35, 193}, std::pair{70, 1290},
        std::pair{1030, 2048}, std::pair{10, 8192}})
    for (const char* layout : {"out_in", "in_out"}) {
      const ProductOptions options{.layout = layout, .residual = true, .element = element};
      const GeneratedLibrary library(device(),
                                     entry(options, fmt::format(R"("n": {}, "k": {})", n, k)));
      check(library.kernel("p"), draw_product(n, k, options));
      check(library.kernel("p"), draw_product(n, k, options, Inputs::small_integers));
    }
}

TEST_CASE_FIXTURE(GemvFixture, "gemv, random shapes") {
  element = each_element();
  for (const char* layout : {"out_in", "in_out"}) {
    const ProductOptions options{.layout = layout, .bias = true, .element = element};
    const GeneratedLibrary library(device(), entry(options));
    for (int i = 0; i < 40; ++i) {
      const auto align = [&](std::int64_t x) { return i % 2 == 0 ? (x + 7) / 8 * 8 : x; };
      const std::int64_t n = align(random_size(random, 3000));
      const std::int64_t k = align(random_size(random, 9000));
      check_within_budget(library.kernel("p"), draw_product(n, k, options, inputs_of_case(i)));
    }
  }
}

TEST_CASE_FIXTURE(GemvFixture, "gemv, every epilogue") {
  element = each_element();
  std::string entries;
  std::vector<std::pair<std::string, Product>> cases;
  for (const char* activation : {"none", "relu", "gelu", "gelu_tanh", "silu"})
    for (const bool bias : {false, true})
      for (const bool residual : {false, true})
        for (const float alpha : {1.f, -0.375f}) {
          const auto index = static_cast<int>(cases.size());
          const ProductOptions options{.layout = index % 2 == 0 ? "out_in" : "in_out",
                                       .activation = activation,
                                       .bias = bias,
                                       .residual = residual,
                                       .alpha = alpha,
                                       .element = element};
          const std::string dims = index % 4 < 2 ? R"("n": 40, "k": 1104)" : dynamic_dims;
          const std::string name = fmt::format("p{}", index);
          entries += (index > 0 ? ",\n" : "") + product_entry("gemv", dims, options, "", name);
          cases.emplace_back(name, draw_product(40, 1104, options, inputs_of_case(index)));
        }
  const GeneratedLibrary library(device(), entries);
  for (const auto& [name, product] : cases) check(library.kernel(name), product);
}

TEST_CASE_FIXTURE(GemvFixture, "gemv, in the residual's place, and every time the same") {
  element = each_element();
  for (const char* layout : {"out_in", "in_out"}) {
    const ProductOptions options{
        .layout = layout, .bias = true, .residual = true, .element = element};
    const GeneratedLibrary library(device(), entry(options));
    for (const auto& [n, k] :
         {std::pair{45, 1100}, std::pair{44, 300}, std::pair{48, 1104}, std::pair{3, 21}}) {
      const Product p = draw_product(n, k, options);
      check(library.kernel("p"), p, true);
      const auto once = run(library.kernel("p"), p);
      CHECK(compare_bits(run(library.kernel("p"), p), once));
      CHECK(compare_bits(run(library.kernel("p"), p, true), once));
    }
  }
}

TEST_CASE_FIXTURE(GemvFixture, "gemv, what is not finite stays in its row") {
  element = each_element();
  for (const char* layout : {"out_in", "in_out"})
    for (const auto& [n, k] :
         {std::pair{36, 1100}, std::pair{35, 1101}, std::pair{40, 1104}, std::pair{34, 20}}) {
      const ProductOptions options{.layout = layout, .element = element};
      const GeneratedLibrary library(device(), entry(options));
      Product p = draw_product(n, k, options, Inputs::small_integers);
      const auto at = [&](std::int64_t row, std::int64_t i) -> float& {
        return p.w[static_cast<std::size_t>(options.is_out_in() ? row * p.k + i : i * p.n + row)];
      };
      p.a[static_cast<std::size_t>(k - 1)] = 1;
      at(n - 1, k - 1) = infinity;
      at(0, k - 1) = nan;
      const auto expected = p.expected();
      const auto result = run(library.kernel("p"), p);
      CHECK(std::isnan(result.front()));
      CHECK(result.back() == infinity);
      for (std::size_t i = 1; i + 1 < result.size(); ++i) REQUIRE(result[i] == expected.value[i]);
    }
}

TEST_CASE_FIXTURE(GemvFixture, "gemv, model shapes") {
  element = each_element();
  for (const ModelShape& model : model_shapes()) {
    const std::int64_t d = model.d_model, f = model.ffn_dim;
    for (const auto& [n, k] :
         {std::pair{d, d}, std::pair{f, d}, std::pair{d, f}, std::pair{model.vocab, d}}) {
      const ProductOptions options{.bias = n == f, .residual = n == d, .element = element};
      if (!budget.allows(
              fmt::format("gemv {} {} {}x{}", reference::name_of(element), model.name, n, k),
              static_cast<std::uint64_t>(n * k)))
        continue;
      const GeneratedLibrary library(device(),
                                     entry(options, fmt::format(R"("n": {}, "k": {})", n, k)));
      check(library.kernel("p"), draw_product(n, k, options));
    }
  }
}

TEST_CASE_FIXTURE(GemvFixture, "gemv, results of another type than the weights") {
  using reference::Element;
  for (const auto& [in, out] :
       {std::pair{Element::f16, Element::f32}, std::pair{Element::bf16, Element::f32},
        std::pair{Element::f32, Element::f16}, std::pair{Element::bf16, Element::f16}})
    for (const char* layout : {"out_in", "in_out"}) {
      const ProductOptions options{.layout = layout,
                                   .activation = "gelu",
                                   .bias = true,
                                   .residual = true,
                                   .element = in,
                                   .out = out};
      const GeneratedLibrary library(device(), entry(options));
      for (const auto& [n, k] : {std::pair{40, 1104}, std::pair{33, 130}}) {
        check(library.kernel("p"), draw_product(n, k, options));
        check(library.kernel("p"), draw_product(n, k, options), true);
      }
    }
}

TEST_CASE_FIXTURE(GemvFixture, "gemv, every way to stream rows of 16-bit weights") {
  struct Way {
    int block, split, rows, loads;
  };
  for (const Way& way :
       {Way{32, 1, 1, 1}, Way{64, 2, 1, 3}, Way{128, 1, 4, 4}, Way{256, 4, 2, 2}, Way{256, 8, 4, 1},
        Way{1024, 32, 1, 2}, Way{512, 1, 2, 3}, Way{96, 1, 2, 5}})
    for (const std::string& dims : {dynamic_dims, std::string(R"("n": 50, "k": 2064)"),
                                    std::string(R"("n": 64, "k": 2048)")}) {
      CAPTURE(way.block);
      CAPTURE(way.split);
      CAPTURE(way.rows);
      CAPTURE(way.loads);
      CAPTURE(dims);
      const ProductOptions options{.bias = true, .element = reference::Element::bf16};
      const std::string more = fmt::format(R"(, "block": {}, "split": {}, "rows": {}, "loads": {})",
                                           way.block, way.split, way.rows, way.loads);
      const bool overlaps = way.rows == 2 && device().info().compute_capability == 90;
      const GeneratedLibrary library(
          device(),
          product_entry("gemv", dims, options,
                        more + (overlaps ? R"(, "weights": "resident")" : "")),
          "", overlaps ? "sm_90a" : "sm_80");
      const std::int64_t n = dims.find("64,") != std::string::npos ? 64 : 50;
      const std::int64_t k = n == 64 ? 2048 : 2064;
      check(library.kernel("p"), draw_product(n, k, options));
      check(library.kernel("p"), draw_product(n, k, options, Inputs::small_integers));
      if (dims == dynamic_dims) check(library.kernel("p"), draw_product(3, 8, options));
    }
}

TEST_CASE("gemv, ways to stream that are refused") {
  const auto problems = [](const std::string& dtype, const std::string& more) {
    return problems_of(R"({"name": "p", "template": "gemv", "dtype": ")" + dtype +
                       R"(", "n": 64, "k": 4096, )" + more + "}");
  };
  CHECK(problems("f16", R"("block": 128, "split": 4, "rows": 4, "loads": 4)").empty());
  const auto refused = [&](const std::string& dtype, const std::string& more,
                           const std::string& why) {
    return problems(dtype, more).find(why) != std::string::npos;
  };
  CHECK(refused("f32", R"("loads": 4)", "/kernels/0/loads: is for 16-bit weights"));
  CHECK(refused("f16", R"("split": 2, "layout": "in_out")", "/kernels/0/split: is for"));
  CHECK(refused("f16", R"("rows": 3)", "/kernels/0/rows: expected 1, 2 or 4, got 3"));
  CHECK(refused("f16", R"("split": 6)", "/kernels/0/split: expected a power of two"));
  CHECK(refused("f16", R"("block": 96, "split": 2)", "/kernels/0/block: is no multiple"));
  CHECK(refused("f16", R"("block": 512, "split": 1, "rows": 2, "loads": 4)",
                "/kernels/0/loads: takes more"));
}

TEST_CASE("gemv, the smallest spec, and refused ones") {
  CHECK(
      problems_of(R"({"name": "p", "template": "gemv", "dtype": "f32", "n": 1, "k": 1})").empty());
  CHECK(problems_of(R"({"name": "p", "template": "gemv", "dtype": "f32", "n": 0, "k": 1})")
            .find("test.json:2:56: error: /kernels/0/n: expected an integer from 1") == 0);
  CHECK(problems_of(R"({"name": "p", "template": "gemv", "dtype": "f32", "n": 1, "k": 1, "m": 2})")
            .find("test.json:2:67: error: /kernels/0/m: unknown key") == 0);
}

}  // namespace ptxmill::test
