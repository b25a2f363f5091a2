// Streams, events and host functions.
#include <atomic>
#include <chrono>
#include <thread>

#include "tests/emulator/driver_session.hpp"

namespace ptxmill::emu::driver_test {
namespace {

/// A host function that holds its stream until the test lets it go.
struct Gate {
  std::atomic<bool> entered{false}, open{false};

  static void wait(void* gate) {
    auto* g = static_cast<Gate*>(gate);
    g->entered = true;
    while (!g->open) std::this_thread::yield();
  }
};

/// A thread that has submitted the gate and sits in it.
class GatedStream {
 public:
  GatedStream(CUcontext context, CUstream stream)
      : thread_([this, context, stream] {
          CHECK_OK(cuCtxSetCurrent(context));
          CHECK_OK(cuLaunchHostFunc(stream, &Gate::wait, &gate_));
        }) {
    while (!gate_.entered) std::this_thread::yield();
  }
  ~GatedStream() { open(); }
  void open() {
    gate_.open = true;
    if (thread_.joinable()) thread_.join();
  }

 private:
  Gate gate_;
  std::thread thread_;
};

void append(void* text) { static_cast<std::string*>(text)->push_back('h'); }

struct Nested {
  CUresult allocated, current, count;
};

void call_driver(void* nested) {
  auto* n = static_cast<Nested*>(nested);
  CUdeviceptr pointer = 0;
  CUcontext context = nullptr;
  int count = 0;
  n->allocated = cuMemAlloc_v2(&pointer, 16);
  n->current = cuCtxGetCurrent(&context);
  n->count = cuDeviceGetCount(&count);
}

}  // namespace

TEST_CASE("streams are made, described and destroyed") {
  const Session session;
  CUstream stream = nullptr;
  int least = 9, greatest = 9, priority = 9;
  unsigned flags = 9;
  CHECK_CODE(cuStreamCreate(&stream, 2), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuStreamCreate(nullptr, 0), CUDA_ERROR_INVALID_VALUE);
  CHECK_OK(cuCtxGetStreamPriorityRange(&least, &greatest));
  CHECK(least == 0);
  CHECK(greatest == -5);
  REQUIRE_OK(cuStreamCreateWithPriority(&stream, CU_STREAM_NON_BLOCKING, -100));
  CHECK_OK(cuStreamGetPriority(stream, &priority));
  CHECK(priority == -5);
  CHECK_OK(cuStreamGetFlags(stream, &flags));
  CHECK(flags == CU_STREAM_NON_BLOCKING);
  CHECK_OK(cuStreamQuery(stream));
  CHECK_OK(cuStreamDestroy_v2(stream));
  CHECK_CODE(cuStreamDestroy_v2(stream), CUDA_ERROR_INVALID_HANDLE);
  CHECK_CODE(cuStreamSynchronize(stream), CUDA_ERROR_INVALID_HANDLE);
  CHECK_CODE(cuStreamSynchronize(reinterpret_cast<CUstream>(0x12345)), CUDA_ERROR_INVALID_HANDLE);
  CHECK_CODE(cuStreamDestroy_v2(nullptr), CUDA_ERROR_INVALID_HANDLE);
  CHECK_CODE(cuStreamDestroy_v2(reinterpret_cast<CUstream>(stream_legacy)),
             CUDA_ERROR_INVALID_HANDLE);
  CHECK_OK(cuStreamQuery(reinterpret_cast<CUstream>(stream_per_thread)));
  CHECK_OK(cuStreamSynchronize(reinterpret_cast<CUstream>(stream_legacy)));
}

TEST_CASE("events answer for the work before them") {
  Session session;
  const CUstream stream = make_stream();
  const CUevent timed = make_event(CU_EVENT_DEFAULT), later = make_event(CU_EVENT_DEFAULT),
                untimed = make_event();
  CUevent event = nullptr;
  float ms = -1;
  CHECK_CODE(cuEventCreate(&event, 0x80), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuEventCreate(&event, CU_EVENT_INTERPROCESS), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuEventCreate(nullptr, 0), CUDA_ERROR_INVALID_VALUE);
  CHECK_OK(cuEventQuery(timed));  // never recorded: nothing to wait for
  CHECK_OK(cuEventSynchronize(timed));
  CHECK_CODE(cuEventElapsedTime(&ms, timed, later), CUDA_ERROR_INVALID_HANDLE);
  CHECK_OK(cuEventRecord(timed, stream));
  CHECK_CODE(cuEventElapsedTime(&ms, timed, later), CUDA_ERROR_INVALID_HANDLE);
  const auto start = std::chrono::steady_clock::now();
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  CHECK_OK(cuEventRecord(later, stream));
  const std::chrono::duration<float, std::milli> took = std::chrono::steady_clock::now() - start;
  CHECK_OK(cuEventElapsedTime(&ms, timed, later));
  CHECK(ms >= 5);
  CHECK(ms < took.count() + 1000);
  CHECK_OK(cuEventElapsedTime_v2(&ms, later, later));
  CHECK(ms == 0);
  CHECK_OK(cuEventRecord(untimed, stream));
  CHECK_CODE(cuEventElapsedTime(&ms, timed, untimed), CUDA_ERROR_INVALID_HANDLE);
  CHECK_CODE(cuEventRecordWithFlags(timed, stream, 7), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuStreamWaitEvent(stream, timed, 9), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuEventRecord(nullptr, stream), CUDA_ERROR_INVALID_HANDLE);
  CHECK_CODE(cuEventQuery(nullptr), CUDA_ERROR_INVALID_HANDLE);
  CHECK_CODE(cuStreamWaitEvent(stream, nullptr, 0), CUDA_ERROR_INVALID_HANDLE);
  CHECK_OK(cuEventDestroy_v2(timed));
  CHECK_CODE(cuEventDestroy_v2(timed), CUDA_ERROR_INVALID_HANDLE);
}

TEST_CASE("host functions run in stream order and may not call the driver") {
  Session session;
  const CUstream stream = make_stream();
  std::string trail;
  CHECK_CODE(cuLaunchHostFunc(stream, nullptr, nullptr), CUDA_ERROR_INVALID_VALUE);
  CHECK_OK(cuLaunchHostFunc(stream, &append, &trail));
  Nested nested{};
  CHECK_OK(cuLaunchHostFunc(stream, &call_driver, &nested));
  CHECK_OK(cuStreamSynchronize(stream));
  CHECK(trail == "h");
  CHECK_CODE(nested.allocated, CUDA_ERROR_NOT_PERMITTED);
  CHECK_CODE(nested.current, CUDA_ERROR_NOT_PERMITTED);
  CHECK_CODE(nested.count, CUDA_ERROR_NOT_PERMITTED);
}

TEST_CASE("work behind a host function waits, other streams go on") {
  Session session;
  const CUfunction poke = session.kernel("poke");
  const CUdeviceptr word = allocate_word(0), other_word = allocate_word(0);
  const CUstream held = make_stream(), free = make_stream(), joined = make_stream();
  const CUevent event = make_event();
  GatedStream gate(session.context, held);
  CHECK_CODE(cuStreamQuery(held), CUDA_ERROR_NOT_READY);
  CHECK_OK(launch_one(poke, held, word, 1u));
  CHECK_OK(cuEventRecord(event, held));
  CHECK_CODE(cuEventQuery(event), CUDA_ERROR_NOT_READY);
  CHECK_OK(cuStreamWaitEvent(joined, event, 0));
  CHECK_OK(launch_one(poke, joined, word, 2u));
  CHECK_CODE(cuStreamQuery(joined), CUDA_ERROR_NOT_READY);
  CHECK_OK(launch_one(poke, free, other_word, 3u));
  CHECK_OK(cuStreamSynchronize(free));
  CHECK(read_word(other_word) == 3);
  CHECK(read_word(word) == 0);
  gate.open();
  CHECK_OK(cuEventSynchronize(event));
  CHECK_OK(cuStreamSynchronize(joined));
  CHECK(read_word(word) == 2);
}

TEST_CASE("the NULL stream and blocking streams wait for each other") {
  Session session;
  const CUfunction poke = session.kernel("poke"), twice = session.kernel("twice"),
                   increment = session.kernel("increment");
  const CUdeviceptr word = allocate_word(0);
  const CUstream blocking = make_stream(CU_STREAM_DEFAULT);
  GatedStream gate(session.context, blocking);
  CHECK_OK(launch_one(poke, blocking, word, 5u));
  CHECK_OK(launch_one(twice, nullptr, word));
  CHECK_CODE(cuStreamQuery(nullptr), CUDA_ERROR_NOT_READY);
  CHECK_OK(launch_one(increment, blocking, word));
  CHECK_CODE(cuStreamQuery(blocking), CUDA_ERROR_NOT_READY);
  gate.open();
  CHECK_OK(cuCtxSynchronize());
  CHECK(read_word(word) == 11);
}

TEST_CASE("a copy of pageable memory has read it when the call returns") {
  Session session;
  const CUstream stream = make_stream();
  const CUdeviceptr word = allocate_word(0);
  auto gate = std::make_unique<GatedStream>(session.context, stream);
  std::thread opener([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    gate->open();
  });
  std::uint32_t value = 9;
  CHECK_OK(cuMemcpyHtoDAsync_v2(word, &value, 4, stream));
  value = 0;  // the caller's to reuse
  opener.join();
  CHECK_OK(cuStreamSynchronize(stream));
  CHECK(read_word(word) == 9);
}

TEST_CASE("memory freed in stream order lives until its turn") {
  Session session;
  const CUfunction increment = session.kernel("increment");
  const CUstream stream = make_stream();
  const std::size_t before = free_memory();
  CUdeviceptr word = 0;
  REQUIRE_OK(cuMemAllocAsync(&word, 4, stream));
  REQUIRE_OK(cuMemsetD32Async(word, 0, 1, stream));
  GatedStream gate(session.context, stream);
  CHECK_OK(launch_one(increment, stream, word));
  CHECK_OK(cuMemFreeAsync(word, stream));
  CHECK_CODE(cuMemFreeAsync(word, stream), CUDA_ERROR_INVALID_VALUE);
  CHECK(free_memory() == before - 4);
  gate.open();
  CHECK_OK(cuStreamSynchronize(stream));  // the launch found its memory
  CHECK(free_memory() == before);
}

}  // namespace ptxmill::emu::driver_test
