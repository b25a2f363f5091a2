// Counting while a launch runs. A warp's place is told before its instruction runs, since a load
// may overwrite the register that holds its address.
#pragma once

#include "emulator/counts.hpp"
#include "emulator/decode/module.hpp"
#include "emulator/run/warp.hpp"

namespace ptxmill::emu {

/// The warp is about to run the instruction at `pc`: `mask` are the lanes that are there, `active`
/// those that its guard lets through.
void count_execution(LaunchCounts& counts, const Kernel& kernel, Warp& w, std::uint32_t pc,
                     LaneMask mask, LaneMask active);

/// One access of a warp: `addresses` are generic, `bytes` is what each lane accesses.
void count_access(InstructionCounts& counts, InstructionClass what, LaneMask active,
                  const std::uint64_t* addresses, int bytes);

}  // namespace ptxmill::emu
