// What a pointer is: its allocation, its kind, its other names.
#include "emulator/driver/entry.hpp"
#include "emulator/driver/pool.hpp"

namespace ptxmill::emu::driver {
namespace {

using namespace api;

template <class T>
CUresult store(void* value, T what) {
  *static_cast<T*>(value) = what;
  return CUDA_SUCCESS;
}

CUresult get_attribute(Session& s, void* value, CUpointer_attribute attribute,
                       CUdeviceptr pointer) {
  const Place place = s.driver.ledger->locate(pointer, 1);
  if (value == nullptr || place.block == nullptr) return CUDA_ERROR_INVALID_VALUE;
  const Block& block = *place.block;
  const bool host = block.kind == BlockKind::host;
  switch (attribute) {
    case CU_POINTER_ATTRIBUTE_CONTEXT:
      return store(value, block.kind == BlockKind::pool ? nullptr : block.owner);
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
      return store<unsigned>(value, host ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE);
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER: return store<CUdeviceptr>(value, place.address);
    case CU_POINTER_ATTRIBUTE_HOST_POINTER:
      if (!host) return CUDA_ERROR_INVALID_VALUE;
      return store<void*>(value, block.host + (place.address - block.base));
    case CU_POINTER_ATTRIBUTE_BUFFER_ID: return store<unsigned long long>(value, block.id);
    case CU_POINTER_ATTRIBUTE_IS_MANAGED: return store(value, false);
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL: return store<int>(value, 0);
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR: return store<CUdeviceptr>(value, block.base);
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE: return store<std::size_t>(value, block.bytes);
    case CU_POINTER_ATTRIBUTE_MAPPED: return store(value, true);
    case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE:
      return store<CUmemoryPool>(value, block.kind == BlockKind::pool ? default_pool() : nullptr);
  }
  return CUDA_ERROR_INVALID_VALUE;
}

}  // namespace
}  // namespace ptxmill::emu::driver

namespace ptxmill::emu::api {

using namespace driver;

CUresult cuPointerGetAttribute(void* value, CUpointer_attribute attribute, CUdeviceptr pointer) {
  return enter(Call::cuPointerGetAttribute, Needs::initialised,
               [&](Session& s) { return get_attribute(s, value, attribute, pointer); });
}

CUresult cuMemGetAddressRange_v2(CUdeviceptr* base, std::size_t* bytes, CUdeviceptr pointer) {
  return enter(Call::cuMemGetAddressRange_v2, Needs::context, [&](Session& s) -> CUresult {
    const Place place = s.driver.ledger->locate(pointer, 1);
    if (place.block == nullptr) return CUDA_ERROR_NOT_FOUND;
    if (base != nullptr) *base = place.block->base;
    if (bytes != nullptr) *bytes = place.block->bytes;
    return CUDA_SUCCESS;
  });
}

CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr* device_pointer, void* pointer, unsigned flags) {
  return enter(Call::cuMemHostGetDevicePointer_v2, Needs::context, [&](Session& s) -> CUresult {
    const Place place = s.driver.ledger->locate_host(pointer, 1);
    if (device_pointer == nullptr || flags != 0 || place.block == nullptr) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    *device_pointer = place.address;
    return CUDA_SUCCESS;
  });
}

}  // namespace ptxmill::emu::api
