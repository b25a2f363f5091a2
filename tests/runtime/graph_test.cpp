#include <doctest/doctest.h>

#include <functional>
#include <stdexcept>

#include "runtime/counters.hpp"
#include "runtime/kernel.hpp"
#include "tests/runtime/fixture_kernels.hpp"
#include "tests/support/device_fixture.hpp"

namespace {

using namespace ptxmill::rt;
using ptxmill::test::DeviceFixture;
using ptxmill::test::fixture_library;
using ptxmill::test::ManifestFixture;
using ptxmill::test::Thrown;
using ptxmill::test::thrown_by;

}  // namespace

TEST_CASE_FIXTURE(DeviceFixture, "graph: recorded work runs at each launch and not before") {
  ManifestFixture fixture = fixture_library();
  const KernelLibrary library = fixture.open(device());
  library.preload();
  const Tensor x = Tensor::from_host(stream, std::vector<float>{1, 2, 3}, {3});
  const Tensor sum = Tensor::empty(stream, DType::f32, {3});
  sum.fill(stream, 0);
  stream.synchronize();
  const Graph graph = Graph::capture(stream, [&] {
    CHECK(stream.capturing());
    library.kernel("add").launch(stream, {{"n", 3}}, sum, x, sum);
    library.kernel("scale").launch(stream, {{"n", 3}}, sum, 2.f, sum);
  });
  CHECK_FALSE(stream.capturing());
  CHECK(graph.node_count() == 2);
  CHECK(sum.to_host<float>(stream) == std::vector<float>(3, 0.f));
  reset_counters();
  graph.launch(stream);
  graph.launch(stream);
  CHECK(sum.to_host<float>(stream) == std::vector<float>{6, 12, 18});
  CHECK(counters().graph_launches == 2);
  CHECK(counters().launches == 0);
}

TEST_CASE_FIXTURE(DeviceFixture,
                  "graph: launched on another stream, moved, and after its stream's handle") {
  ManifestFixture fixture = fixture_library();
  const KernelLibrary library = fixture.open(device());
  library.preload();
  const Tensor x = Tensor::from_host(stream, std::vector<float>{1, 2}, {2});
  const auto record = [&] {
    const Stream own(device());
    return Graph::capture(own, [&] { library.kernel("scale").launch(own, {{"n", 2}}, x, 3.f, x); });
  };
  Graph first = record();
  Graph second = std::move(first);
  first = record();
  second.launch(stream);
  first.launch(stream);
  CHECK(x.to_host<float>(stream) == std::vector<float>{9, 18});
}

TEST_CASE_FIXTURE(DeviceFixture, "graph: loading while recording is refused, with the remedy") {
  ManifestFixture fixture = fixture_library();
  const KernelLibrary library = fixture.open(device());
  const Tensor x = Tensor::from_host(stream, std::vector<float>{1, 2}, {2});
  const auto record = [&] {
    return Graph::capture(stream, [&] {
      library.kernel("scale").launch(stream, {{"n", 2}}, x, 3.f, x);
    });
  };
  const Thrown thrown = thrown_by(record);
  CHECK(thrown.code == ErrorCode::invalid_argument);
  CHECK(thrown.says("kernel 'scale'"));
  CHECK(thrown.says("preload()"));
  CHECK_FALSE(stream.capturing());
  const Stream other(device());
  CHECK(thrown_by([&] {
          Graph::capture(stream, [&] {
            library.kernel("scale").launch(other, {{"n", 2}}, x, 3.f, x);
          });
        }).says("preload()"));
  library.preload();
  record().launch(stream);
  CHECK(x.to_host<float>(stream) == std::vector<float>{3, 6});
}

TEST_CASE_FIXTURE(
    DeviceFixture,
    "graph: allocation, transfers and growing workspace are refused while recording") {
  ManifestFixture fixture = fixture_library();
  const KernelLibrary library = fixture.open(device());
  library.preload();
  const Stream own(device());
  const Tensor x = Tensor::from_host(own, std::vector<float>{1, 2}, {2});
  const auto while_recording = [&](const std::function<void()>& work) {
    return thrown_by([&] { Graph::capture(own, work); });
  };
  CHECK(while_recording([&] {
          Tensor::empty(own, DType::f32, {4});
        }).says("allocate before the recording begins"));
  CHECK(while_recording([&] { x.to_host<float>(own); }).says("cannot copy to the host"));
  CHECK(while_recording([&] { Tensor::from_host(own, std::vector<float>{1}, {1}); }).any);
  const auto through = [&] { library.kernel("through").launch(own, {{"n", 2}}, x, x); };
  CHECK(while_recording(through).says("run the work once before recording it"));
  CHECK(while_recording([&] { Graph::capture(own, [] {}); }).says("end the one under way first"));
  through();
  const Graph graph = Graph::capture(own, through);
  graph.launch(own);
  CHECK(x.to_host<float>(own) == std::vector<float>{1, 2});
}

TEST_CASE_FIXTURE(DeviceFixture, "graph: an exception ends the recording and passes through") {
  CHECK_THROWS_AS(Graph::capture(stream, [] { throw std::runtime_error("mine"); }),
                  std::runtime_error);
  CHECK_FALSE(stream.capturing());
  const Tensor x = Tensor::from_host(stream, std::vector<float>{5}, {1});
  CHECK(x.to_host<float>(stream) == std::vector<float>{5});
}

TEST_CASE_FIXTURE(DeviceFixture, "graph: empty work is a graph too") {
  const Graph graph = Graph::capture(stream, [] {});
  CHECK(graph.node_count() == 0);
  graph.launch(stream);
  stream.synchronize();
}
