// What instructions on barriers in shared memory share: their operands, checked and watched.
#pragma once

#include "emulator/async/block.hpp"

namespace ptxmill::emu {

/// In Split::barrier, of lanes that wait at different barriers.
inline constexpr std::uint32_t several_mbarriers = ~0u;

/// The address that the instruction's operand gives the lane.
std::uint64_t mbarrier_address(Warp& w, const Instruction& i, int lane);
/// Where the lane's barrier lies. The block is null, and there is a finding, where that is nowhere.
SharedPlace mbarrier_place(Warp& w, const Instruction& i, int lane);
/// Shows the accesses of the lanes to their barriers to the race watch.
void watch_mbarriers(WarpState& w, const Instruction& i, LaneMask lanes);
/// Reports lanes one of whose operands is undefined, and returns the others.
LaneMask with_defined_operands(Warp& w, const Instruction& i, LaneMask lanes);

}  // namespace ptxmill::emu
