// A launch in progress: blocks, warps, and how the lanes of a warp are spread over the code.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "emulator/async/block.hpp"
#include "emulator/decode/module.hpp"
#include "emulator/execute.hpp"
#include "emulator/run/cluster.hpp"
#include "emulator/run/warp.hpp"
#include "emulator/run/warpgroup.hpp"
#include "emulator/watch/async.hpp"
#include "emulator/watch/footprint.hpp"
#include "emulator/watch/order.hpp"
#include "emulator/watch/shadow.hpp"

namespace ptxmill::emu {

inline constexpr std::uint32_t nowhere = static_cast<std::uint32_t>(no_pc);

/// What lanes wait for.
enum class Wait : std::uint8_t {
  none,       ///< ready to run
  warp,       ///< a warp_sync or warp_barrier instruction whose other lanes are elsewhere
  warpgroup,  ///< the other warps of its warpgroup
  barrier,    ///< a barrier of the block
  cluster,    ///< the barrier of the cluster
  sleep,      ///< until `wake`
  mbarrier,   ///< a phase of a barrier in shared memory, or until `deadline`
};

/// Lanes of a warp that run together.
struct Split {
  std::uint32_t pc = 0;
  LaneMask mask = 0;
  std::uint32_t meeting = 0;  ///< index into WarpState::meetings
  Wait wait = Wait::none;
  std::uint32_t barrier = 0;  ///< which, for Wait::barrier; for Wait::mbarrier its offset
  std::uint64_t wake = 0;
  std::uint64_t deadline = 0;  ///< of a wait for an mbarrier; 0: none has begun
  bool tried = false;          ///< such a wait has returned in vain

  static constexpr std::uint64_t never = ~std::uint64_t{0};
  /// When it goes on whatever the others do.
  std::uint64_t wakes() const {
    if (wait == Wait::sleep) return wake;
    return wait == Wait::mbarrier ? deadline : never;
  }
};

/// A place where separated lanes wait for one another: the post-dominator of a branch. The first
/// one of a warp is the exit, which nobody leaves.
struct Meeting {
  std::uint32_t pc = nowhere;
  std::uint32_t outer = 0;  ///< the meeting that its lanes are bound for afterwards
  LaneMask expected = 0;    ///< lanes that have not exited meanwhile
  LaneMask arrived = 0;
  bool in_use = false;
  std::uint64_t last_arrival = 0;  ///< the warp's `ran` then
  /// Of a call, whose lanes arrive by returning: where they go on. `pc` is nowhere then.
  std::uint32_t resume = nowhere;
};

/// What the lanes of a call find again when they return.
struct CallFrame {
  std::uint32_t site = 0;                ///< index into Kernel::calls
  std::uint64_t frame[lane_count] = {};  ///< the caller's, for each lane
  std::vector<std::byte> registers;      ///< the caller's, as in Callee::registers
  std::vector<LaneMask> defined;
};

/// The instruction that last gave a lane an undefined value: a load of what nothing had written,
/// or a shuffle from a lane that took no part in it.
struct UndefinedOrigin {
  const Instruction* instruction = nullptr;
  int from = 0;  ///< the lane that a shuffle read
};

struct WarpState : Warp {
  std::vector<Split> splits;
  std::vector<Meeting> meetings;
  std::size_t current = 0;                              ///< index of the split to run next
  std::uint64_t ran = 0;                                ///< instructions, counted when a turn ends
  bool misused_barrier = false;                         ///< reported already
  std::map<std::uint32_t, std::uint32_t> notes_passed;  ///< by pc, for uniformity notes
  WarpOrder order;
  CopyQueue copies;
  LaneMask cluster_arrived = 0;  ///< at the cluster's barrier, which is not complete yet
  LaneMask cluster_passed = 0;   ///< lanes that have arrived, and may go on when they wait
  std::array<UndefinedOrigin, lane_count> undefined{};  ///< by lane

  // Of kernels with calls: local memory that outgrew the block's, and the calls under way.
  std::vector<std::byte> stack;
  std::vector<std::uint8_t> stack_written;
  std::vector<CallFrame> calls;  ///< by index into `meetings`
  std::uint64_t saved_bytes = 0;

  bool finished() const { return alive == 0; }
};

/// A barrier of a block (PTX ISA, "bar", "barrier").
struct Barrier {
  std::uint32_t threads = 0;       ///< as given; 0: all of the block
  bool active = false;             ///< someone has arrived
  std::uint32_t counted = 0;       ///< threads that have arrived, whole warps
  std::vector<LaneMask> lanes;     ///< for each warp, lanes that have arrived
  std::vector<std::uint32_t> pcs;  ///< for each warp, where the first of them did
  std::vector<bool> warp_counted;  ///< for each warp
  std::uint32_t popc = 0;
  bool all = true, any = false;
  bool votes_defined = true;
  std::vector<bool> warp_waits;  ///< for each warp, whether it arrived to wait
  BarrierOrder order;
};

struct Cta {
  std::array<std::uint32_t, 3> id{0, 0, 0};
  std::uint32_t slot = 0;      ///< of the resident blocks: what %smid shows
  Cluster* cluster = nullptr;  ///< null: the block is a cluster of its own
  std::uint32_t rank = 0;      ///< in the cluster
  std::vector<WarpState> warps;
  std::array<Barrier, 16> barriers;
  Warpgroups warpgroups;  ///< of kernels with instructions of theirs
  std::uint32_t live_warps = 0;
  std::size_t next_warp = 0;  ///< where the round goes on
  /// Whether a thread has waited for what is ahead of the launch in its stream, if it overlaps
  /// that. What others of the block learn from it by a barrier is not followed: for them it counts
  /// as well.
  bool has_waited_for_launches = true;
  UniformValues uniform;   ///< of sets within the block
  std::mt19937_64 random;  ///< for all that the random schedule leaves to chance in the block
  CtaOrder order;
  Releases releases;  ///< at addresses in shared memory
  AccessSets sets;    ///< of cells in shared memory

  // Storage, kept for the next block that takes this place.
  std::unique_ptr<std::byte[]> register_storage;
  std::byte* registers = nullptr;
  std::vector<LaneMask> defined;
  std::vector<std::byte> shared, local;
  std::vector<std::uint8_t> shared_written, local_written;
  std::unique_ptr<Shadow> shared_shadow;

  std::unique_ptr<AsyncBlock> async;  ///< null until the block uses what it holds
};

/// The launch, as one thread of the host sees it. Threads that run blocks of one launch have a Grid
/// each; all that can be reached from it belongs to that thread, but for what is constant while the
/// launch runs and for `memory`, whose bytes the threads share and whose functions lock.
struct Grid {
  Grid(const Module& m, const Kernel& k, const Launch& l, GlobalMemory& g, const Machine& on,
       const ExecuteOptions& o)
      : module(m),
        kernel(k),
        launch(l),
        memory(g),
        machine(on),
        options(o),
        watch(l.watch),
        block_order(o.seed) {}

  const Module& module;
  const Kernel& kernel;
  const Launch& launch;
  GlobalMemory& memory;
  const Machine& machine;
  const ExecuteOptions& options;

  AccessWatch* watch;  ///< to be told of each access to global memory; may be null
  std::vector<DeviceAddress> variables;
  std::uint32_t block_threads = 1;
  std::uint32_t block_warps = 1;
  std::uint64_t shared_bytes = 0;
  std::vector<LaneMask> defined_at_start;  ///< for each slot
  /// Where checks are off: stretches of slots in which a block would find another's values.
  std::vector<std::pair<Slot, Slot>> left_over;
  struct Held {
    std::shared_ptr<Allocation> allocation;
    Shadow* shadow = nullptr;
  };
  std::vector<Held> held;  ///< allocations that regions point into
  unsigned number = 0;     ///< of the thread's history in the memory, and its shadows
  History* past = nullptr;
  /// Of the block that runs, where others run at the same time; else null.
  BlockFootprint* footprint = nullptr;
  /// The block did what depends on other blocks, or on their order: it must not run beside them.
  bool needs_order = false;

  std::uint64_t executed = 0;      ///< warp instructions
  std::uint64_t skipped_time = 0;  ///< while all warps slept
  bool checked = true;
  bool stopped = false;
  std::mt19937_64 block_order;  ///< for the order of blocks in the random schedule

  std::shared_ptr<LaunchCounts> counts;  ///< null where nothing is counted

  ExecuteResult result;
  std::set<std::pair<std::uint32_t, Fault>> reported;
  int findings = 0;
  DeviceAddress workspace = 0;                                         ///< of a cooperative launch
  std::uint64_t heap_bytes = 0;                                        ///< that kernels allocated
  UniformValues uniform;                                               ///< of the grid
  std::set<std::pair<std::uint32_t, std::uint32_t>> reported_races;    ///< by the pcs
  std::set<std::pair<std::uint32_t, std::uint32_t>> reported_proxies;  ///< likewise
  std::uint32_t launch_number = 0;                                     ///< in the memory's history
  Releases releases;                                                   ///< at global addresses
  std::uint32_t barrier_agents = 0;                                    ///< mbarriers initialised
  /// How often a wait for an mbarrier has timed out with nothing else to run, since the last
  /// operation on one.
  int vain_waits = 0;

  /// Virtual nanoseconds. They depend on what the other blocks have done.
  std::uint64_t now() {
    needs_order = true;
    return 1'000'000'000 + executed + skipped_time;
  }
  History& history() const { return *past; }
};

// ---- report.cpp

/// How a finding bears on the launch.
enum class Severity : std::uint8_t {
  finding,  ///< what a device would not notice: ends the launch under Check::fail only
  fatal,    ///< what ends a launch on a device as well
};

/// "line 12: ld.global.f32 ...", and the phase.
std::string where(const Grid& grid, std::uint32_t pc);
/// "block (0, 0, 0) thread (33, 0, 0), warp 1 lane 1"
std::string who(const Grid& grid, const Warp& warp, int lane);
/// The place in the grid of the block of that linear number.
std::array<std::uint32_t, 3> block_of_linear(const Grid& grid, std::uint32_t linear);
/// "0 bytes into 'tile'", or into which allocation, for an address of global or shared memory.
std::string surroundings(const Grid& grid, bool global, std::uint64_t address);
/// Adds a paragraph to the report; stops the grid where that is due.
void add_finding(Grid& grid, std::string_view text, Outcome outcome, Severity severity);
/// Where every warp of `blocks` stands, and what it waits for.
std::string standing(const Grid& grid, const std::vector<Cta*>& blocks);

// ---- block.cpp

/// Gives a new resident block its storage and constants.
void allocate_block(Grid& grid, Cta& cta);
/// Puts the threads of the block of that number at the entry, with nothing written yet.
void start_block(Grid& grid, Cta& cta, std::uint64_t number);

/// How many blocks' registers and memory the host may well hold.
std::uint64_t most_blocks(const Grid& grid);

// ---- turn.cpp

enum class BlockState : std::uint8_t { finished, running, asleep, stuck };
/// Runs the block until it is over, cannot go on, or has run as long as a block may at a time.
/// Which of its warps runs when depends on the block alone. While `patient`, nothing is said of
/// what holds it up where others of its cluster may let it go on.
BlockState take_turn(Grid& grid, Cta& cta, bool patient);

// ---- parallel.cpp

/// Runs the blocks on several threads of the host. False where they must run in order: where there
/// is no use in threads, or where something came up that could depend on the order of blocks, be it
/// a finding. The memory and the grid are then as before.
bool run_in_parallel(Grid& grid);

// ---- divergence.cpp

/// Puts the warp's first lanes at the entry.
void start_warp(WarpState& w, LaneMask lanes);
/// Separates `taken` from the current split at a branch to `target`; the lanes meet at `meet`.
/// The current split goes on with whom it should.
void diverge(WarpState& w, LaneMask taken, std::uint32_t target, std::uint32_t next,
             std::uint32_t meet);
/// Lets lanes that have waited long at a meeting go on alone: those that they wait for may be
/// spinning on what they would do next, and a device promises that all make progress.
void release_impatient(WarpState& w);
/// Where nothing else can run: lets lanes at a meeting go on if others of the warp wait, at a
/// warp-level instruction, for what they do next. False where there are none.
bool release_awaited(WarpState& w);
/// Leaves only `lanes` in the current split; the others go on behind its instruction.
void separate(WarpState& w, LaneMask lanes);
/// The current split has reached its meeting place. False where it must wait there.
bool meet(WarpState& w);
/// Lanes of the current split leave the kernel; the others, if any, go on at `next`.
void leave(WarpState& w, LaneMask lanes, std::uint32_t next);
/// Makes one split of those that stand at one place, ready, and bound for the same meeting.
void unite(WarpState& w);
/// Makes a ready split current. False where there is none.
bool choose_split(WarpState& w);

/// Puts the current split at `target`, in a call that its lanes leave for `resume`. Returns the
/// meeting where they gather.
std::uint32_t enter_call(WarpState& w, std::uint32_t target, std::uint32_t resume);
/// The call that the current split is in: a meeting. 0: none.
std::uint32_t innermost_call(const WarpState& w);
/// Lanes of the current split return from `call`; the others, if any, go on at `next`.
void leave_call(WarpState& w, std::uint32_t call, LaneMask lanes, std::uint32_t next);

// ---- call.cpp

/// The current split calls a function.
void call(Grid& grid, WarpState& w, const Instruction& i, LaneMask m);
void return_from_call(Grid& grid, WarpState& w, const Instruction& i, LaneMask m);
void allocate_on_stack(Grid& grid, WarpState& w, const Instruction& i, LaneMask m);
/// A fresh stack, for a block that starts.
void reset_stack(const Grid& grid, Cta& cta, WarpState& w);

// ---- builtin.cpp

/// Does what a function of the device's runtime does, for the lanes of `m`.
void run_builtin(Grid& grid, WarpState& w, const CallSite& site, LaneMask m);

// ---- synchronise.cpp

/// Runs a warp_sync or warp_barrier instruction of the current split, or makes it wait.
void synchronise_warp(Grid& grid, WarpState& w, const Instruction& i, LaneMask m);
/// Lets splits go on whose partners have exited.
void recheck_warp_waits(Grid& grid, WarpState& w);
/// The current split arrives at a barrier of the block.
void arrive(Grid& grid, Cta& cta, WarpState& w, const Instruction& i, LaneMask m);
/// Completes what can be completed after lanes have exited.
void recheck_barriers(Grid& grid, Cta& cta);
/// A warp that cannot go on while some of its lanes wait at a barrier: reports it, and counts the
/// warp as arrived. False where that is not why it cannot go on.
bool resolve_divergent_barrier(Grid& grid, Cta& cta, WarpState& w);

// ---- uniform.cpp

/// Checks the value that the lanes of `m` hold at a uniformity note against the others of its set.
void check_uniform(Grid& grid, Cta& cta, WarpState& w, const Instruction& i, LaneMask m);

// ---- observe.cpp

/// The warp is about to run the instruction at `pc`: `mask` are the lanes that are there, `active`
/// those that its guard lets through. Counts it, and shows its accesses to the launch's watch.
/// Asked before the instruction runs, since a load may overwrite the register that holds its
/// address.
void observe(Grid& grid, Warp& w, std::uint32_t pc, LaneMask mask, LaneMask active);

// ---- interpreter.cpp

/// Runs ready splits of the warp for up to `limit` instructions.
void run_warp(Grid& grid, Cta& cta, WarpState& w, std::uint64_t limit);

}  // namespace ptxmill::emu
