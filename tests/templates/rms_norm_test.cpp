// RMS norm against the double-precision reference.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/templates/row_norm.hpp"

namespace ptxmill::test {
namespace {

struct RmsNormFamily {
  static constexpr const char* name = "rms_norm";
  static constexpr int vectors = 1;
  static constexpr bool infinity_is_nan = false;  // the others of the row are over infinity: 0
  static reference::Expected expect(const std::vector<float>& x, std::size_t d,
                                    const std::vector<std::vector<float>>& vectors, double eps) {
    return reference::expect_rms_norm(x, d, vectors[0], eps);
  }
};
using RmsNormFixture = RowNormFixture<RmsNormFamily>;

}  // namespace

TEST_CASE_FIXTURE(RmsNormFixture, "rms_norm, every width by a kernel made for it") {
  element = each_element();
  check_widths_by_own_kernels();
}

TEST_CASE_FIXTURE(RmsNormFixture, "rms_norm, every width by the kernel for any") {
  element = each_element();
  check_widths_by_one_kernel();
}

TEST_CASE_FIXTURE(RmsNormFixture, "rms_norm, random shapes") {
  element = each_element();
  check_random_shapes();
}

TEST_CASE_FIXTURE(RmsNormFixture, "rms_norm, block sizes that the spec sets") {
  element = each_element();
  check_block_sizes();
}

TEST_CASE_FIXTURE(RmsNormFixture, "rms_norm, rows of one magnitude are the scale, bit for bit") {
  element = each_element();
  // The sum of equal powers of two is exact, and with eps 0 so are the root and its reciprocal.
  for (const std::string width : {"512", R"("dynamic")"}) {
    CAPTURE(width);
    const GeneratedLibrary library(device(), spec(width, R"(, "eps": 0)"));
    Matrix x{3, 512, {}};
    for (const float value : {-2.f, 0.25f, 4.f}) x.values.insert(x.values.end(), 512, value);
    const auto vectors = draw_vectors(512);
    const MatrixKernel kernel(*this, library.kernel("k"), "d_model");
    const Matrix result = kernel.run(x, vectors);
    std::vector<float> negated;
    for (const float v : vectors[0]) negated.push_back(-v);
    CHECK(compare_bits(result.row(0).values, negated));
    CHECK(compare_bits(result.row(1).values, vectors[0]));
    CHECK(compare_bits(result.row(2).values, vectors[0]));
  }
}

TEST_CASE_FIXTURE(RmsNormFixture, "rms_norm, the epsilon of the spec") {
  element = each_element();
  check_epsilon();
}

TEST_CASE_FIXTURE(RmsNormFixture, "rms_norm, NaN and infinity spoil their row alone") {
  element = each_element();
  check_what_is_not_finite();
}

TEST_CASE_FIXTURE(RmsNormFixture,
                  "rms_norm, nothing to do is a success; the result may be the input") {
  element = each_element();
  check_nothing_to_do_and_in_place();
}

TEST_CASE("rms_norm, the smallest spec, and refused ones") {
  const auto spec = [](const std::string& more) {
    return R"({"name": "k", "template": "rms_norm", "dtype": "bf16", "d_model": 1)" + more + "}";
  };
  CHECK(problems_of(spec("")).empty());
  CHECK(problems_of(spec(R"(, "eps": 2)")) ==
        "test.json:2:77: error: /kernels/0/eps: expected a number from 0 to 1, got 2\n");
  CHECK(problems_of(spec(R"(, "beta": true)")).find("/kernels/0/beta: unknown key") !=
        std::string::npos);
  CHECK(problems_of(R"({"name": "k", "template": "rms_norm", "dtype": "f64", "d_model": 8})")
            .find("/kernels/0/dtype: expected") != std::string::npos);
}

}  // namespace ptxmill::test
