// Elementwise chains: the activations' accuracy at arguments of every exponent, the operations'
// order, shapes, and what NaN and infinity become.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "runtime/error.hpp"
#include "tests/reference/elementwise.hpp"
#include "tests/reference/expected.hpp"
#include "tests/support/inputs.hpp"
#include "tests/support/shapes.hpp"
#include "tests/templates/float_sweep.hpp"
#include "tests/templates/matrix_kernel.hpp"

namespace ptxmill::test {
namespace {

using reference::Activation;

constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float largest = std::numeric_limits<float>::max();

std::string spec(const std::string& ops, const std::string& more = "",
                 reference::Element element = reference::Element::f32) {
  return std::string(R"({"name": "k", "template": "elementwise", "dtype": ")") +
         reference::name_of(element) + R"(", "ops": [)" + ops + "]" + more + "}";
}

Activation activation_called(const std::string& op) {
  return op == "relu"        ? Activation::relu
         : op == "gelu"      ? Activation::gelu
         : op == "gelu_tanh" ? Activation::gelu_tanh
                             : Activation::silu;
}

class ElementwiseFixture : public ElementFixture {
 public:
  ElementwiseFixture() : ElementFixture("elementwise") {}

  GeneratedLibrary made(const std::string& ops, const std::string& more = "") const {
    return GeneratedLibrary(device(), spec(ops, more, element));
  }

  /// One operation without arguments on a row of values, by the kernel for any shape.
  std::vector<float> apply(const std::string& op, const std::vector<float>& x) const {
    const GeneratedLibrary library = made("\"" + op + "\"");
    const MatrixKernel kernel(*this, library.kernel("k"), "cols");
    return kernel.run({1, static_cast<std::int64_t>(x.size()), x}).values;
  }

  /// The suite's bound, and an own one in units in the last place, on every finite argument.
  void check_accuracy(const std::string& op, Activation activation, double units) const {
    const std::vector<float> x = every_exponent(-largest, largest, -20.f, 20.f);
    const std::vector<float> y = apply(op, x);
    const auto expected = reference::expect_each(
        x.size(), [&]<class T>(std::size_t i) { return reference::activate(activation, T(x[i])); });
    CHECK(compare(y, expected.value, expected.bound));
    const auto exact = [&](double v) { return reference::activate(activation, v); };
    CHECK(compare_units(y, x, exact, units));
  }

  /// What f32 arithmetic gave, as it is stored.
  std::vector<float> stored(const std::vector<float>& values) const {
    return reference::round_to(element, values);
  }

  CaseBudget budget{600'000, 8'000'000};
};

}  // namespace

TEST_CASE_FIXTURE(ElementwiseFixture, "elementwise, relu is exact") {
  check_accuracy("relu", Activation::relu, 0);
}

TEST_CASE_FIXTURE(ElementwiseFixture, "elementwise, silu in its tails too") {
  check_accuracy("silu", Activation::silu, 2.6);
}

TEST_CASE_FIXTURE(ElementwiseFixture, "elementwise, gelu_tanh in its tails too") {
  check_accuracy("gelu_tanh", Activation::gelu_tanh, 2.6);
}

TEST_CASE_FIXTURE(ElementwiseFixture,
                  "elementwise, gelu, and its negative tail relative to itself") {
  check_accuracy("gelu", Activation::gelu, 10);
  const auto exact = [](double v) { return reference::gelu(v); };
  struct Part {
    float low, high;
    double units;
  };
  for (const Part& part : {Part{-0.9f, largest, 1.8}, Part{-13.f, -0.9f, 6.0}}) {
    CAPTURE(part.low);
    const std::vector<float> x =
        every_exponent(part.low, part.high, part.low, std::min(part.high, 10.f));
    CHECK(compare_units(apply("gelu", x), x, exact, part.units));
  }
}

TEST_CASE_FIXTURE(ElementwiseFixture, "elementwise, exp") {
  const std::vector<float> x = every_exponent(-largest, 88.722f, -110.f, 88.722f);
  CHECK(compare_units(
      apply("exp", x), x, [](double v) { return std::exp(v); }, 0.9));
}

TEST_CASE_FIXTURE(ElementwiseFixture, "elementwise, every 16-bit value") {
  for (const auto type : {reference::Element::f16, reference::Element::bf16}) {
    element = type;
    std::vector<float> x;
    for (std::uint32_t i = 0; i < 0x10000; ++i) {
      const auto bits = static_cast<std::uint16_t>(i);
      const double value = rt::decode(dtype_of(type), std::as_bytes(std::span(&bits, 1)).data());
      if (std::isfinite(value)) x.push_back(static_cast<float>(value));
    }
    while (x.size() % 8 != 0) x.push_back(0);
    for (const std::string op : {"relu", "gelu", "gelu_tanh", "silu", "exp"}) {
      CAPTURE(reference::name_of(type));
      CAPTURE(op);
      const auto expected = reference::expect_each(x.size(), [&]<class T>(std::size_t i) {
        using std::exp;
        return op == "exp" ? exp(T(x[i])) : reference::activate(activation_called(op), T(x[i]));
      });
      const auto in_type = reference::stored_as(type, expected, 2);
      const std::vector<float> by_vectors = apply(op, x);
      CHECK(compare(by_vectors, in_type.value, in_type.bound));
      // One element fewer is no multiple of a vector.
      std::vector<float> one_by_one = apply(op, {x.begin(), x.end() - 1});
      one_by_one.push_back(by_vectors.back());
      CHECK(compare_bits(one_by_one, by_vectors));
    }
  }
}

TEST_CASE_FIXTURE(ElementwiseFixture,
                  "elementwise, NaN stays NaN and infinities are the formula's") {
  element = each_element();
  for (const std::string op : {"relu", "gelu", "gelu_tanh", "silu", "exp"}) {
    CAPTURE(op);
    for (const std::size_t size : {5, 8}) {
      CAPTURE(size);
      std::vector<float> x{nan, infinity, -infinity, -nan};
      x.resize(size, 1.f);
      const std::vector<float> y = apply(op, x);
      CHECK(std::isnan(y[0]));
      CHECK(y[1] == infinity);
      if (op == "relu" || op == "exp")
        CHECK(y[2] == 0.f);
      else
        CHECK(std::isnan(y[2]));
      CHECK(std::isnan(y[3]));
      CHECK(!std::isnan(y[4]));
    }
  }
}

TEST_CASE_FIXTURE(ElementwiseFixture, "elementwise, add at every shape") {
  element = each_element();
  const GeneratedLibrary library = made("\"add\"");
  const rt::DType dtype = dtype_of(element);
  const std::vector<std::int64_t> sizes = edge_sizes({4, 8, 384, 1024, 2048});
  for (const std::int64_t rows : {0, 1, 2, 5, 37})
    for (const std::int64_t cols : sizes) {
      CAPTURE(rows);
      CAPTURE(cols);
      const Matrix a = draw_matrix(rows, cols), b = draw_matrix(rows, cols);
      const auto x = input(a.values, {rows, cols}, dtype);
      const auto y = input(b.values, {rows, cols}, dtype);
      const auto out = output({rows, cols}, dtype);
      library.kernel("k").launch(stream, {{"rows", rows}, {"cols", cols}}, x.tensor(), y.tensor(),
                                 out.tensor());
      std::vector<float> expected;
      for (std::size_t i = 0; i < a.values.size(); ++i)
        expected.push_back(a.values[i] + b.values[i]);
      CHECK(compare_bits(out.values(), stored(expected), a.shape()));
    }
}

TEST_CASE_FIXTURE(ElementwiseFixture, "elementwise, a bias goes to its column at every shape") {
  element = each_element();
  const GeneratedLibrary any = made("\"bias\"");
  const auto check = [&](const rt::Kernel& kernel, std::int64_t rows, std::int64_t cols) {
    CAPTURE(rows);
    CAPTURE(cols);
    if (!budget.allows("bias " + std::to_string(rows) + "x" + std::to_string(cols),
                       static_cast<std::uint64_t>(rows * cols)))
      return;
    const Matrix a = draw_matrix(rows, cols);
    const std::vector<float> b = draw_values(cols);
    const Matrix result = MatrixKernel(*this, kernel, "cols").run(a, {b});
    std::vector<float> expected;
    for (std::size_t i = 0; i < a.values.size(); ++i)
      expected.push_back(a.values[i] + b[i % b.size()]);
    CHECK(compare_bits(result.values, stored(expected), a.shape()));
  };
  for (const std::int64_t cols : edge_sizes({4, 8, 128, 256, 1024, 4096}))
    for (const std::int64_t rows : {1, 2, 7, 70}) check(any.kernel("k"), rows, cols);
  check(any.kernel("k"), 0, 8);
  check(any.kernel("k"), 8, 0);
  // More groups of rows than CTAs in a column of the grid.
  const GeneratedLibrary narrow = made("\"bias\"", R"(, "block": 32)");
  check(narrow.kernel("k"), 65535 * 4 + 3, 33);
  for (const std::int64_t cols : {1, 6, 384, 1024, 1536, 2050}) {
    const GeneratedLibrary own = made("\"bias\"", R"(, "cols": )" + std::to_string(cols));
    for (const std::int64_t rows : {1, 3, 50}) check(own.kernel("k"), rows, cols);
  }
}

TEST_CASE_FIXTURE(ElementwiseFixture, "elementwise, a chain runs in the order given") {
  element = each_element();
  const rt::DType dtype = dtype_of(element);
  // ((x + y) * f + bias), and in the other order; exact on small integers.
  const auto run = [&](const std::string& ops, const std::string& more) {
    const GeneratedLibrary library = made(ops, more);
    const Matrix x = draw_matrix(6, 20, Inputs::small_integers);
    const Matrix y = draw_matrix(6, 20, Inputs::small_integers);
    const std::vector<float> bias = draw_values(20, Inputs::small_integers);
    const auto in = input(x.values, {6, 20}, dtype), other = input(y.values, {6, 20}, dtype);
    const auto b = input(bias, {20}, dtype), out = output({6, 20}, dtype);
    library.kernel("k").launch(stream, {{"rows", 6}, {"cols", 20}}, in.tensor(), other.tensor(),
                               3.f, b.tensor(), out.tensor());
    std::vector<float> expected;
    for (std::size_t i = 0; i < x.values.size(); ++i) {
      const float v = x.values[i], w = y.values[i], c = bias[i % 20];
      expected.push_back(ops.starts_with("\"add\"") ? std::max((v + w) * 3.f + c, 0.f)
                                                    : std::max(v, 0.f) * 3.f + c + w);
    }
    CHECK(compare_bits(out.values(), expected, x.shape()));
  };
  for (const std::string more : {"", R"(, "rows": 6, "cols": 20)", R"(, "block": 32)"}) {
    run(R"("add", "scale", "bias", "relu")", more);
    run(R"("relu", "scale", "bias", "add")", more);
  }
}

TEST_CASE_FIXTURE(ElementwiseFixture, "elementwise, shapes that the spec fixes") {
  element = each_element();
  for (const auto& [rows, cols] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {1, 1}, {2, 1024}, {3, 100}, {4, 2048}, {5, 77}, {6, 2050}}) {
    const GeneratedLibrary library = made("\"silu\"", R"(, "rows": )" + std::to_string(rows) +
                                                          R"(, "cols": )" + std::to_string(cols));
    const Matrix x = draw_matrix(rows, cols);
    const MatrixKernel kernel(*this, library.kernel("k"), "cols");
    const Matrix y = kernel.run(x);
    const auto expected = reference::expect_each(
        x.values.size(), [&]<class T>(std::size_t i) { return reference::silu(T(x.values[i])); });
    const auto in_type = reference::stored_as(element, expected, 2);
    CHECK(compare(y.values, in_type.value, in_type.bound, x.shape()));
    CHECK(compare_bits(kernel.run(x).values, y.values, x.shape()));
  }
}

TEST_CASE_FIXTURE(ElementwiseFixture, "elementwise, the result may be the input") {
  element = each_element();
  const GeneratedLibrary library = made("\"gelu\"");
  const MatrixKernel kernel(*this, library.kernel("k"), "cols");
  for (const std::int64_t cols : {300, 304, 301}) {
    const Matrix x = draw_matrix(7, cols);
    CHECK(compare_bits(kernel.run_in_place(x).values, kernel.run(x).values, x.shape()));
  }
}

TEST_CASE("elementwise, what the spec reader refuses") {
  CHECK(problems_of(spec("\"relu\"")).empty());
  CHECK(problems_of(spec(R"("add", "add")")) ==
        "test.json:2:65: error: /kernels/0/ops: \"add\" may stand once\n");
  CHECK(problems_of(spec("\"relu6\"")).find("/kernels/0/ops: item 0: expected") !=
        std::string::npos);
  CHECK(problems_of(spec("")).find("/kernels/0/ops: expected a list of 1 to 8") !=
        std::string::npos);
}

}  // namespace ptxmill::test
