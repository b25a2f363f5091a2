// Launches: shapes, parameters, attributes, faults.
#include <array>

#include "tests/emulator/driver_session.hpp"

namespace ptxmill::emu::driver_test {
namespace {

struct Shape {
  std::array<unsigned, 3> grid{1, 1, 1}, block{1, 1, 1};
  unsigned shared = 0;
};

/// A launch of `poke`, or of another kernel whose first parameter is a pointer.
CUresult launch_shape(CUfunction function, CUdeviceptr word, const Shape& s) {
  std::uint32_t value = 1;
  void* params[] = {&word, &value};
  return cuLaunchKernel(function, s.grid[0], s.grid[1], s.grid[2], s.block[0], s.block[1],
                        s.block[2], s.shared, nullptr, params, nullptr);
}

CUresult launch_with(CUfunction function, CUdeviceptr word, unsigned grid_x,
                     std::vector<CUlaunchAttribute> attributes) {
  std::uint32_t value = 1;
  void* params[] = {&word, &value};
  CUlaunchConfig config = {};
  config.gridDimX = grid_x;
  config.gridDimY = config.gridDimZ = config.blockDimY = config.blockDimZ = 1;
  config.blockDimX = 32;
  config.attrs = attributes.data();
  config.numAttrs = static_cast<unsigned>(attributes.size());
  return cuLaunchKernelEx(&config, function, params, nullptr);
}

CUlaunchAttribute cluster(unsigned x, unsigned y, unsigned z) {
  CUlaunchAttribute a = {};
  a.id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION;
  a.value.clusterDim.x = x;
  a.value.clusterDim.y = y;
  a.value.clusterDim.z = z;
  return a;
}

CUlaunchAttribute flag(CUlaunchAttributeID id, int value) {
  CUlaunchAttribute a = {};
  a.id = id;
  a.value.cooperative = value;  // all flags lie at the start of the union
  return a;
}

}  // namespace

TEST_CASE("a launch runs the kernel with its parameters") {
  Session session;
  const CUdeviceptr a = allocate_word(30), b = allocate_word(12), result = allocate(4);
  CHECK_OK(launch_one(session.kernel("sum"), nullptr, result, a, b));
  CHECK(read_word(result) == 42);

  struct {
    CUdeviceptr pointer;
    std::uint32_t value;
  } buffer{result, 77};
  std::size_t bytes = 12;
  void* extra[] = {reinterpret_cast<void*>(launch_param_buffer_pointer), &buffer,
                   reinterpret_cast<void*>(launch_param_buffer_size), &bytes, nullptr};
  const CUfunction poke = session.kernel("poke");
  const auto launch_extra = [&](void** params, void** how) {
    return cuLaunchKernel(poke, 1, 1, 1, 1, 1, 1, 0, nullptr, params, how);
  };
  CHECK_OK(launch_extra(nullptr, extra));
  CHECK(read_word(result) == 77);
  bytes = 16;
  CHECK_CODE(launch_extra(nullptr, extra), CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
  bytes = 8;
  CHECK_CODE(launch_extra(nullptr, extra), CUDA_ERROR_INVALID_VALUE);
  void* params[] = {&buffer.pointer, &buffer.value};
  CHECK_CODE(launch_extra(params, extra), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(launch_extra(nullptr, nullptr), CUDA_ERROR_INVALID_VALUE);
  void* missing[] = {&buffer.pointer, nullptr};
  CHECK_CODE(launch_extra(missing, nullptr), CUDA_ERROR_INVALID_VALUE);
  void* nonsense[] = {reinterpret_cast<void*>(9), &buffer, nullptr};
  CHECK_CODE(launch_extra(nullptr, nonsense), CUDA_ERROR_INVALID_VALUE);
  CHECK_OK(cuLaunchKernel(session.kernel("empty"), 1, 1, 1, 1, 1, 1, 0, nullptr, nullptr, nullptr));
  CHECK_OK(cuCtxSynchronize());
}

TEST_CASE("shapes that the device or the kernel cannot take are refused") {
  Session session;
  const CUfunction poke = session.kernel("poke"), narrow = session.kernel("narrow"),
                   shared_user = session.kernel("shared_user");
  const CUdeviceptr word = allocate_word(0);
  const auto refused = CUDA_ERROR_INVALID_VALUE;
  CHECK_CODE(launch_shape(poke, word, {{0, 1, 1}, {1, 1, 1}}), refused);
  CHECK_CODE(launch_shape(poke, word, {{1, 0, 1}, {1, 1, 1}}), refused);
  CHECK_CODE(launch_shape(poke, word, {{1, 1, 1}, {1, 1, 0}}), refused);
  CHECK_CODE(launch_shape(poke, word, {{1, 65536, 1}, {1, 1, 1}}), refused);
  CHECK_CODE(launch_shape(poke, word, {{1, 1, 65536}, {1, 1, 1}}), refused);
  CHECK_CODE(launch_shape(poke, word, {{0x80000000u, 1, 1}, {1, 1, 1}}), refused);
  CHECK_CODE(launch_shape(poke, word, {{1, 1, 1}, {1025, 1, 1}}), refused);
  CHECK_CODE(launch_shape(poke, word, {{1, 1, 1}, {64, 64, 1}}), refused);
  CHECK_CODE(launch_shape(poke, word, {{1, 1, 1}, {1, 1, 65}}), refused);
  CHECK_OK(launch_shape(poke, word, {{1, 1, 1}, {1, 1, 64}}));
  CHECK_CODE(launch_shape(narrow, word, {{1, 1, 1}, {129, 1, 1}}), refused);
  CHECK_OK(launch_shape(narrow, word, {{1, 1, 1}, {64, 2, 1}}));
  // .reqntid wants this block and no other, not even one of as many threads.
  const CUfunction exact = session.kernel("exact");
  CHECK_OK(launch_shape(exact, word, {{3, 1, 1}, {64, 2, 1}}));
  CHECK_CODE(launch_shape(exact, word, {{1, 1, 1}, {128, 1, 1}}), refused);
  CHECK_CODE(launch_shape(exact, word, {{1, 1, 1}, {64, 1, 1}}), refused);
  CHECK_CODE(launch_shape(exact, word, {{1, 1, 1}, {64, 1, 2}}), refused);
  int threads = 0;
  CHECK_OK(cuFuncGetAttribute(&threads, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, exact));
  CHECK(threads == 128);
  CHECK_OK(launch_shape(poke, word, {{1, 1, 1}, {1, 1, 1}, 49152}));
  CHECK_CODE(launch_shape(poke, word, {{1, 1, 1}, {1, 1, 1}, 49153}), refused);
  CHECK_OK(launch_shape(shared_user, word, {{1, 1, 1}, {1, 1, 1}, 49152 - 1000}));
  CHECK(read_word(word) == 7);
  CHECK_CODE(launch_shape(shared_user, word, {{1, 1, 1}, {1, 1, 1}, 49152 - 999}), refused);
  constexpr auto dynamic = CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
  CHECK_OK(cuFuncSetAttribute(poke, dynamic, 60000));
  CHECK_OK(launch_shape(poke, word, {{1, 1, 1}, {1, 1, 1}, 60000}));
  CHECK_CODE(launch_shape(poke, word, {{1, 1, 1}, {1, 1, 1}, 60001}), refused);
  CHECK_CODE(launch_shape(nullptr, word, {}), CUDA_ERROR_INVALID_HANDLE);
  CHECK_CODE(launch_one(poke, reinterpret_cast<CUstream>(0x7777), word, 1u),
             CUDA_ERROR_INVALID_HANDLE);
  CHECK_OK(cuCtxSynchronize());
  CHECK(read_word(word) == 1);
}

TEST_CASE("cooperative grids must fit the device") {
  Session session({{"PTXMILL_EMU_SMS", "2"}});
  const CUfunction poke = session.kernel("poke");
  CUdeviceptr word = allocate_word(0);
  std::uint32_t value = 1;
  void* params[] = {&word, &value};
  const auto launch = [&](unsigned grid, unsigned block) {
    return cuLaunchCooperativeKernel(poke, grid, 1, 1, block, 1, 1, 0, nullptr, params);
  };
  CHECK_OK(launch(4, 1024));
  CHECK_CODE(launch(5, 1024), CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE);
  CHECK_CODE(launch(0, 1024), CUDA_ERROR_INVALID_VALUE);
  const auto cooperative = flag(CU_LAUNCH_ATTRIBUTE_COOPERATIVE, 1);
  CHECK_OK(launch_with(poke, word, 64, {cooperative}));
  CHECK_CODE(launch_with(poke, word, 65, {cooperative}), CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE);
  CHECK_OK(launch_with(poke, word, 65, {flag(CU_LAUNCH_ATTRIBUTE_COOPERATIVE, 0)}));
}

TEST_CASE("launch attributes") {
  Session session;
  const CUfunction poke = session.kernel("poke");
  const CUdeviceptr word = allocate_word(0);
  const auto bad_cluster = CUDA_ERROR_INVALID_CLUSTER_SIZE;
  CHECK_OK(launch_with(poke, word, 4, {cluster(2, 1, 1)}));
  CHECK_CODE(launch_with(poke, word, 3, {cluster(2, 1, 1)}), bad_cluster);
  CHECK_CODE(launch_with(poke, word, 16, {cluster(1, 2, 1)}), bad_cluster);
  CHECK_CODE(launch_with(poke, word, 16, {cluster(0, 1, 1)}), bad_cluster);
  CHECK_OK(launch_with(poke, word, 16, {cluster(0, 0, 0)}));
  CHECK_CODE(launch_with(poke, word, 16, {cluster(16, 1, 1)}), bad_cluster);
  CHECK_OK(cuFuncSetAttribute(poke, CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED, 1));
  CHECK_OK(launch_with(poke, word, 16, {cluster(16, 1, 1)}));
  CHECK_CODE(launch_with(poke, word, 17, {cluster(17, 1, 1)}), bad_cluster);
  CHECK_OK(
      launch_with(poke, word, 1,
                  {flag(CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION, 1),
                   flag(CU_LAUNCH_ATTRIBUTE_PRIORITY, -1), flag(CU_LAUNCH_ATTRIBUTE_IGNORE, 0)}));
  CHECK_CODE(launch_with(poke, word, 1, {flag(static_cast<CUlaunchAttributeID>(99), 0)}),
             CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuLaunchKernelEx(nullptr, poke, nullptr, nullptr), CUDA_ERROR_INVALID_VALUE);
  CHECK_OK(cuCtxSynchronize());
}

TEST_CASE("clusters that run at a time") {
  Session session({{"PTXMILL_EMU_SMS", "36"}});
  const CUfunction poke = session.kernel("poke");
  CUlaunchAttribute attribute = cluster(8, 1, 1);
  CUlaunchConfig config = {};
  config.gridDimX = 64;
  config.gridDimY = config.gridDimZ = config.blockDimY = config.blockDimZ = 1;
  config.blockDimX = 1024;  // two blocks on a multiprocessor
  config.attrs = &attribute;
  config.numAttrs = 1;
  int n = -1;
  CHECK_OK(cuOccupancyMaxActiveClusters(&n, poke, &config));
  CHECK(n == 4 + 4 + 1);  // 16, 16 and 4 multiprocessors
  config.numAttrs = 0;
  CHECK_OK(cuOccupancyMaxActiveClusters(&n, poke, &config));
  CHECK(n == 72);
  attribute = cluster(9, 1, 1);
  config.numAttrs = 1;
  CHECK_CODE(cuOccupancyMaxActiveClusters(&n, poke, &config), CUDA_ERROR_INVALID_CLUSTER_SIZE);
  CHECK_CODE(cuOccupancyMaxActiveClusters(nullptr, poke, &config), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuOccupancyMaxActiveClusters(&n, poke, nullptr), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuOccupancyMaxActiveClusters(&n, nullptr, &config), CUDA_ERROR_INVALID_HANDLE);
}

TEST_CASE("older devices have no clusters") {
  Session session({{"PTXMILL_EMU_CC", "80"}});
  const CUfunction poke = session.kernel("poke");
  const CUdeviceptr word = allocate_word(0);
  CHECK_CODE(launch_with(poke, word, 4, {cluster(2, 1, 1)}), CUDA_ERROR_INVALID_CLUSTER_SIZE);
  CHECK_OK(launch_with(poke, word, 4, {cluster(1, 1, 1)}));
}

TEST_CASE("a fault surfaces later, and then every call returns it") {
  const ReportFile report;
  CUresult expected = CUDA_SUCCESS;
  {
    Session session({{"PTXMILL_EMU_REPORT", report.path()}});
    const CUfunction poke = session.kernel("poke"), fail = session.kernel("fail");
    const CUdeviceptr word = allocate_word(0);
    const CUstream stream = make_stream();
    const CUevent event = make_event();
    void* host = nullptr;
    REQUIRE_OK(cuMemAllocHost_v2(&host, 64));
    CUgraph graph = nullptr;
    CUgraphExec exec = nullptr;
    REQUIRE_OK(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
    REQUIRE_OK(cuStreamEndCapture(stream, &graph));
    REQUIRE_OK(cuGraphInstantiateWithFlags(&exec, graph, 0));

    SUBCASE("illegal address") {
      expected = CUDA_ERROR_ILLEGAL_ADDRESS;
      CHECK_OK(launch_one(poke, stream, CUdeviceptr{0x10}, 1u));
    }
    SUBCASE("misaligned address") {
      expected = CUDA_ERROR_MISALIGNED_ADDRESS;
      CHECK_OK(launch_one(poke, stream, word + 1, 1u));
    }
    SUBCASE("trap") {
      expected = CUDA_ERROR_LAUNCH_FAILED;
      CHECK_OK(cuLaunchKernel(fail, 1, 1, 1, 1, 1, 1, 0, stream, nullptr, nullptr));
    }
    CAPTURE(name_of(expected));
    CUdeviceptr pointer = 0;
    CUcontext context = nullptr;
    int value = 0;
    std::uint32_t out = 0;
    std::size_t bytes = 0;
    CHECK_CODE(cuCtxSynchronize(), expected);
    CHECK_CODE(cuCtxSynchronize(), expected);
    CHECK_CODE(cuStreamSynchronize(stream), expected);
    CHECK_CODE(cuMemAlloc_v2(&pointer, 4), expected);
    CHECK_CODE(cuMemGetInfo_v2(&bytes, &bytes), expected);
    CHECK_CODE(cuMemcpyDtoH_v2(&out, word, 4), expected);
    CHECK_CODE(launch_one(poke, stream, word, 1u), expected);
    CHECK_CODE(cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_NUM_REGS, poke), expected);
    CHECK_CODE(cuGraphLaunch(exec, stream), expected);
    CHECK_CODE(cuEventQuery(event), expected);
    // So do the destructors,
    CHECK_CODE(cuEventDestroy_v2(event), expected);
    CHECK_CODE(cuStreamDestroy_v2(stream), expected);
    CHECK_CODE(cuMemFree_v2(word), expected);
    CHECK_CODE(cuMemFreeHost(host), expected);
    CHECK_CODE(cuModuleUnload(session.module), expected);
    // but for what is only the host's business.
    CHECK_OK(cuGraphExecDestroy(exec));
    CHECK_OK(cuGraphDestroy(graph));
    CHECK_OK(cuCtxGetCurrent(&context));
    CHECK_OK(cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_WARP_SIZE, 0));
    // A new context does not help, nor does a reset of the primary one.
    CHECK_CODE(cuCtxCreate_v2(&context, 0, 0), expected);
    CHECK_OK(cuDevicePrimaryCtxReset_v2(0));
    CHECK_CODE(cuMemAlloc_v2(&pointer, 4), CUDA_ERROR_CONTEXT_IS_DESTROYED);
    CHECK_CODE(cuDevicePrimaryCtxRetain(&context, 0), expected);
  }
  CHECK(report.mentions(expected == CUDA_ERROR_LAUNCH_FAILED ? "fail" : "poke"));
  const Session fresh;  // the process goes on after ptxmill_emu_reset
  CHECK(read_word(allocate_word(3)) == 3);
}

}  // namespace ptxmill::emu::driver_test
