// What a stream's users share. Private to the runtime.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "runtime/context.hpp"

namespace ptxmill::rt {

/// A stream's handle and its cached workspaces. Lives until the last tensor that is to be freed in
/// the stream's order is gone.
struct StreamState {
  StreamState(std::shared_ptr<Context> owner, cu::Stream stream, bool owned);
  ~StreamState();
  StreamState(const StreamState&) = delete;
  StreamState& operator=(const StreamState&) = delete;

  bool capturing() const;
  /// Throws `invalid_argument` with the remedy where the stream is recording a graph.
  void refuse_capture(std::string_view what, std::string_view remedy) const;
  /// Device memory in the stream's order. Refused while the stream records a graph.
  cu::DevicePointer allocate(std::size_t bytes) const;

  /// Scratch memory of at least `bytes` that lives as long as the stream; what is there belongs to
  /// one launch at a time. `zeroed` memory holds zeros, and its users leave zeros. Growing it is
  /// refused while the stream records a graph.
  cu::DevicePointer workspace(std::size_t bytes, bool zeroed);

  std::shared_ptr<Context> context;
  cu::Stream handle;
  bool owned;

 private:
  /// Smaller buffers are kept when a larger one takes their place: a recorded graph may use them.
  struct Workspace {
    std::vector<cu::DevicePointer> buffers;
    std::size_t bytes = 0;
  };
  std::mutex mutex_;
  Workspace plain_, zeroed_;
};

/// How many recordings this thread has begun and not ended: loading a module while one is under way
/// would spoil it, whichever stream it is on.
int recordings_on_this_thread();

}  // namespace ptxmill::rt
