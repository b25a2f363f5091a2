// Attributes of the device's memory pool.
#include "emulator/driver/pool.hpp"

#include "emulator/driver/entry.hpp"

namespace ptxmill::emu::driver {
namespace {

using namespace api;

/// An attribute of the pool: where it is remembered, or what it is computed from.
CUresult get_pool_attribute(const Driver& driver, CUmemPool_attribute attribute, void* value) {
  const auto store = [&](auto number) {
    *static_cast<decltype(number)*>(value) = number;
    return CUDA_SUCCESS;
  };
  switch (attribute) {
    case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
      return store(driver.pool.reuse_follow_event_dependencies);
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
      return store(driver.pool.reuse_allow_opportunistic);
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES:
      return store(driver.pool.reuse_allow_internal_dependencies);
    case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD: return store(driver.pool.release_threshold);
    // The pool keeps nothing in reserve: it is as large as what is allocated from it.
    case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT:
    case CU_MEMPOOL_ATTR_USED_MEM_CURRENT: return store(cuuint64_t{driver.ledger->pool_used()});
    case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
    case CU_MEMPOOL_ATTR_USED_MEM_HIGH: return store(cuuint64_t{driver.ledger->pool_high()});
  }
  return CUDA_ERROR_INVALID_VALUE;
}

CUresult set_pool_attribute(Driver& driver, CUmemPool_attribute attribute, const void* value) {
  const auto number = [&] { return *static_cast<const int*>(value); };
  switch (attribute) {
    case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
      driver.pool.reuse_follow_event_dependencies = number();
      return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
      driver.pool.reuse_allow_opportunistic = number();
      return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES:
      driver.pool.reuse_allow_internal_dependencies = number();
      return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
      driver.pool.release_threshold = *static_cast<const cuuint64_t*>(value);
      return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
    case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
      if (*static_cast<const cuuint64_t*>(value) != 0) return CUDA_ERROR_INVALID_VALUE;
      driver.ledger->reset_pool_high();
      return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT:
    case CU_MEMPOOL_ATTR_USED_MEM_CURRENT: break;
  }
  return CUDA_ERROR_INVALID_VALUE;
}

}  // namespace
}  // namespace ptxmill::emu::driver

namespace ptxmill::emu::api {

using namespace driver;

CUresult cuDeviceGetDefaultMemPool(CUmemoryPool* pool, CUdevice device) {
  return enter(Call::cuDeviceGetDefaultMemPool, Needs::initialised, [&](Session&) -> CUresult {
    if (pool == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (device != 0) return CUDA_ERROR_INVALID_DEVICE;
    *pool = default_pool();
    return CUDA_SUCCESS;
  });
}

CUresult cuMemPoolSetAttribute(CUmemoryPool pool, CUmemPool_attribute attribute, void* value) {
  return enter(Call::cuMemPoolSetAttribute, Needs::initialised, [&](Session& s) -> CUresult {
    if (pool != default_pool() || value == nullptr) return CUDA_ERROR_INVALID_VALUE;
    return set_pool_attribute(s.driver, attribute, value);
  });
}

CUresult cuMemPoolGetAttribute(CUmemoryPool pool, CUmemPool_attribute attribute, void* value) {
  return enter(Call::cuMemPoolGetAttribute, Needs::initialised, [&](Session& s) -> CUresult {
    if (pool != default_pool() || value == nullptr) return CUDA_ERROR_INVALID_VALUE;
    return get_pool_attribute(s.driver, attribute, value);
  });
}

CUresult cuMemPoolTrimTo(CUmemoryPool pool, std::size_t) {
  return enter(Call::cuMemPoolTrimTo, Needs::initialised, [&](Session&) {
    // Nothing is kept in reserve, so there is nothing to give back.
    return pool == default_pool() ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  });
}

}  // namespace ptxmill::emu::api
