// Streams and host functions.
#include <algorithm>

#include "emulator/driver/capture.hpp"
#include "emulator/driver/streams.hpp"

namespace ptxmill::emu::driver {
namespace {

using namespace api;

/// Calls back into the program. Runs without the driver's mutex.
class HostFunction final : public Operation {
 public:
  HostFunction(CUhostFn function, void* user_data) : function_(function), user_data_(user_data) {}
  bool calls_host() const override { return true; }

  CUresult run(Driver&, Lock& lock) const override {
    lock.unlock();
    in_host_function() = true;
    function_(user_data_);
    in_host_function() = false;
    lock.lock();
    return CUDA_SUCCESS;
  }

 private:
  CUhostFn function_;
  void* user_data_;
};

CUresult create(Call call, CUstream* out, unsigned flags, int priority) {
  return enter(call, Needs::context, [&](Session& s) -> CUresult {
    if (out == nullptr || flags > CU_STREAM_NON_BLOCKING) return CUDA_ERROR_INVALID_VALUE;
    ++s.driver.stream_count;
    const int clamped = std::clamp(priority, greatest_stream_priority, least_stream_priority);
    *out = s.driver.streams.add(Driver::make_stream(s.context, flags, clamped));
    return CUDA_SUCCESS;
  });
}

/// Runs `body` with the stream of a call that only reads it.
template <class Body>
CUresult inspect(Call call, CUstream handle, const void* out, Body&& body) {
  return enter(call, Needs::live, [&](Session& s) -> CUresult {
    if (out == nullptr) return CUDA_ERROR_INVALID_VALUE;
    std::shared_ptr<Stream> stream;
    const CUresult code = resolve_stream(s, handle, &stream);
    if (code == CUDA_SUCCESS) body(*stream);
    return code;
  });
}

/// The checks that cuStreamSynchronize and cuStreamQuery share.
CUresult resolve_for_wait(Session& s, CUstream handle, std::shared_ptr<Stream>* stream) {
  if (const CUresult code = resolve_stream(s, handle, stream); code != CUDA_SUCCESS) return code;
  if (invalidate_conflicting_captures(s.driver, **stream)) {
    return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
  }
  if (const auto& capture = (*stream)->capture) {
    capture->invalidated = true;
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  return refuse_unsafe_call(s.driver);
}

CUresult destroy(Session& s, CUstream handle) {
  const auto stream = s.driver.streams.find(handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  if (const auto capture = stream->capture; capture && capture->origin == stream.get()) {
    end_capture(s.driver, capture);
    s.driver.graphs.erase(capture->graph->handle);
  }
  s.driver.streams.erase(handle);  // queued work still runs
  return CUDA_SUCCESS;
}

}  // namespace
}  // namespace ptxmill::emu::driver

namespace ptxmill::emu::api {

using namespace driver;

CUresult cuStreamCreate(CUstream* stream, unsigned flags) {
  return create(Call::cuStreamCreate, stream, flags, 0);
}

CUresult cuStreamCreateWithPriority(CUstream* stream, unsigned flags, int priority) {
  return create(Call::cuStreamCreateWithPriority, stream, flags, priority);
}

CUresult cuStreamDestroy_v2(CUstream stream) {
  return enter(Call::cuStreamDestroy_v2, Needs::live,
               [&](Session& s) { return destroy(s, stream); });
}

CUresult cuStreamSynchronize(CUstream handle) {
  return enter(Call::cuStreamSynchronize, Needs::live, [&](Session& s) -> CUresult {
    std::shared_ptr<Stream> stream;
    if (const CUresult code = resolve_for_wait(s, handle, &stream); code != CUDA_SUCCESS) {
      return code;
    }
    return wait_for_stream(s, stream);
  });
}

CUresult cuStreamQuery(CUstream handle) {
  return enter(Call::cuStreamQuery, Needs::live, [&](Session& s) -> CUresult {
    std::shared_ptr<Stream> stream;
    if (const CUresult code = resolve_for_wait(s, handle, &stream); code != CUDA_SUCCESS) {
      return code;
    }
    if (!stream->queue.empty()) return CUDA_ERROR_NOT_READY;
    s.driver.host_waited_for(*stream);
    return CUDA_SUCCESS;
  });
}

CUresult cuStreamGetCtx(CUstream handle, CUcontext* context) {
  return inspect(Call::cuStreamGetCtx, handle, context,
                 [&](const Stream& stream) { *context = stream.context->handle; });
}

CUresult cuStreamGetCtx_v2(CUstream handle, CUcontext* context, CUgreenCtx* green_context) {
  return inspect(Call::cuStreamGetCtx_v2, handle, context, [&](const Stream& stream) {
    *context = stream.context->handle;
    if (green_context != nullptr) *green_context = nullptr;
  });
}

CUresult cuStreamGetPriority(CUstream handle, int* priority) {
  return inspect(Call::cuStreamGetPriority, handle, priority,
                 [&](const Stream& stream) { *priority = stream.priority; });
}

CUresult cuStreamGetFlags(CUstream handle, unsigned* flags) {
  return inspect(Call::cuStreamGetFlags, handle, flags,
                 [&](const Stream& stream) { *flags = stream.flags; });
}

CUresult cuLaunchHostFunc(CUstream stream, CUhostFn function, void* user_data) {
  return enter(Call::cuLaunchHostFunc, Needs::live, [&](Session& s) {
    return enqueue(s, stream, [&](Stream&, std::shared_ptr<const Operation>* operation) {
      if (function == nullptr) return CUDA_ERROR_INVALID_VALUE;
      *operation = std::make_shared<HostFunction>(function, user_data);
      return CUDA_SUCCESS;
    });
  });
}

}  // namespace ptxmill::emu::api
