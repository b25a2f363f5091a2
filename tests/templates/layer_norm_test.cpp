// Layer norm against the double-precision reference: widths around each way of spreading a row
// over threads, and inputs at which a careless mean or variance goes wrong.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "runtime/error.hpp"
#include "tests/templates/row_norm.hpp"

namespace ptxmill::test {
namespace {

struct LayerNormFamily {
  static constexpr const char* name = "layer_norm";
  static constexpr int vectors = 2;
  static constexpr bool infinity_is_nan = true;  // in the whole row: the mean is infinite
  static reference::Expected expect(const std::vector<float>& x, std::size_t d,
                                    const std::vector<std::vector<float>>& vectors, double eps) {
    return reference::expect_layer_norm(x, d, vectors[0], vectors[1], eps);
  }
};
using LayerNormFixture = RowNormFixture<LayerNormFamily>;

std::string spec(const std::string& d_model, const std::string& more = "") {
  return R"({"name": "k", "template": "layer_norm", "dtype": "f32", "d_model": )" + d_model + more +
         "}";
}

}  // namespace

TEST_CASE_FIXTURE(LayerNormFixture, "layer_norm, every width by a kernel made for it") {
  element = each_element();
  check_widths_by_own_kernels();
}

TEST_CASE_FIXTURE(LayerNormFixture, "layer_norm, every width by the kernel for any") {
  element = each_element();
  check_widths_by_one_kernel();
}

TEST_CASE_FIXTURE(LayerNormFixture, "layer_norm, random shapes") {
  element = each_element();
  check_random_shapes();
}

TEST_CASE_FIXTURE(LayerNormFixture, "layer_norm, block sizes that the spec sets") {
  element = each_element();
  check_block_sizes();
}

TEST_CASE_FIXTURE(LayerNormFixture, "layer_norm, rows far from 0") {
  element = each_element();
  // The mean of squares less the square of the mean would leave nothing of the variance.
  for (const std::string d : {"384", "1280", R"("dynamic")"}) {
    CAPTURE(d);
    const GeneratedLibrary library(device(), spec(d));
    Matrix x = draw_matrix(4, d == "384" ? 384 : 1280);
    for (float& v : x.values) v = reference::round_to(element, v + 1e4);
    check({*this, library.kernel("k"), "d_model"}, x);
  }
}

TEST_CASE_FIXTURE(LayerNormFixture, "layer_norm, constant rows are the shift, bit for bit") {
  element = each_element();
  // The sum of equal small integers is exact, and so is the mean.
  for (const std::string width : {"384", "1277", R"("dynamic")"}) {
    CAPTURE(width);
    const GeneratedLibrary library(device(), spec(width));
    const std::int64_t d = width == "384" ? 384 : 1277;
    Matrix x{3, d, {}};
    for (const float value : {-3.f, 0.f, 7.f}) x.values.insert(x.values.end(), d, value);
    const auto vectors = draw_vectors(d);
    const MatrixKernel kernel(*this, library.kernel("k"), "d_model");
    const Matrix result = kernel.run(x, vectors);
    for (std::int64_t i = 0; i < x.rows; ++i) CHECK(compare_bits(result.row(i).values, vectors[1]));
  }
}

TEST_CASE_FIXTURE(LayerNormFixture, "layer_norm, the epsilon of the spec") {
  element = each_element();
  check_epsilon();
}

TEST_CASE_FIXTURE(LayerNormFixture, "layer_norm, NaN and infinity spoil their row alone") {
  element = each_element();
  check_what_is_not_finite();
}

TEST_CASE_FIXTURE(LayerNormFixture,
                  "layer_norm, nothing to do is a success; the result may be the input") {
  element = each_element();
  check_nothing_to_do_and_in_place();
}

TEST_CASE_FIXTURE(LayerNormFixture, "layer_norm, a tensor too short is refused and untouched") {
  const GeneratedLibrary library(device(), test::spec("96"));
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
