// gemm on the tensor cores, f16, bf16, tf32 and three times tf32, by warps and by warpgroups: every
// tile at its edges, every epilogue, every type of result, and what its results may depend on.
#include <doctest/doctest.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/shapes.hpp"
#include "tests/templates/product.hpp"
#include "tests/templates/stream_tiles.hpp"

namespace ptxmill::test {
namespace {

using reference::Element;

constexpr float nan = std::numeric_limits<float>::quiet_NaN();

/// An element type and a way to multiply it, with the k that a row of 16 bytes has.
struct Kind {
  Element element;
  const char* math;
  std::int64_t chunk;
  std::int64_t summed = 0;  ///< k whose products the tensor cores add up, where not all

  ProductOptions with(ProductOptions options = {}) const {
    options.element = element;
    options.math = math;
    options.on_tensor_cores = true;
    options.chunk = summed;
    return options;
  }
  bool is_half() const { return element != Element::f32; }
  bool is_split() const { return std::string(math) == "3xtf32"; }
  /// The inputs of a case. Subnormals of f32, which are among the extremes, lose most of their bits
  /// as tf32: no bound relative to the operands holds there.
  Inputs inputs(int index) const {
    const Inputs drawn = inputs_of_case(index);
    return element == Element::f32 && drawn == Inputs::extremes ? Inputs::normal : drawn;
  }
};
/// A tile that the spec may ask for, and the chunks of k that it takes in at once.
struct Tile {
  const char* name;
  std::int64_t rows, cols, chunks;
};
/// A target's way to multiply, with the kinds and tiles that it has; the first tile is a small one.
struct Engine {
  std::string target;
  std::vector<Kind> kinds;
  std::vector<Tile> tiles, tiles_of_three;

  std::vector<Tile> tiles_of(const Kind& kind) const {
    std::vector<Tile> all = kind.is_split() ? tiles_of_three : tiles;
    if (!kind.is_half()) return all;
    for (const StreamTile& t : stream_tiles) all.push_back({t.name, t.rows, t.cols, 8 * t.split});
    return all;
  }
  Tile smallest(const Kind& kind) const { return tiles_of(kind)[0]; }
};
const Kind of_f16{Element::f16, "f32", 8}, of_bf16{Element::bf16, "f32", 8},
    of_tf32{Element::f32, "tf32", 4}, of_three{Element::f32, "3xtf32", 4},
    of_three_in_chunks{Element::f32, "3xtf32", 4, 32};
const Engine by_warps{"sm_80",
                      {of_f16, of_bf16, of_tf32, of_three},
                      {{"64x64", 64, 64, 8},
                       {"32x64", 32, 64, 8},
                       {"64x128", 64, 128, 8},
                       {"128x128", 128, 128, 8},
                       {"128x256", 128, 256, 4}},
                      {{"64x64", 64, 64, 8}, {"128x128", 128, 128, 8}}};
const Engine by_warpgroups{"sm_90a",
                           {of_f16, of_bf16, of_tf32, of_three_in_chunks},
                           {{"64x96", 64, 96, 8},
                            {"64x128", 64, 128, 8},
                            {"64x192", 64, 192, 8},
                            {"128x128", 128, 128, 8},
                            {"128x256", 128, 256, 8},
                            {"128x192", 128, 192, 8},
                            {"w128x16", 16, 128, 8},
                            {"w128x64", 64, 128, 8},
                            {"w64x16", 16, 64, 8},
                            {"w64x32k2", 32, 64, 8},
                            {"w64x64k4", 64, 64, 8},
                            {"w64x16k4", 16, 64, 8}},
                           {{"64x128", 64, 128, 8},
                            {"128x48", 128, 48, 8},
                            {"128x64", 128, 64, 8},
                            {"128x128", 128, 128, 8},
                            {"64x128k2", 64, 128, 8},
                            {"128x64k2", 128, 64, 8}}};

std::string entry(const ProductOptions& options, const std::string& dims = dynamic_dims,
                  const std::string& tile = "auto", const std::string& name = "p",
                  const std::string& weights = "any") {
  return product_entry("gemm", dims, options,
                       fmt::format(R"(, "tile": "{}", "weights": "{}")", tile, weights), name);
}

std::int64_t up_to_eight(std::int64_t x) { return (x + 7) / 8 * 8; }

class TensorFixture : public ProductFixture {
 public:
  /// Runs the product unless it is left to hardware.
  void check_within_budget(const rt::Kernel& kernel, const Product& p, const Tile& tile) {
    if (budget.allows(p.name("gemm"), p.cost(tile.rows, tile.cols, 64))) check(kernel, p);
  }

  /// What the device can run.
  std::vector<Engine> engines() const {
    std::vector<Engine> all{by_warps};
    if (device().info().compute_capability == 90) all.push_back(by_warpgroups);
    return all;
  }

  Random random = random_for("gemm on tensor cores");
  CaseBudget budget{15'000'000, 60'000'000};
};

}  // namespace

TEST_CASE_FIXTURE(TensorFixture, "gemm on tensor cores, each tile at its edges") {
  for (const Engine& engine : engines()) {
    for (const Kind& kind : engine.kinds)
      for (const Tile& tile : engine.tiles_of(kind)) {
        const ProductOptions options = kind.with();
        const GeneratedLibrary library(device(), entry(options, dynamic_dims, tile.name), "",
                                       engine.target);
        const std::int64_t r = tile.rows, c = tile.cols, d = tile.chunks * kind.chunk;
        const std::array<std::int64_t, 3> shapes[] = {
            {1, 8, 8},         {2, 16, 8},        {r - 1, c + 8, 16},  {r, c, d},
            {r + 1, c - 8, d}, {r, c, 2 * d},     {r + 1, 24, d + 8},  {r - 1, c - 8, 3 * d - 8},
            {7, c, d - 8},     {r, 8, d + 8},     {r + 1, c + 8, 104}, {1, 2 * c + 8, 2 * d + 8},
            {2 * r + 1, 8, 8}, {2, 40, 5 * d + 8}};
        int index = 0;
        for (const auto& [m, n, k] : shapes)
          check_within_budget(library.kernel("p"), {random, m, n, k, options, kind.inputs(index++)},
                              tile);
      }
  }
}

TEST_CASE_FIXTURE(TensorFixture, "gemm on tensor cores, edge sizes against each other") {
  for (const Engine& engine : engines()) {
    int index = 0;
    for (const Kind& kind : engine.kinds) {
      const ProductOptions options = kind.with();
      const GeneratedLibrary library(device(), entry(options), "", engine.target);
      const std::array<std::int64_t, 7> widths = {8, 24, 56, 64, 72, 128, 136};
      for (const std::int64_t m : edge_sizes({64, 128}))
        for (const std::int64_t n : widths) {
          const std::int64_t k = widths[static_cast<std::size_t>(index * 5 + 3) % widths.size()];
          // A fourth of the pairs for each kind, another fourth each time.
          if (index++ % 4 != 0) continue;
          check_within_budget(library.kernel("p"),
                              {random, m, n, k, options, kind.inputs(index / 4)},
                              engine.smallest(kind));
        }
      ++index;
    }
  }
}

TEST_CASE_FIXTURE(TensorFixture, "gemm on tensor cores, random shapes") {
  for (const Engine& engine : engines()) {
    for (const Kind& kind : engine.kinds) {
      const ProductOptions options = kind.with({.bias = true});
      const GeneratedLibrary library(device(), entry(options), "", engine.target);
      for (int i = 0; i < 12; ++i) {
        const std::int64_t m = random_size(random, 700), n = up_to_eight(random_size(random, 700));
        const std::int64_t k = up_to_eight(random_size(random, 900));
        check_within_budget(library.kernel("p"), {random, m, n, k, options, kind.inputs(i)},
                            engine.smallest(kind));
      }
    }
  }
}

TEST_CASE_FIXTURE(TensorFixture,
                  "gemm on tensor cores, every epilogue, static and dynamic dimensions") {
  for (const Engine& engine : engines()) {
    std::string entries;
    std::vector<std::pair<std::string, Product>> cases;
    const std::array<std::optional<Element>, 4> outs = {std::nullopt, Element::f32, Element::f16,
                                                        Element::bf16};
    for (const char* activation : {"none", "relu", "gelu", "gelu_tanh", "silu"})
      for (const bool bias : {false, true})
        for (const bool residual : {false, true})
          for (const float alpha : {1.f, -0.375f}) {
            const auto index = cases.size();
            const Kind& kind = engine.kinds[index % engine.kinds.size()];
            ProductOptions options = kind.with(
                {.activation = activation, .bias = bias, .residual = residual, .alpha = alpha});
            options.out = outs[index / 4 % outs.size()];
            const std::int64_t n = 40, k = 24;
            const std::string dims =
                index % 8 < 4 ? fmt::format(R"("n": {}, "k": {})", n, k) : dynamic_dims;
            const std::string name = fmt::format("p{}", index);
            entries +=
                (index > 0 ? ",\n" : "") + entry(options, dims, engine.smallest(kind).name, name);
            cases.emplace_back(name,
                               Product(random, 33, n, k, options,
                                       index % 3 == 0 ? Inputs::small_integers : Inputs::normal));
          }
    const GeneratedLibrary library(device(), entries, "", engine.target);
    for (const auto& [name, product] : cases) check(library.kernel(name), product);
  }
}

TEST_CASE_FIXTURE(TensorFixture, "gemm on tensor cores, an epilogue in every tile") {
  for (const Engine& engine : engines()) {
    for (const Kind& kind : engine.kinds)
      for (const Tile& tile : engine.tiles_of(kind)) {
        const ProductOptions options =
            kind.with({.activation = "gelu", .bias = true, .residual = true, .alpha = 0.5f});
        const std::int64_t n = tile.cols + 8, k = tile.chunks * kind.chunk + 8;
        const GeneratedLibrary library(
            device(),
            entry(options, fmt::format(R"("n": {}, "k": {})", n, k), tile.name, "p", "resident"),
            "", engine.target);
        check(library.kernel("p"), {random, tile.rows + 1, n, k, options});
        // The result may stand where the residual stood.
        check(library.kernel("p"), {random, 3, n, k, options}, true);
      }
  }
}

TEST_CASE_FIXTURE(TensorFixture, "gemm on tensor cores, the forms that a launch chooses among") {
  for (const Engine& engine : engines()) {
    for (const Kind& kind : engine.kinds) {
      const ProductOptions options = kind.with();
      const std::int64_t n = 264, k = 40;
      const GeneratedLibrary fixed(
          device(), entry(options, fmt::format(R"("n": {}, "k": {})", n, k)), "", engine.target);
      const GeneratedLibrary dynamic(device(), entry(options), "", engine.target);
      for (const std::int64_t m : {0, 1, 65, 300}) {
        check_within_budget(fixed.kernel("p"), {random, m, n, k, options}, engine.smallest(kind));
        check_within_budget(dynamic.kernel("p"), {random, m, n, k, options}, engine.smallest(kind));
      }
    }
  }
}

TEST_CASE_FIXTURE(TensorFixture, "gemm on tensor cores, a row depends on no other row") {
  for (const Engine& engine : engines()) {
    for (const Kind& kind : engine.kinds) {
      const ProductOptions options = kind.with({.residual = true});
      const GeneratedLibrary library(
          device(), entry(options, dynamic_dims, engine.smallest(kind).name), "", engine.target);
      const std::int64_t m = 70, n = 72, k = 136;
      Product p(random, m, n, k, options);
      const std::vector<float> whole = run(library.kernel("p"), p);
      CHECK(compare_bits(run(library.kernel("p"), p), whole));
      for (const std::int64_t row : {std::int64_t{0}, std::int64_t{64}, m - 1}) {
        const std::vector<float> expected(whole.begin() + row * n, whole.begin() + (row + 1) * n);
        CHECK(compare_bits(run(library.kernel("p"), p.with_rows(row, 1)), expected));
      }
      // What is not a number stays in its row.
      p.a[static_cast<std::size_t>((m - 1) * k)] = nan;
      const std::vector<float> result = run(library.kernel("p"), p);
      for (std::int64_t i = 0; i < m * n; ++i) {
        const auto at = static_cast<std::size_t>(i);
        if (i >= (m - 1) * n)
          REQUIRE(std::isnan(result[at]));
        else
          REQUIRE(result[at] == whole[at]);
      }
    }
  }
}

/// The largest error against double precision.
double largest_error(const Product& p, const std::vector<float>& result) {
  const std::vector<double> exact = p.expected().value;
  double largest = 0;
  for (std::size_t i = 0; i < exact.size(); ++i)
    largest = std::max(largest, std::abs(result[i] - exact[i]));
  return largest;
}

/// Each element as one chain of multiply-adds in f32.
std::vector<float> by_chains(const Product& p) {
  std::vector<float> result;
  for (std::int64_t row = 0; row < p.m; ++row)
    for (std::int64_t col = 0; col < p.n; ++col) {
      float sum = 0;
      for (std::int64_t i = 0; i < p.k; ++i)
        sum = std::fma(p.a[static_cast<std::size_t>(row * p.k + i)],
                       p.w[static_cast<std::size_t>(col * p.k + i)], sum);
      result.push_back(sum);
    }
  return result;
}

TEST_CASE_FIXTURE(TensorFixture, "gemm in 3xtf32 by warpgroups is as exact as f32") {
  if (device().info().compute_capability != 90) return;
  const ProductOptions options = of_three_in_chunks.with();
  const GeneratedLibrary library(device(), entry(options, dynamic_dims, "64x128"), "", "sm_90a");
  for (const std::int64_t k : {64, 384, 2048})
    for (const bool positive : {false, true}) {
      CAPTURE(k);
      CAPTURE(positive);
      Product p(random, 64, 64, k, options);
      // Sums cut toward zero would be wrong in one direction.
      for (std::vector<float>* operand : {&p.a, &p.w})
        for (float& x : *operand) x = positive ? std::abs(x) : x;
      CHECK(largest_error(p, run(library.kernel("p"), p)) <=
            largest_error(p, by_chains(p)) * (k < 128 ? 2 : 1));
    }
}

TEST_CASE_FIXTURE(TensorFixture, "gemm on tensor cores, model shapes") {
  for (const Engine& engine : engines()) {
    for (const ModelShape& model : model_shapes()) {
      const std::int64_t d = model.d_model, f = model.ffn_dim;
      const Kind& kind = engine.kinds[static_cast<std::size_t>(&model - model_shapes().data()) % 2];
      for (const auto& [n, k, activation] : {std::tuple{3 * d, d, "none"}, std::tuple{d, d, "none"},
                                             std::tuple{f, d, "gelu"}, std::tuple{d, f, "none"}}) {
        const ProductOptions options =
            kind.with({.activation = activation, .bias = true, .residual = n == d});
        const GeneratedLibrary library(
            device(), entry(options, fmt::format(R"("n": {}, "k": {})", n, k)), "", engine.target);
        // Inputs are drawn once: for the largest, that takes longer than all products.
        std::optional<Product> most;
        for (const std::int64_t m : {1500, 100, 7, 1}) {
          // Beyond, the references take minutes; the benchmarks compare the largest.
          if (n * k > 5'000'000 || m * n * k > 250'000'000) continue;
          // Asked before the inputs are drawn.
          const auto whole = [](std::int64_t x, std::int64_t unit) {
            return static_cast<std::uint64_t>((x + unit - 1) / unit * unit);
          };
          const Tile tile = engine.smallest(kind);
          if (!budget.allows(
                  fmt::format("gemm {}x{}x{} {} on {}", m, n, k, activation, engine.target),
                  whole(m, tile.rows) * whole(n, tile.cols) * whole(k, 64)))
            continue;
          if (!most) most.emplace(random, m, n, k, options);
          check(library.kernel("p"), most->with_rows(0, m));
        }
      }
    }
  }
}

TEST_CASE("gemm on tensor cores, the smallest spec, and refused ones") {
  const auto problems = [](const std::string& fields) {
    return problems_of(R"({"name": "p", "template": "gemm", )" + fields + "}");
  };
  for (const char* legal :
       {R"("dtype": "f16", "n": 8, "k": 8)", R"("dtype": "f32", "math": "tf32", "n": 8, "k": 8)",
        R"("dtype": "bf16", "out_dtype": "f32", "n": "dynamic", "k": "dynamic")",
        R"("dtype": "f32", "math": "3xtf32", "out_dtype": "f16", "n": "dynamic", "k": 16)"})
    CHECK(problems(legal) == "");
  const std::pair<const char*, const char*> refused[] = {
      {R"("dtype": "f16", "n": 8, "k": 12)",
       "/k: 12 is no multiple of 8, which the tensor cores' gemm needs"},
      {R"("dtype": "bf16", "n": 7, "k": 8)",
       "/n: 7 is no multiple of 8, which the tensor cores' gemm needs"},
      {R"("dtype": "f32", "math": "tf32", "n": 4, "k": 8)",
       "/n: 4 is no multiple of 8, which the tensor cores' gemm needs"},
      {R"("dtype": "f16", "math": "tf32", "n": 8, "k": 8)",
       "/math: tf32 is for operands of f32, and dtype is f16"},
      {R"("dtype": "f16", "n": 8, "k": 8, "layout": "in_out")",
       "/layout: the tensor cores' gemm takes out_in only"},
      {R"("dtype": "f16", "n": 8, "k": 8, "tile": "48x96")",
       "/tile: 48x96 is no tile of this gemm"},
      {R"("dtype": "f32", "math": "3xtf32", "n": 8, "k": 8, "tile": "128x256")",
       "/tile: 128x256 is no tile of this gemm"},
      {R"("dtype": "f32", "n": 8, "k": 8, "tile": "64x64")",
       "/tile: 64x64 is no tile of this gemm"},
      {R"("dtype": "f32", "n": 8, "k": 8, "out_dtype": "f16")",
       "/out_dtype: the FMA units' gemm has f32 results only"},
      {R"("dtype": "f64", "n": 8, "k": 8)", "/dtype: expected one of"},
      {R"("dtype": "f32", "math": "bf16", "n": 8, "k": 8)", "/math: expected one of"}};
  for (const auto& [fields, message] : refused) {
    const std::string said = problems(fields);
    CAPTURE(said);
    CHECK(said.find("error: /kernels/0" + std::string(message)) != said.npos);
  }
}

}  // namespace ptxmill::test
