// Initialisation, and what the one device is.
#include <algorithm>
#include <cstring>

#include "emulator/driver/entry.hpp"

namespace ptxmill::emu::driver {
namespace {

using namespace api;

bool is_device(CUdevice device) { return device == 0; }

/// Runs `body` where `device` names the device and `out` is somewhere to write to.
template <class Body>
CUresult query(Call call, const void* out, CUdevice device, Body&& body) {
  return enter(call, Needs::initialised, [&](Session& s) -> CUresult {
    if (out == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    return body(s);
  });
}

/// The value of an attribute, or of none that the table lists: 0.
int attribute_value(int attribute, const Machine& m, const Limits& l) {
  switch (attribute) {
#define CU_ATTRIBUTE(name, number, value) \
  case number:                            \
    return static_cast<int>(value);
#include "emulator/driver/device_attributes.def"
#undef CU_ATTRIBUTE
    default: return 0;
  }
}

CUresult get_uuid(Call call, CUuuid* uuid, CUdevice device) {
  return query(call, uuid, device, [&](Session&) {
    constexpr char text[] = "ptxmill emulated";
    std::memcpy(uuid->bytes, text, sizeof(uuid->bytes));
    return CUDA_SUCCESS;
  });
}

}  // namespace
}  // namespace ptxmill::emu::driver

namespace ptxmill::emu::api {

using namespace driver;

CUresult cuInit(unsigned flags) {
  return enter(Call::cuInit, Needs::nothing, [&](Session& s) -> CUresult {
    if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
    if (s.driver.initialised) return CUDA_SUCCESS;
    if (const CUresult code = s.driver.initialise(); code != CUDA_SUCCESS) return code;
    const CUresult injected = s.driver.injected_failure(Call::cuInit);
    if (injected != CUDA_SUCCESS) s.driver.initialised = false;
    return injected;
  });
}

CUresult cuDriverGetVersion(int* version) {
  return enter(Call::cuDriverGetVersion, Needs::nothing, [&](Session& s) -> CUresult {
    if (version == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *version = s.driver.machine().driver_version;
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  return query(Call::cuDeviceGet, device, ordinal, [&](Session&) {
    *device = ordinal;
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGetCount(int* count) {
  return query(Call::cuDeviceGetCount, count, 0, [&](Session&) {
    *count = 1;
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGetName(char* name, int length, CUdevice device) {
  return query(Call::cuDeviceGetName, name, device, [&](Session& s) -> CUresult {
    if (length <= 0) return CUDA_ERROR_INVALID_VALUE;
    const std::string full = "ptxmill emulated device (sm_" +
                             std::to_string(s.driver.settings.machine.compute_capability) + ")";
    const auto n = std::min(full.size(), static_cast<std::size_t>(length) - 1);
    std::memcpy(name, full.data(), n);
    name[n] = '\0';
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceTotalMem_v2(std::size_t* bytes, CUdevice device) {
  return query(Call::cuDeviceTotalMem_v2, bytes, device, [&](Session& s) {
    *bytes = s.driver.ledger->capacity();
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice device) {
  return query(Call::cuDeviceGetAttribute, value, device, [&](Session& s) -> CUresult {
    const int number = static_cast<int>(attribute);
    if (number < 1 || number > last_device_attribute) return CUDA_ERROR_INVALID_VALUE;
    *value = attribute_value(number, s.driver.settings.machine, *s.driver.limits);
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGetUuid(CUuuid* uuid, CUdevice device) {
  return get_uuid(Call::cuDeviceGetUuid, uuid, device);
}

CUresult cuDeviceGetUuid_v2(CUuuid* uuid, CUdevice device) {
  return get_uuid(Call::cuDeviceGetUuid_v2, uuid, device);
}

CUresult cuDeviceComputeCapability(int* major, int* minor, CUdevice device) {
  return query(Call::cuDeviceComputeCapability, major, device, [&](Session& s) -> CUresult {
    if (minor == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *major = s.driver.settings.machine.compute_capability / 10;
    *minor = s.driver.settings.machine.compute_capability % 10;
    return CUDA_SUCCESS;
  });
}

}  // namespace ptxmill::emu::api
