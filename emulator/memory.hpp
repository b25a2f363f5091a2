// The emulated device's global memory: allocations, bounds, and which bytes were ever written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "emulator/lazy_bytes.hpp"
#include "emulator/watch/footprint.hpp"
#include "emulator/watch/shadow.hpp"

namespace ptxmill::emu {

/// A device address, as kernels and the driver's callers see it.
using DeviceAddress = std::uint64_t;

/// One live allocation. `written[i]` is 1 where byte `i` holds a defined value, else 0.
struct Allocation {
  Allocation(DeviceAddress at, std::size_t size) : base(at), bytes(size), written(size) {}

  DeviceAddress base;
  LazyBytes<std::byte> bytes;
  LazyBytes<std::uint8_t> written;
  /// Who accessed it, by the launches since `generation` of a history. Null: nobody watched.
  struct Watched {
    std::unique_ptr<Shadow> shadow;
    std::uint32_t generation = 0;
  };
  std::vector<Watched> watched;  ///< by the history's number; guarded by the memory's mutex
};

/// A released allocation, remembered for diagnostics.
struct FreedRange {
  DeviceAddress base = 0;
  std::size_t size = 0;
};

/// Global memory of one emulated device. Addresses are 512-byte aligned as a driver's are, and a
/// freed range is not handed out again at once, so that a use after free is noticed. Thread-safe
/// for allocate, free, find, history and shadow_of.
class GlobalMemory {
 public:
  /// Device addresses start here. No host pointer lies above it, so that neither is ever taken for
  /// the other: Linux gives user space less than 2^47 bytes on x86-64 and 2^48 on AArch64, at most
  /// 2^52 there and 2^56 here for a program that asks for such addresses by number. The top byte
  /// stays zero, since AArch64 lets programs keep tags in it.
  static constexpr DeviceAddress first_address = DeviceAddress{1} << 52;

  explicit GlobalMemory(std::size_t capacity_bytes);

  /// Reserves `size` bytes, undefined until written. Returns 0 when the capacity is exhausted.
  DeviceAddress allocate(std::size_t size);
  /// Releases the allocation that starts at `base`. False where there is none.
  bool free(DeviceAddress base);
  /// The live allocation that holds all of [address, address + size), or null.
  std::shared_ptr<Allocation> find(DeviceAddress address, std::size_t size) const;
  /// The live allocation that holds `address`, or the nearest one below it, for diagnostics.
  std::shared_ptr<Allocation> nearest(DeviceAddress address) const;

  /// The released allocation that held `address`; its size is 0 where none of the remembered did.
  FreedRange freed(DeviceAddress address) const;

  /// What shadows of the allocations refer to: each thread that runs blocks has a history, and
  /// shadows that belong to it, of its own. Number 0 is of blocks that run in order.
  History& history(unsigned number);
  /// The allocation's shadow for that history, blank where it dates from before the history was
  /// cleared. Null where the host has no memory for it.
  Shadow* shadow_of(Allocation& a, unsigned number);

  /// What the blocks of the running launch touch; clear while none runs.
  LaunchFootprint footprint;

  std::size_t capacity() const { return capacity_; }
  std::size_t used() const;

 private:
  mutable std::mutex mutex_;
  std::size_t capacity_;
  std::size_t used_ = 0;
  DeviceAddress next_ = first_address;
  std::map<DeviceAddress, std::shared_ptr<Allocation>> live_;
  std::deque<FreedRange> freed_;   ///< the latest last; bounded
  std::deque<History> histories_;  ///< by number
};

}  // namespace ptxmill::emu
