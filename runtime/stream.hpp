// Streams, events and graphs. Move-only; what they wrap is destroyed with the last user.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/device.hpp"

namespace ptxmill::rt {

class Event;
struct StreamState;

/// A queue of work on a device. Every operation of the runtime takes one and, unless its name or
/// its comment says so, does not wait for it.
class Stream {
 public:
  /// A stream of its own, which does not synchronise with the default stream.
  explicit Stream(const Device& device);
  /// A stream that the caller has and keeps; null is the context's default stream. The wrapper
  /// holds the stream's cached workspace: keep it, rather than wrapping anew for each launch.
  static Stream wrap(const Device& device, cu::Stream stream);

  Stream(Stream&&) noexcept = default;
  Stream& operator=(Stream&&) noexcept = default;

  cu::Stream handle() const;
  /// Waits for all work on the stream. Throws `context_lost` or `timeout` where a kernel faulted.
  void synchronize() const;
  /// Whether all work on the stream is done.
  bool idle() const;
  /// Whether the stream is recording a graph (its own or a foreign one).
  bool capturing() const;
  /// Makes later work on this stream wait for `event`.
  void wait(const Event& event) const;

  const std::shared_ptr<Context>& context() const;
  const std::shared_ptr<StreamState>& state() const { return state_; }

 private:
  explicit Stream(std::shared_ptr<StreamState> state) : state_(std::move(state)) {}
  std::shared_ptr<StreamState> state_;
};

/// A point in a stream's work.
class Event {
 public:
  enum class Timing { off, on };

  explicit Event(const Device& device, Timing timing = Timing::on);
  ~Event();
  Event(Event&& other) noexcept;
  Event& operator=(Event&& other) noexcept;

  cu::Event handle() const { return event_; }
  void record(const Stream& stream);
  /// Waits for the recorded point.
  void synchronize() const;
  bool done() const;
  /// Milliseconds from `start` to this event; both are recorded with timing, and done.
  float milliseconds_since(const Event& start) const;

 private:
  std::shared_ptr<Context> context_;
  cu::Event event_ = nullptr;
};

/// Recorded work that is launched as one.
class Graph {
 public:
  /// Records what `work` puts on `stream` (which does not run), and instantiates it. Kernels must
  /// have been loaded, and tensors allocated, before. Keeps the stream and its workspace alive;
  /// tensors that the work uses are the caller's to keep. An exception of `work` ends the recording
  /// and passes through. Throws `incompatible` where the driver is too old for graphs.
  static Graph capture(const Stream& stream, const std::function<void()>& work);
  ~Graph();
  Graph(Graph&& other) noexcept;
  Graph& operator=(Graph&& other) noexcept;

  void launch(const Stream& stream) const;
  std::size_t node_count() const { return nodes_; }

 private:
  Graph() = default;
  void destroy() noexcept;

  std::shared_ptr<StreamState> recorded_on_;
  cu::GraphExec exec_ = nullptr;
  std::size_t nodes_ = 0;
  std::vector<const char*> kernels_;  ///< interned names, for the words of a fault
};

}  // namespace ptxmill::rt
