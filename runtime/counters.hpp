// What the runtime did since the process began, or since the last reset.
#pragma once

#include <cstdint>

namespace ptxmill::rt {

/// Process-wide counts. A test of "this forward pass moves nothing" resets them, runs it, and asks
/// that `transfers_to_device`, `transfers_to_host`, `allocations` are zero.
struct Counters {
  std::uint64_t transfers_to_device = 0;
  std::uint64_t bytes_to_device = 0;
  std::uint64_t transfers_to_host = 0;  ///< `peek_host` is not counted
  std::uint64_t bytes_to_host = 0;
  std::uint64_t copies_on_device = 0;
  std::uint64_t bytes_on_device = 0;
  std::uint64_t allocations = 0;
  std::uint64_t frees = 0;
  std::uint64_t bytes_allocated = 0;
  std::uint64_t launches = 0;        ///< kernels, also those recorded into a graph
  std::uint64_t graph_launches = 0;  ///< replays of a graph; its kernels are not counted again
  std::uint64_t kernel_hits = 0;     ///< launches that found their kernel loaded
  std::uint64_t kernel_misses = 0;   ///< launches and preloads that had to load one
};

/// A snapshot. Each number is read atomically; the set of them is not one instant.
Counters counters();
void reset_counters();

}  // namespace ptxmill::rt
