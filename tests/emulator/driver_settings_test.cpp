// The environment: malformed settings, injected failures.
#include "tests/emulator/driver_session.hpp"

namespace ptxmill::emu::driver_test {

TEST_CASE("malformed settings fail cuInit") {
  constexpr std::pair<const char*, const char*> malformed[] = {
      {"PTXMILL_EMU_CHECK", "maybe"},
      {"PTXMILL_EMU_SCHEDULE", "early"},
      {"PTXMILL_EMU_SEED", "-1"},
      {"PTXMILL_EMU_SEED", "0x10"},
      {"PTXMILL_EMU_THREADS", "-1"},
      {"PTXMILL_EMU_THREADS", "1025"},
      {"PTXMILL_EMU_THREADS", "all"},
      {"PTXMILL_EMU_SMS", "0"},
      {"PTXMILL_EMU_SMS", "many"},
      {"PTXMILL_EMU_SMS", "99999999999999999999"},
      {"PTXMILL_EMU_CC", "9.0"},
      {"PTXMILL_EMU_CC", "91"},
      {"PTXMILL_EMU_DRIVER_VERSION", "12.4"},
      {"PTXMILL_EMU_MEMORY", "2G"},
      {"PTXMILL_EMU_MEMORY", "12"},
      {"PTXMILL_EMU_INSTRUCTION_BUDGET", "0"},
      {"PTXMILL_EMU_FAIL_CALL", "cuMemAlloc_v2"},
      {"PTXMILL_EMU_FAIL_CALL", "cuMemAlloc_v2:0"},
      {"PTXMILL_EMU_FAIL_CALL", "cuMemAlloc:1"},
      {"PTXMILL_EMU_FAIL_CALL", "cuMemAlloc_v2:1=CUDA_ERROR_NONE"},
      {"PTXMILL_EMU_FAIL_CALL", "cuMemAlloc_v2:1=CUDA_SUCCESS"},
      {"PTXMILL_EMU_FAIL_CALL", "cuMemAlloc_v2:1,"},
  };
  for (const auto& setting : malformed) {
    CAPTURE(std::string(setting.first) + "=" + setting.second);
    const Environment environment({setting});
    int n = 0;
    CHECK_CODE(cuInit(0), CUDA_ERROR_INVALID_VALUE);
    CHECK_CODE(cuDeviceGetCount(&n), CUDA_ERROR_NOT_INITIALIZED);
  }
  const Environment sound({{"PTXMILL_EMU_CHECK", "warn"},
                           {"PTXMILL_EMU_SCHEDULE", "random"},
                           {"PTXMILL_EMU_SEED", "18446744073709551615"},
                           {"PTXMILL_EMU_THREADS", "3"},
                           {"PTXMILL_EMU_CC", ""},
                           {"PTXMILL_EMU_DRIVER_VERSION", "12040"},
                           {"PTXMILL_EMU_INSTRUCTION_BUDGET", "1000"}});
  int version = 0;
  CHECK_OK(cuInit(0));
  CHECK_OK(cuDriverGetVersion(&version));
  CHECK(version == 12040);
}

TEST_CASE("the n-th call of a name fails, once") {
  const Session session({{"PTXMILL_EMU_FAIL_CALL",
                          "cuMemAlloc_v2:3,cuStreamCreate:1,"
                          "cuEventCreate:2=CUDA_ERROR_NOT_SUPPORTED"}});
  CUdeviceptr pointer = 0;
  CUstream stream = nullptr;
  CUevent event = nullptr;
  CHECK_OK(cuMemAlloc_v2(&pointer, 4));
  CHECK_CODE(cuMemAlloc_v2(&pointer, 0), CUDA_ERROR_INVALID_VALUE);  // counts too
  const std::size_t before = free_memory();
  CHECK_CODE(cuMemAlloc_v2(&pointer, 4), CUDA_ERROR_OUT_OF_MEMORY);
  CHECK(free_memory() == before);
  CHECK_OK(cuMemAlloc_v2(&pointer, 4));
  CHECK_CODE(cuStreamCreate(&stream, 0), CUDA_ERROR_UNKNOWN);
  CHECK_OK(cuStreamCreate(&stream, 0));
  CHECK_OK(cuEventCreate(&event, 0));
  CHECK_CODE(cuEventCreate(&event, 0), CUDA_ERROR_NOT_SUPPORTED);
  CHECK_OK(cuEventCreate(&event, 0));
}

TEST_CASE("'alloc' counts every call that allocates") {
  const Session session({{"PTXMILL_EMU_FAIL_CALL", "alloc:2,alloc:4=CUDA_ERROR_UNKNOWN"}});
  CUdeviceptr pointer = 0;
  void* host = nullptr;
  CHECK_OK(cuMemAlloc_v2(&pointer, 4));
  CHECK_CODE(cuMemAllocHost_v2(&host, 4), CUDA_ERROR_OUT_OF_MEMORY);
  CHECK_OK(cuMemHostAlloc(&host, 4, 0));
  CHECK_CODE(cuMemAllocAsync(&pointer, 4, nullptr), CUDA_ERROR_UNKNOWN);
  CHECK_OK(cuMemAllocAsync(&pointer, 4, nullptr));
}

TEST_CASE("an injected fault is as lasting as a real one") {
  const Session session(
      {{"PTXMILL_EMU_FAIL_CALL", "cuCtxSynchronize:2=CUDA_ERROR_ILLEGAL_ADDRESS"}});
  CUdeviceptr pointer = 0;
  CHECK_OK(cuCtxSynchronize());
  CHECK_CODE(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
  CHECK_CODE(cuMemAlloc_v2(&pointer, 4), CUDA_ERROR_ILLEGAL_ADDRESS);
}

TEST_CASE("cuInit can be made to fail") {
  const Environment environment({{"PTXMILL_EMU_FAIL_CALL", "cuInit:1=CUDA_ERROR_NO_DEVICE"}});
  int n = 0;
  CHECK_CODE(cuInit(0), CUDA_ERROR_NO_DEVICE);
  CHECK_CODE(cuDeviceGetCount(&n), CUDA_ERROR_NOT_INITIALIZED);
}

TEST_CASE("the check level decides what a finding does, and the report file where it goes") {
  for (const char* level : {"off", "warn", "fail"}) {
    CAPTURE(std::string(level));
    const ReportFile report;
    {
      Session session({{"PTXMILL_EMU_CHECK", level}, {"PTXMILL_EMU_REPORT", report.path()}});
      const CUdeviceptr undefined = allocate(4);
      CHECK_OK(launch_one(session.kernel("branch"), nullptr, undefined));
      const bool fails = std::string(level) == "fail";
      CHECK_CODE(cuCtxSynchronize(), fails ? CUDA_ERROR_LAUNCH_FAILED : CUDA_SUCCESS);
    }
    CHECK(report.mentions("branch") == (std::string(level) != "off"));
  }
}

TEST_CASE("the instruction budget ends what would not end") {
  Session session({{"PTXMILL_EMU_INSTRUCTION_BUDGET", "1000"}});
  CHECK_OK(cuLaunchKernel(session.kernel("spin"), 1, 1, 1, 1, 1, 1, 0, nullptr, nullptr, nullptr));
  CHECK_CODE(cuCtxSynchronize(), CUDA_ERROR_LAUNCH_TIMEOUT);
}

TEST_CASE("a reset forgets everything") {
  CUdeviceptr pointer = 0;
  CUcontext context = nullptr;
  const Session session;
  pointer = allocate(64);
  const CUstream stream = make_stream();
  ptxmill_emu_reset();
  CHECK_CODE(cuMemFree_v2(pointer), CUDA_ERROR_NOT_INITIALIZED);
  REQUIRE_OK(cuInit(0));
  CHECK_OK(cuCtxGetCurrent(&context));
  CHECK(context == nullptr);
  CHECK_CODE(cuCtxSetCurrent(session.context), CUDA_ERROR_INVALID_CONTEXT);
  CHECK_CODE(cuStreamSynchronize(stream), CUDA_ERROR_INVALID_HANDLE);
  CHECK_CODE(cuMemFree_v2(pointer), CUDA_ERROR_INVALID_VALUE);
}

}  // namespace ptxmill::emu::driver_test
