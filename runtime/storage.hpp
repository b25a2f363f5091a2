// The memory behind tensors. Private to the runtime.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "runtime/stream_state.hpp"

namespace ptxmill::rt {

/// One allocation, owned (then `stream` is set and it is freed in that stream's order) or foreign.
struct Storage {
  explicit Storage(std::shared_ptr<Context> owner) : context(std::move(owner)) {}
  ~Storage() {
    if (stream) context->release(pointer, stream->handle);
  }
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  std::shared_ptr<Context> context;
  std::shared_ptr<StreamState> stream;
  std::shared_ptr<void> keep_alive;
  cu::DevicePointer pointer = 0;
  std::atomic<std::uint64_t> transfers_to_device{0}, transfers_to_host{0}, launches{0};
};

}  // namespace ptxmill::rt
