// Prefill attention against the double-precision reference: lengths, head dimensions, layouts,
// masks, and inputs at which tiled attention goes wrong.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "runtime/error.hpp"
#include "tests/reference/attention.hpp"
#include "tests/reference/layout.hpp"
#include "tests/support/compare.hpp"
#include "tests/support/device_fixture.hpp"
#include "tests/support/inputs.hpp"
#include "tests/support/shapes.hpp"
#include "tests/templates/harness.hpp"

namespace ptxmill::test {
namespace {

using reference::Attention;

constexpr float nan = std::numeric_limits<float>::quiet_NaN();

/// A kernel of the test and the fields of its spec that decide how it is called.
struct Spec {
  std::size_t head_dim = 64;
  bool causal = false;
  bool lse = true;
  bool heads_inside = false;  ///< the layout "bshd"
  std::string heads = R"("dynamic")", kv_heads = R"("dynamic")";
  std::size_t q_row_stride = 0, kv_row_stride = 0;
  std::string more;  ///< fields as JSON, with a leading comma

  std::string json() const {
    const auto flag = [](bool on) { return on ? std::string("true") : std::string("false"); };
    return R"({"name": "a", "template": "attention", "dtype": "f32", "heads": )" + heads +
           R"(, "kv_heads": )" + kv_heads + R"(, "head_dim": )" + std::to_string(head_dim) +
           R"(, "causal": )" + flag(causal) + R"(, "lse": )" + flag(lse) + R"(, "layout": )" +
           (heads_inside ? R"("bshd")" : R"("bhsd")") + R"(, "q_row_stride": )" +
           std::to_string(q_row_stride) + R"(, "kv_row_stride": )" + std::to_string(kv_row_stride) +
           more + "}";
  }
};

/// Q, K and V in the reference's order: [batch, heads, len, head_dim].
struct Input {
  std::vector<float> q, k, v;
};

struct Output {
  std::vector<float> out, lse;
};

std::string name_of(const Attention& a) {
  const auto n = [](std::size_t x) { return std::to_string(x); };
  return "attention batch " + n(a.batch) + " heads " + n(a.heads) + "/" + n(a.kv_heads) + " q " +
         n(a.q_len) + " kv " + n(a.kv_len) + " head_dim " + n(a.head_dim) +
         (a.causal ? " causal" : "");
}

std::uint64_t multiply_adds(const Attention& a) {
  return std::uint64_t{2} * a.batch * a.heads * a.q_len * a.kv_len * a.head_dim;
}

Input draw_input(Random& random, const Attention& a, Inputs kind = Inputs::normal,
                 float magnitude = 1) {
  const std::size_t q = a.batch * a.heads * a.q_len * a.head_dim;
  const std::size_t kv = a.batch * a.kv_heads * a.kv_len * a.head_dim;
  Input input{draw(random, q, kind), draw(random, kv, kind), draw(random, kv, kind)};
  for (auto* scaled : {&input.q, &input.k})
    for (float& x : *scaled) x *= magnitude;
  return input;
}

/// Rows of `row` elements, `stride` apart, with NaN between them and nothing after the last.
std::vector<float> spread(const std::vector<float>& x, std::size_t row, std::size_t stride) {
  if (x.empty() || stride == 0) return x;
  const std::size_t rows = x.size() / row;
  std::vector<float> apart((rows - 1) * stride + row, nan);
  for (std::size_t i = 0; i < rows; ++i)
    std::copy_n(x.begin() + static_cast<std::ptrdiff_t>(i * row), row,
                apart.begin() + static_cast<std::ptrdiff_t>(i * stride));
  return apart;
}

rt::Shape flat(std::size_t elements) { return {static_cast<std::int64_t>(elements)}; }

class AttentionFixture : public DeviceFixture {
 public:
  Output run(const GeneratedLibrary& library, const Spec& spec, const Attention& a,
             const Input& input) const {
    const auto placed = [&](const std::vector<float>& x, std::size_t heads, std::size_t len,
                            std::size_t stride) {
      if (!spec.heads_inside) return this->input(x, flat(x.size()));
      const auto rows = spread(reference::merge_heads<float>(x, a.batch, len, heads, a.head_dim),
                               heads * a.head_dim, stride);
      return this->input(rows, flat(rows.size()));
    };
    const auto q = placed(input.q, a.heads, a.q_len, spec.q_row_stride);
    const auto k = placed(input.k, a.kv_heads, a.kv_len, spec.kv_row_stride);
    const auto v = placed(input.v, a.kv_heads, a.kv_len, spec.kv_row_stride);
    const auto out = output(flat(input.q.size()));
    const auto lse = output(flat(spec.lse ? a.batch * a.heads * a.q_len : 0));
    const std::vector<rt::Dim> dims = {
        {"batch", as_dim(a.batch)}, {"heads", as_dim(a.heads)},   {"kv_heads", as_dim(a.kv_heads)},
        {"q_len", as_dim(a.q_len)}, {"kv_len", as_dim(a.kv_len)}, {"head_dim", as_dim(a.head_dim)}};
    std::vector<rt::Argument> arguments{q.tensor(), k.tensor(), v.tensor(), out.tensor()};
    if (spec.lse) arguments.emplace_back(lse.tensor());
    library.kernel("a").launch_packed(stream, dims, arguments);
    Output result{out.read(), lse.read()};
    if (spec.heads_inside)
      result.out = reference::split_heads<float>(result.out, a.batch, a.q_len, a.heads, a.head_dim);
    return result;
  }

  void check(const GeneratedLibrary& library, const Spec& spec, const Attention& a,
             const Input& input) const {
    INFO(name_of(a));
    const Output got = run(library, spec, a, input);
    const auto want = reference::expect_attention(a, input.q, input.k, input.v);
    CHECK(
        compare(got.out, want.out.value, want.out.bound, {a.batch, a.heads, a.q_len, a.head_dim}));
    if (spec.lse)
      CHECK(compare(got.lse, want.log_sum_exp.value, want.log_sum_exp.bound,
                    {a.batch, a.heads, a.q_len}));
  }

 private:
  static std::int64_t as_dim(std::size_t n) { return static_cast<std::int64_t>(n); }
};

Attention problem_of(const Spec& spec, std::size_t batch, std::size_t heads, std::size_t kv_heads,
                     std::size_t q_len, std::size_t kv_len) {
  return {batch, heads, kv_heads, q_len, kv_len, spec.head_dim, spec.causal};
}

}  // namespace

TEST_CASE_FIXTURE(AttentionFixture,
                  "attention: the usual lengths, with and without a causal mask") {
  CaseBudget budget(150'000'000, 800'000'000);
  for (const bool causal : {false, true}) {
    const Spec spec{.head_dim = 64, .causal = causal};
    const GeneratedLibrary library(device(), spec.json());
    Random random = random_for(causal ? "attention causal" : "attention");
    auto lengths = attention_lengths();
    // One query fewer than a tile, a tile, and one more; the same of keys; and several tiles.
    for (const std::int64_t q : {71, 72, 73, 145})
      for (const std::int64_t kv : {63, 64, 65, 129}) lengths.emplace_back(q, kv);
    for (const auto& [q_len, kv_len] : lengths) {
      const Attention a =
          problem_of(spec, 1, q_len < 1000 ? 2 : 1, 1, static_cast<std::size_t>(q_len),
                     static_cast<std::size_t>(kv_len));
      const Input input = draw_input(random, a);
      if (budget.allows(name_of(a), multiply_adds(a))) check(library, spec, a, input);
    }
  }
}

TEST_CASE_FIXTURE(AttentionFixture, "attention: every head dimension, both layouts") {
  Random random = random_for("attention head_dim");
  for (std::size_t head_dim = 16; head_dim <= 128; head_dim += 8) {
    const bool odd = head_dim % 16 != 0;
    const Spec spec{.head_dim = head_dim, .causal = odd, .heads_inside = !odd};
    const GeneratedLibrary library(device(), spec.json());
    for (const auto& [q_len, kv_len] : {std::pair{74, 70}, {5, 131}}) {
      const Attention a = problem_of(spec, 2, 2, 2, static_cast<std::size_t>(q_len),
                                     static_cast<std::size_t>(kv_len));
      check(library, spec, a, draw_input(random, a));
    }
  }
}

TEST_CASE_FIXTURE(AttentionFixture, "attention: grouped heads, batches and random lengths") {
  CaseBudget budget(40'000'000, 200'000'000);
  const Spec spec{.head_dim = 32, .causal = true};
  const GeneratedLibrary library(device(), spec.json());
  Random random = random_for("attention groups");
  int index = 0;
  for (const auto& [heads, kv_heads] : {std::pair{6, 1}, {6, 2}, {6, 3}, {6, 6}, {32, 8}, {7, 1}})
    for (std::size_t batch = 1; batch <= 3; ++batch) {
      const Attention a = problem_of(spec, batch, static_cast<std::size_t>(heads),
                                     static_cast<std::size_t>(kv_heads),
                                     static_cast<std::size_t>(random_size(random, 200)),
                                     static_cast<std::size_t>(random_size(random, 200)));
      const Inputs kind = inputs_of_case(index++);
      INFO(name_of(kind));
      // Scores of 1e7 and more have a log-sum-exp that f32 cannot hold to within 1e-5.
      if (kind == Inputs::extremes) continue;
      const Input input = draw_input(random, a, kind);
      if (budget.allows(name_of(a), multiply_adds(a))) check(library, spec, a, input);
    }
}

TEST_CASE_FIXTURE(AttentionFixture, "attention: rows apart, and one packed buffer of Q, K and V") {
  Random random = random_for("attention strides");
  Spec spec{.head_dim = 24, .heads_inside = true, .heads = "3", .kv_heads = "1"};
  SUBCASE("strides of their own") {
    spec.q_row_stride = 72 + 12;
    spec.kv_row_stride = 24 + 4;
    const GeneratedLibrary library(device(), spec.json());
    for (const auto& [q_len, kv_len] : {std::pair{77, 67}, {1, 1}, {0, 3}, {3, 0}}) {
      const Attention a = problem_of(spec, 2, 3, 1, static_cast<std::size_t>(q_len),
                                     static_cast<std::size_t>(kv_len));
      check(library, spec, a, draw_input(random, a));
    }
  }
  SUBCASE("packed") {
    spec.lse = false;
    spec.kv_heads = "3";
    spec.q_row_stride = spec.kv_row_stride = 3 * 72;
    const GeneratedLibrary library(device(), spec.json());
    const Attention a = problem_of(spec, 2, 3, 3, 66, 66);
    const auto packed = draw(random, 2 * 66 * 3 * 72);
    std::vector<float> parts[3];
    for (std::size_t i = 0; i < packed.size(); ++i) parts[i / 72 % 3].push_back(packed[i]);
    Input in;
    for (auto [to, from] : {std::pair{&in.q, &parts[0]}, {&in.k, &parts[1]}, {&in.v, &parts[2]}})
      *to = reference::split_heads<float>(*from, 2, 66, 3, 24);
    const auto buffer = input(packed, flat(packed.size()));
    const auto out = output(flat(in.q.size()));
    // K's and V's least element counts end with the last row's part.
    const auto least = (2 * 66 - 1) * 216 + 72;
    const rt::Tensor& whole = buffer.tensor();
    const auto launch = [&](std::int64_t elements) {
      library.kernel("a").launch(stream, {{"batch", 2}, {"q_len", 66}, {"kv_len", 66}},
                                 rt::Argument(whole, 0, least), rt::Argument(whole, 72, least),
                                 rt::Argument(whole, 144, elements), out.tensor());
    };
    CHECK_THROWS_AS(launch(least - 1), rt::Error);
    launch(least);
    const auto want = reference::expect_attention(a, in.q, in.k, in.v);
    CHECK(compare(reference::split_heads<float>(out.read(), 2, 66, 3, 24), want.out.value,
                  want.out.bound, {2, 3, 66, 24}));
  }
}

TEST_CASE_FIXTURE(AttentionFixture, "attention: lengths, batch and heads fixed by the spec") {
  Random random = random_for("attention static");
  struct Fixed {
    std::size_t batch, heads, kv_heads, q_len, kv_len, head_dim;
    bool causal;
  };
  // The smallest spec; keys that fill their tiles, and that do not.
  for (const Fixed& f : {Fixed{1, 1, 1, 1, 1, 16, false},
                         {2, 4, 2, 75, 128, 48, false},
                         {2, 4, 2, 75, 129, 48, false},
                         {1, 2, 2, 80, 70, 48, true}}) {
    const auto n = [](std::size_t x) { return std::to_string(x); };
    Spec spec{
        .head_dim = f.head_dim, .causal = f.causal, .heads = n(f.heads), .kv_heads = n(f.kv_heads)};
    spec.more = R"(, "batch": )" + n(f.batch) + R"(, "q_len": )" + n(f.q_len) + R"(, "kv_len": )" +
                n(f.kv_len);
    const GeneratedLibrary library(device(), spec.json());
    const Attention a = problem_of(spec, f.batch, f.heads, f.kv_heads, f.q_len, f.kv_len);
    check(library, spec, a, draw_input(random, a));
  }
}

TEST_CASE_FIXTURE(AttentionFixture, "attention: a scale of its own, and scores of +-1e4") {
  Random random = random_for("attention scale");
  Spec spec{.head_dim = 64, .causal = true};
  SUBCASE("scale") {
    spec.more = R"(, "scale": 0.3)";
    const GeneratedLibrary library(device(), spec.json());
    Attention a = problem_of(spec, 1, 2, 2, 90, 100);
    a.scale = 0.3f;
    check(library, spec, a, draw_input(random, a));
  }
  SUBCASE("large scores") {
    const GeneratedLibrary library(device(), spec.json());
    const Attention a = problem_of(spec, 1, 2, 2, 100, 150);
    const Input input = draw_input(random, a, Inputs::normal, 60);
    const Output got = run(library, spec, a, input);
    const auto want = reference::expect_attention(a, input.q, input.k, input.v);
    CHECK(compare(got.out, want.out.value, want.out.bound));
    const double largest =
        *std::max_element(want.log_sum_exp.value.begin(), want.log_sum_exp.value.end());
    CHECK(largest > 1e4);
    // Here plain f32 is further than 1e-5 from the log-sum-exp, too.
    const auto plain = reference::attention<float>(a, input.q, input.k, input.v);
    double error = 0;
    for (std::size_t i = 0; i < plain.log_sum_exp.size(); ++i)
      error = std::max(error, std::abs(plain.log_sum_exp[i] - want.log_sum_exp.value[i]));
    CHECK(compare(got.lse, want.log_sum_exp.value,
                  std::vector<double>(plain.log_sum_exp.size(), 2 * error + 1e-5)));
  }
}

TEST_CASE_FIXTURE(AttentionFixture, "attention: queries that see no key") {
  Random random = random_for("attention masked");
  const Spec spec{.head_dim = 16, .causal = true};
  const GeneratedLibrary library(device(), spec.json());
  const Attention a = problem_of(spec, 1, 1, 1, 200, 40);
  const Output got = run(library, spec, a, draw_input(random, a));
  for (std::size_t i = 0; i < 160; ++i) {
    REQUIRE(got.lse[i] == -std::numeric_limits<float>::infinity());
    for (std::size_t d = 0; d < 16; ++d) REQUIRE(got.out[i * 16 + d] == 0.0f);
  }
  CHECK(std::isfinite(got.lse[160]));
}

TEST_CASE_FIXTURE(AttentionFixture,
                  "attention: NaN and infinities stay where the formula has them") {
  Random random = random_for("attention nan");
  const Spec spec{.head_dim = 32};
  const GeneratedLibrary library(device(), spec.json());
  const Attention a = problem_of(spec, 1, 1, 1, 10, 70);
  Input input = draw_input(random, a);
  input.q[3 * 32 + 5] = nan;
  // The last key: what fills up its tile must not be multiplied by the weight 0.
  input.v[69 * 32 + 7] = std::numeric_limits<float>::infinity();
  const Output got = run(library, spec, a, input);
  for (std::size_t i = 0; i < 10; ++i) {
    CHECK(std::isnan(got.lse[i]) == (i == 3));
    for (std::size_t d = 0; d < 32; ++d) {
      const float y = got.out[i * 32 + d];
      CHECK(std::isnan(y) == (i == 3));
      if (i != 3) CHECK(std::isinf(y) == (d == 7));
    }
  }
}

TEST_CASE_FIXTURE(AttentionFixture, "attention: the same bits on every run, whatever the batch") {
  Random random = random_for("attention determinism");
  const Spec spec{.head_dim = 40, .causal = true};
  const GeneratedLibrary library(device(), spec.json());
  const Attention a = problem_of(spec, 3, 4, 2, 83, 97);
  const Input input = draw_input(random, a);
  const Output first = run(library, spec, a, input), second = run(library, spec, a, input);
  CHECK(compare_bits(second.out, first.out));
  CHECK(compare_bits(second.lse, first.lse));
  const auto part = [&](const std::vector<float>& x, std::size_t b) {
    const auto n = static_cast<std::ptrdiff_t>(x.size() / 3),
               at = static_cast<std::ptrdiff_t>(b) * n;
    return std::vector<float>(x.begin() + at, x.begin() + at + n);
  };
  for (std::size_t b = 0; b < 3; ++b) {
    const Attention alone = problem_of(spec, 1, 4, 2, 83, 97);
    const Output item =
        run(library, spec, alone, {part(input.q, b), part(input.k, b), part(input.v, b)});
    CHECK(compare_bits(item.out, part(first.out, b)));
    CHECK(compare_bits(item.lse, part(first.lse, b)));
  }
}

TEST_CASE("attention: specs that are refused") {
  const auto refused = [](const Spec& spec, const std::string& because) {
    const std::string problems = problems_of(spec.json());
    CHECK_MESSAGE(problems.find(because) != std::string::npos, problems);
  };
  refused({.heads = "6", .kv_heads = "4"}, "heads 6 is not divisible by kv_heads 4");
  refused({.head_dim = 8}, "/kernels/0/head_dim");
  refused({.head_dim = 20}, "/kernels/0/head_dim");
  refused({.head_dim = 136}, "/kernels/0/head_dim");
  refused({.heads = "65536"}, "/kernels/0/heads");
  refused({.heads = "2", .q_row_stride = 128}, "goes with the layout");
  refused({.heads_inside = true, .q_row_stride = 128}, "needs a static heads");
  refused({.heads_inside = true, .kv_heads = "2", .kv_row_stride = 124},
          "the stride 124 is less than kv_heads * head_dim, which is 128");
  refused({.heads_inside = true, .kv_heads = "2", .kv_row_stride = 130},
          "/kernels/0/kv_row_stride");
  refused({.more = R"(, "scale": -1)"}, "/kernels/0/scale");
  refused({.more = R"(, "layout": "sbhd")"}, "layout");
  CHECK(problems_of(Spec{.heads = "6", .kv_heads = "3"}.json()) == "");
}

}  // namespace ptxmill::test
