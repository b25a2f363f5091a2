// Contexts: the primary one, explicit ones, and which is current.
#include <bit>

#include "emulator/driver/capture.hpp"
#include "emulator/driver/entry.hpp"

namespace ptxmill::emu::driver {
namespace {

using namespace api;

constexpr unsigned api_version = 3020;  // what cuCtxGetApiVersion has answered since CUDA 3.2

CUresult create(Call call, CUcontext* out, unsigned flags, CUdevice device) {
  return enter(call, Needs::initialised, [&](Session& s) -> CUresult {
    if (s.driver.lost != CUDA_SUCCESS) return s.driver.lost;
    if (out == nullptr || (flags & ~context_flags_mask) != 0 ||
        std::popcount(flags & context_schedule_mask) > 1) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (device != 0) return CUDA_ERROR_INVALID_DEVICE;
    auto context = std::make_shared<Context>();
    context->flags = flags;
    s.driver.contexts.add(context);
    s.driver.activate(context);
    context_stack(s.driver).push_back(context);
    *out = context->handle;
    return CUDA_SUCCESS;
  });
}

CUresult synchronize(Session& s, const std::shared_ptr<Context>& context) {
  if (invalidate_captures_of(s.driver, *context)) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  const CUresult code = s.driver.wait_for_streams(
      s.lock, [&](const Stream& stream) { return stream.context == context; });
  if (code == CUDA_SUCCESS) s.driver.host_waited_for(context.get());
  return code;
}

}  // namespace
}  // namespace ptxmill::emu::driver

namespace ptxmill::emu::api {

using namespace driver;

CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
  return enter(Call::cuDevicePrimaryCtxRetain, Needs::initialised, [&](Session& s) -> CUresult {
    if (context == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (device != 0) return CUDA_ERROR_INVALID_DEVICE;
    auto& primary = s.driver.primary;
    if (!primary) {
      primary = std::make_shared<Context>();
      primary->primary = true;
      s.driver.contexts.add(primary);
    }
    if (!primary->alive) {
      if (s.driver.lost != CUDA_SUCCESS) return s.driver.lost;
      s.driver.activate(primary);
    }
    ++s.driver.primary_references;
    *context = primary->handle;
    return CUDA_SUCCESS;
  });
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  return enter(Call::cuDevicePrimaryCtxRelease_v2, Needs::initialised, [&](Session& s) -> CUresult {
    if (device != 0) return CUDA_ERROR_INVALID_DEVICE;
    if (s.driver.primary_references == 0) return CUDA_ERROR_INVALID_CONTEXT;
    if (--s.driver.primary_references == 0) s.driver.deactivate(s.lock, s.driver.primary);
    return CUDA_SUCCESS;
  });
}

CUresult cuDevicePrimaryCtxReset_v2(CUdevice device) {
  return enter(Call::cuDevicePrimaryCtxReset_v2, Needs::initialised, [&](Session& s) -> CUresult {
    if (device != 0) return CUDA_ERROR_INVALID_DEVICE;
    if (s.driver.primary) s.driver.deactivate(s.lock, s.driver.primary);
    return CUDA_SUCCESS;
  });
}

CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned* flags, int* active) {
  return enter(Call::cuDevicePrimaryCtxGetState, Needs::initialised, [&](Session& s) -> CUresult {
    if (flags == nullptr || active == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (device != 0) return CUDA_ERROR_INVALID_DEVICE;
    const auto& primary = s.driver.primary;
    *flags = primary ? primary->flags : 0;
    *active = primary && primary->alive ? 1 : 0;
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxCreate_v2(CUcontext* context, unsigned flags, CUdevice device) {
  return create(Call::cuCtxCreate_v2, context, flags, device);
}

CUresult cuCtxCreate_v3(CUcontext* context, CUexecAffinityParam* affinity, int affinity_count,
                        unsigned flags, CUdevice device) {
  if (affinity != nullptr || affinity_count != 0) return CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY;
  return create(Call::cuCtxCreate_v3, context, flags, device);
}

CUresult cuCtxCreate_v4(CUcontext* context, CUctxCreateParams* params, unsigned flags,
                        CUdevice device) {
  if (params != nullptr) {
    if (params->numExecAffinityParams != 0) return CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY;
    if (params->cigParams != nullptr) return CUDA_ERROR_NOT_SUPPORTED;
  }
  return create(Call::cuCtxCreate_v4, context, flags, device);
}

CUresult cuCtxDestroy_v2(CUcontext context) {
  return enter(Call::cuCtxDestroy_v2, Needs::initialised, [&](Session& s) -> CUresult {
    if (context == nullptr) return CUDA_ERROR_INVALID_VALUE;
    const auto found = s.driver.contexts.find(context);
    if (!found || found->primary) return CUDA_ERROR_INVALID_CONTEXT;
    s.driver.deactivate(s.lock, found);
    s.driver.contexts.erase(context);
    auto& stack = context_stack(s.driver);
    if (!stack.empty() && stack.back() == found) stack.pop_back();
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxGetCurrent(CUcontext* context) {
  return enter(Call::cuCtxGetCurrent, Needs::initialised, [&](Session& s) -> CUresult {
    if (context == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *context = s.context ? s.context->handle : nullptr;
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxSetCurrent(CUcontext context) {
  return enter(Call::cuCtxSetCurrent, Needs::initialised, [&](Session& s) -> CUresult {
    const auto found = s.driver.contexts.find(context);
    if (context != nullptr && !found) return CUDA_ERROR_INVALID_CONTEXT;
    auto& stack = context_stack(s.driver);
    if (!stack.empty()) stack.pop_back();
    if (found) stack.push_back(found);
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxPushCurrent_v2(CUcontext context) {
  return enter(Call::cuCtxPushCurrent_v2, Needs::initialised, [&](Session& s) -> CUresult {
    if (context == nullptr) return CUDA_ERROR_INVALID_VALUE;
    const auto found = s.driver.contexts.find(context);
    if (!found) return CUDA_ERROR_INVALID_CONTEXT;
    context_stack(s.driver).push_back(found);
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxPopCurrent_v2(CUcontext* context) {
  return enter(Call::cuCtxPopCurrent_v2, Needs::initialised, [&](Session& s) -> CUresult {
    if (!s.context) return CUDA_ERROR_INVALID_CONTEXT;
    if (context != nullptr) *context = s.context->handle;
    context_stack(s.driver).pop_back();
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxGetDevice(CUdevice* device) {
  return enter(Call::cuCtxGetDevice, Needs::initialised, [&](Session& s) -> CUresult {
    if (!s.context) return CUDA_ERROR_INVALID_CONTEXT;
    if (device == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *device = 0;
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxGetDevice_v2(CUdevice* device, CUcontext context) {
  return enter(Call::cuCtxGetDevice_v2, Needs::initialised, [&](Session& s) -> CUresult {
    const auto found = context == nullptr ? s.context : s.driver.contexts.find(context);
    if (!found) return CUDA_ERROR_INVALID_CONTEXT;
    if (device == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *device = 0;
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxSynchronize() {
  return enter(Call::cuCtxSynchronize, Needs::context,
               [&](Session& s) { return synchronize(s, s.context); });
}

CUresult cuCtxSynchronize_v2(CUcontext context) {
  return enter(Call::cuCtxSynchronize_v2, Needs::live, [&](Session& s) -> CUresult {
    const auto found = context == nullptr ? s.context : s.driver.contexts.find(context);
    if (!found) return CUDA_ERROR_INVALID_CONTEXT;
    if (!found->alive) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
    return synchronize(s, found);
  });
}

CUresult cuCtxSetLimit(CUlimit limit, std::size_t value) {
  return enter(Call::cuCtxSetLimit, Needs::context, [&](Session& s) -> CUresult {
    const auto k = static_cast<std::size_t>(limit);
    if (k >= s.context->limits.size()) return CUDA_ERROR_UNSUPPORTED_LIMIT;
    constexpr std::size_t largest_stack = 512 * 1024;
    if (limit == CU_LIMIT_STACK_SIZE && value > largest_stack) return CUDA_ERROR_INVALID_VALUE;
    s.context->limits[k] = value;
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxGetLimit(std::size_t* value, CUlimit limit) {
  return enter(Call::cuCtxGetLimit, Needs::context, [&](Session& s) -> CUresult {
    const auto k = static_cast<std::size_t>(limit);
    if (value == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (k >= s.context->limits.size()) return CUDA_ERROR_UNSUPPORTED_LIMIT;
    *value = s.context->limits[k];
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxGetApiVersion(CUcontext context, unsigned* version) {
  return enter(Call::cuCtxGetApiVersion, Needs::initialised, [&](Session& s) -> CUresult {
    const auto found = context == nullptr ? s.context : s.driver.contexts.find(context);
    if (!found) return CUDA_ERROR_INVALID_CONTEXT;
    if (version == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *version = api_version;
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxGetStreamPriorityRange(int* least, int* greatest) {
  return enter(Call::cuCtxGetStreamPriorityRange, Needs::context, [&](Session&) -> CUresult {
    if (least != nullptr) *least = least_stream_priority;
    if (greatest != nullptr) *greatest = greatest_stream_priority;
    return CUDA_SUCCESS;
  });
}

}  // namespace ptxmill::emu::api
