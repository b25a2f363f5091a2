// What a warpgroup's products in flight must not meet: other uses of their registers and of the
// shared memory that they read (PTX ISA, "wgmma.fence", "wgmma.wait_group").
#pragma once

#include <cstdint>

#include "emulator/run/warpgroup.hpp"

namespace ptxmill::emu {

/// An instruction beside products is about to use registers of theirs.
void watch_fragments(Grid& grid, Warp& w, std::uint32_t pc);
/// The registers of a product that is about to be issued.
void watch_issue(Grid& grid, Cta& cta, std::uint32_t group, const PendingProduct& product);
/// What it reads of shared memory, from now to the wait.
void watch_product_reads(Grid& grid, Cta& cta, std::uint32_t group, const PendingProduct& product);
/// The warpgroup has waited: groups before `end` are complete, and all four warps know it.
void complete_product_reads(Grid& grid, Cta& cta, std::uint32_t group, std::uint32_t end);

}  // namespace ptxmill::emu
