// A driver that does nothing, at once: for what a launch costs beside the driver's part, and for
// what becomes of a program where entry points are missing. Its memory cannot be read back.
#include <atomic>
#include <cstring>

#include "tests/runtime/stub_driver/entries.hpp"

namespace {

template <class Handle>
Handle handle(std::uintptr_t number) {
  return reinterpret_cast<Handle>(number);
}

std::atomic<std::uint64_t> next_number{0x1000};
thread_local Context current = nullptr;

}  // namespace

PTXMILL_STUB Result cuDriverGetVersion(int* version) {
  *version = 11080;
  return Result::success;
}

PTXMILL_STUB Result cuGetErrorName(Result, const char** text) {
  *text = "CUDA_ERROR_STUB";
  return Result::success;
}

PTXMILL_STUB Result cuGetErrorString(Result, const char** text) {
  *text = "an error of the stub driver";
  return Result::success;
}

PTXMILL_STUB Result cuDeviceGetCount(int* count) {
  *count = 1;
  return Result::success;
}

PTXMILL_STUB Result cuDeviceGet(Device* device, int ordinal) {
  *device = ordinal;
  return Result::success;
}

PTXMILL_STUB Result cuDeviceGetName(char* name, int size, Device) {
  std::strncpy(name, "stub", static_cast<std::size_t>(size));
  return Result::success;
}

PTXMILL_STUB Result cuDeviceGetAttribute(int* value, DeviceAttribute attribute, Device) {
  switch (attribute) {
    case DeviceAttribute::compute_capability_major: *value = 8; break;
    case DeviceAttribute::compute_capability_minor: *value = 0; break;
    case DeviceAttribute::max_threads_per_block: *value = 1024; break;
    case DeviceAttribute::max_shared_memory_per_block_optin: *value = 160 * 1024; break;
    default: *value = 1; break;
  }
  return Result::success;
}

PTXMILL_STUB Result cuDeviceTotalMem_v2(std::size_t* bytes, Device) {
  *bytes = std::size_t{1} << 30;
  return Result::success;
}

PTXMILL_STUB Result cuDevicePrimaryCtxRetain(Context* context, Device) {
  *context = handle<Context>(1);
  return Result::success;
}

PTXMILL_STUB Result cuCtxGetCurrent(Context* context) {
  *context = current;
  return Result::success;
}

PTXMILL_STUB Result cuCtxSetCurrent(Context context) {
  current = context;
  return Result::success;
}

PTXMILL_STUB Result cuMemAlloc_v2(DevicePointer* pointer, std::size_t bytes) {
  *pointer = next_number.fetch_add((bytes + 511) / 512 * 512);
  return Result::success;
}

PTXMILL_STUB Result cuMemGetInfo_v2(std::size_t* free, std::size_t* total) {
  *free = *total = std::size_t{1} << 30;
  return Result::success;
}

PTXMILL_STUB Result cuModuleLoadDataEx(Module* module, const void*, unsigned, JitOption*, void**) {
  *module = handle<Module>(2);
  return Result::success;
}

PTXMILL_STUB Result cuModuleGetFunction(Function* function, Module, const char*) {
  *function = handle<Function>(3);
  return Result::success;
}

PTXMILL_STUB Result cuFuncGetAttribute(int* value, FunctionAttribute, Function) {
  *value = 0;
  return Result::success;
}

PTXMILL_STUB Result cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, Function, int,
                                                                std::size_t) {
  *blocks = 1;
  return Result::success;
}

PTXMILL_STUB Result cuStreamCreate(Stream* stream, unsigned) {
  *stream = handle<Stream>(next_number.fetch_add(16));
  return Result::success;
}

PTXMILL_STUB Result cuStreamIsCapturing(Stream, CaptureStatus* status) {
  *status = CaptureStatus::none;
  return Result::success;
}

PTXMILL_STUB Result cuEventCreate(Event* event, unsigned) {
  *event = handle<Event>(next_number.fetch_add(16));
  return Result::success;
}

PTXMILL_STUB Result cuEventElapsedTime(float* milliseconds, Event, Event) {
  *milliseconds = 0;
  return Result::success;
}

#ifndef PTXMILL_STUB_WITHOUT_OPTIONAL
PTXMILL_STUB Result cuMemAllocAsync(DevicePointer* pointer, std::size_t bytes, Stream) {
  return cuMemAlloc_v2(pointer, bytes);
}

PTXMILL_STUB Result cuDeviceGetDefaultMemPool(MemoryPool* pool, Device) {
  *pool = handle<MemoryPool>(4);
  return Result::success;
}
#endif
