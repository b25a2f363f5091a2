// The state that all users of one driver context share. Private to the runtime.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/device.hpp"
#include "runtime/driver/driver.hpp"
#include "runtime/error.hpp"

namespace ptxmill::rt {

/// What PTXMILL_TRACE asks for.
enum class TraceMode { off, values, launches };

class Context {
 public:
  /// The shared state of `handle`, made if nothing on this process uses it yet.
  static std::shared_ptr<Context> of_primary(int ordinal);
  static std::shared_ptr<Context> of_handle(cu::Context handle);
  /// The live state of the context that is current on this thread, if any.
  static std::shared_ptr<Context> current();

  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  const DeviceInfo& info() const { return info_; }
  cu::Context handle() const { return handle_; }
  bool blocking() const { return blocking_; }
  TraceMode trace() const { return trace_; }

  /// Throws the words of the fault that lost the context, if it is lost.
  void check_alive() const {
    if (lost_.load(std::memory_order_acquire)) throw_lost();
  }
  bool lost() const { return lost_.load(std::memory_order_acquire); }
  /// Records the fault (the first one stays) and returns the error to throw.
  Error lose(ErrorCode code, const std::string& cause);
  /// The fault that ended the process's use of the device, or `otherwise` where none did.
  static Error lost_before(Error otherwise);

  /// A name that lives as long as the context, so that launches can be noted without a copy.
  const char* intern(std::string_view text);
  /// Notes that `kernel` (interned) was launched on `stream`.
  void note_launch(const char* kernel, cu::Stream stream);
  /// Notes that all work on `stream` is done.
  void note_settled(cu::Stream stream);
  void note_all_settled();
  /// Takes back the launches noted on `stream` since the mark: they were recorded into a graph.
  std::size_t launch_mark() const;
  std::vector<const char*> take_launches(cu::Stream stream, std::size_t mark);

  /// Device memory in the order of `stream` where the device has pools, else at once. Throws
  /// `out_of_memory` with the bytes requested, free and in total.
  cu::DevicePointer allocate(std::size_t bytes, cu::Stream stream);
  void release(cu::DevicePointer pointer, cu::Stream stream) noexcept;

 private:
  struct Flight {
    const char* kernel;
    cu::Stream stream;
    std::size_t number;
  };

  Context(cu::Context handle, const DeviceInfo& info);
  static std::shared_ptr<Context> find_or_make(cu::Context handle, int ordinal);
  void find_pool();
  [[noreturn]] void throw_lost() const;
  std::string flights_text() const;

  cu::Context handle_;
  DeviceInfo info_;
  bool retained_ = false;  ///< a reference to the primary context is held
  bool blocking_ = false;
  TraceMode trace_ = TraceMode::off;
  bool pooled_ = false;  ///< memory comes from the device's pool, in stream order

  std::atomic<bool> lost_{false};
  mutable std::mutex mutex_;  ///< guards what follows
  std::optional<Error> loss_;
  std::vector<Flight> flights_;
  std::size_t next_flight_ = 0;
  std::size_t forgotten_ = 0;  ///< launches dropped from the front of flights_
  std::set<std::string, std::less<>> names_;
};

/// Makes a context current for a scope where it is not.
class ContextScope {
 public:
  explicit ContextScope(const Context& context);
  ~ContextScope();
  ContextScope(const ContextScope&) = delete;
  ContextScope& operator=(const ContextScope&) = delete;
  /// Whether another context, or none, was current.
  bool pushed() const { return pushed_; }

 private:
  bool pushed_ = false;
};

}  // namespace ptxmill::rt
