// Where the process-wide counters live; private to the runtime.
#pragma once

#include <atomic>
#include <cstdint>

namespace ptxmill::rt::counting {

using Counter = std::atomic<std::uint64_t>;

struct Cells {
  Counter transfers_to_device{0}, bytes_to_device{0};
  Counter transfers_to_host{0}, bytes_to_host{0};
  Counter copies_on_device{0}, bytes_on_device{0};
  Counter allocations{0}, frees{0}, bytes_allocated{0};
  Counter launches{0}, graph_launches{0};
  Counter kernel_misses{0};
  Counter loading_launches{0};  ///< launches that had to load their kernel
};

Cells& cells();

/// Those of `launches` that found their kernel loaded: derived, so that a launch counts once.
inline std::uint64_t hits(const Counter& launches, const Counter& loading_launches) {
  // The smaller number is read first, so that launches in between do not make it the larger.
  const std::uint64_t loading = loading_launches.load(std::memory_order_acquire);
  const std::uint64_t all = launches.load(std::memory_order_relaxed);
  return all > loading ? all - loading : 0;
}

inline void add(Counter& counter, std::uint64_t amount = 1) {
  counter.fetch_add(amount, std::memory_order_relaxed);
}

}  // namespace ptxmill::rt::counting
