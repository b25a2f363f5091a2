// Copies that a thread starts and does not wait for: agents of their own, from their issue to the
// wait that joins them (PTX ISA, "cp.async", "Async Proxy and Non-bulk copies").
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "emulator/run/warp.hpp"
#include "emulator/watch/order.hpp"

namespace ptxmill::emu {

struct Grid;
struct WarpState;

/// One copy instruction's lanes, of which `lanes` have not been carried out.
struct PendingCopy {
  LaneMask lanes = 0;
  int bytes = 0;
  std::array<std::uint32_t, lane_count> group{};  ///< of each lane's copies: its number
  std::array<std::uint64_t, lane_count> from{};   ///< global addresses
  std::array<std::uint64_t, lane_count> to{};     ///< offsets into shared memory
  std::array<std::uint32_t, lane_count> read{};   ///< bytes that are read; zeros fill up
};

/// What a warp has in flight.
struct CopyQueue {
  std::array<std::uint32_t, lane_count> committed{};  ///< groups of each lane
  /// Commit groups: the segment whose pending lanes are those that have not waited.
  struct Group {
    std::uint32_t number = 0, segment = 0;
    bool closed = false;  ///< a barrier tracks its copies: later ones do not belong to them
  };
  std::vector<Group> groups;
  std::vector<PendingCopy> copies;
};

/// The source side of a copy, its addresses resolved: watched as read until the wait.
void watch_copy_source(Warp& warp, const Instruction& instruction, LaneMask lanes,
                       const Target& source, int bytes);
/// The other side: watches the destination and starts the copies, or carries them out, as the
/// schedule says. s[1] and s[3] of the instruction add up to the source's address, s[2] says how
/// many bytes are read there.
void start_copies(Warp& warp, const Instruction& instruction, LaneMask lanes,
                  const Target& destination, int bytes);
/// cp.async.commit_group.
void commit_copies(Warp& warp, const Instruction& instruction, LaneMask lanes);
/// cp.async.wait_group of the instruction's imm; wait_all where that is negative.
void wait_for_copies(Warp& warp, const Instruction& instruction, LaneMask lanes);

/// The segments of the copies that `lanes` have in flight, for a barrier that tracks them.
std::vector<std::uint32_t> take_copies_in_flight(WarpState& w, LaneMask lanes);
/// Carries out all copies of the lanes.
void finish_copies(WarpState& w, LaneMask lanes);

}  // namespace ptxmill::emu
