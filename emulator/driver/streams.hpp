// From a stream handle to work in its queue, or in the graph that it captures.
#pragma once

#include <functional>
#include <memory>

#include "emulator/driver/entry.hpp"

namespace ptxmill::emu::driver {

/// The stream that the handle means. The default streams are the current context's.
api::CUresult resolve_stream(Session& session, api::CUstream handle, std::shared_ptr<Stream>* out);

/// Validates the arguments and makes the operation; leaves it null where there is nothing to do.
using BuildOperation =
    std::function<api::CUresult(Stream& stream, std::shared_ptr<const Operation>* operation)>;

/// Adds an operation to the stream: to its queue, or to its capture. A failed build invalidates the
/// capture, as on hardware.
api::CUresult enqueue(Session& session, api::CUstream handle, const BuildOperation& build);

/// `enqueue`, then waits until the stream is idle unless it captures.
api::CUresult enqueue_and_wait(Session& session, api::CUstream handle, const BuildOperation& build);

/// Waits until the stream has no work.
api::CUresult wait_for_stream(Session& session, const std::shared_ptr<Stream>& stream);

}  // namespace ptxmill::emu::driver
