// Blocks that run at the same time, meet at a barrier of their own and reach one another's shared
// memory (PTX ISA, "Cluster of Cooperative Thread Arrays").
#pragma once

#include <cstdint>
#include <vector>

#include "emulator/decode/instruction.hpp"
#include "emulator/run/uniform_values.hpp"
#include "emulator/watch/clock.hpp"

namespace ptxmill::emu {

struct Cta;
struct Grid;
struct WarpState;

/// Another block's access to a block's shared memory, of one segment.
struct RemoteAccess {
  std::uint32_t segment = 0, pc = 0;
  LaneMask lanes = 0;
};

struct Cluster {
  std::vector<Cta*> blocks;   ///< by rank
  std::uint32_t running = 0;  ///< of the blocks
  ClockPtr released;          ///< what arrivals at the barrier make known
  ClockPtr completed;         ///< the same of the last time that the barrier was complete
  UniformValues uniform;      ///< of sets within the cluster
  std::vector<std::vector<RemoteAccess>> accesses;  ///< to the memory of the block of that rank
};

/// Whether all threads of the block have exited.
bool has_exited(const Cta& cta);
/// The current split arrives at the cluster's barrier, or waits for it.
void run_cluster_barrier(Grid& grid, Cta& cta, WarpState& w, const Instruction& i, LaneMask m);
/// What the lanes did is known to those who pass the cluster's barrier after their next arrival,
/// relaxed though it may be (PTX ISA, "membar / fence": fence.mbarrier_init).
void publish_to_cluster(WarpState& w, LaneMask lanes);
/// Completes the barrier where all threads of the cluster that have not exited have arrived.
void recheck_cluster(Grid& grid, Cta& cta);
/// Notes that lanes of a warp have accessed another block's shared memory.
void note_remote_access(WarpState& w, Cta& owner, std::uint32_t segment, std::uint32_t pc,
                        LaneMask lanes);
/// The block has exited: whoever accessed its shared memory must be known to it.
void check_remote_accesses(Grid& grid, Cta& cta);

}  // namespace ptxmill::emu
