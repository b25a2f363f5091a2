// What the tests of layer_norm and rms_norm share: widths around each way of spreading a row over
// threads, for each element type.
#pragma once

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tests/reference/rows.hpp"
#include "tests/support/shapes.hpp"
#include "tests/templates/matrix_kernel.hpp"

namespace ptxmill::test {

/// Of the family `Family`: its name, how many vectors of the row's width its kernels take, and what
/// they should give for eps.
template <class Family>
class RowNormFixture : public ElementFixture {
 public:
  static constexpr double default_eps = 1e-5;

  RowNormFixture() : ElementFixture(Family::name) {}

  std::string spec(const std::string& d_model, const std::string& more = "") const {
    return std::string(R"({"name": "k", "template": ")") + Family::name + R"(", "dtype": ")" +
           reference::name_of(element) + R"(", "d_model": )" + d_model + more + "}";
  }
  std::vector<std::vector<float>> draw_vectors(std::int64_t d) {
    std::vector<std::vector<float>> vectors;
    for (int i = 0; i < Family::vectors; ++i) vectors.push_back(draw_values(d));
    return vectors;
  }

  void check(const MatrixKernel& kernel, const Matrix& x, double eps = default_eps) {
    const auto d = static_cast<std::size_t>(x.cols);
    const auto vectors = draw_vectors(x.cols);
    const Matrix result = kernel.run(x, vectors);
    const auto expected =
        reference::stored_as(element, Family::expect(x.values, d, vectors, eps), 2);
    CHECK(compare(result.values, expected.value, expected.bound, x.shape()));
    if (x.rows > 1) kernel.check_determinism(x, result, vectors);
  }

  bool affordable(const std::string& kernel, std::int64_t rows, std::int64_t cols) {
    return budget.allows(std::string(Family::name) + " " + reference::name_of(element) + " " +
                             kernel + " " + std::to_string(rows) + "x" + std::to_string(cols),
                         static_cast<std::uint64_t>(rows * cols));
  }

  /// Widths at which the way of spreading a row changes: a warp's reach, its registers', a CTA's, a
  /// CTA's registers'; and the models'.
  static std::vector<std::int64_t> widths() {
    std::vector<std::int64_t> all = edge_sizes({32, 128, 256, 512, 1024, 2048, 4096});
    for (const std::int64_t d : {384, 386, 768, 1280, 3584, 8192, 16384, 32768, 32771, 51865, 51868,
                                 1 << 20, (1 << 20) + 1})
      all.push_back(d);
    return all;
  }
  static std::int64_t rows_for(std::int64_t d) { return d > 20000 ? 1 : d > 2000 ? 3 : 9; }

  void check_widths_by_own_kernels() {
    for (const std::int64_t d : widths()) {
      CAPTURE(d);
      if (!affordable("static", rows_for(d), d)) continue;
      const GeneratedLibrary library(device(), spec(std::to_string(d)));
      check({*this, library.kernel("k"), "d_model"}, draw_matrix(rows_for(d), d));
    }
  }

  void check_widths_by_one_kernel() {
    const GeneratedLibrary library(device(), spec(R"("dynamic")"));
    const MatrixKernel kernel(*this, library.kernel("k"), "d_model");
    for (const std::int64_t d : widths()) {
      CAPTURE(d);
      if (affordable("dynamic", rows_for(d), d)) check(kernel, draw_matrix(rows_for(d), d));
    }
  }

  void check_random_shapes() {
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

  void check_block_sizes() {
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

  void check_epsilon() {
    const GeneratedLibrary library(device(), spec("64", R"(, "eps": 0.25)"));
    Matrix x = draw_matrix(8, 64);
    for (float& v : x.values) v = reference::round_to(element, 0.5 * v);
    check({*this, library.kernel("k"), "d_model"}, x, 0.25);
  }

  void check_what_is_not_finite() {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    for (const std::string width : {"384", "1280", R"("dynamic")"}) {
      CAPTURE(width);
      const GeneratedLibrary library(device(), spec(width));
      const MatrixKernel kernel(*this, library.kernel("k"), "d_model");
      const std::int64_t d = width == "384" ? 384 : 1280;
      const Matrix clean = draw_matrix(4, d);
      const std::vector<std::vector<float>> ones(
          Family::vectors, std::vector<float>(static_cast<std::size_t>(d), 1.f));
      const Matrix expected = kernel.run(clean, ones);
      Matrix x = clean;
      x.values[static_cast<std::size_t>(d + 17)] = std::numeric_limits<float>::quiet_NaN();
      x.values[static_cast<std::size_t>(3 * d - 1)] = -infinity;
      const Matrix result = kernel.run(x, ones);
      for (const std::int64_t i : {0, 3})
        CHECK(compare_bits(result.row(i).values, expected.row(i).values));
      for (const float v : result.row(1).values) CHECK(std::isnan(v));
      CHECK(std::isnan(result.row(2).values.back()));
      for (const float v : result.row(2).values) CHECK((std::isnan(v) || !Family::infinity_is_nan));
    }
  }

  void check_nothing_to_do_and_in_place() {
    const GeneratedLibrary library(device(), spec("96"));
    const MatrixKernel kernel(*this, library.kernel("k"), "d_model");
    const auto vectors = draw_vectors(96);
    CHECK(kernel.run({0, 96, {}}, vectors).values.empty());
    const GeneratedLibrary any(device(), spec(R"("dynamic")"));
    CHECK(MatrixKernel(*this, any.kernel("k"), "d_model")
              .run({7, 0, {}}, std::vector<std::vector<float>>(Family::vectors))
              .values.empty());

    for (const std::int64_t d : {96, 1284, 9000}) {
      CAPTURE(d);
      const Matrix x = draw_matrix(3, d);
      const MatrixKernel of_any(*this, any.kernel("k"), "d_model");
      const auto more = draw_vectors(d);
      CHECK(
          compare_bits(of_any.run_in_place(x, more).values, of_any.run(x, more).values, x.shape()));
    }
    const Matrix x = draw_matrix(5, 96);
    CHECK(compare_bits(kernel.run_in_place(x, vectors).values, kernel.run(x, vectors).values));
  }

  CaseBudget budget{200'000, 3'000'000};
};

}  // namespace ptxmill::test
