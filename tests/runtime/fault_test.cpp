// A kernel that faults loses the context: the error names what was in flight, later calls fail fast
// with the same words, and destructors are safe. Each case runs in a process of its own.
#include <doctest/doctest.h>

#include <cstdlib>
#include <cstring>
#include <functional>
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
using ptxmill::test::fixture_library;
using ptxmill::test::in_child;
using ptxmill::test::ManifestFixture;
using ptxmill::test::run_again;
using ptxmill::test::Thrown;
using ptxmill::test::thrown_by;

/// Runs the calling case in a child and checks that it passed there. False in the child itself.
bool passed_to_child(const std::string& name, const std::string& environment) {
  if (in_child()) return false;
  const ChildResult result = run_again(name, environment);
  CAPTURE(result.output);
  CHECK(result.exit_code == 0);
  CHECK(result.says("1 passed | 0 failed"));
  return true;
}

struct Scene {
  Scene()
      : fixture(fixture_library()),
        library(fixture.open(device)),
        stream(device),
        x(Tensor::from_host(stream, std::vector<float>{1, 2}, {2})) {
    library.preload();
  }
  Device device = Device::open();
  ManifestFixture fixture;
  KernelLibrary library;
  Stream stream;
  Tensor x;
};

}  // namespace

TEST_CASE("fault: names the launches in flight and stays with its words") {
  if (passed_to_child("fault: names the launches in flight and stays with its words", "")) return;
  std::optional<Scene> scene;
  scene.emplace();
  {
    const KernelLibrary& library = scene->library;
    const Stream& stream = scene->stream;
    library.kernel("add").launch(stream, {{"n", 2}}, scene->x, scene->x, scene->x);
    stream.synchronize();
    library.kernel("scale").launch(stream, {{"n", 2}}, scene->x, 1.f, scene->x);
    const Thrown thrown = thrown_by([&] {
      library.kernel("fault").launch(stream, {{"n", 3}});
      library.kernel("reverse").launch(stream, {{"n", 2}}, scene->x, scene->x);
      stream.synchronize();
    });
    CAPTURE(thrown.what);
    CHECK(thrown.code == ErrorCode::context_lost);
    CHECK(thrown.says("CUDA_ERROR_ILLEGAL_ADDRESS"));
    CHECK(thrown.says("launches in flight since the last synchronisation: scale, fault"));
    CHECK_FALSE(thrown.says(" add,"));
    // Later calls of every sort fail with the same words.
    CHECK(thrown_by([&] { stream.synchronize(); }).what == thrown.what);
    CHECK(thrown_by([&] { Tensor::empty(stream, DType::f32, {4}); }).what == thrown.what);
    CHECK(thrown_by([&] { scene->x.to_host<float>(stream); }).what == thrown.what);
    CHECK(thrown_by([&] {
            library.kernel("scale").launch(stream, {{"n", 2}}, scene->x, 1.f, scene->x);
          }).what == thrown.what);
    CHECK(thrown_by([&] { scene->device.synchronize(); }).what == thrown.what);
    CHECK(thrown_by([&] { Stream another(scene->device); }).what == thrown.what);
    CHECK(thrown_by([&] { scene->fixture.open(scene->device); }).what == thrown.what);
  }
  scene.reset();
}

TEST_CASE("fault: every handle made before fails fast and can be destroyed") {
  const char* name = "fault: every handle made before fails fast and can be destroyed";
  if (passed_to_child(name, "")) return;
  std::optional<Scene> scene;
  scene.emplace();
  ptxmill::test::add_chain_plan(scene->fixture);
  const Device& device = scene->device;
  const Stream& stream = scene->stream;
  std::optional<KernelLibrary> library = scene->fixture.open(device);
  Block block = Block::open(*library, "chain");
  const Tensor b = Tensor::from_host(stream, std::vector<float>(64, 1.f), {64});
  block.prepare(stream, {{"b", b}}, {{"n", 64}});
  Event event(device), other(device);
  event.record(stream);
  std::optional<Graph> graph = Graph::capture(stream, [&] {
    scene->library.kernel("scale").launch(stream, {{"n", 2}}, scene->x, 1.f, scene->x);
  });
  scene->library.kernel("fault").launch(stream, {{"n", 3}});
  const Thrown first = thrown_by([&] { stream.synchronize(); });
  REQUIRE(first.code == ErrorCode::context_lost);
  const std::vector<std::function<void()>> calls{
      [&] { event.record(stream); },
      [&] { event.synchronize(); },
      [&] { event.done(); },
      [&] { event.milliseconds_since(other); },
      [&] { stream.wait(event); },
      [&] { stream.idle(); },
      [&] { stream.capturing(); },
      [&] { graph->launch(stream); },
      [&] { Graph::capture(stream, [] {}); },
      [&] { Event another(device); },
      [&] { device.memory(); },
      [&] { scene->x.fill(stream, 1); },
      [&] { scene->x.copy_from(stream, scene->x); },
      [&] { library->preload(); },
      [&] { library->clear(); },
      [&] {
        block.prepare(stream, {{"b", b}}, {{"n", 64}});
      },
      [&] {
        block.forward(stream, {{"n", 64}}, {{"x", b}}, {{"out", b.slice(0, 0, 0)}});
      }};
  for (std::size_t i = 0; i < calls.size(); ++i) {
    CAPTURE(i);
    CHECK(thrown_by(calls[i]).what == first.what);
  }
  scene.reset();
  library.reset();
  graph.reset();
}

TEST_CASE("fault: handles that are made afterwards fail with the same words") {
  const char* name = "fault: handles that are made afterwards fail with the same words";
  if (passed_to_child(name, "")) return;
  std::string words;
  {
    const Scene scene;
    scene.library.kernel("fault").launch(scene.stream, {{"n", 3}});
    words = thrown_by([&] { scene.stream.synchronize(); }).what;
  }
  REQUIRE(words.find("in flight since the last synchronisation: fault") != std::string::npos);
  const auto use = [] {
    const Device device = Device::open();
    const Stream stream(device);
    Tensor::empty(stream, DType::f32, {1});
  };
  for (int i = 0; i < 2; ++i) CHECK(thrown_by(use).what == words);
}

TEST_CASE("fault: a kernel that does not end is a timeout that names it") {
  const char* name = "fault: a kernel that does not end is a timeout that names it";
  if (!in_child() && !ptxmill::test::on_emulator()) {
    MESSAGE("left to the emulator: a GPU without a display lets kernels run on");
    return;
  }
  if (passed_to_child(name, "PTXMILL_EMU_INSTRUCTION_BUDGET=5000")) return;
  const Scene scene;
  const Tensor out = Tensor::empty(scene.stream, DType::u32, {1});
  const Thrown thrown = thrown_by([&] {
    scene.library.kernel("accumulate").launch(scene.stream, {{"n", 1'000'000}}, out);
    scene.stream.synchronize();
  });
  CHECK(thrown.code == ErrorCode::timeout);
  CHECK(thrown.says("CUDA_ERROR_LAUNCH_TIMEOUT"));
  CHECK(thrown.says("in flight since the last synchronisation: accumulate"));
  CHECK(thrown_by([&] { scene.stream.synchronize(); }).what == thrown.what);
}

TEST_CASE("fault: each code with which a driver reports one") {
  const char* name = "fault: each code with which a driver reports one";
  if (!in_child()) {
    if (!ptxmill::test::on_emulator()) {
      MESSAGE("left to the emulator: a driver cannot be told how to fail");
      return;
    }
    for (const std::string code :
         {"ILLEGAL_ADDRESS", "ASSERT", "HARDWARE_STACK_ERROR", "ILLEGAL_INSTRUCTION",
          "MISALIGNED_ADDRESS", "INVALID_ADDRESS_SPACE", "INVALID_PC", "LAUNCH_FAILED"})
      passed_to_child(name, "PTXMILL_EMU_FAIL_CALL=cuStreamSynchronize:2=CUDA_ERROR_" + code);
    return;
  }
  const Scene scene;
  scene.library.kernel("scale").launch(scene.stream, {{"n", 2}}, scene.x, 1.f, scene.x);
  const Thrown thrown = thrown_by([&] { scene.stream.synchronize(); });
  CAPTURE(thrown.what);
  CHECK(thrown.code == ErrorCode::context_lost);
  const char* code = std::strchr(std::getenv("PTXMILL_EMU_FAIL_CALL"), '=') + 1;
  CHECK(thrown.says(std::string("cuStreamSynchronize failed with ") + code));
  CHECK(thrown.says("in flight since the last synchronisation: scale"));
}

TEST_CASE("fault: in blocking mode exactly one launch is named") {
  if (passed_to_child("fault: in blocking mode exactly one launch is named", "PTXMILL_BLOCKING=1"))
    return;
  const Scene scene;
  scene.library.kernel("scale").launch(scene.stream, {{"n", 2}}, scene.x, 1.f, scene.x);
  const Thrown thrown = thrown_by([&] {
    scene.library.kernel("fault").launch(scene.stream, {{"n", 3}});
  });
  CHECK(thrown.code == ErrorCode::context_lost);
  CHECK(thrown.says("since the last synchronisation: fault"));
  CHECK_FALSE(thrown.says("scale"));
  CHECK_FALSE(thrown.says("fault, "));
}

TEST_CASE("fault: a graph names its kernels") {
  if (passed_to_child("fault: a graph names its kernels", "")) return;
  const Scene scene;
  const Graph graph = Graph::capture(scene.stream, [&] {
    scene.library.kernel("scale").launch(scene.stream, {{"n", 2}}, scene.x, 1.f, scene.x);
    scene.library.kernel("fault").launch(scene.stream, {{"n", 3}});
  });
  const Thrown thrown = thrown_by([&] {
    graph.launch(scene.stream);
    scene.stream.synchronize();
  });
  CHECK(thrown.code == ErrorCode::context_lost);
  CHECK(thrown.says("since the last synchronisation: scale, fault"));
}

TEST_CASE("fault: out of memory at every allocation in turn") {
  const char* name = "fault: out of memory at every allocation in turn";
  if (!in_child()) {
    if (!ptxmill::test::on_emulator()) {
      MESSAGE("left to the emulator: a driver cannot be told to run out of memory");
      return;
    }
    int failures = 0;
    for (bool reached_the_end = false; !reached_the_end; ++failures) {
      REQUIRE(failures < 100);
      const ChildResult result =
          run_again(name, "PTXMILL_EMU_FAIL_CALL=alloc:" + std::to_string(failures + 1));
      CAPTURE(failures);
      CAPTURE(result.output);
      REQUIRE(result.exit_code == 0);
      reached_the_end = result.says("every allocation succeeded");
    }
    // b, c, packed, the block's two workspaces, x, out, the stream's workspace; then the run that
    // reached the end.
    CHECK(failures == 9);
    return;
  }
  const Device device = Device::open();
  const std::size_t free_before = device.memory().free;
  reset_counters();
  const Thrown thrown = thrown_by([&] {
    ManifestFixture fixture = fixture_library();
    ptxmill::test::add_chain_plan(fixture);
    const KernelLibrary library = fixture.open(device);
    const Stream stream(device);
    const std::vector<float> ones(64, 1.f);
    Block block = Block::open(library, "chain");
    block.prepare(stream,
                  {{"b", Tensor::from_host(stream, ones, {64})},
                   {"c", Tensor::from_host(stream, ones, {64})}},
                  {{"n", 64}});
    const Tensor x = Tensor::from_host(stream, ones, {64});
    const Tensor out = Tensor::empty(stream, DType::f32, {64});
    block.forward(stream, {{"n", 64}}, {{"x", x}}, {{"out", out}});
    library.kernel("through").launch(stream, {{"n", 64}}, x, out);
    stream.synchronize();
  });
  CAPTURE(thrown.what);
  CHECK(counters().allocations == counters().frees);
  device.synchronize();
  CHECK(device.memory().free == free_before);
  if (!thrown.any) {
    MESSAGE("every allocation succeeded");
    return;
  }
  CHECK(thrown.code == ErrorCode::out_of_memory);
  CHECK(thrown.says("bytes requested"));
  CHECK(thrown.says("bytes are free of"));
  const Stream stream(device);
  CHECK(Tensor::from_host(stream, std::vector<float>{3}, {1}).to_host<float>(stream) ==
        std::vector<float>{3});
}

TEST_CASE("trace: each launch is printed where it is asked for") {
  const char* name = "trace: each launch is printed where it is asked for";
  if (!in_child()) {
    const ChildResult result = run_again(name, "PTXMILL_TRACE=launches");
    CHECK(result.exit_code == 0);
    CHECK(
        result.says("ptxmill: launch kernel 'scale' (embedded/sm_80/scale.ptx) grid (1, 1, 1) "
                    "block (128, 1, 1) shared 0 B dims n = 2"));
    CHECK_FALSE(run_again(name, "PTXMILL_TRACE=").says("ptxmill: launch"));
    return;
  }
  const Scene scene;
  scene.library.kernel("scale").launch(scene.stream, {{"n", 2}}, scene.x, 1.f, scene.x);
  scene.stream.synchronize();
}
