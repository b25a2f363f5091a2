// A driver that lacks the entry points which the runtime can do without: what needs none of them
// works, the rest is refused by name. The stub driver stands in for it, in a process of its own.
#include <doctest/doctest.h>

#include "runtime/kernel.hpp"
#include "tests/runtime/child_process.hpp"
#include "tests/runtime/fixture_kernels.hpp"

namespace {

using namespace ptxmill::rt;
using nlohmann::json;
using ptxmill::test::ChildResult;
using ptxmill::test::in_child;
using ptxmill::test::ManifestFixture;
using ptxmill::test::run_again;
using ptxmill::test::Thrown;
using ptxmill::test::thrown_by;

/// Checks that the case passes on a stub driver. False in the child itself.
bool passed_to_stub(const std::string& name, const std::string& path) {
  if (in_child()) return false;
  const ChildResult result = run_again(name, "PTXMILL_DRIVER='" + path + "'");
  CAPTURE(result.output);
  CHECK(result.exit_code == 0);
  CHECK(result.says("1 passed | 0 failed"));
  return true;
}

void check_refused(const Thrown& thrown, const std::string& call) {
  CAPTURE(thrown.what);
  CHECK(thrown.code == ErrorCode::incompatible);
  CHECK(thrown.says(PTXMILL_LACKING_DRIVER " (11.8) has no " + call));
}

json& form_of(ManifestFixture& fixture, const std::string& kernel) {
  return fixture.kernel_named(kernel)["targets"]["sm_80"]["forms"][0];
}

}  // namespace

TEST_CASE("lacking driver: what needs no missing entry point works") {
  const char* name = "lacking driver: what needs no missing entry point works";
  if (passed_to_stub(name, PTXMILL_LACKING_DRIVER)) return;
  const Device device = Device::open();
  const Stream stream(device);
  ManifestFixture fixture = ptxmill::test::fixture_library();
  form_of(fixture, "add")["launch"]["programmatic_dependent_launch"] = true;  // a hint
  const KernelLibrary library = fixture.open(device);
  library.preload();
  const Tensor x = Tensor::from_host(stream, std::vector<float>{1}, {1});  // without a pool
  library.kernel("add").launch(stream, {{"n", 1}}, x, x, x);
  stream.synchronize();
}

TEST_CASE("lacking driver: what does is refused and named") {
  if (passed_to_stub("lacking driver: what does is refused and named", PTXMILL_LACKING_DRIVER))
    return;
  const Device device = Device::open();
  const Stream stream(device);
  ManifestFixture fixture = ptxmill::test::fixture_library();
  form_of(fixture, "add")["launch"]["cluster"] = {2, 1, 1};
  form_of(fixture, "scale")["params"].push_back({{"name", "a_map"},
                                                 {"kind", "tensor_map"},
                                                 {"tensor", "a"},
                                                 {"direction", "in"},
                                                 {"dtype", "f32"},
                                                 {"align", 16},
                                                 {"elements", "n * 32"},
                                                 {"extents", {"32", "n"}},
                                                 {"strides", json::array({"128"})},
                                                 {"box", {32, 8}},
                                                 {"swizzle", "128B"},
                                                 {"l2_promotion", "128B"},
                                                 {"fill", "zeros"}});
  const KernelLibrary library = fixture.open(device);
  const Tensor x = Tensor::empty(stream, DType::f32, {32});
  check_refused(thrown_by([&] {
                  library.kernel("add").launch(stream, {{"n", 1}}, x, x, x);
                }),
                "cuLaunchKernelEx");
  const Thrown map = thrown_by([&] {
    library.kernel("scale").launch(stream, {{"n", 1}}, x, 1.f, x, x);
  });
  check_refused(map, "cuTensorMapEncodeTiled");
  CHECK(map.says("parameter 'a_map'"));
  check_refused(thrown_by([&] { Graph::capture(stream, [] {}); }), "cuStreamBeginCapture_v2");
  library.kernel("fixed").launch(stream, {}, Tensor::empty(stream, DType::f32, {64}),
                                 Tensor::empty(stream, DType::f32, {64}),
                                 Tensor::empty(stream, DType::f32, {64}));
}

TEST_CASE("lacking driver: the whole stub driver runs all of it") {
  if (passed_to_stub("lacking driver: the whole stub driver runs all of it", PTXMILL_STUB_DRIVER))
    return;
  const Device device = Device::open();
  const Stream stream(device);
  ManifestFixture fixture = ptxmill::test::fixture_library();
  form_of(fixture, "add")["launch"]["cluster"] = {2, 1, 1};
  const KernelLibrary library = fixture.open(device);
  library.preload();
  const Tensor x = Tensor::empty(stream, DType::f32, {32});
  Graph::capture(stream, [&] {
    library.kernel("add").launch(stream, {{"n", 1}}, x, x, x);
  }).launch(stream);
}
