// Functions: attributes, parameters, occupancy.
#include <algorithm>

#include "emulator/driver/entry.hpp"

namespace ptxmill::emu::driver {
namespace {

using namespace api;

/// Runs `body` with the function of the handle.
template <class Body>
CUresult with_function(Call call, CUfunction handle, Body&& body) {
  return enter(call, Needs::live, [&](Session& s) -> CUresult {
    const auto function = s.driver.functions.find(handle);
    return function ? body(s, *function) : CUDA_ERROR_INVALID_HANDLE;
  });
}

CUresult get_attribute(const Driver& driver, const Function& f, CUfunction_attribute attribute,
                       int* value) {
  const EntryInfo& e = *f.entry;
  const auto is = [&](auto what) {
    *value = static_cast<int>(what);
    return CUDA_SUCCESS;
  };
  switch (attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
      return is(std::min(e.max_threads, driver.settings.machine.max_threads_per_block));
    case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES: return is(e.static_shared_bytes);
    case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES: return is(0);
    case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES: return is(e.local_bytes);
    case CU_FUNC_ATTRIBUTE_NUM_REGS: return is(e.registers);
    case CU_FUNC_ATTRIBUTE_PTX_VERSION: return is(f.target);
    case CU_FUNC_ATTRIBUTE_BINARY_VERSION: return is(driver.settings.machine.compute_capability);
    case CU_FUNC_ATTRIBUTE_CACHE_MODE_CA: return is(0);
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES: return is(f.max_dynamic_shared);
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT: return is(f.carveout);
    case CU_FUNC_ATTRIBUTE_CLUSTER_SIZE_MUST_BE_SET: return is(0);
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH: return is(f.required_cluster[0]);
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT: return is(f.required_cluster[1]);
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH: return is(f.required_cluster[2]);
    case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED: return is(f.non_portable_cluster);
    case CU_FUNC_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
      return is(f.cluster_scheduling_policy);
  }
  return CUDA_ERROR_INVALID_VALUE;
}

/// Sets an attribute to a value of [least, most].
template <class T>
CUresult set(T* attribute, int value, int least, int most) {
  if (value < least || value > most) return CUDA_ERROR_INVALID_VALUE;
  *attribute = static_cast<T>(value);
  return CUDA_SUCCESS;
}

CUresult set_attribute(const Driver& driver, Function& f, CUfunction_attribute attribute,
                       int value) {
  constexpr auto most_blocks = static_cast<int>(max_cluster_size);
  switch (attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
      return set(&f.max_dynamic_shared, value, 0,
                 driver.settings.machine.max_shared_optin_bytes -
                     static_cast<int>(f.entry->static_shared_bytes));
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
      return set(&f.carveout, value, -1, 100);
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH:
      return set(&f.required_cluster[0], value, 0, most_blocks);
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT:
      return set(&f.required_cluster[1], value, 0, most_blocks);
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH:
      return set(&f.required_cluster[2], value, 0, most_blocks);
    case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED:
      return set(&f.non_portable_cluster, value, 0, 1);
    case CU_FUNC_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
      return set(&f.cluster_scheduling_policy, value, 0, 2);
    default: return CUDA_ERROR_INVALID_VALUE;
  }
}

CUresult get_occupancy(Call call, int* blocks, CUfunction handle, int threads,
                       std::size_t dynamic_shared, unsigned flags) {
  return with_function(call, handle, [&](Session& s, const Function& f) -> CUresult {
    if (blocks == nullptr || threads <= 0 || flags > CU_OCCUPANCY_DISABLE_CACHING_OVERRIDE) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    const bool allowed = dynamic_shared <= static_cast<std::size_t>(f.max_dynamic_shared);
    *blocks = allowed ? blocks_per_sm(*s.driver.limits, *f.entry, threads, dynamic_shared) : 0;
    return CUDA_SUCCESS;
  });
}

}  // namespace
}  // namespace ptxmill::emu::driver

namespace ptxmill::emu::api {

using namespace driver;

CUresult cuFuncGetAttribute(int* value, CUfunction_attribute attribute, CUfunction function) {
  return with_function(Call::cuFuncGetAttribute, function, [&](Session& s, const Function& f) {
    return value == nullptr ? CUDA_ERROR_INVALID_VALUE
                            : get_attribute(s.driver, f, attribute, value);
  });
}

CUresult cuFuncSetAttribute(CUfunction function, CUfunction_attribute attribute, int value) {
  return with_function(Call::cuFuncSetAttribute, function, [&](Session& s, Function& f) {
    return set_attribute(s.driver, f, attribute, value);
  });
}

CUresult cuFuncSetCacheConfig(CUfunction function, CUfunc_cache config) {
  return with_function(Call::cuFuncSetCacheConfig, function, [&](Session&, Function& f) {
    if (config > CU_FUNC_CACHE_PREFER_EQUAL) return CUDA_ERROR_INVALID_VALUE;
    f.cache_config = config;
    return CUDA_SUCCESS;
  });
}

CUresult cuFuncGetName(const char** name, CUfunction function) {
  return with_function(Call::cuFuncGetName, function, [&](Session&, const Function& f) {
    if (name == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *name = f.entry->name.c_str();
    return CUDA_SUCCESS;
  });
}

CUresult cuFuncGetModule(CUmodule* module, CUfunction function) {
  return with_function(Call::cuFuncGetModule, function, [&](Session&, const Function& f) {
    if (module == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *module = f.module;
    return CUDA_SUCCESS;
  });
}

CUresult cuFuncGetParamInfo(CUfunction function, std::size_t index, std::size_t* offset,
                            std::size_t* bytes) {
  return with_function(Call::cuFuncGetParamInfo, function, [&](Session&, const Function& f) {
    if (offset == nullptr || index >= f.entry->params.size()) return CUDA_ERROR_INVALID_VALUE;
    *offset = f.entry->params[index].offset;
    if (bytes != nullptr) *bytes = f.entry->params[index].size;
    return CUDA_SUCCESS;
  });
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, CUfunction function, int threads,
                                                     std::size_t dynamic_shared_bytes) {
  return get_occupancy(Call::cuOccupancyMaxActiveBlocksPerMultiprocessor, blocks, function, threads,
                       dynamic_shared_bytes, CU_OCCUPANCY_DEFAULT);
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, CUfunction function,
                                                              int threads,
                                                              std::size_t dynamic_shared_bytes,
                                                              unsigned flags) {
  return get_occupancy(Call::cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags, blocks, function,
                       threads, dynamic_shared_bytes, flags);
}

}  // namespace ptxmill::emu::api
