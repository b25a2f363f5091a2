// Each call to the driver fails in turn, for want of memory. Whatever it was called for: the error
// says so, nothing leaks, and the same work then succeeds. Each failure has a process of its own.
#include <doctest/doctest.h>

#include <optional>

#include "runtime/counters.hpp"
#include "runtime/kernel.hpp"
#include "runtime/plan.hpp"
#include "tests/runtime/child_process.hpp"
#include "tests/runtime/fixture_kernels.hpp"
#include "tests/support/device_fixture.hpp"

namespace {

using namespace ptxmill::rt;
using ptxmill::test::ChildResult;
using ptxmill::test::in_child;
using ptxmill::test::ManifestFixture;
using ptxmill::test::run_again;
using ptxmill::test::Thrown;
using ptxmill::test::thrown_by;

const std::string succeeded = "every call succeeded";

/// Libraries, tensors, a block, workspaces, events and a graph: once through the whole runtime.
void work_through(const Device& device) {
  ManifestFixture fixture = ptxmill::test::fixture_library();
  ptxmill::test::add_chain_plan(fixture);
  const KernelLibrary library = fixture.open(device);
  library.preload();
  const Stream stream(device);
  const std::vector<float> ones(64, 1.f);
  Block block = Block::open(library, "chain");
  block.prepare(
      stream,
      {{"b", Tensor::from_host(stream, ones, {64})}, {"c", Tensor::from_host(stream, ones, {64})}},
      {{"n", 64}});
  const Tensor x = Tensor::from_host(stream, ones, {64});
  const Tensor out = Tensor::empty(stream, DType::f32, {64});
  out.fill(stream, 0);
  Event begin(device), end(device);
  begin.record(stream);
  const Graph graph = Graph::capture(stream, [&] {
    block.forward(stream, {{"n", 64}}, {{"x", x}}, {{"out", out}});
  });
  graph.launch(stream);
  // Read before they are checked: a check would swallow what is thrown.
  const std::vector<float> from_graph = out.to_host<float>(stream);
  CHECK(from_graph == std::vector<float>(64, 7.f));
  const Tensor count = Tensor::empty(stream, DType::u32, {1});
  library.kernel("accumulate").launch(stream, {{"n", 5}}, count);
  library.kernel("through").launch(stream, {{"n", 64}}, x, out);
  end.record(stream);
  end.synchronize();
  const std::vector<std::uint32_t> counted = count.to_host<std::uint32_t>(stream);
  const std::vector<float> copied = out.to_host<float>(stream);
  CHECK(counted == std::vector<std::uint32_t>{5});
  CHECK(copied == ones);
}

/// In the child: the failure, and after it the same work again.
void fail_and_go_on() {
  const Device device = Device::open();
  const std::size_t free_before = device.memory().free;
  reset_counters();
  const Thrown thrown = thrown_by([&] { work_through(device); });
  CAPTURE(thrown.what);
  CHECK(counters().allocations == counters().frees);
  device.synchronize();
  CHECK(device.memory().free == free_before);
  if (!thrown.any) {
    MESSAGE(succeeded);
    return;
  }
  CHECK(thrown.code == ErrorCode::out_of_memory);
  CHECK(thrown.says("failed with CUDA_ERROR_OUT_OF_MEMORY"));
  CHECK(thrown.says("bytes are free of"));
  const Thrown again = thrown_by([&] { work_through(device); });
  CAPTURE(again.what);
  CHECK_FALSE(again.any);
  CHECK(counters().allocations == counters().frees);
  CHECK(device.memory().free == free_before);
}

/// Makes the n-th of `call` fail, for every n that there is. Returns how many there were.
int fail_each(const std::string& name, const std::string& call) {
  for (int n = 1; n < 100; ++n) {
    const ChildResult result = run_again(name, "PTXMILL_EMU_FAIL_CALL=" + call + ":" +
                                                   std::to_string(n) + "=CUDA_ERROR_OUT_OF_MEMORY");
    CAPTURE(call);
    CAPTURE(n);
    CAPTURE(result.output);
    REQUIRE(result.exit_code == 0);
    if (result.says(succeeded)) return n - 1;
  }
  FAIL("the calls do not end");
  return 0;
}

/// The case `name`: each of `calls` fails in turn. `fewest` is how often each is made at least.
void fail_all(const std::string& name, std::initializer_list<std::pair<const char*, int>> calls) {
  if (in_child()) return fail_and_go_on();
  if (!ptxmill::test::on_emulator()) {
    MESSAGE("left to the emulator: a driver cannot be told to fail");
    return;
  }
  for (const auto& call : calls) {
    const int failures = fail_each(name, call.first);
    CAPTURE(std::string(call.first));
    CHECK(failures >= call.second);
  }
}

}  // namespace

TEST_CASE("failing calls: loading a library") {
  // Ten kernels, and room for more than 48 KiB of shared memory in one of them.
  fail_all("failing calls: loading a library", {{"cuModuleLoadDataEx", 10},
                                                {"cuModuleGetFunction", 10},
                                                {"cuFuncGetAttribute", 10},
                                                {"cuFuncSetAttribute", 1}});
}

TEST_CASE("failing calls: memory and transfers") {
  fail_all("failing calls: memory and transfers", {{"cuMemAllocAsync", 8},
                                                   {"cuMemcpyHtoDAsync_v2", 3},
                                                   {"cuMemcpyDtoDAsync_v2", 2},
                                                   {"cuMemcpyDtoHAsync_v2", 3},
                                                   {"cuMemsetD8Async", 2}});
}

TEST_CASE("failing calls: launches and graphs") {
  fail_all("failing calls: launches and graphs", {{"cuLaunchKernel", 6},
                                                  {"cuStreamBeginCapture_v2", 1},
                                                  {"cuStreamEndCapture", 1},
                                                  {"cuGraphInstantiateWithFlags", 1},
                                                  {"cuGraphLaunch", 1}});
}

TEST_CASE("failing calls: streams and events") {
  fail_all("failing calls: streams and events", {{"cuStreamCreate", 1},
                                                 {"cuStreamIsCapturing", 8},
                                                 {"cuStreamSynchronize", 4},
                                                 {"cuEventCreate", 2},
                                                 {"cuEventRecord", 2},
                                                 {"cuEventSynchronize", 1}});
}
