// What a block has of barriers in shared memory and of bulk copies in flight.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/async/mbarrier.hpp"
#include "emulator/async/tensor_map.hpp"
#include "emulator/decode/transfer.hpp"
#include "emulator/watch/clock.hpp"

namespace ptxmill::emu {

struct Cta;
struct Grid;
struct Target;
struct Warp;
enum class Fault : std::uint8_t;
struct WarpState;

/// Lanes of a warp that have found a phase incomplete and not yet found it complete.
struct MbarrierPoll {
  std::uint32_t warp = 0;
  LaneMask lanes = 0;
  std::uint64_t phase = 0;
};

/// A barrier and what the watch knows of it.
struct BlockBarrier {
  Mbarrier counts;
  std::uint32_t initialised_at = 0;  ///< pc
  Agents initialised_by;             ///< the thread
  Time initialised_time = 0;
  bool fenced = false;             ///< its initialisation is visible to the async proxy
  std::uint32_t agent = 0;         ///< of the copies that complete on it: unique in the grid
  Time agent_time = 0;             ///< how many have
  std::uint64_t copied_phase = 0;  ///< 1 more than the last phase in which one did
  std::uint64_t seen_phase = 0;    ///< how many phases some thread has found complete
  const Instruction* last_copy = nullptr;
  ClockPtr released;   ///< what arrivals and copies made known so far
  ClockPtr completed;  ///< the same when the last phase was completed
  std::vector<MbarrierPoll> polls;
};

/// A place in shared memory.
struct SharedPlace {
  Cta* block = nullptr;
  std::uint32_t offset = 0;
};

/// A bulk copy that has been started and not finished; or the arrivals that wait for the copies
/// (cp.async) of `lanes`.
struct Transfer {
  const Instruction* instruction = nullptr;
  const TransferForm* form = nullptr;  ///< null: arrivals
  WarpState* warp = nullptr;           ///< that started it
  int lane = 0;
  LaneMask lanes = 0;                   ///< of arrivals
  std::vector<std::uint32_t> segments;  ///< of the copies that the arrivals wait for
  TensorMap map;                        ///< of a tensor copy
  Coordinates at{};
  std::uint64_t global = 0;  ///< address of a plain copy
  SharedPlace from, to;      ///< sides in shared memory
  std::uint64_t bytes = 0;
  SharedPlace barrier;                                        ///< none: the copy belongs to a group
  std::uint32_t source_segment = 0, destination_segment = 0;  ///< 0: not watched
  std::uint32_t group = 0;                                    ///< its number, of the lane's
  bool has_read = false;                                      ///< the source: into `data`
  std::vector<std::byte> data;
  std::vector<std::uint8_t> written;
};

/// Bulk copies to global memory that a lane has started.
struct TransferGroups {
  std::uint32_t committed = 0;
  struct Segments {
    std::uint32_t number = 0, source = 0, destination = 0;
    const Instruction* instruction = nullptr;
  };
  std::vector<Segments> segments;  ///< not waited for
};

/// A thread's fence between the generic and the async proxy.
struct ProxyFence {
  Agents by;
  Time time = 0;
  ClockPtr known;  ///< to the thread
};

struct AsyncBlock {
  std::map<std::uint32_t, BlockBarrier> barriers;    ///< by offset into shared memory
  std::vector<std::unique_ptr<Transfer>> in_flight;  ///< started by this block, in that order
  std::map<std::uint32_t, TransferGroups> groups;    ///< by thread of the block
  std::map<std::uint32_t, std::vector<ProxyFence>> fences;  ///< the latest, by thread of the block
};

/// The block's state, made on first use.
AsyncBlock& async_of(Cta& cta);

// ---- place.cpp

/// Resolves an address of the cluster's shared memory (locate_shared), or a generic one. The block
/// is null where it leads nowhere; `*why` says why that is.
SharedPlace resolve_cluster_address(Warp& w, std::uint64_t address, Fault* why = nullptr);
/// The block of that rank in the warp's cluster. Null where there is none.
Cta* cluster_block(Warp& w, std::uint32_t rank);
/// The address that an operand of a lane gives; windows of generic addresses are taken off.
std::uint64_t address_in(Warp& w, const TransferAddress& a, int lane);
/// A finding about a lane of an instruction.
void async_finding(Warp& w, const Instruction& i, int lane, std::string_view what);

// ---- mbarrier_run.cpp

/// The barrier at a place. Null, and a finding, where there is none.
BlockBarrier* barrier_at(Warp& w, const Instruction& i, int lane, SharedPlace at);
/// Bytes of a copy have come: the barrier's phase may be complete.
void complete_bytes(Warp& w, const Instruction& i, int lane, SharedPlace at, std::uint64_t bytes);
/// The arrivals of threads whose copies (cp.async) are done.
void arrive_for_copies(Transfer& t, BlockBarrier& b);
/// "the mbarrier at 0x40: phase 2 lacks 1 of 2 arrivals and 512 bytes"
std::string describe(std::uint32_t offset, const BlockBarrier& b);

/// The handler of all but waits that suspend.
void run_mbarrier(Warp& w, const Instruction& i, LaneMask lanes);

// ---- mbarrier_wait.cpp

/// mbarrier.test_wait.
void test_mbarriers(WarpState& w, const Instruction& i, LaneMask lanes);
/// mbarrier.try_wait: the current split's.
void wait_at_mbarrier(Grid& grid, WarpState& w, const Instruction& i, LaneMask lanes);

// ---- proxy.cpp

/// Handlers of fence.proxy.async and fence.mbarrier_init.
void fence_async_proxy(Warp& w, const Instruction& i, LaneMask lanes);
void fence_barrier_init(Warp& w, const Instruction& i, LaneMask lanes);
/// The async proxy reads or writes, on behalf of the lane `reader`, what the generic proxy may have
/// written with no proxy fence between them: `bytes` from each offset of the target that `lanes`
/// names.
void watch_async_proxy(WarpState& w, const Instruction& i, int reader, LaneMask lanes,
                       const Target& t, std::uint64_t bytes, bool writes);

// ---- transfer.cpp

/// Handlers of bulk copies; imm is an index into Kernel::transfers.
void start_transfers(Warp& w, const Instruction& i, LaneMask lanes);

// ---- transfer_watch.cpp

/// Gives the copy its segments, and watches both sides.
void watch_transfer(Transfer& t);

// ---- transfer_move.cpp

/// Moves the source's bytes into `data`.
void read_source(Transfer& t);
/// Moves them on to where they belong.
void write_destination(Transfer& t);

// ---- transfer_schedule.cpp

/// The copy has been started: it is done now, or later, as the schedule says.
void schedule_transfer(Grid& grid, Cta& cta, std::unique_ptr<Transfer> t);
void commit_transfers(Warp& w, const Instruction& i, LaneMask lanes);
/// cp.async.bulk.wait_group of the instruction's imm; aux 1: only for the sources to be read.
void wait_for_transfers(Warp& w, const Instruction& i, LaneMask lanes);
/// Carries out one of the copies in flight that a barrier waits for. False where there is none.
bool advance_transfers(Grid& grid, Cta& cta);
/// The same for all of them.
void finish_transfers(Grid& grid, Cta& cta);
/// The block has ended: what is still in flight must not touch its memory any more.
void end_transfers(Grid& grid, Cta& cta);

}  // namespace ptxmill::emu
