// A GPU, and the driver context that everything else on it belongs to.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "runtime/driver/types.hpp"

namespace ptxmill::rt {

class Context;

/// What is known of a device without running anything on it.
struct DeviceInfo {
  int ordinal = 0;
  std::string name;
  int compute_capability = 0;  ///< major * 10 + minor: 90
  int sm_count = 0;
  int driver_version = 0;  ///< as cuDriverGetVersion counts: 13000
  std::size_t total_memory = 0;
  int max_threads_per_block = 0;
  int max_shared_bytes = 0;  ///< per block, with the opt-in
  bool cooperative_launch = false;
  bool memory_pools = false;
};

struct MemoryInfo {
  std::size_t free = 0;
  std::size_t total = 0;
};

/// One device with a context. Streams, tensors and libraries made from it keep the context alive,
/// so the order in which they are destroyed does not matter. Safe to use from any thread.
///
/// Once a kernel has faulted, every call on the context throws `context_lost` (or `timeout`) with
/// the same words, which name the launches that were in flight; destructors stay safe.
/// PTXMILL_BLOCKING=1, read when the context is opened, synchronises after each launch, so that
/// exactly one is named.
class Device {
 public:
  /// How many devices the driver offers; 0 where it offers none. Throws `no_driver`.
  static int count();
  /// Reads what the driver says of a device, without making a context.
  static DeviceInfo describe(int ordinal);
  /// The device's primary context, retained until the last user is gone. Made current on this
  /// thread where none is. Throws `no_driver`, or `not_found` for an ordinal that does not exist.
  static Device open(int ordinal = 0);
  /// A context that the caller has and keeps.
  static Device from_context(cu::Context context);

  Device(Device&&) noexcept = default;
  Device& operator=(Device&&) noexcept = default;

  const DeviceInfo& info() const;
  cu::Context handle() const;
  MemoryInfo memory() const;
  /// Waits for all work on the context. Throws `context_lost` or `timeout` where a kernel faulted.
  void synchronize() const;

  const std::shared_ptr<Context>& context() const { return context_; }

 private:
  explicit Device(std::shared_ptr<Context> context) : context_(std::move(context)) {}
  std::shared_ptr<Context> context_;
};

}  // namespace ptxmill::rt
