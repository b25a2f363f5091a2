// Blocks on several threads of the host. They run as if alone, on the memory itself; what each
// touches is noted. Where it turns out that no block touched what another wrote, every order of
// blocks would have led here. Where one did, or anything else came up that might depend on the
// order, such as a finding, memory is put back and the blocks run again, in order: so results never
// depend on the number of threads, nor on their timing.
#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

#include "emulator/async/block.hpp"
#include "emulator/lanes/handlers.hpp"
#include "emulator/run/grid.hpp"

namespace ptxmill::emu {
namespace {

// Instructions that a launch has run before threads are started for the rest of it.
constexpr std::uint64_t worth_threads = 20'000;
// A block that has run so many, and others have not started, may be waiting for them.
constexpr std::uint64_t most_alone = std::uint64_t{1} << 28;
// What the threads' shadows of global memory may take.
constexpr std::uint64_t most_shadow_bytes = std::uint64_t{8} << 30;

/// Whether the kernel uses barriers in shared memory, bulk copies, warpgroups or the barrier of a
/// cluster. What these keep is not divided among threads.
bool is_asynchronous(const Kernel& kernel) {
  if (kernel.has_cluster_barrier || kernel.has_warpgroups || !kernel.transfers.empty()) return true;
  const Handler all[] = {run_mbarrier,       start_transfers,    commit_transfers,
                         wait_for_transfers, fence_barrier_init, fence_async_proxy};
  return std::any_of(kernel.code.begin(), kernel.code.end(), [&](const Instruction& i) {
    return std::find(std::begin(all), std::end(all), i.run) != std::end(all);
  });
}

/// What is known, before it runs, to make the kernel's blocks depend on one another or their order.
bool needs_order(const Kernel& kernel) {
  const auto asks = [](Move move, int bits) { return handlers().move(move, bits, 1); };
  const Handler clocks[] = {asks(Move::clock32, 32), asks(Move::clock_hi, 32),
                            asks(Move::clock64, 64)};
  for (const SpecialSlot& s : kernel.specials)
    if (s.special == Special::smid) return true;
  for (const CallSite& c : kernel.calls)
    if (c.builtin != Builtin::none && c.builtin != Builtin::assertfail) return true;
  for (const Instruction& i : kernel.code) {
    if (i.kind == Kind::sleep) return true;
    if (i.kind != Kind::memory) continue;
    if (std::find(std::begin(clocks), std::end(clocks), i.run) != std::end(clocks)) return true;
    const bool global =
        static_cast<AddressSpace>(i.aux & AccessBits::space_mask) == AddressSpace::global;
    if (global && (i.aux >> AccessBits::scope_shift & 3u) != 0) return true;
  }
  return false;
}

/// A thread that runs blocks, and all that belongs to it.
struct Worker {
  Worker(const Grid& launch, unsigned number) : grid(launch), footprint(launch.memory.footprint) {
    grid.number = number;
    grid.footprint = &footprint;
    grid.watch = nullptr;
    grid.needs_order = false;
    if (launch.counts) grid.counts = std::make_shared<LaunchCounts>(*launch.counts);
    open_history(grid);
  }
  Grid grid;
  BlockFootprint footprint;
  Cta cta;
};

/// Blocks that are left for a thread.
struct Share {
  std::uint64_t next = 0, end = 0;
  std::uint64_t left() const { return end - next; }
};

class ParallelLaunch {
 public:
  ParallelLaunch(Grid& grid, std::uint64_t blocks, unsigned threads)
      : grid_(grid), footprint_(grid.memory.footprint), untaken_(blocks) {
    // Neighbouring blocks share cells of the shadows, and the same ones launch after launch.
    const std::uint64_t each = blocks / threads;
    for (unsigned k = 0; k < threads; ++k)
      shares_.push_back({each * k, k + 1 == threads ? blocks : each * (k + 1)});
  }

  bool run() {
    run_worker(0);
    for (std::thread& t : threads_) t.join();
    const bool done = !failed_ && finish();
    if (!done) footprint_.undo();
    footprint_.clear();
    return done;
  }

 private:
  void start_threads() {
    if (started_) return;
    started_ = true;
    for (unsigned k = 1; k < shares_.size(); ++k) {
      try {
        threads_.emplace_back([this, k] { run_worker(k); });
      } catch (const std::system_error&) {
        return;  // those that there are do all the work
      }
    }
  }

  /// Where the host is out of memory, say, the run in order needs less, or throws where the caller
  /// sees it.
  void run_worker(unsigned number) {
    std::unique_ptr<Worker> me;
    try {
      if (number == 0 && grid_.options.threads != 0) start_threads();
      me = std::make_unique<Worker>(grid_, number);
      allocate_block(me->grid, me->cta);
      work(*me);
      if (!failed_) merge(*me);
    } catch (const std::exception&) {
      failed_ = true;
    }
    if (me && failed_) me->footprint.abandon();
  }

  void work(Worker& me) {
    for (std::uint64_t number = 0; !failed_ && take(me, &number);) {
      // Blocks meet in the footprints, and need not be compared by what they did when.
      me.grid.launch_number = me.grid.history().add_launch();
      start_block(me.grid, me.cta, number);
      if (!run_block(me) || !me.footprint.close()) failed_ = true;
    }
  }

  /// The next block for the worker: of its share, or of half of what another one has left.
  bool take(const Worker& me, std::uint64_t* number) {
    const std::lock_guard lock(mutex_);
    Share& mine = shares_[me.grid.number];
    if (mine.left() == 0) {
      Share& other =
          *std::max_element(shares_.begin(), shares_.end(),
                            [](const Share& a, const Share& b) { return a.left() < b.left(); });
      mine.end = other.end;
      mine.next = other.end -= (other.left() + 1) / 2;
    }
    if (mine.left() == 0) return false;
    *number = mine.next++;
    --untaken_;
    return true;
  }

  bool run_block(Worker& me) {
    const std::uint64_t start = me.grid.executed;
    for (;;) {
      const std::uint64_t before = me.grid.executed;
      const BlockState state = take_turn(me.grid, me.cta, false);
      executed_ += me.grid.executed - before;
      if (me.grid.stopped || me.grid.findings != 0 || me.grid.needs_order) return false;
      if (state == BlockState::asleep || state == BlockState::stuck || failed_) return false;
      if (executed_ >= grid_.options.instruction_budget || me.grid.history().is_crowded())
        return false;
      const bool others_wait = untaken_ != 0;
      if (others_wait && me.grid.number == 0 && executed_ >= worth_threads) start_threads();
      if (state == BlockState::finished) return true;
      if (others_wait && me.grid.executed - start > most_alone) return false;
    }
  }

  /// Adds up what the worker's blocks did.
  void merge(const Worker& me) {
    const std::lock_guard lock(mutex_);
    for (const auto& [note, value] : me.grid.uniform)
      if (uniform_.emplace(note, value).first->second != value) failed_ = true;
    if (!me.grid.counts) return;
    if (!counts_) counts_ = std::make_shared<LaunchCounts>();
    *counts_ += *me.grid.counts;
  }

  /// All blocks are over. False where what they did conflicts with what ran before.
  bool finish() {
    if (!tell_watch()) return false;
    grid_.executed = executed_;
    if (counts_) grid_.counts = counts_;
    grid_.result.threads = static_cast<unsigned>(threads_.size()) + 1;
    return true;
  }

  /// False where the watch objects: which instruction it was, only a run in order tells.
  bool tell_watch() {
    AccessWatch* const watch = grid_.watch;
    if (watch == nullptr) return true;
    const auto kind = [](bool writes) { return writes ? AccessKind::write : AccessKind::read; };
    bool fine = true;
    footprint_.for_each([&](DeviceAddress at, std::size_t bytes, bool writes) {
      fine = fine && !watch->objects(at, bytes, kind(writes));
    });
    if (!fine) return false;
    footprint_.for_each([&](DeviceAddress at, std::size_t bytes, bool writes) {
      watch->touch(at, bytes, kind(writes), false);
    });
    return true;
  }

  Grid& grid_;
  LaunchFootprint& footprint_;
  std::vector<std::thread> threads_;  ///< besides the calling one, which is number 0
  bool started_ = false;
  std::atomic<std::uint64_t> untaken_, executed_{0};
  std::atomic<bool> failed_{false};

  std::mutex mutex_;           ///< of what follows
  std::vector<Share> shares_;  ///< by thread
  UniformValues uniform_;
  std::shared_ptr<LaunchCounts> counts_;
};

/// How many threads are of use.
std::uint64_t useful_threads(const Grid& grid, std::uint64_t blocks) {
  std::uint64_t threads = grid.options.threads;
  if (threads == 0) threads = std::thread::hardware_concurrency();
  threads = std::min({threads, blocks, most_blocks(grid)});
  if (!grid.checked) return threads;
  const std::uint64_t shadow = std::max<std::uint64_t>(1, grid.memory.used() * 3);
  return std::min(threads, std::max<std::uint64_t>(1, most_shadow_bytes / shadow));
}

}  // namespace

bool run_in_parallel(Grid& grid) {
  std::uint64_t blocks = 1;
  for (const std::uint32_t n : grid.launch.grid) blocks *= n;
  const std::uint64_t threads = useful_threads(grid, blocks);
  if (threads < 2 || grid.launch.cooperative) return false;
  if (grid.launch.cluster != std::array<std::uint32_t, 3>{1, 1, 1}) return false;
  if (is_asynchronous(grid.kernel) || needs_order(grid.kernel)) return false;
  // The watch wants to know of each access whether it came before the wait.
  if (grid.launch.overlaps && grid.watch != nullptr) return false;
  return ParallelLaunch(grid, blocks, static_cast<unsigned>(threads)).run();
}

}  // namespace ptxmill::emu
