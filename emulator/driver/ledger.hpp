// Which allocations the API made, for whom and of which kind, over the emulated global memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>

#include "emulator/driver/api.hpp"
#include "emulator/memory.hpp"

namespace ptxmill::emu::driver {

enum class BlockKind {
  device,  ///< cuMemAlloc
  pool,    ///< cuMemAllocAsync: outlives its context
  host,    ///< page-locked host memory that kernels see at its device address
  module,  ///< a module's variable: not the caller's to free
};

/// One live allocation.
struct Block {
  DeviceAddress base = 0;
  std::size_t bytes = 0;
  BlockKind kind = BlockKind::device;
  api::CUcontext owner = nullptr;
  std::uint64_t id = 0;
  std::byte* host = nullptr;  ///< where the host sees a `host` block
  unsigned host_flags = 0;
  bool free_queued = false;  ///< a cuMemFreeAsync is on its way
};

/// A device address within a block.
struct Place {
  Block* block = nullptr;  ///< null: no live block holds the range
  DeviceAddress address = 0;
};

/// The allocations of one device. Device memory is bounded by `capacity`, page-locked host memory
/// separately by as much again.
class Ledger {
 public:
  explicit Ledger(std::size_t capacity);

  /// Null where the memory is exhausted. Host blocks count as written at once: the host may write
  /// them at any time without a call.
  Block* allocate(BlockKind kind, std::size_t bytes, api::CUcontext owner);
  /// Takes note of an allocation that was made in `memory()` directly.
  void adopt(DeviceAddress base, std::size_t bytes, BlockKind kind, api::CUcontext owner);
  void release(DeviceAddress base);
  /// Releases what a context leaves behind: everything of its own but pool memory.
  void release_owned_by(api::CUcontext owner);

  /// The live block that holds [pointer, pointer + bytes). Unified addressing: `pointer` may also
  /// be the host's address of page-locked memory; the place is at its device address.
  Place locate(api::CUdeviceptr pointer, std::size_t bytes);
  /// The page-locked block at a host address.
  Place locate_host(const void* pointer, std::size_t bytes);

  std::size_t capacity() const { return capacity_; }
  std::size_t free_bytes() const { return capacity_ - device_used_; }

  std::size_t pool_used() const { return pool_used_; }
  std::size_t pool_high() const { return pool_high_; }
  void reset_pool_high() { pool_high_ = pool_used_; }

  GlobalMemory& memory() { return memory_; }

 private:
  Block* record(Block block);

  std::size_t capacity_;
  std::size_t device_used_ = 0;
  std::size_t host_used_ = 0;
  std::size_t pool_used_ = 0;
  std::size_t pool_high_ = 0;
  std::uint64_t last_id_ = 0;
  GlobalMemory memory_;
  std::map<DeviceAddress, Block> blocks_;
  std::map<const std::byte*, DeviceAddress> hosts_;
};

}  // namespace ptxmill::emu::driver
