// split_heads and merge_heads are copies, and each other's inverse.
#include <doctest/doctest.h>

#include <algorithm>
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

struct Size {
  std::int64_t batch, seq_len, heads, head_dim;

  std::int64_t elements() const { return batch * seq_len * heads * head_dim; }
  /// Elements, and at least a few for each CTA.
  std::uint64_t cost() const {
    return static_cast<std::uint64_t>(std::max(elements(), batch * 64));
  }
  std::string text() const {
    return std::to_string(batch) + "x" + std::to_string(seq_len) + "x" + std::to_string(heads) +
           "x" + std::to_string(head_dim);
  }
};

std::string specs(const std::string& more = "",
                  reference::Element element = reference::Element::f32) {
  const std::string rest =
      std::string(R"(", "dtype": ")") + reference::name_of(element) + '"' + more + "}";
  return R"({"name": "split", "template": "split_heads)" + rest +
         R"(, {"name": "merge", "template": "merge_heads)" + rest;
}

class HeadsFixture : public DeviceFixture {
 public:
  void check(const GeneratedLibrary& library, const Size& s) {
    CAPTURE(s.text());
    if (!budget.allows("heads " + s.text(), s.cost())) return;
    if (rt::size_of(library.kernel("split").info().dtypes.at("dtype")) == 4)
      check_bits<std::uint32_t>(library, s);
    else
      check_bits<std::uint16_t>(library, s);
  }

  Random random = random_for("heads");
  CaseBudget budget{400'000, 5'000'000};

 private:
  template <class Bits>
  void check_bits(const GeneratedLibrary& library, const Size& s) {
    std::vector<Bits> x(static_cast<std::size_t>(s.elements()));
    for (Bits& v : x) v = static_cast<Bits>(random.next());
    const auto n = [](std::int64_t v) { return static_cast<std::size_t>(v); };
    const auto split =
        reference::split_heads<Bits>(x, n(s.batch), n(s.seq_len), n(s.heads), n(s.head_dim));
    const auto merged =
        reference::merge_heads<Bits>(x, n(s.batch), n(s.seq_len), n(s.heads), n(s.head_dim));
    CHECK(compare_bits(run(library.kernel("split"), s, x), split));
    CHECK(compare_bits(run(library.kernel("merge"), s, x), merged));
    CHECK(compare_bits(run(library.kernel("merge"), s, split), x));
  }

  template <class Bits>
  std::vector<Bits> run(const rt::Kernel& kernel, const Size& s, const std::vector<Bits>& x) {
    const rt::DType dtype = kernel.info().dtypes.at("dtype");
    const auto in = input_bits<Bits>(x, {s.elements()}, dtype);
    const auto out = output({s.elements()}, dtype);
    kernel.launch(
        stream,
        {{"batch", s.batch}, {"seq_len", s.seq_len}, {"heads", s.heads}, {"head_dim", s.head_dim}},
        in.tensor(), out.tensor());
    return out.read<Bits>();
  }
};

}  // namespace

TEST_CASE_FIXTURE(HeadsFixture, "heads, any shape") {
  const GeneratedLibrary library(device(), specs("", each_element()));
  for (const std::int64_t seq_len : {0, 1, 2, 7, 31, 64, 65, 100})
    for (const std::int64_t heads : {1, 2, 5, 6})
      for (const std::int64_t head_dim : {1, 3, 4, 8, 32, 63, 64, 80})
        check(library, {2, seq_len, heads, head_dim});
}

TEST_CASE_FIXTURE(HeadsFixture, "heads, the models' shapes") {
  const GeneratedLibrary library(device(), specs("", each_element()));
  for (const ModelShape& model : model_shapes())
    for (const std::int64_t seq_len : {1, 65, 448, 1500})
      check(library, {1, seq_len, model.heads, model.head_dim});
  // More sequences, and more groups of positions, than CTAs in the grid.
  check(library, {65537, 1, 1, 4});
  check(library, {1, 65537 * 4, 1, 1});
}

TEST_CASE_FIXTURE(HeadsFixture, "heads, nothing to do is a success") {
  const GeneratedLibrary library(device(), specs("", each_element()));
  for (const Size& s : std::vector<Size>{{0, 3, 2, 4}, {2, 3, 0, 4}, {2, 3, 2, 0}})
    check(library, s);
}

TEST_CASE_FIXTURE(HeadsFixture, "heads, random shapes") {
  const GeneratedLibrary library(device(), specs("", each_element()));
  for (int i = 0; i < 40; ++i)
    check(library, {random.integer(1, 8), random_size(random, 300), random_size(random, 24),
                    random_size(random, 130)});
}

TEST_CASE_FIXTURE(HeadsFixture, "heads, shapes that the spec fixes") {
  const reference::Element element = each_element();
  for (const Size& s : std::vector<Size>{{1, 1, 1, 1},
                                         {2, 10, 6, 64},
                                         {1, 50, 20, 64},
                                         {3, 17, 2, 100},
                                         {2, 21, 3, 34},
                                         {1, 9, 3, 5}}) {
    const std::string width = R"(, "heads": )" + std::to_string(s.heads) + R"(, "head_dim": )" +
                              std::to_string(s.head_dim);
    check(GeneratedLibrary(device(), specs(width, element)), s);
    const std::string all = width + R"(, "batch": )" + std::to_string(s.batch) +
                            R"(, "seq_len": )" + std::to_string(s.seq_len);
    check(GeneratedLibrary(device(), specs(all, element)), s);
  }
}

TEST_CASE("heads, what the spec reader refuses") {
  CHECK(problems_of(specs()).empty());
  CHECK(problems_of(specs(R"(, "heads": 65536)")).find("/kernels/0/heads: expected") !=
        std::string::npos);
  CHECK(problems_of(specs(R"(, "head_dims": 64)")).find("did you mean") != std::string::npos);
}

}  // namespace ptxmill::test
