// The typed ops over the shipped core library: that each finds its kernel, passes its arguments in
// the right order and takes its dimensions from the right extents. The kernels' accuracy is the
// templates' tests' business; here small integers and a loose bound tell right from wrong.
#include "runtime/ops.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <random>

#include "tests/support/device_fixture.hpp"
#include "tests/support/manifest_fixture.hpp"
#include "tests/support/random.hpp"

namespace {

using namespace ptxmill::rt;
using ptxmill::test::thrown_by;

struct OpsFixture : ptxmill::test::DeviceFixture {
  OpsFixture() : library(KernelLibrary::open(device(), "generated/core")) {}

  /// Small integers, different at every place, so that a wrong layout shows.
  Tensor draw(const Shape& shape) {
    std::vector<float> values(static_cast<std::size_t>(shape.elements()));
    for (float& value : values) value = static_cast<float>(static_cast<int>(random() % 9) - 4);
    if (dtype == DType::f32) return Tensor::from_host(stream, values, shape);
    std::vector<std::uint16_t> bits;
    for (const float value : values)
      bits.push_back(static_cast<std::uint16_t>(encode(dtype, value)));
    return Tensor::from_host(stream, dtype, shape, std::as_bytes(std::span(bits)));
  }
  std::vector<float> host(const Tensor& tensor) const {
    if (tensor.dtype() == DType::f32) return tensor.to_host<float>(stream);
    std::vector<std::uint16_t> bits(static_cast<std::size_t>(tensor.shape().elements()));
    tensor.to_host(stream, std::as_writable_bytes(std::span(bits)));
    std::vector<float> values;
    for (const std::uint16_t& element : bits)
      values.push_back(
          static_cast<float>(decode(tensor.dtype(), std::as_bytes(std::span(&element, 1)).data())));
    return values;
  }

  void check(const Tensor& actual, const Shape& shape,
             const std::function<double(std::span<const std::int64_t>)>& expected) const {
    REQUIRE(actual.shape() == shape);
    const std::vector<float> values = host(actual);
    std::vector<std::int64_t> index(static_cast<std::size_t>(shape.rank()), 0);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double wanted = expected(index);
      const double bound = actual.dtype() == DType::f32 ? 1e-4 : 1e-2;
      if (!(std::fabs(values[i] - wanted) <= bound * (1 + std::fabs(wanted))))
        FAIL("element ", i, " is ", values[i], ", and should be ", wanted);
      for (std::size_t d = index.size(); d-- > 0;) {
        if (++index[d] < shape[static_cast<int>(d)]) break;
        index[d] = 0;
      }
    }
  }

  KernelLibrary library;
  DType dtype = DType::f32;  ///< of what is drawn
  std::mt19937_64 random{ptxmill::test::run_seed()};
};

using Index = std::span<const std::int64_t>;

/// The element of a row-major tensor.
double at(const std::vector<float>& values, const Shape& shape,
          std::initializer_list<std::int64_t> index) {
  std::int64_t flat = 0;
  int d = 0;
  for (const std::int64_t i : index) flat = flat * shape[d++] + i;
  return values[static_cast<std::size_t>(flat)];
}

}  // namespace

TEST_CASE_FIXTURE(OpsFixture, "ops: layer_norm and softmax over the last dimension") {
  const Shape shape{2, 3, 20};
  const Tensor x = draw(shape), gamma = draw({20}), beta = draw({20});
  const std::vector<float> values = host(x), g = host(gamma), b = host(beta);
  const auto row = [&](Index i, const std::function<double(double)>& term) {
    double sum = 0;
    for (std::int64_t c = 0; c < 20; ++c) sum += term(at(values, shape, {i[0], i[1], c}));
    return sum;
  };
  check(layer_norm(library, stream, x, gamma, beta), shape, [&](Index i) {
    const double mean = row(i, [](double v) { return v; }) / 20;
    const double variance = row(i, [&](double v) { return (v - mean) * (v - mean); }) / 20;
    const auto c = static_cast<std::size_t>(i[2]);
    return (at(values, shape, {i[0], i[1], i[2]}) - mean) / std::sqrt(variance + 1e-5) * g[c] +
           b[c];
  });
  const auto exponentials = [&](Index i) { return row(i, [](double v) { return std::exp(v); }); };
  check(softmax(library, stream, x), shape, [&](Index i) {
    return std::exp(at(values, shape, {i[0], i[1], i[2]})) / exponentials(i);
  });
  check(softmax(library, stream, x, true), shape, [&](Index i) {
    return at(values, shape, {i[0], i[1], i[2]}) - std::log(exponentials(i));
  });
  CHECK(thrown_by([&] {
          layer_norm(library, stream, x, gamma, beta, 0.5);
        }).says("layer_norm: eps is 1e-05"));
}

TEST_CASE_FIXTURE(OpsFixture, "ops: transpose, split_heads and merge_heads") {
  const Tensor x = draw({2, 5, 12});
  const std::vector<float> values = host(x);
  check(transpose(library, stream, x), {2, 12, 5}, [&](Index i) {
    return at(values, x.shape(), {i[0], i[2], i[1]});
  });
  check(transpose(library, stream, x.slice(0, 1, 2).reshape({5, 12})), {12, 5}, [&](Index i) {
    return at(values, x.shape(), {1, i[1], i[0]});
  });
  const Tensor heads = split_heads(library, stream, x, 3);
  check(heads, {2, 3, 5, 4}, [&](Index i) {
    return at(values, x.shape(), {i[0], i[2], i[1] * 4 + i[3]});
  });
  CHECK(host(merge_heads(library, stream, heads)) == values);
}

TEST_CASE_FIXTURE(OpsFixture, "ops: gemm with its layouts and epilogues") {
  const Tensor a = draw({2, 3, 8}), w = draw({5, 8}), bias = draw({5}), residual = draw({2, 3, 5});
  const std::vector<float> av = host(a), wv = host(w), bv = host(bias), rv = host(residual);
  const auto product = [&](Index i) {
    double sum = 0;
    for (std::int64_t k = 0; k < 8; ++k)
      sum += at(av, a.shape(), {i[0], i[1], k}) * at(wv, w.shape(), {i[2], k});
    return sum;
  };
  const auto gelu = [](double v) { return 0.5 * v * (1 + std::erf(v / std::sqrt(2.0))); };
  const auto biased = [&](Index i) { return product(i) + bv[static_cast<std::size_t>(i[2])]; };
  const Shape shape{2, 3, 5};
  check(gemm(library, stream, a, w), shape, product);
  check(gemm(library, stream, a, transpose(library, stream, w), {.layout = "in_out"}), shape,
        product);
  check(gemm(library, stream, a, w, {.bias = bias}), shape, biased);
  check(gemm(library, stream, a, w, {.activation = "gelu", .bias = bias}), shape,
        [&](Index i) { return gelu(biased(i)); });
  check(gemm(library, stream, a, w, {.bias = bias, .residual = residual}), shape, [&](Index i) {
    return biased(i) + at(rv, shape, {i[0], i[1], i[2]});
  });
  CHECK(thrown_by([&] {
          gemm(library, stream, a, w, {.activation = "silu"});
        }).says("gemm: activation is none"));
}

TEST_CASE_FIXTURE(OpsFixture, "ops: rms_norm, and the norms and softmax of 16-bit elements") {
  for (const DType type : {DType::f32, DType::f16, DType::bf16}) {
    CAPTURE(name(type));
    dtype = type;
    const Shape shape{2, 3, 24};
    const Tensor x = draw(shape), gamma = draw({24}), beta = draw({24});
    const std::vector<float> values = host(x), g = host(gamma), b = host(beta);
    const auto element = [&](Index i) { return at(values, shape, {i[0], i[1], i[2]}); };
    const auto mean = [&](Index i, const std::function<double(double)>& term) {
      double sum = 0;
      for (std::int64_t c = 0; c < 24; ++c) sum += term(at(values, shape, {i[0], i[1], c}));
      return sum / 24;
    };
    check(rms_norm(library, stream, x, gamma), shape, [&](Index i) {
      const double squares = mean(i, [](double v) { return v * v; });
      return element(i) / std::sqrt(squares + 1e-5) * g[static_cast<std::size_t>(i[2])];
    });
    check(layer_norm(library, stream, x, gamma, beta), shape, [&](Index i) {
      const double centre = mean(i, [](double v) { return v; });
      const double variance = mean(i, [&](double v) { return (v - centre) * (v - centre); });
      const auto c = static_cast<std::size_t>(i[2]);
      return (element(i) - centre) / std::sqrt(variance + 1e-5) * g[c] + b[c];
    });
    const auto sum = [&](Index i) { return 24 * mean(i, [](double v) { return std::exp(v); }); };
    check(softmax(library, stream, x), shape,
          [&](Index i) { return std::exp(element(i)) / sum(i); });
    CHECK(thrown_by([&] {
            rms_norm(library, stream, x, beta.slice(0, 0, 23));
          }).says("rms_norm: 'gamma'"));
  }
}

TEST_CASE_FIXTURE(OpsFixture, "ops: 16-bit elements in other orders") {
  for (const DType type : {DType::f16, DType::bf16}) {
    dtype = type;
    const Tensor x = draw({2, 5, 12});
    const std::vector<float> values = host(x);
    check(transpose(library, stream, x), {2, 12, 5}, [&](Index i) {
      return at(values, x.shape(), {i[0], i[2], i[1]});
    });
    const Tensor heads = split_heads(library, stream, x, 3);
    check(heads, {2, 3, 5, 4}, [&](Index i) {
      return at(values, x.shape(), {i[0], i[2], i[1] * 4 + i[3]});
    });
    CHECK(host(merge_heads(library, stream, heads)) == values);
  }
}

TEST_CASE_FIXTURE(OpsFixture, "ops: gemv with its layouts, epilogues and element types") {
  for (const DType type : {DType::f32, DType::f16, DType::bf16}) {
    CAPTURE(name(type));
    dtype = type;
    const Tensor x = draw({1, 16}), w = draw({5, 16}), bias = draw({5}), residual = draw({1, 5});
    const std::vector<float> xv = host(x), wv = host(w), bv = host(bias), rv = host(residual);
    const auto product = [&](Index i) {
      double sum = 0;
      for (std::int64_t k = 0; k < 16; ++k)
        sum += xv[static_cast<std::size_t>(k)] * at(wv, w.shape(), {i[1], k});
      return sum;
    };
    const auto gelu = [](double v) { return 0.5 * v * (1 + std::erf(v / std::sqrt(2.0))); };
    const auto biased = [&](Index i) { return product(i) + bv[static_cast<std::size_t>(i[1])]; };
    const Shape shape{1, 5};
    check(gemv(library, stream, x, w), shape, product);
    if (type == DType::f32)
      check(gemv(library, stream, x, transpose(library, stream, w), {.layout = "in_out"}), shape,
            product);
    check(gemv(library, stream, x, w, {.bias = bias}), shape, biased);
    check(gemv(library, stream, x, w, {.activation = "gelu", .bias = bias}), shape,
          [&](Index i) { return gelu(biased(i)); });
    check(gemv(library, stream, x, w, {.bias = bias, .residual = residual}), shape,
          [&](Index i) { return biased(i) + rv[static_cast<std::size_t>(i[1])]; });
  }
  dtype = DType::f32;
  CHECK(thrown_by([&] {
          gemv(library, stream, draw({16}), draw({5, 16}), Tensor::empty(stream, DType::f16, {5}));
        }).says("out_dtype is not f16"));
}

TEST_CASE_FIXTURE(OpsFixture, "ops: attention, full and causal, with and without log-sum-exp") {
  const Tensor q = draw({2, 4, 3, 32}), k = draw({2, 2, 5, 32}), v = draw({2, 2, 5, 32});
  const std::vector<float> qv = host(q), kv = host(k), vv = host(v);
  const auto scores = [&](Index i, bool causal) {
    std::vector<double> result;
    for (std::int64_t j = 0; j < (causal ? i[2] + 5 - 3 + 1 : 5); ++j) {
      double sum = 0;
      for (std::int64_t d = 0; d < 32; ++d)
        sum += at(qv, q.shape(), {i[0], i[1], i[2], d}) * at(kv, k.shape(), {i[0], i[1] / 2, j, d});
      result.push_back(sum / std::sqrt(32.0));
    }
    return result;
  };
  const auto total = [](const std::vector<double>& s) {
    double sum = 0;
    for (const double value : s) sum += std::exp(value);
    return sum;
  };
  for (const bool causal : {false, true}) {
    const auto expected = [&](Index i) {
      const std::vector<double> s = scores(i, causal);
      double sum = 0;
      for (std::size_t j = 0; j < s.size(); ++j)
        sum += std::exp(s[j]) *
               at(vv, v.shape(), {i[0], i[1] / 2, static_cast<std::int64_t>(j), i[3]});
      return sum / total(s);
    };
    check(attention(library, stream, q, k, v, {.causal = causal}), q.shape(), expected);
    const Tensor lse = Tensor::empty(stream, DType::f32, {2, 4, 3});
    check(attention(library, stream, q, k, v, {.causal = causal, .lse = lse}), q.shape(), expected);
    check(lse, {2, 4, 3}, [&](Index i) { return std::log(total(scores(i, causal))); });
  }
  CHECK(thrown_by([&] {
          attention(library, stream, q, k, v, {.layout = "bhsd", .scale = 0.25});
        }).says("scale is 0"));
}
