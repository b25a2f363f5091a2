// What a device of a compute capability can hold, and how many blocks fit one multiprocessor.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "emulator/program.hpp"

namespace ptxmill::emu::driver {

/// Limits that differ between compute capabilities (CUDA C++ Programming Guide, "Compute
/// Capabilities", technical specifications per compute capability).
struct Limits {
  int compute_capability;
  int threads_per_sm;
  int blocks_per_sm;
  int shared_per_sm;              ///< bytes
  int shared_optin_per_block;     ///< bytes, with CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
  int reserved_shared_per_block;  ///< bytes that the system takes of each block's shared memory
};

/// Null where the capability is not known.
const Limits* limits_of(int compute_capability);

// Limits that all capabilities share.
inline constexpr int shared_without_optin = 49152;
inline constexpr int registers_per_sm = 65536;
inline constexpr std::array<std::uint32_t, 3> max_block_extent{1024, 1024, 64};
inline constexpr std::array<std::uint32_t, 3> max_grid_extent{0x7fffffff, 65535, 65535};
inline constexpr std::uint32_t portable_cluster_size = 8;
inline constexpr std::uint32_t max_cluster_size = 16;
inline constexpr int sms_per_cluster_domain = 16;  ///< a cluster does not reach beyond one
inline constexpr int least_stream_priority = 0, greatest_stream_priority = -5;

/// Blocks of `threads` threads with `dynamic_shared` bytes that run on one multiprocessor at a time
/// (CUDA C++ Programming Guide, "Occupancy Calculator"; allocation granularities as measured on
/// compute capability 9.0). 0 where one block does not fit.
int blocks_per_sm(const Limits& limits, const EntryInfo& entry, int threads,
                  std::size_t dynamic_shared);

}  // namespace ptxmill::emu::driver
