// Stream capture and graphs: what is recorded, what is refused, what a launch replays.
#include <functional>

#include "tests/emulator/driver_session.hpp"

namespace ptxmill::emu::driver_test {
namespace {

/// Captures what `work` submits and makes it executable.
CUgraphExec capture(CUstream stream, const std::function<void()>& work, std::size_t nodes) {
  CUgraph graph = nullptr;
  CUgraphExec exec = nullptr;
  REQUIRE_OK(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
  CHECK(capture_status(stream) == CU_STREAM_CAPTURE_STATUS_ACTIVE);
  work();
  REQUIRE_OK(cuStreamEndCapture(stream, &graph));
  CHECK(capture_status(stream) == CU_STREAM_CAPTURE_STATUS_NONE);
  std::size_t count = 0;
  CHECK_OK(cuGraphGetNodes(graph, nullptr, &count));
  CHECK(count == nodes);
  REQUIRE_OK(cuGraphInstantiateWithFlags(&exec, graph, 0));
  CHECK_OK(cuGraphDestroy(graph));
  return exec;
}

void count_up(void* counter) { ++*static_cast<int*>(counter); }

}  // namespace

TEST_CASE("a graph replays what was captured, with the values of then") {
  Session session;
  const CUfunction poke = session.kernel("poke"), twice = session.kernel("twice"),
                   increment = session.kernel("increment");
  const CUdeviceptr word = allocate_word(100), copy = allocate_word(0);
  const CUstream stream = make_stream();
  void* host = nullptr;
  REQUIRE_OK(cuMemAllocHost_v2(&host, 4));
  auto* seen = static_cast<std::uint32_t*>(host);
  *seen = 0;
  int calls = 0;
  const CUgraphExec exec = capture(
      stream,
      [&] {
        CHECK_OK(launch_one(poke, stream, word, 5u));
        CHECK_OK(launch_one(twice, stream, word));
        CHECK_OK(launch_one(increment, stream, word));
        CHECK_OK(cuMemcpyDtoDAsync_v2(copy, word, 4, stream));
        CHECK_OK(cuMemcpyDtoHAsync_v2(seen, copy, 4, stream));
        CHECK_OK(cuMemsetD32Async(copy, 1, 1, stream));
        CHECK_OK(cuLaunchHostFunc(stream, &count_up, &calls));
      },
      7);
  CHECK(read_word(word) == 100);  // nothing ran
  CHECK(calls == 0);
  for (int i = 1; i <= 3; ++i) {
    *seen = 0;
    CHECK_OK(cuGraphLaunch(exec, i == 3 ? nullptr : stream));
    CHECK_OK(cuCtxSynchronize());
    CHECK(*seen == 11);
    CHECK(read_word(copy) == 1);
    CHECK(calls == i);
  }
  CHECK_OK(cuModuleUnload(session.module));  // the graph keeps its kernels
  CHECK_OK(cuGraphLaunch(exec, stream));
  CHECK_OK(cuStreamSynchronize(stream));
  CHECK(calls == 4);
  CHECK_OK(cuGraphExecDestroy(exec));
  CHECK_CODE(cuGraphExecDestroy(exec), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuGraphLaunch(exec, stream), CUDA_ERROR_INVALID_VALUE);
}

TEST_CASE("a capture follows forks and joins by events") {
  Session session;
  const CUfunction poke = session.kernel("poke"), sum = session.kernel("sum");
  const CUdeviceptr left = allocate_word(0), right = allocate_word(0), result = allocate_word(0);
  const CUstream main = make_stream(), side = make_stream();
  const CUevent forked = make_event(), joined = make_event();
  const CUgraphExec exec = capture(
      main,
      [&] {
        CHECK_OK(launch_one(poke, main, left, 30u));
        CHECK_OK(cuEventRecord(forked, main));
        CHECK_OK(cuStreamWaitEvent(side, forked, 0));
        CHECK(capture_status(side) == CU_STREAM_CAPTURE_STATUS_ACTIVE);
        CHECK_OK(launch_one(poke, side, right, 12u));
        CHECK_OK(launch_one(poke, main, left, 40u));
        CHECK_OK(cuEventRecord(joined, side));
        CHECK_OK(cuStreamWaitEvent(main, joined, 0));
        CUstreamCaptureStatus status;
        const CUgraphNode* dependencies = nullptr;
        std::size_t count = 0;
        cuuint64_t id = 0, side_id = 0;
        CHECK_OK(cuStreamGetCaptureInfo_v2(main, &status, &id, nullptr, &dependencies, &count));
        CHECK(count == 2);
        CHECK(dependencies[0] != dependencies[1]);
        CHECK_OK(cuStreamGetCaptureInfo_v2(side, &status, &side_id, nullptr, nullptr, nullptr));
        CHECK(id == side_id);
        CHECK_OK(launch_one(sum, main, result, left, right));
      },
      4);
  CHECK(capture_status(side) == CU_STREAM_CAPTURE_STATUS_NONE);
  CHECK_OK(cuGraphLaunch(exec, main));
  CHECK_OK(cuStreamSynchronize(main));
  CHECK(read_word(result) == 52);
  CHECK_OK(launch_one(poke, side, right, 1u));  // the side stream runs again
  CHECK_OK(cuStreamSynchronize(side));
  CHECK(read_word(right) == 1);
}

TEST_CASE("odd ends of captures, events and graphs") {
  Session session;
  const CUfunction poke = session.kernel("poke");
  const CUdeviceptr word = allocate_word(0);
  const CUstream stream = make_stream();
  const CUevent event = make_event(), plain = make_event();
  const auto mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
  CUgraph graph = nullptr;
  CUgraphExec exec = nullptr;
  CHECK_CODE(cuStreamEndCapture(stream, &graph), CUDA_ERROR_ILLEGAL_STATE);
  CHECK_CODE(cuStreamBeginCapture_v2(nullptr, mode), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  CHECK_CODE(cuStreamBeginCapture_v2(stream, static_cast<CUstreamCaptureMode>(7)),
             CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuStreamIsCapturing(stream, nullptr), CUDA_ERROR_INVALID_VALUE);

  // The graph of a capture in progress is shown, but cannot be used.
  REQUIRE_OK(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
  CUstreamCaptureStatus status;
  CHECK_OK(cuStreamGetCaptureInfo_v3(stream, &status, nullptr, &graph, nullptr, nullptr, nullptr));
  CHECK(graph != nullptr);
  CHECK_CODE(cuGraphInstantiateWithFlags(&exec, graph, 0), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuGraphDestroy(graph), CUDA_ERROR_INVALID_VALUE);
  for (std::uint32_t i = 0; i < 3; ++i) CHECK_OK(launch_one(poke, stream, word, i));
  CHECK_OK(cuEventRecord(event, stream));
  REQUIRE_OK(cuStreamEndCapture(stream, &graph));

  CUgraphNode nodes[5] = {nullptr, nullptr, nullptr, reinterpret_cast<CUgraphNode>(1), nullptr};
  std::size_t count = 2;
  CHECK_OK(cuGraphGetNodes(graph, nodes, &count));
  CHECK(count == 2);
  count = 5;
  CHECK_OK(cuGraphGetNodes(graph, nodes, &count));
  CHECK(count == 3);
  CHECK(nodes[2] != nullptr);
  CHECK(nodes[3] == nullptr);
  CHECK_CODE(cuGraphGetNodes(graph, nullptr, nullptr), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuGraphInstantiateWithFlags(&exec, graph, 0xff00), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuGraphInstantiateWithFlags(nullptr, graph, 0), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuGraphInstantiateWithFlags(&exec, nullptr, 0), CUDA_ERROR_INVALID_VALUE);
  REQUIRE_OK(cuGraphInstantiateWithFlags(&exec, graph, 0));
  CHECK_OK(cuGraphDestroy(graph));
  CHECK_CODE(cuGraphDestroy(graph), CUDA_ERROR_INVALID_VALUE);

  // An event of a capture that ended stands for nothing until it is recorded again.
  CHECK_CODE(cuEventQuery(event), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuStreamWaitEvent(stream, event, 0), CUDA_ERROR_INVALID_VALUE);
  CHECK_OK(cuEventRecord(event, stream));
  CHECK_OK(cuEventQuery(event));

  // A graph does not go into a capture.
  REQUIRE_OK(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
  CHECK_CODE(cuGraphLaunch(exec, stream), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  CHECK_CODE(cuStreamEndCapture(stream, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);

  // External records and waits are nodes.
  const CUgraphExec external = capture(
      stream,
      [&] {
        CHECK_OK(cuEventRecordWithFlags(plain, stream, CU_EVENT_RECORD_EXTERNAL));
        CHECK_OK(cuStreamWaitEvent(stream, plain, CU_EVENT_WAIT_EXTERNAL));
      },
      2);
  CHECK_OK(cuGraphLaunch(external, stream));
  CHECK_OK(cuEventSynchronize(plain));

  // Destroying the stream drops its capture; dropping the graph is allowed.
  const CUstream dropped = make_stream();
  REQUIRE_OK(cuStreamBeginCapture_v2(dropped, mode));
  CHECK_OK(cuStreamDestroy_v2(dropped));
  REQUIRE_OK(cuStreamBeginCapture_v2(stream, mode));
  CHECK_OK(cuStreamEndCapture(stream, nullptr));
  CHECK_OK(cuMemFree_v2(allocate(4)));
}

TEST_CASE("a graph whose memory is gone faults when it runs") {
  Session session;
  const CUstream stream = make_stream();
  const CUdeviceptr word = allocate_word(0);
  const CUgraphExec exec = capture(
      stream, [&] { CHECK_OK(cuMemsetD8Async(word, 1, 4, stream)); }, 1);
  CHECK_OK(cuMemFree_v2(word));
  CHECK_OK(cuGraphLaunch(exec, stream));
  CHECK_CODE(cuStreamSynchronize(stream), CUDA_ERROR_LAUNCH_FAILED);
}

}  // namespace ptxmill::emu::driver_test
