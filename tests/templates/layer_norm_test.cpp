// Layer norm against the double-precision reference: widths around each way of spreading a row
// over threads, and inputs at which a careless mean or variance goes wrong.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "runtime/error.hpp"
#include "tests/reference/rows.hpp"
#include "tests/support/inputs.hpp"
#include "tests/support/shapes.hpp"
#include "tests/templates/matrix_kernel.hpp"

namespace ptxmill::test {
namespace {

constexpr double eps = 1e-5;
constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();

std::string spec(const std::string& d_model, const std::string& more = "") {
  return R"({"name": "k", "template": "layer_norm", "dtype": "f32", "d_model": )" + d_model + more +
         "}";
}

class LayerNormFixture : public DeviceFixture {
 public:
  void check(const MatrixKernel& kernel, const Matrix& x, double of_eps = eps) {
    const auto d = static_cast<std::size_t>(x.cols);
    const std::vector<float> gamma = draw(random, d);
    const std::vector<float> beta = draw(random, d);
    const Matrix result = kernel.run(x, {gamma, beta});
    const auto expected = reference::expect_layer_norm(x.values, d, gamma, beta, of_eps);
    CHECK(compare(result.values, expected.value, expected.bound, x.shape()));
    if (x.rows > 1) kernel.check_determinism(x, result, {gamma, beta});
  }

  Matrix draw_matrix(std::int64_t rows, std::int64_t cols, Inputs inputs = Inputs::normal) {
    return {rows, cols, draw(random, static_cast<std::size_t>(rows * cols), inputs)};
  }

  bool affordable(const std::string& kernel, std::int64_t rows, std::int64_t cols) {
    return budget.allows(
        "layer_norm " + kernel + " " + std::to_string(rows) + "x" + std::to_string(cols),
        static_cast<std::uint64_t>(rows * cols));
  }

  Random random = random_for("layer_norm");
  CaseBudget budget{200'000, 3'000'000};
};

/// Widths at which the way of spreading a row changes: a warp's reach, its registers', a CTA's, a
/// CTA's registers'; and the models'.
std::vector<std::int64_t> widths() {
  std::vector<std::int64_t> all = edge_sizes({32, 128, 512, 1024, 2048, 4096});
  for (const std::int64_t d :
       {384, 386, 768, 1280, 3584, 8192, 16384, 32768, 32771, 51865, 51868, 1 << 20, (1 << 20) + 1})
    all.push_back(d);
  return all;
}

}  // namespace

TEST_CASE_FIXTURE(LayerNormFixture, "layer_norm, every width by a kernel made for it") {
  for (const std::int64_t d : widths()) {
    CAPTURE(d);
    const std::int64_t rows = d > 20000 ? 1 : d > 2000 ? 3 : 9;
    if (!affordable("static", rows, d)) continue;
    const GeneratedLibrary library(device(), spec(std::to_string(d)));
    check({*this, library.kernel("k"), "d_model"}, draw_matrix(rows, d));
  }
}

TEST_CASE_FIXTURE(LayerNormFixture, "layer_norm, every width by the kernel for any") {
  const GeneratedLibrary library(device(), spec(R"("dynamic")"));
  const MatrixKernel kernel(*this, library.kernel("k"), "d_model");
  for (const std::int64_t d : widths()) {
    CAPTURE(d);
    const std::int64_t rows = d > 20000 ? 1 : d > 2000 ? 3 : 9;
    if (affordable("dynamic", rows, d)) check(kernel, draw_matrix(rows, d));
  }
}

TEST_CASE_FIXTURE(LayerNormFixture, "layer_norm, random shapes") {
  const GeneratedLibrary library(device(), spec(R"("dynamic")"));
  const MatrixKernel kernel(*this, library.kernel("k"), "d_model");
  for (int i = 0; i < 40; ++i) {
    const std::int64_t rows = random_size(random, 300), d = random_size(random, 5000);
    const Inputs inputs = inputs_of_case(i);
    CAPTURE(rows);
    CAPTURE(d);
    CAPTURE(name_of(inputs));
    if (affordable("random", rows, d)) check(kernel, draw_matrix(rows, d, inputs));
  }
}

TEST_CASE_FIXTURE(LayerNormFixture, "layer_norm, block sizes that the spec sets") {
  for (const int block : {32, 64, 256, 1024})
    for (const int d : {100, 384, 1500, 2048}) {
      CAPTURE(block);
      CAPTURE(d);
      const std::string more = R"(, "block": )" + std::to_string(block);
      const GeneratedLibrary library(device(), spec(std::to_string(d), more));
      if (affordable("block " + std::to_string(block), 5, d))
        check({*this, library.kernel("k"), "d_model"}, draw_matrix(5, d));
    }
}

TEST_CASE_FIXTURE(LayerNormFixture, "layer_norm, rows far from 0") {
  // The mean of squares less the square of the mean would leave nothing of the variance.
  for (const std::string d : {"384", "1280", R"("dynamic")"}) {
    CAPTURE(d);
    const GeneratedLibrary library(device(), spec(d));
    Matrix x = draw_matrix(4, d == "384" ? 384 : 1280);
    for (float& v : x.values) v += 1e4f;
    check({*this, library.kernel("k"), "d_model"}, x);
  }
}

TEST_CASE_FIXTURE(LayerNormFixture, "layer_norm, constant rows are the shift, bit for bit") {
  // The sum of equal small integers is exact, and so is the mean.
  for (const std::string width : {"384", "1277", R"("dynamic")"}) {
    CAPTURE(width);
    const GeneratedLibrary library(device(), spec(width));
    const std::int64_t d = width == "384" ? 384 : 1277;
    Matrix x{3, d, {}};
    for (const float value : {-3.f, 0.f, 7.f}) x.values.insert(x.values.end(), d, value);
    const std::vector<float> gamma = draw(random, static_cast<std::size_t>(d));
    const std::vector<float> beta = draw(random, static_cast<std::size_t>(d));
    const MatrixKernel kernel(*this, library.kernel("k"), "d_model");
    const Matrix result = kernel.run(x, {gamma, beta});
    for (std::int64_t i = 0; i < x.rows; ++i) CHECK(compare_bits(result.row(i).values, beta));
  }
}

TEST_CASE_FIXTURE(LayerNormFixture, "layer_norm, the epsilon of the spec") {
  const GeneratedLibrary library(device(), spec("64", R"(, "eps": 0.25)"));
  Matrix x = draw_matrix(8, 64);
  for (float& v : x.values) v *= 0.5f;
  check({*this, library.kernel("k"), "d_model"}, x, 0.25);
}

TEST_CASE_FIXTURE(LayerNormFixture, "layer_norm, NaN and infinity spoil their row alone") {
  for (const std::string width : {"384", "1280", R"("dynamic")"}) {
    CAPTURE(width);
    const GeneratedLibrary library(device(), spec(width));
    const MatrixKernel kernel(*this, library.kernel("k"), "d_model");
    const std::int64_t d = width == "384" ? 384 : 1280;
    const Matrix clean = draw_matrix(4, d);
    const std::vector<float> ones(static_cast<std::size_t>(d), 1.f);
    const Matrix expected = kernel.run(clean, {ones, ones});
    Matrix x = clean;
    x.values[static_cast<std::size_t>(d + 17)] = nan;
    x.values[static_cast<std::size_t>(3 * d - 1)] = -infinity;
    const Matrix result = kernel.run(x, {ones, ones});
    for (const std::int64_t i : {0, 3})
      CHECK(compare_bits(result.row(i).values, expected.row(i).values));
    for (const std::int64_t i : {1, 2})
      for (const float v : result.row(i).values) CHECK(std::isnan(v));
  }
}

TEST_CASE_FIXTURE(LayerNormFixture,
                  "layer_norm, nothing to do is a success; the result may be the input") {
  const GeneratedLibrary library(device(), spec("96"));
  const MatrixKernel kernel(*this, library.kernel("k"), "d_model");
  const std::vector<float> gamma = draw(random, 96), beta = draw(random, 96);
  CHECK(kernel.run({0, 96, {}}, {gamma, beta}).values.empty());
  const GeneratedLibrary any(device(), spec(R"("dynamic")"));
  CHECK(MatrixKernel(*this, any.kernel("k"), "d_model").run({7, 0, {}}, {{}, {}}).values.empty());

  const Matrix x = draw_matrix(5, 96);
  const Matrix expected = kernel.run(x, {gamma, beta});
  const auto both = input(x.values, {5, 96});
  const auto g = input(gamma, {96}), b = input(beta, {96});
  library.kernel("k").launch(stream, {{"rows", 5}}, both.tensor(), g.tensor(), b.tensor(),
                             both.tensor());
  CHECK(compare_bits(both.read(), expected.values, x.shape()));
}

TEST_CASE_FIXTURE(LayerNormFixture, "layer_norm, a tensor too short is refused and untouched") {
  const GeneratedLibrary library(device(), spec("96"));
  const auto x = input(std::vector<float>(96), {1, 96});
  const auto g = input(std::vector<float>(96), {96}), b = input(std::vector<float>(95), {95});
  const auto out = output({1, 96});
  CHECK_THROWS_WITH_AS(library.kernel("k").launch(stream, {{"rows", 1}}, x.tensor(), g.tensor(),
                                                  b.tensor(), out.tensor()),
                       doctest::Contains("beta"), rt::Error);
  out.check_untouched(0, 96 * sizeof(float));
}

TEST_CASE("layer_norm, what the spec reader refuses") {
  CHECK(problems_of(spec("1")).empty());
  CHECK(problems_of(spec("1048576")).empty());
  CHECK(problems_of(spec("0")) ==
        "test.json:2:68: error: /kernels/0/d_model: expected an integer from 1 to 2147483647, "
        "got 0\n");
  CHECK(problems_of(spec("64", R"(, "eps": -1)")) ==
        "test.json:2:79: error: /kernels/0/eps: expected a number from 0 to 1, got -1\n");
  CHECK(problems_of(spec("64", R"(, "block": 48)")) ==
        "test.json:2:81: error: /kernels/0/block: expected a multiple of 32, got 48\n");
  CHECK(problems_of(R"({"name": "k", "template": "layer_norm", "dtype": "f32"})").find("d_model") !=
        std::string::npos);
}

}  // namespace ptxmill::test
