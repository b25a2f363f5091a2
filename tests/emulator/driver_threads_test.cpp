// Many threads at once. Run under the thread sanitizer, this is what finds the races.
#include <atomic>
#include <thread>

#include "tests/emulator/driver_session.hpp"

namespace ptxmill::emu::driver_test {
namespace {

constexpr int thread_count = 64;

/// A thread's own stream, memory, event and graph; counts what went wrong, since a doctest check
/// from many threads would serialise them.
int hammer(CUcontext context, CUmodule module, CUdeviceptr shared_word, unsigned seed) {
  int failures = 0;
  const auto expect = [&](bool ok) { failures += ok ? 0 : 1; };
  const auto ok = [&](CUresult code) { expect(code == CUDA_SUCCESS); };
  ok(cuCtxSetCurrent(context));
  CUfunction increment = nullptr, count = nullptr, poke = nullptr;
  ok(cuModuleGetFunction(&increment, module, "increment"));
  ok(cuModuleGetFunction(&count, module, "count"));
  ok(cuModuleGetFunction(&poke, module, "poke"));
  CUstream stream = nullptr;
  CUevent event = nullptr;
  ok(cuStreamCreate(&stream, seed % 2 == 0 ? CU_STREAM_NON_BLOCKING : CU_STREAM_DEFAULT));
  ok(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
  for (std::uint32_t round = 0; round < 10; ++round) {
    CUdeviceptr word = 0;
    std::uint32_t value = 0;
    ok(cuMemAllocAsync(&word, 4, stream));
    ok(launch_one(poke, stream, word, seed * 100 + round));
    CUgraph graph = nullptr;
    CUgraphExec exec = nullptr;
    ok(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
    ok(launch_one(increment, stream, word));
    ok(cuStreamEndCapture(stream, &graph));
    ok(cuGraphInstantiateWithFlags(&exec, graph, 0));
    ok(cuGraphLaunch(exec, stream));
    ok(cuGraphLaunch(exec, stream));
    ok(cuEventRecord(event, stream));
    ok(cuEventSynchronize(event));
    ok(cuMemcpyDtoHAsync_v2(&value, word, 4, stream));
    expect(value == seed * 100 + round + 2);
    ok(launch_one(count, stream, shared_word));
    ok(cuLaunchHostFunc(
        stream, [](void* counter) { ++*static_cast<std::atomic<std::uint32_t>*>(counter); },
        [] {
          static std::atomic<std::uint32_t> counter{0};
          return &counter;
        }()));
    ok(cuMemFreeAsync(word, stream));
    ok(cuGraphExecDestroy(exec));
    ok(cuGraphDestroy(graph));
    ok(cuStreamSynchronize(stream));
  }
  ok(cuEventDestroy_v2(event));
  ok(cuStreamDestroy_v2(stream));
  return failures;
}

}  // namespace

TEST_CASE("64 threads use one context at once") {
  Session session;
  session.kernel("poke");
  const CUdeviceptr shared_word = allocate_word(0);
  const std::size_t before = free_memory();
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < thread_count; ++i) {
    threads.emplace_back(
        [&, i] { failures += hammer(session.context, session.module, shared_word, i); });
  }
  for (std::thread& t : threads) t.join();
  CHECK(failures == 0);
  CHECK_OK(cuCtxSynchronize());
  CHECK(read_word(shared_word) == 10 * thread_count);
  CHECK(free_memory() == before);
}

TEST_CASE("threads retain, use and release the primary context") {
  const Environment environment;
  REQUIRE_OK(cuInit(0));
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 20; ++round) {
        CUcontext context = nullptr;
        CUdeviceptr pointer = 0;
        if (cuDevicePrimaryCtxRetain(&context, 0) != CUDA_SUCCESS) ++failures;
        if (cuCtxSetCurrent(context) != CUDA_SUCCESS) ++failures;
        if (cuMemAlloc_v2(&pointer, 256) != CUDA_SUCCESS) ++failures;
        if (cuMemFree_v2(pointer) != CUDA_SUCCESS) ++failures;
        if (cuDevicePrimaryCtxRelease_v2(0) != CUDA_SUCCESS) ++failures;
      }
    });
  }
  for (std::thread& t : threads) t.join();
  CHECK(failures == 0);
  unsigned flags = 0;
  int active = 1;
  CHECK_OK(cuDevicePrimaryCtxGetState(0, &flags, &active));
  CHECK(active == 0);
}

}  // namespace ptxmill::emu::driver_test
