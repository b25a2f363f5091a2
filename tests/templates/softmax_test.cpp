// Softmax and its logarithm against the double-precision reference: widths around each way of
// keeping a row, infinities and NaN, and rows that an online sum finds hard.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tests/reference/rows.hpp"
#include "tests/support/inputs.hpp"
#include "tests/support/shapes.hpp"
#include "tests/templates/matrix_kernel.hpp"

namespace ptxmill::test {
namespace {

constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();

std::string spec(const std::string& cols, bool log, const std::string& more = "",
                 reference::Element element = reference::Element::f32) {
  return std::string(R"({"name": "k", "template": "softmax", "dtype": ")") +
         reference::name_of(element) + R"(", "cols": )" + cols + R"(, "log": )" +
         (log ? "true" : "false") + more + "}";
}

reference::Expected expect(reference::Element element, const std::vector<float>& x,
                           std::size_t cols, bool log) {
  return reference::stored_as(
      element, log ? reference::expect_log_softmax(x, cols) : reference::expect_softmax(x, cols),
      2);
}

class SoftmaxFixture : public ElementFixture {
 public:
  SoftmaxFixture() : ElementFixture("softmax") {}

  GeneratedLibrary made(const std::string& cols, bool log, const std::string& more = "") const {
    return GeneratedLibrary(device(), spec(cols, log, more, element));
  }

  void check(const MatrixKernel& kernel, const Matrix& x, bool log) const {
    const Matrix result = kernel.run(x);
    const auto expected = expect(element, x.values, static_cast<std::size_t>(x.cols), log);
    CHECK(compare(result.values, expected.value, expected.bound, x.shape()));
    if (x.rows > 1) kernel.check_determinism(x, result);
  }

  bool affordable(const std::string& kernel, std::int64_t rows, std::int64_t cols) {
    return budget.allows(std::string("softmax ") + reference::name_of(element) + " " + kernel +
                             " " + std::to_string(rows) + "x" + std::to_string(cols),
                         static_cast<std::uint64_t>(rows * cols));
  }

  struct Way {
    std::string cols;  ///< as the spec says
    std::int64_t width;
  };
  /// Calls `body(log, width, kernel)` for kernels of each way of keeping a row: in a warp's
  /// registers, in a CTA's, in shared memory, and not at all.
  template <class Body>
  void for_each_way(Body body) const {
    for (const bool log : {false, true})
      for (const Way& way : {Way{"300", 300}, Way{"2100", 2100}, Way{"33000", 33000},
                             Way{R"("dynamic")", 300}, Way{R"("dynamic")", 2101}}) {
        CAPTURE(log);
        CAPTURE(way.cols);
        CAPTURE(way.width);
        const GeneratedLibrary library = made(way.cols, log);
        body(log, way.width, MatrixKernel(*this, library.kernel("k"), "cols"));
      }
  }

  CaseBudget budget{200'000, 4'000'000};
};

std::vector<std::int64_t> widths() {
  std::vector<std::int64_t> all = edge_sizes({32, 128, 256, 512, 1024, 2048, 4096});
  for (const std::int64_t cols : {384, 1500, 8192, 16384, 16385, 32768, 32772, 40001, 51864, 51865,
                                  51866, 128256, 151936, 1 << 20, (1 << 20) + 1})
    all.push_back(cols);
  return all;
}

std::int64_t rows_for(std::int64_t cols) { return cols > 20000 ? 1 : cols > 2000 ? 3 : 9; }

/// Where x is -inf, the result must be exactly that of weight 0; elsewhere, that of the row
/// without those columns.
void check_excluding(reference::Element element, const Matrix& x, const Matrix& result, bool log) {
  for (std::int64_t i = 0; i < x.rows; ++i) {
    const std::vector<float> ins = x.row(i).values, outs = result.row(i).values;
    std::vector<float> kept, actual;
    for (std::size_t j = 0; j < ins.size(); ++j) {
      const float in = ins[j], out = outs[j];
      if (in == -infinity) {
        CHECK(out == (log ? -infinity : 0.f));
      } else {
        kept.push_back(in);
        actual.push_back(out);
      }
    }
    const auto expected = expect(element, kept, kept.size(), log);
    CHECK(compare(actual, expected.value, expected.bound));
  }
}

}  // namespace

TEST_CASE_FIXTURE(SoftmaxFixture, "softmax, every width by a kernel made for it") {
  element = each_element();
  for (const std::int64_t cols : widths())
    for (const bool log : {false, true}) {
      CAPTURE(cols);
      CAPTURE(log);
      if (!affordable("static", rows_for(cols), cols)) continue;
      const GeneratedLibrary library = made(std::to_string(cols), log);
      check({*this, library.kernel("k"), "cols"}, draw_matrix(rows_for(cols), cols), log);
    }
}

TEST_CASE_FIXTURE(SoftmaxFixture, "softmax, every width by the kernel for any") {
  element = each_element();
  for (const bool log : {false, true}) {
    const GeneratedLibrary library = made(R"("dynamic")", log);
    const MatrixKernel kernel(*this, library.kernel("k"), "cols");
    for (const std::int64_t cols : widths()) {
      CAPTURE(cols);
      CAPTURE(log);
      if (affordable("dynamic", rows_for(cols), cols))
        check(kernel, draw_matrix(rows_for(cols), cols), log);
    }
  }
}

TEST_CASE_FIXTURE(SoftmaxFixture, "softmax, random shapes") {
  element = each_element();
  for (const bool log : {false, true}) {
    const GeneratedLibrary library = made(R"("dynamic")", log);
    const MatrixKernel kernel(*this, library.kernel("k"), "cols");
    for (int i = 0; i < 30; ++i) {
      const std::int64_t rows = random_size(random, 300), cols = random_size(random, 5000);
      const Inputs inputs = inputs_of_case(i);
      CAPTURE(log);
      CAPTURE(rows);
      CAPTURE(cols);
      CAPTURE(name_of(inputs));
      if (affordable("random", rows, cols)) check(kernel, draw_matrix(rows, cols, inputs), log);
    }
  }
}

TEST_CASE_FIXTURE(SoftmaxFixture, "softmax, block sizes that the spec sets") {
  element = each_element();
  for (const int block : {32, 64, 256, 1024})
    for (const int cols : {100, 1500, 9000}) {
      CAPTURE(block);
      CAPTURE(cols);
      const std::string more = R"(, "block": )" + std::to_string(block);
      const GeneratedLibrary library = made(std::to_string(cols), false, more);
      if (affordable("block " + std::to_string(block), 3, cols))
        check({*this, library.kernel("k"), "cols"}, draw_matrix(3, cols), false);
    }
}

TEST_CASE_FIXTURE(SoftmaxFixture, "softmax, rows of equal values, rising, falling, far apart") {
  element = each_element();
  for_each_way([&](bool log, std::int64_t width, const MatrixKernel& kernel) {
    const auto row = [&](auto value) {
      std::vector<float> v(static_cast<std::size_t>(width));
      for (std::size_t j = 0; j < v.size(); ++j)
        v[j] = reference::round_to(element, value(static_cast<float>(j)));
      check(kernel, {1, width, v}, log);
    };
    const auto n = static_cast<float>(width);
    row([](float) { return 3.25f; });
    row([](float j) { return 1e-4f * j; });
    row([&](float j) { return 8.f * j / n; });  // a new maximum at each step
    row([&](float j) { return 300.f * j / n; });
    row([&](float j) { return -300.f * j / n; });
    const float far = element == reference::Element::f16 ? 3e4f : 1e30f;
    row([&](float j) { return far * std::fmod(j, 3.f); });
    row([&](float j) { return j == n - 1 ? 50.f : -50.f; });
    row([](float j) { return 1e4f + std::fmod(j, 7.f); });
  });
}

TEST_CASE_FIXTURE(SoftmaxFixture, "softmax, columns of -inf weigh nothing") {
  element = each_element();
  for_each_way([&](bool log, std::int64_t width, const MatrixKernel& kernel) {
    Matrix x = draw_matrix(3, width);
    for (std::int64_t j = 0; j < width; ++j) {
      if (j % 3 == 1) x.values[static_cast<std::size_t>(j)] = -infinity;             // some
      if (j < width - 2) x.values[static_cast<std::size_t>(width + j)] = -infinity;  // most
      if (j != 1) x.values[static_cast<std::size_t>(2 * width + j)] = -infinity;     // all but one
    }
    check_excluding(element, x, kernel.run(x), log);
  });
}

TEST_CASE_FIXTURE(SoftmaxFixture,
                  "softmax, a row of -inf, with a NaN or +inf, is NaN, and no other") {
  element = each_element();
  for_each_way([&](bool log, std::int64_t width, const MatrixKernel& kernel) {
    const Matrix clean = draw_matrix(4, width);
    const Matrix expected = kernel.run(clean);
    Matrix x = clean;
    const auto w = static_cast<std::size_t>(width);
    std::fill_n(x.values.begin(), w, -infinity);
    x.values[2 * w - 1] = nan;
    x.values[2 * w + 5] = infinity;
    const Matrix result = kernel.run(x);
    (void)log;
    CHECK(compare_bits(result.row(3).values, expected.row(3).values));
    const std::size_t numbers = static_cast<std::size_t>(std::count_if(
        result.values.begin(), result.values.begin() + static_cast<std::ptrdiff_t>(3 * w),
        [](float v) { return !std::isnan(v); }));
    CHECK(numbers == 0);
  });
}

TEST_CASE_FIXTURE(SoftmaxFixture,
                  "softmax, nothing to do is a success; the result may be the input") {
  element = each_element();
  const GeneratedLibrary library = made("96", false);
  const MatrixKernel kernel(*this, library.kernel("k"), "cols");
  CHECK(kernel.run({0, 96, {}}).values.empty());
  const GeneratedLibrary any = made(R"("dynamic")", false);
  CHECK(MatrixKernel(*this, any.kernel("k"), "cols").run({7, 0, {}}).values.empty());
  const Matrix x = draw_matrix(5, 96);
  CHECK(compare_bits(kernel.run_in_place(x).values, kernel.run(x).values, x.shape()));
  for (const std::int64_t cols : {96, 1284, 9000}) {
    CAPTURE(cols);
    const Matrix wide = draw_matrix(3, cols);
    const MatrixKernel of_any(*this, any.kernel("k"), "cols");
    CHECK(compare_bits(of_any.run_in_place(wide).values, of_any.run(wide).values, wide.shape()));
  }
}

TEST_CASE("softmax, what the spec reader refuses") {
  CHECK(problems_of(R"({"name": "k", "template": "softmax", "dtype": "f32", "cols": 1})").empty());
  CHECK(problems_of(spec("0", false)) ==
        "test.json:2:62: error: /kernels/0/cols: expected an integer from 1 to 2147483647, "
        "got 0\n");
  CHECK(problems_of(spec("64", false, R"(, "block": 2048)")).find("/kernels/0/block: expected") !=
        std::string::npos);
  CHECK(problems_of(R"({"name": "k", "template": "softmax", "dtype": "f64", "cols": 8})")
            .find("/kernels/0/dtype: expected") != std::string::npos);
}

}  // namespace ptxmill::test
