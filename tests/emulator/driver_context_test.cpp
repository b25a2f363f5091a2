// Initialisation, devices, contexts, errors, cuGetProcAddress.
#include <cstring>
#include <thread>

#include "tests/emulator/driver_session.hpp"

namespace ptxmill::emu::driver_test {

TEST_CASE("calls before cuInit are refused, but for those that need nothing") {
  const Environment environment;
  int n = 0;
  CUcontext context = nullptr;
  CUdeviceptr pointer = 0;
  CHECK_CODE(cuDeviceGetCount(&n), CUDA_ERROR_NOT_INITIALIZED);
  CHECK_CODE(cuCtxGetCurrent(&context), CUDA_ERROR_NOT_INITIALIZED);
  CHECK_CODE(cuCtxSynchronize(), CUDA_ERROR_NOT_INITIALIZED);
  CHECK_CODE(cuMemAlloc_v2(&pointer, 4), CUDA_ERROR_NOT_INITIALIZED);
  CHECK_CODE(cuInit(1), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuDeviceGetCount(&n), CUDA_ERROR_NOT_INITIALIZED);
  CHECK_OK(cuDriverGetVersion(&n));
  CHECK(n == 13000);
  CHECK_OK(cuInit(0));
  CHECK_OK(cuInit(0));
  CHECK_OK(cuDeviceGetCount(&n));
  CHECK(n == 1);
}

TEST_CASE("error codes have names and texts, others do not") {
  const char* text = nullptr;
  CHECK_OK(cuGetErrorName(CUDA_ERROR_ILLEGAL_ADDRESS, &text));
  CHECK(std::string(text) == "CUDA_ERROR_ILLEGAL_ADDRESS");
  CHECK_OK(cuGetErrorString(CUDA_ERROR_ILLEGAL_ADDRESS, &text));
  CHECK(std::strlen(text) > 0);
  CHECK_CODE(cuGetErrorName(static_cast<CUresult>(12345), &text), CUDA_ERROR_INVALID_VALUE);
  CHECK(text == nullptr);
  CHECK_CODE(cuGetErrorString(static_cast<CUresult>(12345), &text), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuGetErrorName(CUDA_SUCCESS, nullptr), CUDA_ERROR_INVALID_VALUE);
}

TEST_CASE("there is one device, described by the settings") {
  const Environment environment(
      {{"PTXMILL_EMU_SMS", "20"}, {"PTXMILL_EMU_CC", "86"}, {"PTXMILL_EMU_MEMORY", "16777216"}});
  REQUIRE_OK(cuInit(0));
  CUdevice device = -1;
  CHECK_OK(cuDeviceGet(&device, 0));
  CHECK(device == 0);
  CHECK_CODE(cuDeviceGet(&device, 1), CUDA_ERROR_INVALID_DEVICE);
  CHECK_CODE(cuDeviceGet(&device, -1), CUDA_ERROR_INVALID_DEVICE);
  CHECK_CODE(cuDeviceGet(nullptr, 0), CUDA_ERROR_INVALID_VALUE);

  char name[64];
  CHECK_OK(cuDeviceGetName(name, sizeof(name), 0));
  CHECK(std::string(name) == "ptxmill emulated device (sm_86)");
  CHECK_OK(cuDeviceGetName(name, 5, 0));
  CHECK(std::string(name) == "ptxm");
  CHECK_CODE(cuDeviceGetName(name, 0, 0), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuDeviceGetName(nullptr, 5, 0), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuDeviceGetName(name, 64, 7), CUDA_ERROR_INVALID_DEVICE);

  std::size_t bytes = 0;
  CHECK_OK(cuDeviceTotalMem_v2(&bytes, 0));
  CHECK(bytes == 16777216);
  int major = 0, minor = 0;
  CHECK_OK(cuDeviceComputeCapability(&major, &minor, 0));
  CHECK(major == 8);
  CHECK(minor == 6);

  const auto attribute = [](CUdevice_attribute which) {
    int value = -1;
    CHECK_OK(cuDeviceGetAttribute(&value, which, 0));
    return value;
  };
  CHECK(attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT) == 20);
  CHECK(attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR) == 8);
  CHECK(attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR) == 6);
  CHECK(attribute(CU_DEVICE_ATTRIBUTE_WARP_SIZE) == 32);
  CHECK(attribute(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK) == 1024);
  CHECK(attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK) == 49152);
  CHECK(attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN) == 101376);
  CHECK(attribute(CU_DEVICE_ATTRIBUTE_CLUSTER_LAUNCH) == 0);
  CHECK(attribute(CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH) == 1);
  CHECK(attribute(CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING) == 1);
  CHECK(attribute(CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED) == 1);
  CHECK(attribute(static_cast<CUdevice_attribute>(21)) == 0);  // 1D textures: there are none
  int value = 0;
  CHECK_CODE(cuDeviceGetAttribute(&value, static_cast<CUdevice_attribute>(0), 0),
             CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuDeviceGetAttribute(&value, static_cast<CUdevice_attribute>(9999), 0),
             CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuDeviceGetAttribute(nullptr, CU_DEVICE_ATTRIBUTE_WARP_SIZE, 0),
             CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_WARP_SIZE, 1),
             CUDA_ERROR_INVALID_DEVICE);
  CUuuid uuid, again;
  CHECK_OK(cuDeviceGetUuid(&uuid, 0));
  CHECK_OK(cuDeviceGetUuid_v2(&again, 0));
  CHECK(std::memcmp(&uuid, &again, sizeof(uuid)) == 0);
}

TEST_CASE("without a current context, what needs one is refused") {
  const Environment environment;
  REQUIRE_OK(cuInit(0));
  CUdeviceptr pointer = 0;
  CUcontext context = nullptr;
  CUdevice device = 0;
  CUstream stream = nullptr;
  CUevent event = nullptr;
  CUmodule module = nullptr;
  std::size_t bytes = 0;
  void* host = nullptr;
  CHECK_CODE(cuMemAlloc_v2(&pointer, 4), CUDA_ERROR_INVALID_CONTEXT);
  CHECK_CODE(cuMemAllocAsync(&pointer, 4, nullptr), CUDA_ERROR_INVALID_CONTEXT);
  CHECK_CODE(cuMemAllocHost_v2(&host, 4), CUDA_ERROR_INVALID_CONTEXT);
  CHECK_CODE(cuMemGetInfo_v2(&bytes, &bytes), CUDA_ERROR_INVALID_CONTEXT);
  CHECK_CODE(cuCtxGetDevice(&device), CUDA_ERROR_INVALID_CONTEXT);
  CHECK_CODE(cuCtxSynchronize(), CUDA_ERROR_INVALID_CONTEXT);
  CHECK_CODE(cuCtxPopCurrent_v2(&context), CUDA_ERROR_INVALID_CONTEXT);
  CHECK_CODE(cuStreamCreate(&stream, 0), CUDA_ERROR_INVALID_CONTEXT);
  CHECK_CODE(cuStreamSynchronize(nullptr), CUDA_ERROR_INVALID_CONTEXT);
  CHECK_CODE(cuEventCreate(&event, 0), CUDA_ERROR_INVALID_CONTEXT);
  CHECK_CODE(cuModuleLoadData(&module, kernels_ptx), CUDA_ERROR_INVALID_CONTEXT);
  CHECK_CODE(cuLaunchKernel(nullptr, 1, 1, 1, 1, 1, 1, 0, nullptr, nullptr, nullptr),
             CUDA_ERROR_INVALID_CONTEXT);
  CHECK_OK(cuCtxGetCurrent(&context));
  CHECK(context == nullptr);
  CHECK_OK(cuCtxSetCurrent(nullptr));
  CHECK_CODE(cuCtxPushCurrent_v2(nullptr), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuCtxDestroy_v2(nullptr), CUDA_ERROR_INVALID_VALUE);
  CHECK_OK(cuMemFree_v2(0));
  CHECK_OK(cuMemFreeHost(nullptr));
}

TEST_CASE("the primary context is counted, and keeps its handle") {
  const Environment environment;
  REQUIRE_OK(cuInit(0));
  unsigned flags = 9;
  int active = 9;
  CHECK_OK(cuDevicePrimaryCtxGetState(0, &flags, &active));
  CHECK(active == 0);
  CHECK_CODE(cuDevicePrimaryCtxRelease_v2(0), CUDA_ERROR_INVALID_CONTEXT);
  CHECK_OK(cuDevicePrimaryCtxReset_v2(0));
  CUcontext context = nullptr, again = nullptr;
  CHECK_CODE(cuDevicePrimaryCtxRetain(nullptr, 0), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuDevicePrimaryCtxRetain(&context, 5), CUDA_ERROR_INVALID_DEVICE);
  REQUIRE_OK(cuDevicePrimaryCtxRetain(&context, 0));
  REQUIRE_OK(cuDevicePrimaryCtxRetain(&again, 0));
  CHECK(context == again);
  REQUIRE_OK(cuCtxSetCurrent(context));
  CHECK_CODE(cuCtxDestroy_v2(context), CUDA_ERROR_INVALID_CONTEXT);
  CHECK_OK(cuDevicePrimaryCtxGetState(0, &flags, &active));
  CHECK(active == 1);
  CHECK_OK(cuDevicePrimaryCtxRelease_v2(0));
  const CUdeviceptr pointer = allocate(64);

  SUBCASE("the last release destroys it") {
    CHECK_OK(cuDevicePrimaryCtxRelease_v2(0));
    CHECK_CODE(cuDevicePrimaryCtxRelease_v2(0), CUDA_ERROR_INVALID_CONTEXT);
  }
  SUBCASE("a reset destroys it whoever holds it") { CHECK_OK(cuDevicePrimaryCtxReset_v2(0)); }
  CHECK_OK(cuDevicePrimaryCtxGetState(0, &flags, &active));
  CHECK(active == 0);
  CHECK_CODE(cuMemFree_v2(pointer), CUDA_ERROR_CONTEXT_IS_DESTROYED);
  CHECK_CODE(cuCtxSynchronize(), CUDA_ERROR_CONTEXT_IS_DESTROYED);
  CUcontext current = nullptr;
  CHECK_OK(cuCtxGetCurrent(&current));
  CHECK(current == context);
  REQUIRE_OK(cuDevicePrimaryCtxRetain(&again, 0));
  CHECK(again == context);
  CHECK_CODE(cuMemFree_v2(pointer), CUDA_ERROR_INVALID_VALUE);  // it went with the old activation
  CHECK_OK(cuMemFree_v2(allocate(64)));
}

TEST_CASE("explicit contexts stack, and take what they own with them") {
  const Environment environment;
  REQUIRE_OK(cuInit(0));
  CUcontext first = nullptr, second = nullptr, current = nullptr;
  REQUIRE_OK(cuCtxCreate_v2(&first, 0, 0));
  REQUIRE_OK(cuCtxCreate_v4(&second, nullptr, 0, 0));
  CHECK_CODE(cuCtxCreate_v2(nullptr, 0, 0), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuCtxCreate_v2(&current, 0xffff, 0), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuCtxCreate_v2(&current, 0, 77), CUDA_ERROR_INVALID_DEVICE);
  const CUdeviceptr of_second = allocate(64);
  CHECK_OK(cuCtxPopCurrent_v2(&current));
  CHECK(current == second);
  CHECK_OK(cuMemFree_v2(of_second));  // whichever context is current
  CHECK_OK(cuCtxPushCurrent_v2(second));
  const CUdeviceptr lost = allocate(64);
  const std::size_t before = free_memory();
  CHECK_OK(cuCtxDestroy_v2(second));
  CHECK_OK(cuCtxGetCurrent(&current));
  CHECK(current == first);
  CHECK(free_memory() == before + 64);
  CHECK_CODE(cuMemFree_v2(lost), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuCtxDestroy_v2(second), CUDA_ERROR_INVALID_CONTEXT);
  CHECK_CODE(cuCtxSetCurrent(second), CUDA_ERROR_INVALID_CONTEXT);
  CHECK_CODE(cuCtxSetCurrent(reinterpret_cast<CUcontext>(0x1234)), CUDA_ERROR_INVALID_CONTEXT);
  std::thread([&] {
    CUcontext seen = first;
    CHECK_OK(cuCtxGetCurrent(&seen));
    CHECK(seen == nullptr);  // the stack is the thread's own
    CHECK_OK(cuCtxDestroy_v2(first));
  }).join();
  CHECK_CODE(cuCtxSynchronize(), CUDA_ERROR_CONTEXT_IS_DESTROYED);
  CUdevice device = -1;
  CHECK_OK(cuCtxGetDevice(&device));
}

TEST_CASE("work belongs to the context of its stream") {
  Session session;
  const CUfunction poke = session.kernel("poke");
  const CUstream stream = make_stream();
  const CUevent event = make_event();
  const CUdeviceptr word = allocate_word(1);
  CUcontext other = nullptr, owner = nullptr;
  REQUIRE_OK(cuCtxCreate_v2(&other, 0, 0));
  CHECK_OK(cuStreamGetCtx(stream, &owner));
  CHECK(owner == session.context);
  CHECK_OK(launch_one(poke, stream, word, 5u));
  CHECK_CODE(launch_one(poke, nullptr, word, 5u), CUDA_ERROR_INVALID_HANDLE);
  CHECK_CODE(cuEventRecord(event, nullptr), CUDA_ERROR_INVALID_HANDLE);
  CHECK_OK(cuEventRecord(event, stream));
  CHECK_OK(cuStreamWaitEvent(nullptr, event, 0));
  CHECK(read_word(word) == 5);
}

TEST_CASE("cuGetProcAddress finds the form that a version may use") {
  const Environment environment({{"PTXMILL_EMU_DRIVER_VERSION", "12040"}});
  const auto find = [](const char* name, int version, CUdriverProcAddressQueryResult* status) {
    void* address = &address;
    CHECK_OK(cuGetProcAddress_v2(name, &address, version, 0, status));
    return address;
  };
  const auto address_of = [](auto* function) { return reinterpret_cast<void*>(function); };
  CUdriverProcAddressQueryResult status;
  CHECK(find("cuMemAlloc", 12000, &status) == address_of(&cuMemAlloc_v2));
  CHECK(status == CU_GET_PROC_ADDRESS_SUCCESS);
  CHECK(find("cuStreamGetCaptureInfo", 12020, &status) == address_of(&cuStreamGetCaptureInfo_v2));
  CHECK(find("cuStreamGetCaptureInfo", 12030, &status) == address_of(&cuStreamGetCaptureInfo_v3));
  CHECK(find("cuMemAllocAsync", 11010, &status) == nullptr);
  CHECK(status == CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT);
  CHECK(find("cuMemAlloc_v2", 12000, &status) == nullptr);
  CHECK(status == CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND);
  CHECK(find("cuNope", 12000, nullptr) == nullptr);
  void* address = nullptr;
  CHECK_CODE(cuGetProcAddress_v2("cuInit", &address, 13000, 0, &status), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuGetProcAddress_v2(nullptr, &address, 12000, 0, &status), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuGetProcAddress_v2("cuInit", nullptr, 12000, 0, &status), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuGetProcAddress("cuNope", &address, 12000, 0), CUDA_ERROR_NOT_FOUND);
  CHECK_OK(cuGetProcAddress("cuInit", &address, 12000, 0));
  CHECK(address == address_of(&cuInit));
}

}  // namespace ptxmill::emu::driver_test
