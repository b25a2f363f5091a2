// What a launch did, counted: instructions by class, divergence, memory traffic, bank conflicts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ptxmill::emu {

class Program;
struct EntryInfo;

/// What kind of work a PTX instruction is.
enum class InstructionClass : std::uint8_t {
  none,  ///< not an instruction of the text by itself: a further part of one, a note
  integer,
  f32,
  f64,
  half,              ///< f16 and bf16, packed ones included
  special_function,  ///< reciprocals, roots, exponentials, ...; floating division
  tensor,
  conversion,
  move,  ///< moves, selections and bitwise logic
  predicate,
  branch,   ///< also calls, returns and exits
  barrier,  ///< also fences
  warp,
  global_load,
  global_store,
  shared_load,
  shared_store,
  generic_load,
  generic_store,
  local,
  param,  ///< also constants
  atomic,
  async_copy,
  other,
};
inline constexpr std::size_t instruction_classes =
    static_cast<std::size_t>(InstructionClass::other) + 1;

/// "global load"
std::string_view name(InstructionClass c);

/// Traffic to global memory, in sectors of 32 bytes.
struct GlobalTraffic {
  std::uint64_t bytes = 0;          ///< requested, by all active lanes together
  std::uint64_t sectors = 0;        ///< touched, added up over the accesses of warps
  std::uint64_t least_sectors = 0;  ///< that could have held the same bytes

  GlobalTraffic& operator+=(const GlobalTraffic& o);
  bool operator==(const GlobalTraffic&) const = default;
};

/// Accesses to shared memory, in wavefronts: what its 32 banks serve in one go.
struct SharedTraffic {
  std::uint64_t bytes = 0;             ///< requested, by all active lanes together
  std::uint64_t wavefronts = 0;        ///< taken
  std::uint64_t least_wavefronts = 0;  ///< taken where no banks conflict

  SharedTraffic& operator+=(const SharedTraffic& o);
  bool operator==(const SharedTraffic&) const = default;
};

/// What happened at one place in the code.
struct InstructionCounts {
  std::uint64_t executions = 0;  ///< by warps, those that no lane's guard lets through included
  std::uint64_t lanes = 0;       ///< active ones, added up
  std::uint64_t divergent = 0;   ///< branches that some lanes took and some did not
  GlobalTraffic global;
  SharedTraffic shared;

  InstructionCounts& operator+=(const InstructionCounts& o);
};

/// The counts of one launch, or of several launches of one kernel, by place in its code.
struct LaunchCounts {
  std::vector<InstructionCounts> at;

  LaunchCounts& operator+=(const LaunchCounts& o);
};

/// The counts of a kernel, summed up.
struct CountTotals {
  std::array<std::uint64_t, instruction_classes> by_class{};  ///< warp instructions
  std::uint64_t warp_instructions = 0;
  std::uint64_t thread_instructions = 0;  ///< active lanes
  std::uint64_t divergent_branches = 0;
  GlobalTraffic read, written;  ///< atomics count as writes
  SharedTraffic shared;         ///< without atomics

  std::uint64_t of(InstructionClass c) const { return by_class[static_cast<std::size_t>(c)]; }
};
CountTotals total(const Program& program, const EntryInfo& entry, const LaunchCounts& counts);

/// A readable table, with the instructions that waste the most.
std::string counts_table(const Program& program, const EntryInfo& entry, const LaunchCounts& counts,
                         std::uint64_t launches);
/// A JSON object with the same content.
std::string counts_json(const Program& program, const EntryInfo& entry, const LaunchCounts& counts,
                        std::uint64_t launches);

// The rules, for one access of a warp: lanes of `mask` touch `bytes` each (a power of two, aligned)
// at their addresses.

/// Sectors of 32 bytes touched, and the fewest that could hold what was touched.
GlobalTraffic global_traffic(std::uint32_t mask, const std::uint64_t* addresses, int bytes);

/// Shared memory has 32 banks of 4 bytes; what lanes want of the same word is served together, and
/// different words of a bank one after another. Accesses of 8 bytes are served by half warps, those
/// of 16 bytes by quarter warps.
SharedTraffic shared_traffic(std::uint32_t mask, const std::uint64_t* addresses, int bytes);

}  // namespace ptxmill::emu
