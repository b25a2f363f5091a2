// Allocation, accounting, copies, fills, host memory, pointer attributes.
#include <cstring>
#include <numeric>

#include "tests/emulator/driver_session.hpp"

namespace ptxmill::emu::driver_test {

TEST_CASE("device memory is allocated, counted and given back") {
  const Session session({{"PTXMILL_EMU_MEMORY", "1048576"}});
  std::size_t free = 0, total = 0;
  CHECK_OK(cuMemGetInfo_v2(&free, &total));
  CHECK(total == 1048576);
  CHECK(free == total);
  CUdeviceptr pointer = 0;
  CHECK_CODE(cuMemAlloc_v2(&pointer, 0), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuMemAlloc_v2(nullptr, 4), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuMemAlloc_v2(&pointer, total + 1), CUDA_ERROR_OUT_OF_MEMORY);
  CHECK_CODE(cuMemAlloc_v2(&pointer, std::size_t{1} << 60), CUDA_ERROR_OUT_OF_MEMORY);
  const CUdeviceptr a = allocate(1000), b = allocate(1);
  CHECK(a % 512 == 0);
  CHECK(b % 512 == 0);
  CHECK(free_memory() == total - 1001);
  CHECK_CODE(cuMemFree_v2(a + 4), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuMemFree_v2(0x1234), CUDA_ERROR_INVALID_VALUE);
  CHECK_OK(cuMemFree_v2(a));
  CHECK_CODE(cuMemFree_v2(a), CUDA_ERROR_INVALID_VALUE);
  CHECK_OK(cuMemFree_v2(b));
  CHECK_OK(cuMemFree_v2(0));
  CHECK(free_memory() == total);
  const CUdeviceptr all = allocate(total);
  CHECK_CODE(cuMemAlloc_v2(&pointer, 1), CUDA_ERROR_OUT_OF_MEMORY);
  CHECK_CODE(cuMemAllocAsync(&pointer, 1, nullptr), CUDA_ERROR_OUT_OF_MEMORY);
  CHECK_OK(cuMemFree_v2(all));
}

TEST_CASE("pool memory counts, is freed in stream order, and is described by the pool") {
  const Session session;
  const CUstream stream = make_stream();
  const std::size_t before = free_memory();
  CUdeviceptr pointer = 1;
  CHECK_OK(cuMemAllocAsync(&pointer, 0, stream));
  CHECK(pointer == 0);
  CHECK_OK(cuMemAllocAsync(&pointer, 5000, stream));
  CHECK(free_memory() == before - 5000);
  CUmemoryPool pool = nullptr;
  CHECK_CODE(cuDeviceGetDefaultMemPool(&pool, 1), CUDA_ERROR_INVALID_DEVICE);
  REQUIRE_OK(cuDeviceGetDefaultMemPool(&pool, 0));
  const auto attribute = [&](CUmemPool_attribute which) {
    cuuint64_t value = 0;
    CHECK_OK(cuMemPoolGetAttribute(pool, which, &value));
    return value;
  };
  CHECK(attribute(CU_MEMPOOL_ATTR_USED_MEM_CURRENT) == 5000);
  CHECK(attribute(CU_MEMPOOL_ATTR_USED_MEM_HIGH) == 5000);
  CHECK_CODE(cuMemFreeAsync(pointer + 8, stream), CUDA_ERROR_INVALID_VALUE);
  CHECK_OK(cuMemFreeAsync(pointer, stream));
  CHECK_CODE(cuMemFreeAsync(pointer, stream), CUDA_ERROR_INVALID_VALUE);
  CHECK_OK(cuMemFreeAsync(0, stream));
  CHECK_OK(cuStreamSynchronize(stream));
  CHECK(free_memory() == before);
  CHECK(attribute(CU_MEMPOOL_ATTR_USED_MEM_CURRENT) == 0);
  CHECK(attribute(CU_MEMPOOL_ATTR_USED_MEM_HIGH) == 5000);

  cuuint64_t value = 5;
  CHECK_CODE(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_HIGH, &value),
             CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &value),
             CUDA_ERROR_INVALID_VALUE);
  CHECK_OK(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &value));
  CHECK(attribute(CU_MEMPOOL_ATTR_RELEASE_THRESHOLD) == 5);
  value = 0;
  CHECK_OK(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_HIGH, &value));
  CHECK(attribute(CU_MEMPOOL_ATTR_USED_MEM_HIGH) == 0);
  int flag = 0;
  CHECK_OK(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC, &flag));
  flag = 1;
  CHECK_OK(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC, &flag));
  CHECK(flag == 0);
  CHECK_CODE(cuMemPoolGetAttribute(nullptr, CU_MEMPOOL_ATTR_USED_MEM_HIGH, &value),
             CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuMemPoolGetAttribute(pool, static_cast<CUmemPool_attribute>(77), &value),
             CUDA_ERROR_INVALID_VALUE);
  CHECK_OK(cuMemPoolTrimTo(pool, 0));
  CHECK_CODE(cuMemPoolTrimTo(nullptr, 0), CUDA_ERROR_INVALID_VALUE);

  CHECK_OK(cuMemAllocAsync(&pointer, 10, stream));
  CHECK_OK(cuMemFree_v2(pointer));  // also allowed
  const CUdeviceptr plain = allocate(10);
  CHECK_OK(cuMemFreeAsync(plain, stream));  // and the other way round
  CHECK(free_memory() == before);
}

TEST_CASE("copies move bytes and check their ranges") {
  const Session session;
  const CUdeviceptr a = allocate(1000), b = allocate(1000);
  std::vector<unsigned char> in(1000), out(1000, 0xee);
  std::iota(in.begin(), in.end(), static_cast<unsigned char>(1));
  CHECK_OK(cuMemcpyHtoD_v2(a, in.data(), in.size()));
  CHECK_OK(cuMemcpyDtoD_v2(b, a, in.size()));
  CHECK_OK(cuMemcpyDtoH_v2(out.data(), b, out.size()));
  CHECK(in == out);
  CHECK_OK(cuMemcpyDtoD_v2(a + 1, a, 500));  // overlapping
  CHECK_OK(cuMemcpyDtoH_v2(out.data(), a, out.size()));
  CHECK(out[0] == in[0]);
  CHECK(std::equal(in.begin(), in.begin() + 500, out.begin() + 1));
  CHECK(out[501] == in[501]);

  const CUstream stream = make_stream();
  CHECK_OK(cuMemcpyHtoDAsync_v2(b, in.data(), 10, stream));
  CHECK_OK(cuMemcpyDtoDAsync_v2(a, b, 10, stream));
  CHECK_OK(cuMemcpyDtoHAsync_v2(out.data(), a, 10, stream));
  CHECK_OK(cuStreamSynchronize(stream));
  CHECK(std::equal(in.begin(), in.begin() + 10, out.begin()));

  CHECK_OK(cuMemcpyHtoD_v2(0, in.data(), 0));
  CHECK_CODE(cuMemcpyHtoD_v2(0, in.data(), 4), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuMemcpyHtoD_v2(0x1234, in.data(), 4), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuMemcpyHtoD_v2(a, nullptr, 4), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuMemcpyDtoH_v2(nullptr, a, 4), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuMemcpyDtoH_v2(out.data(), a, 1001), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuMemcpyHtoD_v2(a + 990, in.data(), 11), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuMemcpyDtoD_v2(a, b + 500, 600), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuMemcpyHtoDAsync_v2(a, in.data(), 4, reinterpret_cast<CUstream>(0x12345)),
             CUDA_ERROR_INVALID_HANDLE);
  CHECK_OK(cuMemFree_v2(a));
  CHECK_CODE(cuMemcpyDtoH_v2(out.data(), a, 4), CUDA_ERROR_INVALID_VALUE);
}

TEST_CASE("what was never written stays so through copies on the device") {
  Session session;
  const CUfunction branch = session.kernel("branch");
  const CUdeviceptr undefined = allocate(8), copy = allocate(8);
  const std::uint32_t zeros[2] = {0, 0};
  CUresult expected = CUDA_SUCCESS;
  REQUIRE_OK(cuMemcpyHtoD_v2(copy, zeros, 8));
  SUBCASE("the host wrote it") {}
  SUBCASE("an undefined word was copied over it") {
    REQUIRE_OK(cuMemcpyDtoD_v2(copy, undefined, 4));
    expected = CUDA_ERROR_LAUNCH_FAILED;
  }
  SUBCASE("the undefined word is the other one") {
    REQUIRE_OK(cuMemcpyDtoD_v2(copy + 4, undefined + 4, 4));
  }
  SUBCASE("a defined word was copied to it") {
    REQUIRE_OK(cuMemcpyDtoD_v2(copy, undefined, 8));
    REQUIRE_OK(cuMemsetD32_v2(undefined, 0, 1));
    REQUIRE_OK(cuMemcpyDtoD_v2(copy, undefined, 4));
  }
  CHECK_OK(launch_one(branch, nullptr, copy));
  CHECK_CODE(cuCtxSynchronize(), expected);
  if (expected == CUDA_SUCCESS) CHECK(read_word(copy) == 7);
}

TEST_CASE("fills write bytes and words") {
  const Session session;
  const CUdeviceptr a = allocate(64);
  std::uint32_t out[16];
  CHECK_OK(cuMemsetD8_v2(a, 0xab, 64));
  CHECK_OK(cuMemsetD32_v2(a + 4, 0x01020304, 2));
  CHECK_OK(cuMemcpyDtoH_v2(out, a, 64));
  CHECK(out[0] == 0xabababab);
  CHECK(out[1] == 0x01020304);
  CHECK(out[2] == 0x01020304);
  CHECK(out[3] == 0xabababab);
  CHECK_CODE(cuMemsetD32_v2(a + 2, 1, 1), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuMemsetD32_v2(a, 1, 17), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuMemsetD32_v2(a, 1, SIZE_MAX / 2), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuMemsetD8_v2(a + 60, 0, 5), CUDA_ERROR_INVALID_VALUE);
  CHECK_OK(cuMemsetD8_v2(0, 1, 0));
  const CUstream stream = make_stream();
  CHECK_OK(cuMemsetD8Async(a, 0, 64, stream));
  CHECK_OK(cuMemsetD32Async(a, 9, 1, stream));
  CHECK_OK(cuStreamSynchronize(stream));
  CHECK(read_word(a) == 9);
  CHECK(read_word(a + 4) == 0);
}

TEST_CASE("page-locked host memory is the same for host and kernels, at once") {
  Session session;
  const CUfunction increment = session.kernel("increment");
  void* host = nullptr;
  CHECK_CODE(cuMemHostAlloc(&host, 64, 0xf0), CUDA_ERROR_INVALID_VALUE);
  CHECK_OK(cuMemHostAlloc(&host, 0, 0));
  CHECK(host == nullptr);
  const std::size_t before = free_memory();
  REQUIRE_OK(cuMemHostAlloc(&host, 64, host_alloc_device_map | host_alloc_portable));
  CHECK(free_memory() == before);  // it is no device memory
  auto* word = static_cast<std::uint32_t*>(host);
  CUdeviceptr pointer = 0, inner = 0;
  REQUIRE_OK(cuMemHostGetDevicePointer_v2(&pointer, host, 0));
  CHECK_OK(cuMemHostGetDevicePointer_v2(&inner, word + 3, 0));
  CHECK(inner == pointer + 12);
  word[3] = 41;  // no call tells the device
  CHECK_OK(launch_one(increment, nullptr, inner));
  CHECK_OK(cuCtxSynchronize());
  CHECK(word[3] == 42);
  const CUdeviceptr device = allocate(4);
  CHECK_OK(cuMemcpyDtoD_v2(device, inner, 4));
  CHECK(read_word(device) == 42);
  CHECK_OK(cuMemcpyDtoD_v2(device, reinterpret_cast<CUdeviceptr>(word), 4));  // unified addressing

  CHECK_CODE(cuMemHostGetDevicePointer_v2(&pointer, host, 1), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuMemHostGetDevicePointer_v2(&pointer, &pointer, 0), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuMemHostGetDevicePointer_v2(nullptr, host, 0), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuMemFree_v2(inner - 12), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuMemFreeHost(word + 1), CUDA_ERROR_INVALID_VALUE);
  CHECK_OK(cuMemFreeHost(host));
  CHECK_CODE(cuMemFreeHost(host), CUDA_ERROR_INVALID_VALUE);
  CHECK_OK(cuMemFreeHost(nullptr));
}

TEST_CASE("pointers know their allocation") {
  const Session session;
  const CUdeviceptr device = allocate(1000);
  void* host = nullptr;
  REQUIRE_OK(cuMemAllocHost_v2(&host, 64));
  CUdeviceptr mapped = 0, base = 0;
  REQUIRE_OK(cuMemHostGetDevicePointer_v2(&mapped, host, 0));
  std::size_t bytes = 0;
  CUcontext context = nullptr;
  unsigned type = 0;
  int ordinal = -1;
  void* seen_by_host = nullptr;

  CHECK_OK(cuPointerGetAttribute(&context, CU_POINTER_ATTRIBUTE_CONTEXT, device + 8));
  CHECK(context == session.context);
  CHECK_OK(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, device + 8));
  CHECK(type == CU_MEMORYTYPE_DEVICE);
  CHECK_OK(cuPointerGetAttribute(&base, CU_POINTER_ATTRIBUTE_DEVICE_POINTER, device + 8));
  CHECK(base == device + 8);
  CHECK_OK(cuPointerGetAttribute(&base, CU_POINTER_ATTRIBUTE_RANGE_START_ADDR, device + 8));
  CHECK(base == device);
  CHECK_OK(cuPointerGetAttribute(&bytes, CU_POINTER_ATTRIBUTE_RANGE_SIZE, device + 8));
  CHECK(bytes == 1000);
  CHECK_OK(cuPointerGetAttribute(&ordinal, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, device + 8));
  CHECK(ordinal == 0);
  CHECK_CODE(cuPointerGetAttribute(&seen_by_host, CU_POINTER_ATTRIBUTE_HOST_POINTER, device),
             CUDA_ERROR_INVALID_VALUE);

  for (const CUdeviceptr p : {mapped, reinterpret_cast<CUdeviceptr>(host)}) {
    CHECK_OK(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, p + 4));
    CHECK(type == CU_MEMORYTYPE_HOST);
    CHECK_OK(cuPointerGetAttribute(&seen_by_host, CU_POINTER_ATTRIBUTE_HOST_POINTER, p + 4));
    CHECK(seen_by_host == static_cast<char*>(host) + 4);
    CHECK_OK(cuPointerGetAttribute(&base, CU_POINTER_ATTRIBUTE_DEVICE_POINTER, p + 4));
    CHECK(base == mapped + 4);
  }
  for (const CUdeviceptr p : {CUdeviceptr{0}, device + 1000, CUdeviceptr{0x1234}}) {
    CHECK_CODE(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, p),
               CUDA_ERROR_INVALID_VALUE);
    CHECK_CODE(cuMemGetAddressRange_v2(&base, &bytes, p), CUDA_ERROR_NOT_FOUND);
  }
  CHECK_CODE(cuPointerGetAttribute(nullptr, CU_POINTER_ATTRIBUTE_CONTEXT, device),
             CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuPointerGetAttribute(&type, static_cast<CUpointer_attribute>(99), device),
             CUDA_ERROR_INVALID_VALUE);
  CHECK_OK(cuMemGetAddressRange_v2(&base, &bytes, device + 999));
  CHECK(base == device);
  CHECK(bytes == 1000);
}

}  // namespace ptxmill::emu::driver_test
