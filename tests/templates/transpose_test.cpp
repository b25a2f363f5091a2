// Transpose is a copy: every bit, NaN payloads among them, must arrive, and none elsewhere.
#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/manifest.hpp"
#include "tests/reference/layout.hpp"
#include "tests/support/compare.hpp"
#include "tests/support/device_fixture.hpp"
#include "tests/support/shapes.hpp"
#include "tests/templates/harness.hpp"

namespace ptxmill::test {
namespace {

class TransposeFixture : public DeviceFixture {
 public:
  void check(const rt::Kernel& kernel, std::int64_t batch, std::int64_t rows, std::int64_t cols) {
    CAPTURE(batch);
    CAPTURE(rows);
    CAPTURE(cols);
    if (!budget.allows("transpose " + std::to_string(batch) + "x" + std::to_string(rows) + "x" +
                           std::to_string(cols),
                       static_cast<std::uint64_t>(batch * ceil_div(rows) * ceil_div(cols) * 4096)))
      return;
    if (rt::size_of(kernel.info().dtypes.at("dtype")) == 4)
      check_bits<std::uint32_t>(kernel, batch, rows, cols);
    else
      check_bits<std::uint16_t>(kernel, batch, rows, cols);
  }

  Random random = random_for("transpose");
  CaseBudget budget{600'000, 10'000'000};

 private:
  template <class Bits>
  void check_bits(const rt::Kernel& kernel, std::int64_t batch, std::int64_t rows,
                  std::int64_t cols) {
    const rt::DType dtype = kernel.info().dtypes.at("dtype");
    const std::int64_t size = rows * cols;
    std::vector<Bits> x(static_cast<std::size_t>(batch * size));
    for (Bits& v : x) v = static_cast<Bits>(random.next());
    std::vector<Bits> expected;
    for (std::int64_t b = 0; b < batch; ++b) {
      const std::span<const Bits> matrix(x.data() + b * size, static_cast<std::size_t>(size));
      for (const Bits v : reference::transpose(matrix, static_cast<std::size_t>(rows),
                                               static_cast<std::size_t>(cols)))
        expected.push_back(v);
    }
    const auto in = input_bits<Bits>(x, {batch, rows, cols}, dtype);
    const auto out = output({batch, cols, rows}, dtype);
    kernel.launch(stream, {{"batch", batch}, {"rows", rows}, {"cols", cols}}, in.tensor(),
                  out.tensor());
    CHECK(compare_bits(out.read<Bits>(), expected,
                       {static_cast<std::size_t>(batch), static_cast<std::size_t>(cols),
                        static_cast<std::size_t>(rows)}));
  }

  static std::int64_t ceil_div(std::int64_t n) { return (n + 63) / 64; }
};

std::string spec(reference::Element element, const std::string& more = "") {
  return std::string(R"({"name": "k", "template": "transpose", "dtype": ")") +
         reference::name_of(element) + '"' + more + "}";
}

}  // namespace

TEST_CASE_FIXTURE(TransposeFixture, "transpose, sizes around the tile") {
  const GeneratedLibrary library(device(), spec(each_element()));
  const std::vector<std::int64_t> sizes = edge_sizes({4, 8, 32, 56, 60, 64, 68, 72, 128});
  for (const std::int64_t rows : sizes)
    for (const std::int64_t cols : sizes) check(library.kernel("k"), 1, rows, cols);
}

TEST_CASE_FIXTURE(TransposeFixture, "transpose, the models' shapes") {
  const GeneratedLibrary library(device(), spec(each_element()));
  for (const auto& [rows, cols] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {384, 1500}, {1500, 384}, {384, 384}, {51865, 8}, {1280, 5120}, {80, 3000}})
    check(library.kernel("k"), 1, rows, cols);
}

TEST_CASE_FIXTURE(TransposeFixture, "transpose, batches and random shapes") {
  const GeneratedLibrary library(device(), spec(each_element()));
  check(library.kernel("k"), 3, 70, 65);
  check(library.kernel("k"), 8, 68, 132);
  // More matrices than CTAs in a column of the grid.
  check(library.kernel("k"), 65537, 2, 3);
  for (int i = 0; i < 30; ++i)
    check(library.kernel("k"), random.integer(1, 8), random_size(random, 400),
          random_size(random, 400));
}

TEST_CASE_FIXTURE(TransposeFixture, "transpose, shapes that the spec fixes") {
  const reference::Element element = each_element();
  for (const auto& [batch, rows, cols] : std::vector<std::array<std::int64_t, 3>>{
           {1, 1, 1}, {1, 64, 64}, {2, 64, 192}, {1, 100, 36}, {3, 33, 65}, {2, 72, 200}}) {
    const GeneratedLibrary library(
        device(), spec(element, R"(, "batch": )" + std::to_string(batch) + R"(, "rows": )" +
                                    std::to_string(rows) + R"(, "cols": )" + std::to_string(cols)));
    check(library.kernel("k"), batch, rows, cols);
  }
}

TEST_CASE_FIXTURE(TransposeFixture, "transpose, nothing to do is a success") {
  const GeneratedLibrary library(device(), spec(each_element()));
  check(library.kernel("k"), 0, 4, 4);
  check(library.kernel("k"), 2, 0, 4);
  check(library.kernel("k"), 2, 4, 0);
}

TEST_CASE("transpose, what the spec reader refuses") {
  CHECK(problems_of(spec(reference::Element::bf16)).empty());
  CHECK(problems_of(R"({"name": "k", "template": "transpose", "dtype": "f32", "rows": "any"})")
            .find("/kernels/0/rows: expected a number or \"dynamic\"") != std::string::npos);
  CHECK(problems_of(R"({"name": "k", "template": "transpose", "dtype": "f64"})")
            .find("/kernels/0/dtype: expected") != std::string::npos);
}

}  // namespace ptxmill::test
