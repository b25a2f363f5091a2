// Runs one grid of a parsed program on the CPU.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "emulator/counts.hpp"
#include "emulator/memory.hpp"
#include "emulator/operation_order.hpp"
#include "emulator/program.hpp"

namespace ptxmill::emu {

enum class Check { off, warn, fail };              ///< PTXMILL_EMU_CHECK
enum class Schedule { earliest, latest, random };  ///< PTXMILL_EMU_SCHEDULE

struct ExecuteOptions {
  Check check = Check::fail;
  Schedule schedule = Schedule::earliest;
  std::uint64_t seed = 0;
  std::uint64_t instruction_budget = 50'000'000'000;  ///< warp instructions; then it is a hang
  bool count = false;                                 ///< fill in ExecuteResult::counts, at a cost
  /// How many threads of the host may run blocks at the same time. 0: as many as it has cores, and
  /// only where the launch is worth it. Results do not depend on it.
  unsigned threads = 1;
};

struct Launch {
  std::array<std::uint32_t, 3> grid{1, 1, 1}, block{1, 1, 1}, cluster{1, 1, 1};
  bool explicit_cluster = false;  ///< the launch, or the kernel, asks for clusters
  std::uint32_t dynamic_shared_bytes = 0;
  bool cooperative = false;
  bool overlaps = false;  ///< it may begin before what is ahead of it in the stream has ended
  std::span<const std::byte> params;  ///< laid out as EntryInfo::params says
  /// Where the module's variables lie, as Program::place_variables returned it. Left empty for a
  /// module that has variables, they are placed for this launch alone.
  std::span<const DeviceAddress> variables{};
  /// The operation that the launch is, and the order among operations; null where it is alone.
  OperationId operation = 0;
  const OperationOrder* order = nullptr;
  AccessWatch* watch = nullptr;  ///< is told of every access to global memory; may be null
};

/// How a launch ended, in the terms of the nearest driver code.
enum class Outcome {
  ok,
  illegal_address,     ///< CUDA_ERROR_ILLEGAL_ADDRESS: out of bounds, use after free
  misaligned_address,  ///< CUDA_ERROR_MISALIGNED_ADDRESS
  launch_failed,       ///< CUDA_ERROR_LAUNCH_FAILED: trap, undefined value used, barrier misuse
  assertion_failed,    ///< CUDA_ERROR_ASSERT
  launch_timeout,      ///< CUDA_ERROR_LAUNCH_TIMEOUT: deadlock, or the instruction budget ran out
};

struct ExecuteResult {
  Outcome outcome = Outcome::ok;
  /// Every finding, one paragraph each: kernel, PTX line, phase (the innermost enclosing
  /// "// ---- name" banner comment), block and thread, address. Also filled when `check` is warn.
  std::string report;
  std::uint64_t warp_instructions = 0;
  unsigned threads = 1;  ///< of the host that ran its blocks at the same time; 1: in order
  std::shared_ptr<const LaunchCounts> counts;  ///< null where they were not asked for
};

/// Runs `entry` to its end. Launch-shape checks (threads, shared memory) are the caller's.
ExecuteResult execute(const Program& program, const EntryInfo& entry, const Launch& launch,
                      GlobalMemory& memory, const Machine& machine, const ExecuteOptions& options);

}  // namespace ptxmill::emu
