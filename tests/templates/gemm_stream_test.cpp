// gemm of few rows of 16-bit elements whose weights stream, beside what gemm_tensor_test.cpp and
// gemm_epilogue_test.cpp ask of every tile.
#include <doctest/doctest.h>

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tests/templates/product.hpp"
#include "tests/templates/stream_tiles.hpp"

namespace ptxmill::test {
namespace {

using reference::Element;

std::string entry(const ProductOptions& options, const std::string& dims, const std::string& tile,
                  const std::string& weights = "any") {
  return product_entry("gemm", dims, options,
                       fmt::format(R"(, "tile": "{}", "weights": "{}")", tile, weights));
}

class StreamFixture : public ProductFixture {
 public:
  /// Each tile of each target that the device can run, with a type that changes from one to the
  /// next.
  template <class Body>
  void each_tile(const Body& body) const {
    int index = 0;
    for (const std::string target : {"sm_80", "sm_90a"}) {
      if (target == "sm_90a" && device().info().compute_capability != 90) continue;
      for (const StreamTile& tile : stream_tiles) {
        ProductOptions options;
        options.element = index++ % 2 == 0 ? Element::f16 : Element::bf16;
        options.on_tensor_cores = true;
        body(target, tile, options);
      }
    }
  }

  Random random = random_for("gemm that streams");
};

}  // namespace

TEST_CASE_FIXTURE(StreamFixture, "gemm that streams, rings that turn and rings that need not") {
  each_tile([&](const std::string& target, const StreamTile& tile, const ProductOptions& plain) {
    const std::int64_t round = 64 * tile.split, n = tile.cols + 8;
    const GeneratedLibrary dynamic(device(), entry(plain, dynamic_dims, tile.name, "resident"), "",
                                   target);
    ProductOptions options = plain;
    options.bias = true;
    for (const std::int64_t k : {2 * round, 4 * round, 9 * round, 9 * round + 8}) {
      const std::string dims = fmt::format(R"("n": {}, "k": {})", n, k);
      const GeneratedLibrary fixed(device(), entry(options, dims, tile.name), "", target);
      check(fixed.kernel("p"), {random, 2, n, k, options, Inputs::small_integers});
      check(fixed.kernel("p"), {random, tile.rows - 1, n, k, options});
      check(dynamic.kernel("p"), {random, tile.rows, n, k, plain});
    }
  });
}

TEST_CASE_FIXTURE(StreamFixture, "gemm that streams, a row depends on no other row") {
  each_tile([&](const std::string& target, const StreamTile& tile, ProductOptions options) {
    options.residual = true;
    const GeneratedLibrary library(device(), entry(options, dynamic_dims, tile.name), "", target);
    const std::int64_t m = 2 * tile.rows + 3, n = 72, k = 136;
    Product p(random, m, n, k, options);
    const std::vector<float> whole = run(library.kernel("p"), p);
    CHECK(compare_bits(run(library.kernel("p"), p), whole));
    for (const std::int64_t row : {std::int64_t{0}, tile.rows, m - 1}) {
      Product one = p;
      one.m = 1;
      one.a.assign(p.a.begin() + row * k, p.a.begin() + (row + 1) * k);
      one.residual.assign(p.residual.begin() + row * n, p.residual.begin() + (row + 1) * n);
      const std::vector<float> expected(whole.begin() + row * n, whole.begin() + (row + 1) * n);
      CHECK(compare_bits(run(library.kernel("p"), one), expected));
    }
    // What is not a number stays in its row.
    const std::int64_t hit = tile.rows - 2;
    p.a[static_cast<std::size_t>(hit * k)] = std::numeric_limits<float>::quiet_NaN();
    const std::vector<float> result = run(library.kernel("p"), p);
    for (std::int64_t i = 0; i < m * n; ++i) {
      const auto at = static_cast<std::size_t>(i);
      if (i / n == hit)
        REQUIRE(std::isnan(result[at]));
      else
        REQUIRE(result[at] == whole[at]);
    }
  });
}

TEST_CASE_FIXTURE(StreamFixture, "gemm that streams, beside another engine's tile in one kernel") {
  ProductOptions options{.bias = true, .element = Element::bf16, .on_tensor_cores = true};
  const std::int64_t n = 144, k = 200;
  const std::string fixed = fmt::format(R"("n": {}, "k": {})", n, k);
  const std::string steps = R"(, "tiles": ["64x128 from 17", "s16x16k4 from 9", "s16x8k8"])";
  for (const std::string target : {"sm_80", "sm_90a"}) {
    if (target == "sm_90a" && device().info().compute_capability != 90) continue;
    for (const std::string& dims : {dynamic_dims, fixed}) {
      const GeneratedLibrary library(device(), product_entry("gemm", dims, options, steps), "",
                                     target);
      for (const std::int64_t m : {0, 1, 8, 9, 16, 17, 70})
        check(library.kernel("p"), {random, m, n, k, options});
    }
    // Of a static m, the tile that counts there.
    for (const std::int64_t m : {8, 16, 17}) {
      const std::string all = fixed + fmt::format(R"(, "m": {})", m);
      for (const std::string& more : {std::string(), steps}) {
        const GeneratedLibrary library(device(), product_entry("gemm", all, options, more), "",
                                       target);
        check(library.kernel("p"), {random, m, n, k, options});
      }
    }
  }
}

TEST_CASE("gemm that streams, refused") {
  const auto problems = [](const std::string& fields, const std::string& target) {
    return problems_of(R"({"name": "p", "template": "gemm", "n": 16, "k": 8, )" + fields + "}", "",
                       target);
  };
  struct Refused {
    const char *fields, *message, *target = "sm_80";
  };
  for (const Refused& r :
       {Refused{R"("dtype": "f32", "tile": "s16x8k4")", "/tile: s16x8k4 is no tile of this gemm"},
        {R"("dtype": "f32", "math": "tf32", "tiles": ["s16x8k4"])",
         "/tiles: s16x8k4 is no tile of this gemm", "sm_90a"},
        {R"("dtype": "f16", "tile": "s16x8k3")", "/tile: expected one of"}}) {
    const std::string said = problems(r.fields, r.target);
    CAPTURE(said);
    CHECK(said.find("error: /kernels/0" + std::string(r.message)) != said.npos);
  }
  CHECK(problems(R"("dtype": "f16", "tile": "s32x16k4")", "sm_80") == "");
  CHECK(problems(R"("dtype": "bf16", "tile": "s32x16k4")", "sm_90a") == "");
}

}  // namespace ptxmill::test
