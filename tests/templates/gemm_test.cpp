// gemm: every tile at its edges, every epilogue, both layouts, and what its results may depend on.
#include <doctest/doctest.h>

#include <fmt/format.h>

#include <array>
#include <limits>
#include <string>
#include <vector>

#include "tests/support/shapes.hpp"
#include "tests/templates/product.hpp"

namespace ptxmill::test {
namespace {

constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();

/// A tile that the spec may ask for, and the k that it takes in at once.
struct Tile {
  const char* name;
  std::int64_t rows, cols, depth;
};
constexpr std::array<Tile, 4> tiles = {{{"32x64", 32, 64, 32},
                                        {"48x96", 48, 96, 16},
                                        {"128x128", 128, 128, 16},
                                        {"96x192", 96, 192, 16}}};
constexpr const Tile& smallest = tiles[0];

std::string entry(const ProductOptions& options, const std::string& dims = dynamic_dims,
                  const std::string& tile = "auto") {
  return product_entry("gemm", dims, options, fmt::format(R"(, "tile": "{}")", tile));
}

/// The rows `first` to `last` of a product on their own.
Product rows_of(Product p, std::int64_t first, std::int64_t last) {
  const auto cut = [&](std::vector<float>& v, std::int64_t width) {
    if (!v.empty()) v = {v.begin() + first * width, v.begin() + last * width};
  };
  cut(p.a, p.k);
  cut(p.residual, p.n);
  p.m = last - first;
  return p;
}

class GemmFixture : public ProductFixture {
 public:
  /// Runs the product unless it is left to hardware.
  void check_within_budget(const rt::Kernel& kernel, const Product& p, const Tile& tile) {
    if (budget.allows(p.name("gemm"), p.cost(tile.rows, tile.cols, tile.depth))) check(kernel, p);
  }

  Random random = random_for("gemm");
  CaseBudget budget{80'000'000, 700'000'000};
};

}  // namespace

TEST_CASE_FIXTURE(GemmFixture, "gemm, each tile at its edges, with aligned and with other rows") {
  for (const Tile& tile : tiles)
    for (const char* layout : {"out_in", "in_out"}) {
      const ProductOptions options{.layout = layout};
      const GeneratedLibrary library(device(), entry(options, dynamic_dims, tile.name));
      const std::int64_t r = tile.rows, c = tile.cols, d = tile.depth;
      const std::array<std::int64_t, 3> shapes[] = {
          {1, 1, 1},         {2, 3, 2},         {r - 1, c + 1, 4},     {r, c, d},
          {r + 1, c - 1, d}, {r, c, 2 * d},     {r + 1, c + 4, d + 4}, {r - 1, c - 4, 3 * d - 4},
          {7, c, d - 1},     {r, 7, d + 1},     {r + 1, c + 1, 97},    {1, 2 * c + 4, 2 * d + 4},
          {2 * r + 1, 4, 4}, {2, 31, 5 * d + 3}};
      int index = 0;
      for (const auto& [m, n, k] : shapes)
        check_within_budget(library.kernel("p"),
                            {random, m, n, k, options, inputs_of_case(index++)}, tile);
    }
}

TEST_CASE_FIXTURE(GemmFixture, "gemm, edge sizes against each other") {
  const ProductOptions options;
  const GeneratedLibrary library(device(), entry(options));
  const auto sizes = edge_sizes({32, 64, 96, 128});
  int index = 0;
  for (const std::int64_t m : sizes)
    for (const std::int64_t n : sizes) {
      const std::int64_t k = sizes[static_cast<std::size_t>(index * 7 + 3) % sizes.size()];
      check_within_budget(library.kernel("p"), {random, m, n, k, options, inputs_of_case(index++)},
                          smallest);
    }
}

TEST_CASE_FIXTURE(GemmFixture, "gemm, random shapes") {
  for (const char* layout : {"out_in", "in_out"}) {
    const ProductOptions options{.layout = layout, .bias = true};
    const GeneratedLibrary library(device(), entry(options));
    for (int i = 0; i < 40; ++i) {
      const std::int64_t m = random_size(random, 700), n = random_size(random, 700);
      const std::int64_t k = random_size(random, 900);
      const bool aligned = i % 2 == 0;
      const auto align = [&](std::int64_t x) { return aligned ? (x + 3) / 4 * 4 : x; };
      check_within_budget(library.kernel("p"),
                          {random, m, align(n), align(k), options, inputs_of_case(i)}, smallest);
    }
  }
}

TEST_CASE_FIXTURE(GemmFixture, "gemm, every epilogue, static and dynamic dimensions") {
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
                                       .alpha = alpha};
          // Neither multiples of a tile; every third kernel has rows that are not aligned.
          const std::int64_t n = index % 3 == 2 ? 35 : 36, k = index % 3 == 2 ? 21 : 20;
          const std::string dims =
              index % 4 < 2 ? fmt::format(R"("n": {}, "k": {})", n, k) : dynamic_dims;
          const std::string name = fmt::format("p{}", index);
          entries += (index > 0 ? ",\n" : "") +
                     product_entry("gemm", dims, options, R"(, "tile": "32x64")", name);
          cases.emplace_back(name, Product(random, 33, n, k, options, inputs_of_case(index)));
        }
  const GeneratedLibrary library(device(), entries);
  for (const auto& [name, product] : cases) check(library.kernel(name), product);
}

TEST_CASE_FIXTURE(GemmFixture, "gemm, an activation and a residual in every tile") {
  const ProductOptions options{.activation = "gelu", .bias = true, .residual = true, .alpha = 0.5f};
  for (const Tile& tile : tiles)
    for (const bool fixed : {false, true}) {
      const std::int64_t n = tile.cols + 4, k = tile.depth + 4;
      const std::string dims = fixed ? fmt::format(R"("n": {}, "k": {})", n, k) : dynamic_dims;
      const GeneratedLibrary library(device(), entry(options, dims, tile.name));
      check(library.kernel("p"), {random, tile.rows + 1, n, k, options});
    }
}

TEST_CASE_FIXTURE(GemmFixture, "gemm, all dimensions fixed, whole tiles and not") {
  for (const auto& [m, n, k] :
       {std::array{64, 64, 64}, std::array{33, 40, 1}, std::array{1, 1, 1}, std::array{65, 31, 33}})
    for (const char* layout : {"out_in", "in_out"}) {
      const ProductOptions options{.layout = layout, .residual = true};
      const std::string dims = fmt::format(R"("m": {}, "n": {}, "k": {})", m, n, k);
      const GeneratedLibrary library(device(), entry(options, dims));
      check(library.kernel("p"), {random, m, n, k, options});
    }
}

TEST_CASE_FIXTURE(GemmFixture, "gemm, the residual's tensor takes the result") {
  const ProductOptions options{.bias = true, .residual = true};
  for (const Tile& tile : tiles) {
    const GeneratedLibrary library(device(), entry(options, dynamic_dims, tile.name));
    check(library.kernel("p"), {random, 131, 36, 20, options, Inputs::small_integers}, true);
    check(library.kernel("p"), {random, 65, 35, 7, options}, true);
  }
}

TEST_CASE_FIXTURE(GemmFixture, "gemm, no rows are a success that writes nothing") {
  const GeneratedLibrary library(device(), entry({.bias = true}));
  const Product p(random, 0, 36, 20, {.bias = true});
  CHECK(run(library.kernel("p"), p).empty());
}

TEST_CASE_FIXTURE(GemmFixture, "gemm, every range of m has its tile") {
  // One stage, so that many tiles cost little; n and k are fixed, so that m decides.
  const ProductOptions options;
  const GeneratedLibrary library(device(), entry(options, R"("n": 384, "k": 16)"));
  int ranges = 0;
  for (const Tile& tile : tiles)
    ranges += library.has_ptx(fmt::format("p__t{}", tile.name)) ? 1 : 0;
  CHECK(ranges > 1);
  for (const std::int64_t m :
       {1, 16, 17, 128, 129, 250, 251, 512, 513, 1500, 2048, 2049, 3001, 6251, 12001}) {
    const Product p(random, m, 384, 16, options, Inputs::small_integers);
    if (budget.allows(p.name("gemm"), p.cost(96, 192, 16))) check(library.kernel("p"), p);
  }
}

TEST_CASE_FIXTURE(GemmFixture, "gemm, a row is the same in any company, and every time") {
  const ProductOptions options{.bias = true};
  const std::int64_t n = 68, k = 300;
  for (const Tile& tile : tiles) {
    CAPTURE(tile.name);
    const GeneratedLibrary library(device(), entry(options, dynamic_dims, tile.name));
    const Product p(random, tile.rows + 3, n, k, options);
    const auto whole = run(library.kernel("p"), p);
    CHECK(compare_bits(run(library.kernel("p"), p), whole));
    for (const std::int64_t row : {std::int64_t{0}, tile.rows - 1, tile.rows + 2}) {
      const auto alone = run(library.kernel("p"), rows_of(p, row, row + 1));
      const std::vector<float> same(whole.begin() + row * n, whole.begin() + (row + 1) * n);
      CHECK(compare_bits(alone, same));
    }
  }
}

TEST_CASE_FIXTURE(GemmFixture, "gemm, all forms of a tile give the same bits") {
  const std::int64_t n = 40;
  const ProductOptions options{.bias = true};
  for (const std::int64_t k : {63, 128, 300})
    for (const Tile& tile : tiles) {
      const Product p(random, 37, n, k, options);
      // One column more makes rows that are not aligned; its own results are left out.
      Product wide = p;
      wide.n = n + 1;
      wide.w.resize(static_cast<std::size_t>(wide.n * k), 1);
      wide.bias.resize(static_cast<std::size_t>(wide.n), 0);
      const GeneratedLibrary library(device(), entry(options, dynamic_dims, tile.name));
      const GeneratedLibrary fixed(
          device(), entry(options, fmt::format(R"("m": 37, "n": 40, "k": {})", k), tile.name));
      const auto result = run(library.kernel("p"), p);
      CHECK(compare_bits(run(fixed.kernel("p"), p), result));
      const auto with_more = run(library.kernel("p"), wide);
      for (std::int64_t row = 0; row < p.m; ++row) {
        const auto at = [](const std::vector<float>& v, std::int64_t first) {
          return std::vector<float>(v.begin() + first, v.begin() + first + 40);
        };
        CHECK(compare_bits(at(with_more, row * wide.n), at(result, row * n)));
      }
    }
}

TEST_CASE_FIXTURE(GemmFixture, "gemm, what is not finite stays in its row and column") {
  const std::int64_t n = 36, k = 20;
  for (const char* layout : {"out_in", "in_out"})
    for (const Tile& tile : tiles) {
      const ProductOptions options{.layout = layout};
      const std::int64_t m = tile.rows + 2;
      const GeneratedLibrary library(device(), entry(options, dynamic_dims, tile.name));
      Product p(random, m, n, k, options, Inputs::small_integers);
      // The last row and column: what lies beyond the matrix is read from there.
      for (std::int64_t i = 0; i < k; ++i) p.a[static_cast<std::size_t>((m - 1) * k + i)] = nan;
      const auto at_w = [&](std::int64_t col, std::int64_t i) {
        return static_cast<std::size_t>(p.options.is_out_in() ? col * k + i : i * n + col);
      };
      p.w[at_w(n - 1, 0)] = infinity;
      for (std::int64_t row = 0; row < m; ++row) p.a[static_cast<std::size_t>(row * k)] = 1;
      p.a[static_cast<std::size_t>((m - 1) * k)] = nan;
      auto expected = p.expected();
      const auto result = run(library.kernel("p"), p);
      for (std::int64_t row = 0; row < m; ++row)
        for (std::int64_t col = 0; col < n; ++col) {
          const auto at = static_cast<std::size_t>(row * n + col);
          if (row == m - 1)
            REQUIRE(std::isnan(result[at]));
          else if (col == n - 1)
            REQUIRE(result[at] == infinity);
          else
            REQUIRE(result[at] == expected.value[at]);
        }
    }
}

TEST_CASE_FIXTURE(GemmFixture, "gemm, model shapes") {
  for (const ModelShape& model : model_shapes()) {
    if (model.d_model > 1280) continue;
    const std::int64_t d = model.d_model, f = model.ffn_dim;
    for (const auto& [n, k, activation] : {std::tuple{3 * d, d, "none"}, std::tuple{d, d, "none"},
                                           std::tuple{f, d, "gelu"}, std::tuple{d, f, "none"}}) {
      const ProductOptions options{.activation = activation, .bias = true, .residual = n == d};
      const GeneratedLibrary library(device(),
                                     entry(options, fmt::format(R"("n": {}, "k": {})", n, k)));
      for (const std::int64_t m : {1, 7, 100, 1500}) {
        if (!budget.allows(fmt::format("gemm {} {}x{}x{}", model.name, m, n, k),
                           static_cast<std::uint64_t>((m + 31) / 32 * 32 * n * k)))
          continue;
        check(library.kernel("p"), {random, m, n, k, options});
      }
    }
  }
}

TEST_CASE("gemm, the smallest spec, and refused ones") {
  const auto problems = [](const std::string& fields) {
    return problems_of(R"({"name": "p", "template": "gemm", "dtype": "f32", )" + fields + "}");
  };
  CHECK(problems(R"("n": 1, "k": 1)").empty());
  const std::pair<const char*, const char*> refused[] = {
      {R"("n": 4, "k": 0)", "2:64: error: /kernels/0/k: expected an integer from 1 to"},
      {R"("n": 4)", "2:1: error: /kernels/0: \"k\" is missing"},
      {R"("n": "any", "k": 4)", "2:56: error: /kernels/0/n: expected a number or \"dynamic\""},
      {R"("n": 4, "k": 4, "layout": "out-in")",
       "2:77: error: /kernels/0/layout: expected one of \"out_in\", \"in_out\""},
      {R"("n": 4, "k": 4, "activation": "gelu_erf")",
       "2:81: error: /kernels/0/activation: expected one of \"none\", \"relu\", \"gelu\""},
      {R"("n": 4, "k": 4, "bias": 1)", "2:75: error: /kernels/0/bias: expected true or false"},
      {R"("n": 4, "k": 4, "residul": true)",
       "2:67: error: /kernels/0/residul: unknown key; did you mean \"residual\"?"},
      {R"("n": 4, "k": 4, "alpha": 1e39)", "2:76: error: /kernels/0/alpha: expected a number"},
      {R"("n": 4, "k": 4, "tile": 64)", "2:75: error: /kernels/0/tile: expected one of"}};
  for (const auto& [fields, message] : refused) {
    const std::string said = problems(fields);
    CAPTURE(said);
    CHECK(said.starts_with("test.json:" + std::string(message)));
  }
}

}  // namespace ptxmill::test
