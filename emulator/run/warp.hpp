// The state that instruction handlers work on. Kept light: the handlers are compiled more than
// once, for different instruction sets of the host, and must not instantiate anything shared.
#pragma once

#include <cstddef>
#include <cstdint>

#include "emulator/decode/instruction.hpp"

namespace ptxmill::emu {

class BlockFootprint;
class Shadow;

// Windows of the generic address space: where shared, local and parameter memory of the running
// thread appear. Global memory lies outside of them.
inline constexpr std::uint64_t shared_window = 0x0100'0000'0000'0000;
inline constexpr std::uint64_t local_window = 0x0200'0000'0000'0000;
inline constexpr std::uint64_t param_window = 0x0300'0000'0000'0000;
inline constexpr std::uint64_t window_bytes = 0x0001'0000'0000'0000;

/// An address of the shared memory of a cluster has 1 more than the rank of a block of it from this
/// bit on, or 0 for the block that runs; below stands the offset into that block's memory.
inline constexpr int cluster_rank_shift = 24;
inline constexpr std::uint32_t max_cluster_blocks = 16;

struct Cta;

/// Bytes that a warp may touch as one stretch, with a flag a byte for "was written".
struct Region {
  std::byte* bytes = nullptr;
  std::uint8_t* written = nullptr;
  std::uint64_t base = 0;  ///< the address of bytes[0]
  std::uint64_t size = 0;
  Shadow* shadow = nullptr;  ///< null: not watched for races
  Cta* owner = nullptr;      ///< another block, whose shared memory it is
};

/// How the offsets of a full warp lie: all equal, or one access behind the other.
enum class Pattern : std::uint8_t { scattered, uniform, contiguous };

/// Where lanes access memory that falls into one stretch of the host's. The offset of an inactive
/// lane is 0, which may be read.
struct Target {
  std::byte* bytes = nullptr;
  std::uint8_t* written = nullptr;  ///< null: all bytes count as written
  Shadow* shadow = nullptr;
  std::uint64_t base = 0;  ///< the address of bytes[0]
  bool global = false;     ///< visible to the host: what is stored there must be defined
  Cta* owner = nullptr;    ///< another block, whose shared memory it is
  Pattern pattern = Pattern::scattered;
  alignas(64) std::uint64_t offset[lane_count];
};

struct Grid;  // a launch in progress

inline constexpr int allocation_hints = 8;

struct Warp {
  std::byte* registers = nullptr;
  LaneMask* defined = nullptr;     ///< a mask for each slot
  const Slot* operands = nullptr;  ///< Kernel::operands
  Grid* grid = nullptr;
  Cta* cta = nullptr;
  Region shared;
  Region local;  ///< `size` bytes for each lane, one lane after another
  Region params;
  BlockFootprint* footprint = nullptr;  ///< to be told of accesses to global memory; may be null
  /// The allocations touched last; an instruction looks at the one that its hint names.
  Region global[allocation_hints];
  std::uint32_t index = 0;  ///< within the CTA
  LaneMask alive = 0;       ///< lanes that exist and have not exited
  bool stop = false;        ///< a finding ended the launch
  bool checked = true;      ///< track which bytes and registers are defined

  template <class T>
  [[gnu::always_inline]] T* lanes(Slot slot) {
    return reinterpret_cast<T*>(registers + slot * slot_bytes);
  }
  /// The lanes for which a predicate holds.
  [[gnu::always_inline]] LaneMask& predicate(Slot slot) { return *lanes<LaneMask>(slot); }
};

/// What is wrong with a value or an access; words in report.cpp.
enum class Fault : std::uint8_t {
  none,
  global_bounds,
  shared_bounds,
  local_bounds,
  param_bounds,
  generic_bounds,
  cluster_rank,    ///< the address names no block of the cluster
  cluster_exited,  ///< the address leads to a block that has exited
  misaligned,
  read_only,
  incomplete_warp,
  undefined_address,
  undefined_store,
  undefined_branch,
  undefined_guard,
  undefined_operand,
  not_uniform,
};

/// Reports `fault` of lane `lane` at `address` (`size` bytes) and sets `warp.stop` where that ends
/// the launch.
void report_fault(Warp& warp, const Instruction& instruction, Fault fault, int lane,
                  std::uint64_t address, std::uint32_t size);

/// Remembers, for reports, how lanes came by an undefined value: by a load of what nothing has
/// written, or by a shuffle; of that, `from` holds the lane that each lane read.
void note_undefined(Warp& warp, const Instruction& instruction, LaneMask lanes,
                    const int* from = nullptr);

/// Sets `region` to the allocation that holds the byte at `address`. False where none does. For
/// accesses of which note_global() is told.
bool locate_noted(Warp& warp, std::uint64_t address, Region& region);
/// The same for any other access. A launch that comes here has its blocks run in order.
bool locate_global(Warp& warp, std::uint64_t address, Region& region);

/// The rank of the warp's block in its cluster.
std::uint32_t own_cluster_rank(const Warp& warp);

/// Resolves an address of the shared memory of the warp's cluster: sets `region` to the memory of
/// the block that it leads to, whose addresses begin where that block's do. What is wrong where it
/// leads nowhere.
Fault locate_shared(Warp& warp, std::uint64_t address, Region& region);

/// Tells `warp.footprint` of an access of `bytes` a lane to global memory, before it is done.
/// `access` has AccessBits. Sets `warp.stop` where the block cannot run beside others.
void note_global(Warp& warp, std::uint32_t access, LaneMask lanes, const Target& target, int bytes);

/// Watches an access of `bytes` a lane, before it is done: who else accesses that memory, and what
/// orders the two. `access` is the instruction's AccessBits.
void watch_access(Warp& warp, const Instruction& instruction, std::uint32_t access, LaneMask lanes,
                  const Target& target, int bytes);

/// Watches what a strong access that has been done makes known.
void watch_order(Warp& warp, const Instruction& instruction, LaneMask lanes, const Target& target);

/// Virtual nanoseconds since the emulated device started.
std::uint64_t virtual_time(const Warp& warp);

}  // namespace ptxmill::emu
