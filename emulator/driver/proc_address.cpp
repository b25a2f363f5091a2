// cuGetProcAddress: entry points by name and version.
#include <cstring>

#include "emulator/driver/entry.hpp"

namespace ptxmill::emu::driver {
namespace {

using namespace api;

struct EntryPoint {
  const char* name;  ///< without a version suffix
  int since;
  void* address;
};

const EntryPoint entry_points[] = {
#define CU_ENTRY(base, name, since, params) {#base, since, reinterpret_cast<void*>(&api::name)},
#include "emulator/driver/entry_points.def"
#undef CU_ENTRY
};

/// The newest form of the function that a program written for `version` may use.
CUdriverProcAddressQueryResult find(const char* name, int version, void** function) {
  const EntryPoint* best = nullptr;
  bool known = false;
  for (const EntryPoint& e : entry_points) {
    if (std::strcmp(e.name, name) != 0) continue;
    known = true;
    if (e.since <= version && (best == nullptr || e.since > best->since)) best = &e;
  }
  *function = best == nullptr ? nullptr : best->address;
  if (best != nullptr) return CU_GET_PROC_ADDRESS_SUCCESS;
  return known ? CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT : CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
}

CUresult look_up(Session& s, const char* symbol, void** function, int version, cuuint64_t flags,
                 CUdriverProcAddressQueryResult* status) {
  constexpr cuuint64_t known =
      CU_GET_PROC_ADDRESS_LEGACY_STREAM | CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM;
  if (symbol == nullptr || function == nullptr || (flags & ~known) != 0 ||
      version > s.driver.machine().driver_version) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  // There are no forms with a per-thread default stream.
  if ((flags & CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM) != 0) return CUDA_ERROR_NOT_SUPPORTED;
  *status = find(symbol, version, function);
  return CUDA_SUCCESS;
}

}  // namespace
}  // namespace ptxmill::emu::driver

namespace ptxmill::emu::api {

using namespace driver;

CUresult cuGetProcAddress(const char* symbol, void** function, int version, cuuint64_t flags) {
  return enter(Call::cuGetProcAddress, Needs::nothing, [&](Session& s) -> CUresult {
    CUdriverProcAddressQueryResult status = CU_GET_PROC_ADDRESS_SUCCESS;
    const CUresult code = look_up(s, symbol, function, version, flags, &status);
    if (code != CUDA_SUCCESS) return code;
    return status == CU_GET_PROC_ADDRESS_SUCCESS ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
  });
}

CUresult cuGetProcAddress_v2(const char* symbol, void** function, int version, cuuint64_t flags,
                             CUdriverProcAddressQueryResult* status) {
  return enter(Call::cuGetProcAddress_v2, Needs::nothing, [&](Session& s) {
    CUdriverProcAddressQueryResult ignored;
    return look_up(s, symbol, function, version, flags, status == nullptr ? &ignored : status);
  });
}

}  // namespace ptxmill::emu::api
