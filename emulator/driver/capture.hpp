// The rules of stream capture (CUDA Driver API, "Stream Management", cuStreamBeginCapture).
#pragma once

#include <memory>

#include "emulator/driver/driver.hpp"

namespace ptxmill::emu::driver {

/// For a call that a capture may forbid wherever it is made (allocation, synchronisation): the
/// error where a capture forbids it to this thread. Such a call invalidates the capture.
api::CUresult refuse_unsafe_call(Driver& driver);

/// Invalidates every capture in which a stream of the context takes part; tells whether there is
/// one.
bool invalidate_captures_of(Driver& driver, const Context& context);

/// Whether the stream is a NULL stream whose implicit waits would reach into a capture: that of a
/// blocking stream of its context.
bool conflicts_with_capture(const Driver& driver, const Stream& stream);
/// The same, invalidating those captures.
bool invalidate_conflicting_captures(Driver& driver, const Stream& stream);

/// Records an operation as a node that follows what the stream captured so far.
void record_node(Stream& stream, std::shared_ptr<const Operation> operation);

/// Stops the capture in all streams that take part.
void end_capture(Driver& driver, const std::shared_ptr<Capture>& capture);

}  // namespace ptxmill::emu::driver
