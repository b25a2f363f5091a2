#include "runtime/resolve.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <memory>

#include "runtime/ops.hpp"
#include "tests/runtime/fixture_kernels.hpp"
#include "tests/support/device_fixture.hpp"

namespace {

using namespace ptxmill::rt;
using nlohmann::json;
using ptxmill::test::ManifestFixture;
using ptxmill::test::Thrown;
using ptxmill::test::thrown_by;

/// Kernels named after what they are; all run the PTX of "add", which these tests never launch.
struct ResolveFixture : ptxmill::test::DeviceFixture {
  ResolveFixture() : fixture(ptxmill::test::fixture_library()) {
    add("dynamic", {{"m", "dynamic"}, {"n", "dynamic"}}, "none");
    add("fixed_n", {{"m", "dynamic"}, {"n", 384}}, "none");
    add("fixed_both", {{"m", 1}, {"n", 384}}, "none");
    add("other_fixed_n", {{"m", "dynamic"}, {"n", 512}}, "none");
    add("relu", {{"m", "dynamic"}, {"n", "dynamic"}}, "relu");
    json& by_four = add("by_four", {{"m", "dynamic"}, {"n", "dynamic"}}, "none");
    by_four["targets"]["sm_80"]["forms"][0]["params"].push_back(
        {{"name", "n"}, {"kind", "dim"}, {"multiple_of", 4}});
    json& half = add("half", {{"m", "dynamic"}, {"n", "dynamic"}}, "none");
    half["dtypes"] = {{"dtype", "f16"}, {"weight_dtype", "e4m3"}};
    add("future", {{"m", "dynamic"}, {"n", 7}}, "none", "sm_999");
  }

  json& add(const std::string& name, const json& dims, const std::string& activation,
            const std::string& target = "sm_80") {
    json kernel = ManifestFixture::kernel(name, "product", dims);
    kernel["options"] = {{"activation", activation}, {"alpha", 1.0}, {"bias", false}, {"tile", 64}};
    fixture.add_form(kernel, target, fixture.files.at("sm_80/add.ptx"), json::array(),
                     ManifestFixture::launch("1", 32));
    fixture.add(kernel);
    return fixture.kernel_named(name);
  }

  std::string found(std::int64_t m, std::int64_t n, std::string_view activation = "none",
                    DType dtype = DType::f32, DType weights = DType::f32) {
    if (!library) library = std::make_unique<KernelLibrary>(fixture.open(device()));
    const RequestedDType dtypes[] = {{"dtype", dtype}, {"weight_dtype", weights}};
    const RequestedOption options[] = {{"activation", activation}, {"alpha", 1.0}, {"bias", false}};
    const Dim dims[] = {{"m", m}, {"n", n}};
    return resolve(*library, {"product", dtypes, options, dims}).name();
  }

  ManifestFixture fixture;
  std::unique_ptr<KernelLibrary> library;
};

}  // namespace

TEST_CASE_FIXTURE(ResolveFixture, "resolve: the most specific kernel") {
  CHECK(found(5, 384) == "fixed_n");
  CHECK(found(1, 384) == "fixed_both");
  CHECK(found(1, 512) == "other_fixed_n");
  CHECK(found(5, 100) == "by_four");
  CHECK(found(5, 101) == "dynamic");
  CHECK(found(5, 384, "relu") == "relu");
  CHECK(found(5, 384, "none", DType::f16, DType::e4m3) == "half");
  // Asked again, the answer is remembered and the same.
  CHECK(found(5, 384) == "fixed_n");
  CHECK(found(5, 101) == "dynamic");
}

TEST_CASE_FIXTURE(ResolveFixture, "resolve: a variant that the device cannot run is no candidate") {
  CHECK(found(5, 7) == "dynamic");
}

TEST_CASE_FIXTURE(ResolveFixture, "resolve: nothing found says why, kernel by kernel") {
  const Thrown activation = thrown_by([&] { found(5, 384, "silu"); });
  CHECK(activation.code == ErrorCode::not_found);
  CHECK(activation.says("product dtype=f32 weight_dtype=f32 activation=silu"));
  CHECK(activation.says("m=5 n=384"));
  CHECK(activation.says("relu: activation is relu"));
  const Thrown dtype = thrown_by([&] { found(5, 384, "none", DType::f16); });
  CHECK(dtype.says("half: weight_dtype is e4m3"));
  const Thrown none = thrown_by([&] {
    softmax(*library, stream, Tensor::empty(stream, DType::f32, {2, 3}));
  });
  CHECK(none.says("no kernel for: softmax"));
  CHECK(none.says("it has none of this template"));
}

TEST_CASE_FIXTURE(ResolveFixture, "ops: shapes are checked before a kernel is looked for") {
  found(5, 384);
  const KernelLibrary& lib = *library;
  const auto tensor = [&](const Shape& shape) { return Tensor::empty(stream, DType::f32, shape); };
  const Tensor x = tensor({2, 3, 8}), w = tensor({16, 8}), eight = tensor({8});
  const auto says = [](const std::function<void()>& call, const std::string& words) {
    const Thrown thrown = thrown_by(call);
    CAPTURE(thrown.what);
    CHECK(thrown.code == ErrorCode::invalid_argument);
    CHECK(thrown.says(words));
  };
  says([&] { layer_norm(lib, stream, x, tensor({7}), eight, x); },
       "layer_norm: 'gamma' is f32[7], and must be [8]");
  says([&] { layer_norm(lib, stream, x, eight, eight, w); }, "'out' is f32[16, 8]");
  says([&] { softmax(lib, stream, x, w); }, "softmax: 'out'");
  says([&] { transpose(lib, stream, eight, eight); }, "must have 2 dimensions at least");
  says([&] { transpose(lib, stream, x, x); }, "and must be [2, 8, 3]");
  says([&] { split_heads(lib, stream, x, 3); }, "no multiple of 3 heads");
  says([&] { split_heads(lib, stream, x, tensor({2, 2, 3, 5})); }, "and must be [2, 3, 10]");
  says([&] { merge_heads(lib, stream, tensor({2, 2, 3, 4}), w); }, "and must be [2, 3, 8]");
  says(
      [&] {
        gemm(lib, stream, x, tensor({16, 9}));
      },
      "gemm: 'w' is f32[16, 9], and must be [16, 8]");
  says([&] { gemm(lib, stream, x, w, {.layout = "in_out"}); }, "and must be [8, 8]");
  says([&] { gemm(lib, stream, x, w, {.layout = "rows"}); }, "layout is 'rows'");
  says([&] { gemm(lib, stream, x, w, {.bias = eight}); }, "'bias' is f32[8], and must be [16]");
  says([&] { gemm(lib, stream, x, w, {.residual = x}); }, "'residual' is f32[2, 3, 8]");
  says([&] { gemm(lib, stream, x, w, w); }, "'out' is f32[16, 8], and must be [2, 3, 16]");
  says([&] { gemv(lib, stream, tensor({2, 8}), w); }, "gemv: 'w'");
  const Tensor q = tensor({1, 4, 5, 8}), k = tensor({1, 3, 6, 8});
  says([&] { attention(lib, stream, q, k, k); }, "4 heads are no multiple of 3");
  says([&] { attention(lib, stream, q, q, k); }, "attention: 'v'");
  says([&] { attention(lib, stream, q, q, q, {.lse = eight}); },
       "'lse' is f32[8], and must be [1, 4, 5]");
  says([&] { attention(lib, stream, q, q, q, {.layout = "sbhd"}); }, "layout is 'sbhd'");
  says([&] { attention(lib, stream, x, x, x); }, "'q' is f32[2, 3, 8], and must have 4");
}
