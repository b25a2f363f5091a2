// Epilogues of gemm and gemv that change the result's shape: silu_multiply, of which two columns of
// the product make one of the result, and results that are stored head by head.
#include <doctest/doctest.h>

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/error.hpp"
#include "runtime/ops.hpp"
#include "tests/templates/product.hpp"
#include "tests/templates/stream_tiles.hpp"

namespace ptxmill::test {
namespace {

using reference::Element;

/// A tile that the spec may ask for.
struct Tile {
  const char* name;
  std::int64_t rows, cols;
};
/// A way to multiply, and the tiles that it has on a target.
struct Engine {
  std::string target;
  Element element;
  std::string math;
  std::vector<Tile> tiles;

  bool is_fma() const { return element == Element::f32 && math == "f32"; }
  ProductOptions with(ProductOptions options) const {
    options.element = element;
    options.math = math;
    options.on_tensor_cores = !is_fma();
    if (math == "3xtf32" && target == "sm_90a") options.chunk = 32;
    return options;
  }
  /// What a head's columns are a multiple of, where results are of this type.
  int head_multiple(Element out) const {
    if (is_fma()) return 1;
    return target == "sm_90a" && out != Element::f32 ? 16 : 8;
  }
};

const std::vector<Tile> tiles_of_fma{
    {"32x64", 32, 64}, {"48x96", 48, 96}, {"128x128", 128, 128}, {"96x192", 96, 192}};
const std::vector<Tile> tiles_of_three{{"64x64", 64, 64}, {"128x128", 128, 128}};
const std::vector<Tile> tiles_of_warps{
    {"64x64", 64, 64}, {"128x128", 128, 128}, {"128x256", 128, 256}};
const std::vector<Tile> tiles_of_warpgroups{
    {"64x96", 64, 96},     {"64x128", 64, 128},   {"64x192", 64, 192},  {"128x128", 128, 128},
    {"128x192", 128, 192}, {"128x256", 128, 256}, {"w128x16", 16, 128}, {"w128x64", 64, 128},
    {"w64x16", 16, 64},    {"w64x32k2", 32, 64},  {"w64x64k4", 64, 64}, {"w64x16k4", 16, 64}};

const std::vector<Tile> tiles_of_three_by_warpgroups{
    {"64x128", 64, 128}, {"128x64", 128, 64}, {"128x128", 128, 128}, {"64x128k2", 64, 128}};

std::string entry(const ProductOptions& options, const std::string& dims, const Tile& tile) {
  return product_entry("gemm", dims, options, fmt::format(R"(, "tile": "{}")", tile.name));
}
std::string fixed(std::int64_t n, std::int64_t k) {
  return fmt::format(R"("n": {}, "k": {})", n, k);
}

class EpilogueFixture : public ProductFixture {
 public:
  /// What the device can run.
  std::vector<Engine> engines() const {
    std::vector<Engine> all{{"sm_80", Element::f32, "f32", tiles_of_fma},
                            {"sm_80", Element::f16, "f32", tiles_of_warps},
                            {"sm_80", Element::bf16, "f32", tiles_of_warps},
                            {"sm_80", Element::f32, "tf32", tiles_of_warps},
                            {"sm_80", Element::f32, "3xtf32", tiles_of_three}};
    if (device().info().compute_capability == 90) {
      for (const auto& [element, math] :
           {std::pair{Element::f16, "f32"}, {Element::bf16, "f32"}, {Element::f32, "tf32"}})
        all.push_back({"sm_90a", element, math, tiles_of_warpgroups});
      all.push_back({"sm_90a", Element::f32, "3xtf32", tiles_of_three_by_warpgroups});
    }
    for (Engine& engine : all)
      if (engine.element != Element::f32)
        for (const StreamTile& t : stream_tiles) engine.tiles.push_back({t.name, t.rows, t.cols});
    return all;
  }
  /// Each tile of each engine, with a number.
  template <class Body>
  void each_tile(const Body& body) const {
    int index = 0;
    for (const Engine& engine : engines())
      for (const Tile& tile : engine.tiles) body(engine, tile, index++);
  }
  GeneratedLibrary generate(const Engine& engine, const std::string& entries) const {
    return GeneratedLibrary(device(), entries, "", engine.target);
  }

  Random random = random_for("epilogues");
};

/// The type of results for a case: each in turn that the engine has.
std::optional<Element> out_of_case(const Engine& engine, int index) {
  if (engine.is_fma()) return std::nullopt;
  const std::optional<Element> outs[] = {std::nullopt, Element::f32, Element::f16, Element::bf16};
  return outs[index % 4];
}

/// A matrix of rows as [cols / head_dim, rows, head_dim].
std::vector<float> by_heads(const std::vector<float>& values, std::int64_t rows, std::int64_t cols,
                            std::int64_t head_dim) {
  std::vector<float> heads;
  for (std::int64_t head = 0; head < cols / head_dim; ++head)
    for (std::int64_t row = 0; row < rows; ++row) {
      const auto first = values.begin() + row * cols + head * head_dim;
      heads.insert(heads.end(), first, first + head_dim);
    }
  return heads;
}

}  // namespace

TEST_CASE_FIXTURE(EpilogueFixture, "gemm, silu_multiply in every tile") {
  each_tile([&](const Engine& engine, const Tile& tile, int index) {
    for (const bool is_dynamic : {false, true}) {
      // With dynamic extents, the largest tile leaves no registers for a residual.
      const bool can_add = !is_dynamic || std::string(tile.name) != "128x192";
      ProductOptions options = engine.with({.activation = "silu_multiply",
                                            .bias = index % 2 == 0,
                                            .residual = can_add && (is_dynamic || index % 3 == 0),
                                            .alpha = index % 4 < 2 ? 1.f : -0.375f});
      if (engine.is_fma() && is_dynamic) options.layout = "in_out";
      options.out = out_of_case(engine, index + (is_dynamic ? 2 : 0));
      const std::int64_t n = tile.cols + 16, k = 72;
      const GeneratedLibrary library =
          generate(engine, entry(options, is_dynamic ? dynamic_dims : fixed(n, k), tile));
      check(library.kernel("p"), {random, tile.rows + 1, n, k, options});
      if (options.residual) check(library.kernel("p"), {random, 3, n, k, options}, true);
      if (!is_dynamic) continue;
      for (const auto& [m, width] :
           {std::pair{1, 16}, {9, 48}, {17, 2 * static_cast<int>(tile.cols)}})
        check(library.kernel("p"), {random, m, width, 24, options});
      CHECK(run(library.kernel("p"), {random, 0, n, k, options}).empty());
    }
  });
}

TEST_CASE_FIXTURE(EpilogueFixture, "gemm, a gate that is not a number stays in its element") {
  each_tile([&](const Engine& engine, const Tile& tile, int) {
    const ProductOptions options = engine.with({.activation = "silu_multiply"});
    const std::int64_t m = 3, n = 64, k = 8;
    const GeneratedLibrary library = generate(engine, entry(options, dynamic_dims, tile));
    Product p(random, m, n, k, options);
    const std::vector<float> whole = run(library.kernel("p"), p);
    // Row 35 of w is the gate of element 19, row 26 what the gate of element 10 multiplies.
    p.w[35 * k] = p.w[26 * k] = std::numeric_limits<float>::quiet_NaN();
    const std::vector<float> result = run(library.kernel("p"), p);
    for (std::size_t i = 0; i < result.size(); ++i) {
      const bool hit = i % 32 == 19 || i % 32 == 10;
      REQUIRE(hit == std::isnan(result[i]));
      if (!hit) REQUIRE(result[i] == whole[i]);
    }
  });
}

TEST_CASE_FIXTURE(EpilogueFixture, "gemm, heads hold the bits of rows, in every tile") {
  each_tile([&](const Engine& engine, const Tile& tile, int index) {
    for (const bool is_dynamic : {false, true}) {
      ProductOptions options =
          engine.with({.activation = index % 2 == 0 ? "none" : "gelu", .bias = is_dynamic});
      options.out = out_of_case(engine, index + (is_dynamic ? 1 : 0));
      const int unit = engine.head_multiple(options.out_element());
      const int multiples[] = {1, 4, 3, 8};
      const std::int64_t d = unit == 1 ? 5 + 7 * (index % 3) : unit * multiples[index % 4];
      const std::int64_t n = (tile.cols + d - 1) / d * d + d, k = 40;
      const std::string dims = is_dynamic ? dynamic_dims : fixed(n, k);
      const GeneratedLibrary rows = generate(engine, entry(options, dims, tile));
      options.head_dim = static_cast<int>(d);
      const GeneratedLibrary heads = generate(engine, entry(options, dims, tile));
      for (const std::int64_t m : {tile.rows + 1, std::int64_t{3}, std::int64_t{0}}) {
        const Product p(random, m, n, k, options,
                        index % 3 == 0 ? Inputs::small_integers : Inputs::normal);
        CAPTURE(p.name(tile.name));
        CHECK(compare_bits(run(heads.kernel("p"), p), by_heads(run(rows.kernel("p"), p), m, n, d)));
      }
    }
  });
}

TEST_CASE_FIXTURE(EpilogueFixture, "gemm, heads of the sizes that models have") {
  for (const Engine& engine : engines())
    for (const int head_dim : {32, 64, 80, 96, 128}) {
      ProductOptions options = engine.with({.bias = true});
      options.head_dim = head_dim;
      const std::int64_t n = 4 * head_dim, k = 64;
      for (const std::string& dims : {dynamic_dims, fixed(n, k)}) {
        const GeneratedLibrary library = generate(engine, product_entry("gemm", dims, options));
        for (const std::int64_t m : {1, 20, 70})
          check(library.kernel("p"), {random, m, n, k, options, Inputs::small_integers});
        check(library.kernel("p"), {random, 65, n, k, options});
      }
    }
}

TEST_CASE_FIXTURE(EpilogueFixture, "gemv, silu_multiply") {
  const Element element = each_element();
  int index = 0;
  for (const char* layout : {"out_in", "in_out"})
    for (const auto& [n, k] : {std::pair{16, 1}, {48, 264}, {144, 1104}, {1072, 1032}, {32, 4104}})
      for (const bool is_dynamic : {false, true}) {
        const ProductOptions options{
            .layout = layout,
            .activation = "silu_multiply",
            .bias = index % 2 == 0,
            .residual = index % 3 == 0,
            .alpha = index % 5 == 0 ? 0.5f : 1.f,
            .element = element,
            .out = index % 4 == 3 ? std::optional(Element::f32) : std::nullopt};
        ++index;
        const GeneratedLibrary library(
            device(), product_entry("gemv", is_dynamic ? dynamic_dims : fixed(n, k), options));
        check(library.kernel("p"), {random, 1, n, k, options});
        if (options.residual) check(library.kernel("p"), {random, 1, n, k, options}, true);
      }
}

TEST_CASE_FIXTURE(EpilogueFixture, "gemv, silu_multiply in every way to stream rows") {
  struct Way {
    int block, split, rows, loads;
  };
  const ProductOptions options{
      .activation = "silu_multiply", .bias = true, .element = Element::bf16};
  for (const Way& way : {Way{64, 2, 2, 3}, Way{128, 1, 4, 4}, Way{256, 4, 2, 2}, Way{256, 8, 4, 1},
                         Way{512, 1, 2, 3}, Way{96, 1, 4, 2}})
    for (const std::string& dims : {dynamic_dims, fixed(80, 2064)}) {
      CAPTURE(way.block);
      CAPTURE(way.split);
      CAPTURE(way.rows);
      const std::string more = fmt::format(R"(, "block": {}, "split": {}, "rows": {}, "loads": {})",
                                           way.block, way.split, way.rows, way.loads);
      const GeneratedLibrary library(device(), product_entry("gemv", dims, options, more));
      check(library.kernel("p"), {random, 1, 80, 2064, options});
      if (dims == dynamic_dims) check(library.kernel("p"), {random, 1, 16, 8, options});
    }
}

TEST_CASE_FIXTURE(EpilogueFixture, "the ops take silu_multiply, and pass over heads") {
  const ProductOptions gated{.activation = "silu_multiply"}, heads{.head_dim = 16};
  const GeneratedLibrary with_heads(device(), product_entry("gemm", dynamic_dims, heads));
  const GeneratedLibrary library(device(),
                                 product_entry("gemm", dynamic_dims, gated, "", "matrix") + ",\n" +
                                     product_entry("gemv", dynamic_dims, gated, "", "row"));
  const rt::GemmOptions options{.activation = gated.activation};
  const Product rows(random, 6, 32, 8, gated), row(random, 1, 32, 8, gated);
  const auto tensor = [&](const std::vector<float>& values, const rt::Shape& shape) {
    return rt::Tensor::from_host(stream, values, shape);
  };
  const rt::Tensor a = tensor(rows.a, {2, 3, 8}), w = tensor(rows.w, {32, 8});
  CHECK_THROWS_WITH_AS(rt::gemm(with_heads.library(), stream, a, w),
                       doctest::Contains("out_layout is heads"), rt::Error);
  const rt::Tensor matrix = rt::gemm(library.library(), stream, a, w, options);
  REQUIRE(matrix.shape() == rt::Shape{2, 3, 16});
  auto expected = rows.expected();
  CHECK(compare(matrix.to_host<float>(stream), expected.value, expected.bound));
  const rt::Tensor vector =
      rt::gemv(library.library(), stream, tensor(row.a, {8}), tensor(row.w, {32, 8}), options);
  REQUIRE(vector.shape() == rt::Shape{16});
  expected = row.expected();
  CHECK(compare(vector.to_host<float>(stream), expected.value, expected.bound));
}

TEST_CASE("epilogues that change the result's shape, refused") {
  const auto problems = [](const std::string& fields, const char* target) {
    return problems_of(R"({"name": "p", "template": )" + fields + "}", "", target);
  };
  struct Refused {
    const char *fields, *message, *target = "sm_80";
  };
  const Refused refused[] = {
      {R"("gemm", "dtype": "f32", "n": 24, "k": 8, "activation": "silu_multiply")",
       "/n: 24 is no multiple of 16, which silu_multiply needs"},
      {R"("gemv", "dtype": "f16", "n": 40, "k": 8, "activation": "silu_multiply")",
       "/n: 40 is no multiple of 16, which silu_multiply needs"},
      {R"("gemv", "dtype": "f16", "n": 48, "k": 8, "activation": "silu_multiply", "rows": 1)",
       "/rows: silu_multiply takes 2 or 4 rows together"},
      {R"("gemm", "dtype": "f32", "n": 64, "k": 8, "out_layout": "heads")",
       "/out_layout: heads needs a head_dim"},
      {R"("gemm", "dtype": "f32", "n": 64, "k": 8, "head_dim": 32)",
       "/head_dim: is for an out_layout of heads"},
      {R"("gemm", "dtype": "f32", "n": 64, "k": 8, "out_layout": "heads", "head_dim": 48)",
       "/n: 64 is no multiple of head_dim, 48"},
      {R"("gemm", "dtype": "f32", "n": 64, "k": 8, "out_layout": "heads", "head_dim": 32,)"
       R"( "residual": true)",
       "/residual: a residual takes an out_layout of rows"},
      {R"("gemm", "dtype": "f32", "n": 64, "k": 8, "out_layout": "heads", "head_dim": 32,)"
       R"( "activation": "silu_multiply")",
       "/activation: silu_multiply takes an out_layout of rows"},
      {R"("gemm", "dtype": "f16", "n": 40, "k": 8, "out_layout": "heads", "head_dim": 20)",
       "/head_dim: 20 is no multiple of 8, which the tensor cores' gemm needs"},
      {R"("gemm", "dtype": "f16", "n": 48, "k": 8, "out_layout": "heads", "head_dim": 24)",
       "/head_dim: 24 is no multiple of 16, which the tensor cores' gemm needs on sm_90a",
       "sm_90a"},
      {R"("gemm", "dtype": "f32", "n": 64, "k": 8, "out_layout": "columns")",
       "/out_layout: expected one of \"rows\", \"heads\""},
      {R"("gemm", "dtype": "f32", "n": 64, "k": 8, "out_layout": "heads", "head_dim": "dynamic")",
       "/head_dim: expected an integer from 0 to"},
      {R"("gemv", "dtype": "f32", "n": 64, "k": 8, "out_layout": "heads")",
       "/out_layout: unknown key"}};
  for (const Refused& r : refused) {
    const std::string said = problems(r.fields, r.target);
    CAPTURE(said);
    CHECK(said.find("error: /kernels/0" + std::string(r.message)) != said.npos);
  }
  CHECK(
      problems(R"("gemm", "dtype": "f16", "n": 48, "k": 8, "out_layout": "heads", "head_dim": 24)",
               "sm_80")
          .empty());
}

}  // namespace ptxmill::test
