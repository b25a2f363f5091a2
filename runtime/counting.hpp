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
  Counter kernel_hits{0}, kernel_misses{0};
};

Cells& cells();

inline void add(Counter& counter, std::uint64_t amount = 1) {
  counter.fetch_add(amount, std::memory_order_relaxed);
}

}  // namespace ptxmill::rt::counting
