// The state that instruction handlers work on. Kept light: the handlers are compiled more than
// once, for different instruction sets of the host, and must not instantiate anything shared.
#pragma once

#include <cstddef>
#include <cstdint>

#include "emulator/decode/instruction.hpp"

namespace ptxmill::emu {

// Windows of the generic address space: where shared, local and parameter memory of the running
// thread appear. Global memory lies outside of them.
inline constexpr std::uint64_t shared_window = 0x0100'0000'0000'0000;
inline constexpr std::uint64_t local_window = 0x0200'0000'0000'0000;
inline constexpr std::uint64_t param_window = 0x0300'0000'0000'0000;
inline constexpr std::uint64_t window_bytes = 0x0001'0000'0000'0000;

/// Bytes that a warp may touch as one stretch, with a flag a byte for "was written".
struct Region {
  std::byte* bytes = nullptr;
  std::uint8_t* written = nullptr;
  std::uint64_t base = 0;  ///< the address of bytes[0]
  std::uint64_t size = 0;
};

struct Grid;  // a launch in progress
struct Cta;

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

/// Sets `region` to the allocation that holds the byte at `address`. False where none does.
bool locate_global(Warp& warp, std::uint64_t address, Region& region);

/// Virtual nanoseconds since the emulated device started.
std::uint64_t virtual_time(const Warp& warp);

}  // namespace ptxmill::emu
