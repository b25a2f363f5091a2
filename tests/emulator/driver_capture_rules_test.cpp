// The rules of stream capture: which calls it forbids, what loses a capture, threads.
#include <functional>
#include <thread>

#include "tests/emulator/driver_session.hpp"

namespace ptxmill::emu::driver_test {
namespace {

constexpr CUstreamCaptureMode modes[] = {CU_STREAM_CAPTURE_MODE_GLOBAL,
                                         CU_STREAM_CAPTURE_MODE_THREAD_LOCAL,
                                         CU_STREAM_CAPTURE_MODE_RELAXED};

/// Begins a capture, runs `body`, and checks what becomes of the capture.
void expect_end(CUstreamCaptureMode mode, unsigned flags, const std::function<void(CUstream)>& body,
                CUresult expected) {
  CAPTURE(static_cast<int>(mode));
  const CUstream stream = make_stream(flags);
  REQUIRE_OK(cuStreamBeginCapture_v2(stream, mode));
  body(stream);
  CUgraph graph = reinterpret_cast<CUgraph>(1);
  CHECK_CODE(cuStreamEndCapture(stream, &graph), expected);
  CHECK((graph != nullptr) == (expected == CUDA_SUCCESS));
  CHECK(capture_status(stream) == CU_STREAM_CAPTURE_STATUS_NONE);
}

/// A misuse that a relaxed capture allows and the others refuse, losing the capture.
void expect_unsafe(const std::function<CUresult(CUstream)>& call) {
  for (const CUstreamCaptureMode mode : modes) {
    const bool allowed = mode == CU_STREAM_CAPTURE_MODE_RELAXED;
    expect_end(
        mode, CU_STREAM_NON_BLOCKING,
        [&](CUstream stream) {
          CHECK_CODE(call(stream), allowed ? CUDA_SUCCESS : CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
        },
        allowed ? CUDA_SUCCESS : CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  }
}

/// A misuse that every mode refuses with the same code, losing the capture.
void expect_refused(const std::function<CUresult(CUstream)>& call, CUresult code,
                    unsigned flags = CU_STREAM_NON_BLOCKING) {
  for (const CUstreamCaptureMode mode : modes) {
    expect_end(
        mode, flags, [&](CUstream stream) { CHECK_CODE(call(stream), code); },
        CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  }
}

}  // namespace

TEST_CASE("work that does not join is an error") {
  Session session;
  const CUfunction poke = session.kernel("poke");
  const CUdeviceptr word = allocate_word(0);
  const auto mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
  const CUevent event = make_event(), back = make_event();
  const auto fork = [&](CUstream from, CUstream to) {
    CHECK_OK(cuEventRecord(event, from));
    CHECK_OK(cuStreamWaitEvent(to, event, 0));
  };
  SUBCASE("work in the forked stream") {
    expect_end(
        mode, CU_STREAM_NON_BLOCKING,
        [&](CUstream stream) {
          const CUstream side = make_stream();
          CHECK_OK(launch_one(poke, stream, word, 1u));
          fork(stream, side);
          CHECK_OK(launch_one(poke, side, word, 2u));
        },
        CUDA_ERROR_STREAM_CAPTURE_UNJOINED);
  }
  SUBCASE("work after the join") {
    expect_end(
        mode, CU_STREAM_NON_BLOCKING,
        [&](CUstream stream) {
          const CUstream side = make_stream();
          fork(stream, side);
          CHECK_OK(launch_one(poke, side, word, 2u));
          CHECK_OK(cuEventRecord(back, side));
          CHECK_OK(cuStreamWaitEvent(stream, back, 0));
          CHECK_OK(launch_one(poke, side, word, 3u));
        },
        CUDA_ERROR_STREAM_CAPTURE_UNJOINED);
  }
  SUBCASE("a fork without work is none") {
    expect_end(
        mode, CU_STREAM_NON_BLOCKING,
        [&](CUstream stream) {
          CHECK_OK(launch_one(poke, stream, word, 1u));
          fork(stream, make_stream());
        },
        CUDA_SUCCESS);
  }
  SUBCASE("a forked stream and the events may be destroyed once joined") {
    expect_end(
        mode, CU_STREAM_NON_BLOCKING,
        [&](CUstream stream) {
          const CUstream side = make_stream();
          fork(stream, side);
          CHECK_OK(launch_one(poke, side, word, 2u));
          CHECK_OK(cuEventRecord(back, side));
          CHECK_OK(cuStreamWaitEvent(stream, back, 0));
          CHECK_OK(cuStreamDestroy_v2(side));
          CHECK_OK(cuEventDestroy_v2(event));
          CHECK_OK(cuEventDestroy_v2(back));
        },
        CUDA_SUCCESS);
  }
  SUBCASE("the capture ends where it began") {
    expect_end(
        mode, CU_STREAM_NON_BLOCKING,
        [&](CUstream stream) {
          const CUstream side = make_stream();
          CUgraph graph = nullptr;
          fork(stream, side);
          CHECK_CODE(cuStreamEndCapture(side, &graph), CUDA_ERROR_STREAM_CAPTURE_UNMATCHED);
          CHECK(capture_status(side) == CU_STREAM_CAPTURE_STATUS_INVALIDATED);
        },
        CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  }
  SUBCASE("captures do not merge") {
    const CUstream other = make_stream();
    REQUIRE_OK(cuStreamBeginCapture_v2(other, mode));
    CHECK_OK(launch_one(poke, other, word, 1u));
    CHECK_OK(cuEventRecord(event, other));
    expect_end(
        mode, CU_STREAM_NON_BLOCKING,
        [&](CUstream stream) {
          CHECK_CODE(cuStreamWaitEvent(stream, event, 0), CUDA_ERROR_STREAM_CAPTURE_MERGE);
        },
        CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    CUgraph graph = nullptr;
    CHECK_CODE(cuStreamEndCapture(other, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  }
}

TEST_CASE("calls that a capture forbids to its thread, unless it is relaxed") {
  Session session;
  session.kernel("poke");
  const CUstream other = make_stream();
  const CUevent event = make_event();
  REQUIRE_OK(cuEventRecord(event, other));
  CUdeviceptr pointer = 0;
  void* host = nullptr;
  expect_unsafe([&](CUstream) { return cuMemAlloc_v2(&pointer, 64); });
  expect_unsafe([&](CUstream) { return cuMemFree_v2(pointer); });
  expect_unsafe([&](CUstream) { return cuMemAllocHost_v2(&host, 64); });
  expect_unsafe([&](CUstream) { return cuMemFreeHost(host); });
  expect_unsafe([&](CUstream) { return cuMemAllocAsync(&pointer, 64, other); });
  expect_unsafe([&](CUstream) { return cuMemFreeAsync(pointer, other); });
  expect_unsafe([&](CUstream) { return cuStreamSynchronize(other); });
  expect_unsafe([&](CUstream) { return cuStreamQuery(other); });
  expect_unsafe([&](CUstream) { return cuEventQuery(event); });
  expect_unsafe([&](CUstream) { return cuEventSynchronize(event); });
  expect_unsafe([&](CUstream) { return cuModuleUnload(session.module); });
}

TEST_CASE("calls that no capture allows") {
  Session session;
  const CUfunction poke = session.kernel("poke");
  const CUdeviceptr word = allocate_word(0);
  const CUevent event = make_event(), recorded = make_event();
  REQUIRE_OK(cuEventRecord(recorded, make_stream()));
  CUdeviceptr pointer = 0;
  const auto unsupported = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  expect_refused([&](CUstream s) { return cuStreamSynchronize(s); }, unsupported);
  expect_refused([&](CUstream s) { return cuStreamQuery(s); }, unsupported);
  expect_refused([&](CUstream) { return cuCtxSynchronize(); }, unsupported);
  expect_refused([&](CUstream s) { return cuMemAllocAsync(&pointer, 64, s); }, unsupported);
  expect_refused(
      [&](CUstream s) {
        CHECK_OK(cuEventRecord(event, s));
        return cuEventQuery(event);
      },
      CUDA_ERROR_CAPTURED_EVENT);
  expect_refused(
      [&](CUstream s) {
        CHECK_OK(cuEventRecord(event, s));
        return cuEventSynchronize(event);
      },
      CUDA_ERROR_CAPTURED_EVENT);
  expect_refused([&](CUstream s) { return cuStreamWaitEvent(s, recorded, 0); },
                 CUDA_ERROR_STREAM_CAPTURE_ISOLATION);
  expect_refused(
      [&](CUstream s) {
        std::uint32_t value = 1;
        CUdeviceptr target = word;
        void* params[] = {&target, &value};
        return cuLaunchKernel(poke, 0, 1, 1, 1, 1, 1, 0, s, params, nullptr);
      },
      CUDA_ERROR_INVALID_VALUE);
  // The NULL stream would wait for a blocking stream that captures.
  const auto implicit = CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
  const std::uint32_t value = 1;
  expect_refused([&](CUstream) { return launch_one(poke, nullptr, word, 1u); }, implicit,
                 CU_STREAM_DEFAULT);
  expect_refused([&](CUstream) { return cuMemcpyHtoD_v2(word, &value, 4); }, implicit,
                 CU_STREAM_DEFAULT);
  expect_refused([&](CUstream) { return cuStreamSynchronize(nullptr); }, implicit,
                 CU_STREAM_DEFAULT);
  expect_refused([&](CUstream) { return cuEventRecord(event, nullptr); }, implicit,
                 CU_STREAM_DEFAULT);
}

TEST_CASE("calls that every capture allows") {
  Session session;
  const CUfunction poke = session.kernel("poke");
  const CUdeviceptr word = allocate_word(0);
  std::uint32_t value = 4;
  for (const CUstreamCaptureMode mode : modes) {
    expect_end(
        mode, CU_STREAM_NON_BLOCKING,
        [&](CUstream stream) {
          CUmodule module = nullptr;
          CHECK_OK(cuStreamWaitEvent(stream, make_event(), 0));  // never recorded
          CHECK_OK(cuEventDestroy_v2(make_event()));
          CHECK_OK(cuStreamDestroy_v2(make_stream()));
          CHECK_OK(cuModuleLoadData(&module, kernels_ptx));
          CHECK_OK(cuMemcpyHtoD_v2(word, &value, 4));
          CHECK_OK(launch_one(poke, nullptr, word, 6u));
          CHECK(free_memory() > 0);
          CHECK_CODE(cuStreamBeginCapture_v2(stream, mode), CUDA_ERROR_ILLEGAL_STATE);
          CHECK_OK(cuMemcpyHtoDAsync_v2(word, &value, 4, stream));
        },
        CUDA_SUCCESS);
  }
  CHECK(read_word(word) == 6);
}

TEST_CASE("an invalidated capture stays so until it is ended") {
  Session session;
  const CUfunction poke = session.kernel("poke");
  const CUdeviceptr word = allocate_word(0);
  const CUevent event = make_event();
  const auto invalidated = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  expect_end(
      CU_STREAM_CAPTURE_MODE_GLOBAL, CU_STREAM_NON_BLOCKING,
      [&](CUstream stream) {
        CHECK_CODE(cuStreamSynchronize(stream), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
        CHECK(capture_status(stream) == CU_STREAM_CAPTURE_STATUS_INVALIDATED);
        CHECK_CODE(launch_one(poke, stream, word, 1u), invalidated);
        CHECK_CODE(cuMemsetD8Async(word, 0, 4, stream), invalidated);
        CHECK_CODE(cuEventRecord(event, stream), invalidated);
        CHECK_CODE(cuStreamWaitEvent(stream, event, 0), invalidated);
        CHECK_CODE(cuLaunchHostFunc(
                       stream, [](void*) {}, nullptr),
                   invalidated);
        CUdeviceptr pointer = 0;
        CHECK_CODE(cuMemAlloc_v2(&pointer, 4), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
      },
      invalidated);
  CHECK_OK(cuMemFree_v2(allocate(4)));
}

TEST_CASE("captures and threads") {
  Session session;
  const CUfunction poke = session.kernel("poke");
  const CUdeviceptr word = allocate_word(0);
  const auto elsewhere = [&](const std::function<void()>& body) {
    std::thread([&] {
      CHECK_OK(cuCtxSetCurrent(session.context));
      body();
    }).join();
  };
  for (const CUstreamCaptureMode mode : modes) {
    CAPTURE(static_cast<int>(mode));
    const bool global = mode == CU_STREAM_CAPTURE_MODE_GLOBAL;
    const bool relaxed = mode == CU_STREAM_CAPTURE_MODE_RELAXED;
    expect_end(
        mode, CU_STREAM_NON_BLOCKING,
        [&](CUstream) {
          elsewhere([&] {
            CUdeviceptr pointer = 0;
            CHECK_CODE(cuMemAlloc_v2(&pointer, 4),
                       global ? CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED : CUDA_SUCCESS);
          });
        },
        global ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CUDA_SUCCESS);

    const CUstream stream = make_stream();
    REQUIRE_OK(cuStreamBeginCapture_v2(stream, mode));
    elsewhere([&] {
      CUgraph graph = nullptr;
      CHECK_OK(launch_one(poke, stream, word, 1u));
      CHECK_CODE(cuStreamEndCapture(stream, &graph),
                 relaxed ? CUDA_SUCCESS : CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD);
    });
    CHECK(capture_status(stream) == CU_STREAM_CAPTURE_STATUS_NONE);
  }
}

}  // namespace ptxmill::emu::driver_test
