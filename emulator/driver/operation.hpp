// A unit of stream work: what a queue drains, a capture records and a graph launch replays.
#pragma once

#include <mutex>
#include <string>

#include "emulator/driver/api.hpp"
#include "emulator/driver/stream_watch.hpp"

namespace ptxmill::emu::driver {

struct Driver;
using Lock = std::unique_lock<std::mutex>;  ///< holds Driver::mutex

class Operation {
 public:
  Operation() = default;
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;
  virtual ~Operation() = default;

  /// Whether the operation can run now. One that waits for an event cannot until the event is done.
  virtual bool ready() const { return true; }

  /// What findings call it: "kernel poke".
  virtual std::string name() const { return "an operation"; }
  /// For the watch over streams.
  virtual StreamWatch::Start start() const { return StreamWatch::Start::after_all; }
  /// Whether the host knows that it has ended.
  virtual bool calls_host() const { return false; }

  /// Does the work; may run many times when a graph holds the operation. `lock` is held on entry
  /// and on return. A result other than CUDA_SUCCESS is a fault: the driver is lost from then on.
  virtual api::CUresult run(Driver& driver, Lock& lock) const = 0;
};

}  // namespace ptxmill::emu::driver
