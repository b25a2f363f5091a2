// The environment variables that shape the emulated device.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "emulator/driver/api.hpp"
#include "emulator/driver/entry_points.hpp"
#include "emulator/execute.hpp"
#include "emulator/program.hpp"

namespace ptxmill::emu::driver {

/// "The n-th call fails", from PTXMILL_EMU_FAIL_CALL.
struct FailRule {
  std::vector<Call> calls;  ///< the calls that count
  std::uint64_t nth = 0;    ///< 1 is the first
  api::CUresult code = api::CUDA_ERROR_UNKNOWN;
  std::uint64_t seen = 0;
};

struct Settings {
  Machine machine;
  ExecuteOptions execute;
  std::vector<FailRule> fail;
  std::string report_file;  ///< empty: stderr
  std::string count_file;   ///< empty: nothing is counted; "stderr"; a name in .json: as JSON
};

/// Looks an environment variable up; null where it is not set.
using Environment = std::function<const char*(const char* name)>;

/// Reads the settings:
///   PTXMILL_EMU_CHECK               off | warn | fail
///   PTXMILL_EMU_SCHEDULE            earliest | latest | random
///   PTXMILL_EMU_SEED                for the random schedule
///   PTXMILL_EMU_THREADS             threads of the host that run the blocks of a launch; 0, the
///                                   default: one a core
///   PTXMILL_EMU_SMS                 multiprocessors
///   PTXMILL_EMU_CC                  compute capability, 90 for 9.0
///   PTXMILL_EMU_DRIVER_VERSION      as cuDriverGetVersion counts: 13000
///   PTXMILL_EMU_MEMORY              device memory in bytes
///   PTXMILL_EMU_INSTRUCTION_BUDGET  warp instructions of one launch before it counts as hung
///   PTXMILL_EMU_FAIL_CALL           cuMemAlloc_v2:3, alloc:5 or
///   cuStreamCreate:1=CUDA_ERROR_UNKNOWN,
///                                   several separated by commas
///   PTXMILL_EMU_REPORT              a file to append findings to
///   PTXMILL_EMU_COUNT               a file for the counts of kernels, or stderr
/// An empty variable counts as unset. Every malformed one adds a line to `errors` that names it,
/// its value and what was expected.
Settings read_settings(const Environment& environment, std::vector<std::string>* errors);

}  // namespace ptxmill::emu::driver
