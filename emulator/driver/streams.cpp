#include "emulator/driver/streams.hpp"

#include "emulator/driver/capture.hpp"

namespace ptxmill::emu::driver {

using namespace api;

CUresult resolve_stream(Session& session, CUstream handle, std::shared_ptr<Stream>* out) {
  const auto number = reinterpret_cast<std::uintptr_t>(handle);
  if (number != 0 && number != stream_legacy && number != stream_per_thread) {
    *out = session.driver.streams.find(handle);
    return *out ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
  }
  if (!session.context) return CUDA_ERROR_INVALID_CONTEXT;
  if (!session.context->alive) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
  if (number != stream_per_thread) {
    *out = session.context->legacy;
    return CUDA_SUCCESS;
  }
  auto& stream = session.context->per_thread[std::this_thread::get_id()];
  if (!stream) {
    stream = Driver::make_stream(session.context, CU_STREAM_DEFAULT, 0);
    stream->handle = handle;
    ++session.driver.stream_count;
  }
  *out = stream;
  return CUDA_SUCCESS;
}

CUresult enqueue(Session& session, CUstream handle, const BuildOperation& build) {
  std::shared_ptr<Stream> stream;
  if (const CUresult code = resolve_stream(session, handle, &stream); code != CUDA_SUCCESS) {
    return code;
  }
  if (invalidate_conflicting_captures(session.driver, *stream)) {
    return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
  }
  if (stream->capture && stream->capture->invalidated) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  std::shared_ptr<const Operation> operation;
  if (const CUresult code = build(*stream, &operation); code != CUDA_SUCCESS) {
    if (stream->capture) stream->capture->invalidated = true;
    return code;
  }
  if (!operation) return CUDA_SUCCESS;
  if (stream->capture) {
    record_node(*stream, std::move(operation));
  } else {
    session.driver.submit(session.lock, stream, {std::move(operation)});
  }
  return CUDA_SUCCESS;
}

CUresult enqueue_and_wait(Session& session, CUstream handle, const BuildOperation& build) {
  if (const CUresult code = enqueue(session, handle, build); code != CUDA_SUCCESS) return code;
  std::shared_ptr<Stream> stream;
  if (const CUresult code = resolve_stream(session, handle, &stream); code != CUDA_SUCCESS) {
    return code;
  }
  return stream->capture ? CUDA_SUCCESS : wait_for_stream(session, stream);
}

CUresult wait_for_stream(Session& session, const std::shared_ptr<Stream>& stream) {
  const CUresult code = session.driver.wait(session.lock, [&] { return stream->queue.empty(); });
  if (code == CUDA_SUCCESS) session.driver.host_waited_for(*stream);
  return code;
}

}  // namespace ptxmill::emu::driver
