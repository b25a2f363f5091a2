// A launch: blocks take turns on the emulated multiprocessors.
#include "emulator/execute.hpp"

#include <algorithm>
#include <cstring>

#include "emulator/run/grid.hpp"
#include "emulator/text.hpp"

namespace ptxmill::emu {
namespace {

// Instructions that a warp, and a block, run before the next has its turn. Long turns keep a
// block's registers in the host's caches; short enough that a spin loop does not waste much.
constexpr std::uint64_t warp_turn = 4096;
constexpr std::uint64_t block_turn = 65536;

enum class BlockState : std::uint8_t { finished, running, asleep, stuck };

class Launcher {
 public:
  explicit Launcher(Grid& grid) : grid_(grid) {
    for (const std::uint32_t n : grid.launch.grid) total_ *= n;
    const auto sms = static_cast<std::uint64_t>(std::max(1, grid.machine.sm_count));
    for (const std::uint32_t n : grid.launch.cluster) cluster_size_ *= n;
    most_resident_ = grid.launch.cooperative ? total_ : std::min({total_, sms, fitting(grid)});
    most_resident_ = std::max(most_resident_, std::min(total_, cluster_size_));
  }

  void run() {
    while (!grid_.stopped && (!resident_.empty() || next_ < total_)) {
      while (resident_.size() < wanted_ && next_ < total_) admit_cluster();
      if (!round()) return;
    }
  }

 private:
  /// How many blocks' registers and memory the host may well hold.
  static std::uint64_t fitting(const Grid& grid) {
    constexpr std::uint64_t bytes = std::uint64_t{2} << 30;
    const std::uint64_t a_warp = grid.kernel.slots * (slot_bytes + sizeof(LaneMask)) +
                                 2 * lane_count * grid.kernel.info.local_bytes;
    return std::max<std::uint64_t>(1, bytes / (a_warp * grid.block_warps + 2 * grid.shared_bytes));
  }

  /// Gives each resident block a turn. False where the launch is over.
  bool round() {
    order();
    bool progress = false;
    bool asleep = false;
    Cta* stuck = nullptr;
    for (std::size_t k = 0; k < resident_.size() && !grid_.stopped; ++k) {
      Cta& cta = *resident_[k];
      const BlockState state = turn(cta);
      if (grid_.stopped) return false;
      if (over_budget()) return false;
      if (state == BlockState::stuck) {
        stuck = &cta;
        if (cta.cluster == nullptr) return deadlock(cta);
        continue;
      }
      progress = progress || state != BlockState::asleep;
      asleep = asleep || state == BlockState::asleep;
      if (state == BlockState::finished) {
        retire(cta);
        resident_[k] = nullptr;
      }
    }
    // Another block of the cluster may have let it go on, unless none has gone on.
    if (stuck != nullptr && !progress && !asleep) {
      if (!patient_) return deadlock(*stuck);
      patient_ = false;
      return true;
    }
    patient_ = true;
    const bool someone_finished =
        std::find(resident_.begin(), resident_.end(), nullptr) != resident_.end();
    resident_.erase(std::remove(resident_.begin(), resident_.end(), nullptr), resident_.end());
    // Blocks that do not finish within a turn may be waiting for others to start.
    if (!someone_finished) wanted_ = std::min<std::uint64_t>(most_resident_, resident_.size() + 1);
    if (!progress && asleep && resident_.size() >= std::min(most_resident_, total_)) skip_sleep();
    if (!progress && asleep && next_ == total_) skip_sleep();
    return true;
  }

  bool over_budget() {
    if (grid_.executed < grid_.options.instruction_budget) return false;
    add_finding(grid_,
                text("hang: the launch did not end within ", grid_.options.instruction_budget,
                     " warp instructions\n", standing(grid_, resident())),
                Outcome::launch_timeout, Severity::fatal);
    return true;
  }

  bool deadlock(Cta& cta) {
    add_finding(grid_,
                text("deadlock: no warp of block (", cta.id[0], ", ", cta.id[1], ", ", cta.id[2],
                     ") can go on\n",
                     standing(grid_, cta.cluster != nullptr ? cta.cluster->blocks
                                                            : std::vector<Cta*>{&cta})),
                Outcome::launch_timeout, Severity::fatal);
    return false;
  }

  std::vector<Cta*> resident() const {
    std::vector<Cta*> out;
    for (Cta* c : resident_)
      if (c != nullptr) out.push_back(c);
    return out;
  }

  void order() {
    switch (grid_.options.schedule) {
      case Schedule::earliest: break;
      case Schedule::latest:
        std::sort(resident_.begin(), resident_.end(), [](const Cta* a, const Cta* b) {
          return std::lexicographical_compare(b->id.rbegin(), b->id.rend(), a->id.rbegin(),
                                              a->id.rend());
        });
        break;
      case Schedule::random: shuffle(resident_); break;
    }
  }

  /// Not std::shuffle: its draws differ between standard libraries.
  template <class T>
  void shuffle(std::vector<T>& v) {
    for (std::size_t n = v.size(); n > 1; --n) std::swap(v[n - 1], v[grid_.random() % n]);
  }

  void skip_sleep() {
    std::uint64_t wake = ~std::uint64_t{0};
    for (Cta* c : resident_) {
      for (const WarpState& w : c->warps) {
        for (const Split& s : w.splits)
          if (s.wait == Wait::sleep) wake = std::min(wake, s.wake);
      }
    }
    if (wake != ~std::uint64_t{0} && wake > grid_.now()) grid_.skipped_time += wake - grid_.now();
  }

  void admit_cluster() {
    const auto& grid = grid_.launch.grid;
    const auto& size = grid_.launch.cluster;
    Cluster* cluster = nullptr;
    if (cluster_size_ > 1 || grid_.kernel.has_cluster_barrier) {
      cluster = clusters_.emplace_back(std::make_unique<Cluster>()).get();
      cluster->running = static_cast<std::uint32_t>(cluster_size_);
      cluster->accesses.resize(cluster_size_);
    }
    std::uint64_t n = next_ / cluster_size_;
    std::array<std::uint32_t, 3> first{};
    for (std::size_t d = 0; d < 3; ++d) {
      const std::uint32_t clusters = grid[d] / size[d];
      first[d] = static_cast<std::uint32_t>(n % clusters) * size[d];
      n /= clusters;
    }
    for (std::uint32_t rank = 0; rank < cluster_size_; ++rank) {
      admit({first[0] + rank % size[0], first[1] + rank / size[0] % size[1],
             first[2] + rank / size[0] / size[1]},
            rank, cluster);
    }
    next_ += cluster_size_;
  }

  void admit(const std::array<std::uint32_t, 3>& id, std::uint32_t rank, Cluster* cluster) {
    std::unique_ptr<Cta> cta;
    if (!free_.empty()) {
      cta = std::move(free_.back());
      free_.pop_back();
    } else {
      cta = std::make_unique<Cta>();
      cta->slot = static_cast<std::uint32_t>(owned_.size());
      owned_.emplace_back();
      allocate_block(grid_, *cta);
    }
    cta->id = id;
    cta->rank = rank;
    cta->cluster = cluster;
    if (cluster != nullptr) cluster->blocks.push_back(cta.get());
    start_block(grid_, *cta);
    resident_.push_back(cta.get());
    owned_[cta->slot] = std::move(cta);
  }

  /// The block has exited. Its memory is another's to access while blocks of its cluster run.
  void retire(Cta& cta) {
    Cluster* cluster = cta.cluster;
    if (cluster == nullptr) {
      free_.push_back(std::move(owned_[cta.slot]));
      return;
    }
    if (grid_.checked) check_remote_accesses(grid_, cta);
    if (--cluster->running != 0) return;
    for (Cta* block : cluster->blocks) free_.push_back(std::move(owned_[block->slot]));
    std::erase_if(clusters_, [&](const auto& c) { return c.get() == cluster; });
  }

  /// True where the warp has a ready split; wakes those whose time has come.
  bool ready(WarpState& w) {
    bool any = false;
    for (Split& s : w.splits) {
      if (s.wait == Wait::sleep && s.wake <= grid_.now()) s.wait = Wait::none;
      any = any || s.wait == Wait::none;
    }
    return any;
  }

  static bool sleeping(const WarpState& w) {
    return std::any_of(w.splits.begin(), w.splits.end(),
                       [](const Split& s) { return s.wait == Wait::sleep; });
  }

  std::size_t pick(const Cta& cta, std::size_t step) {
    const std::size_t n = cta.warps.size();
    switch (grid_.options.schedule) {
      case Schedule::earliest: return (cta.next_warp + step) % n;
      case Schedule::latest: return n - 1 - (cta.next_warp + step) % n;
      case Schedule::random: break;
    }
    // A rotation and a reflection drawn for this pass; every warp is visited once.
    const std::size_t place = (pass_offset_ + step) % n;
    return pass_reversed_ ? n - 1 - place : place;
  }

  std::uint64_t warp_limit() {
    return grid_.options.schedule == Schedule::random ? 1 + grid_.random() % 256 : warp_turn;
  }

  BlockState turn(Cta& cta) {
    const std::uint64_t end =
        std::min(grid_.executed + block_turn, grid_.options.instruction_budget);
    bool has_run = false;
    for (;;) {
      if (grid_.options.schedule == Schedule::random) {
        pass_offset_ = grid_.random() % cta.warps.size();
        pass_reversed_ = (grid_.random() & 1) != 0;
      }
      bool ran = false, alive = false, asleep = false;
      for (std::size_t step = 0; step < cta.warps.size(); ++step) {
        WarpState& w = cta.warps[pick(cta, step)];
        if (w.finished()) continue;
        if (ready(w)) {
          run_warp(grid_, cta, w, std::min(warp_limit(), end - std::min(end, grid_.executed)));
          if (w.stop || grid_.stopped) {
            grid_.stopped = true;
            return BlockState::running;
          }
          ran = true;
        }
        alive = alive || !w.finished();
        if (!w.finished() && sleeping(w)) asleep = true;
        if (grid_.executed >= end) {
          if (grid_.options.schedule != Schedule::random)
            cta.next_warp = (cta.next_warp + step + 1) % cta.warps.size();
          return still_alive(cta) ? BlockState::running : BlockState::finished;
        }
      }
      if (!alive) return BlockState::finished;
      has_run = has_run || ran;
      if (ran) continue;
      if (asleep) return BlockState::asleep;
      if (std::any_of(cta.warps.begin(), cta.warps.end(), release_awaited)) continue;
      if (cta.cluster != nullptr && (patient_ || has_run))
        return has_run ? BlockState::running : BlockState::stuck;
      if (report_stuck_warpgroup(grid_, cta)) return BlockState::running;
      if (!resolve(cta)) return grid_.stopped ? BlockState::running : BlockState::stuck;
    }
  }

  static bool still_alive(const Cta& cta) {
    return std::any_of(cta.warps.begin(), cta.warps.end(),
                       [](const WarpState& w) { return !w.finished(); });
  }

  /// Lets one warp with a divergent barrier go on, by the rules of the manual.
  bool resolve(Cta& cta) {
    for (WarpState& w : cta.warps) {
      if (w.finished() || !resolve_divergent_barrier(grid_, cta, w)) continue;
      return !grid_.stopped;
    }
    return false;
  }

  Grid& grid_;
  std::uint64_t total_ = 1, next_ = 0, most_resident_ = 1, wanted_ = 1;
  std::uint64_t cluster_size_ = 1;
  std::vector<std::unique_ptr<Cluster>> clusters_;
  bool patient_ = true;  ///< with blocks that can go on only by what others of their cluster do
  std::vector<std::unique_ptr<Cta>> owned_;  ///< by slot
  std::vector<std::unique_ptr<Cta>> free_;
  std::vector<Cta*> resident_;
  std::size_t pass_offset_ = 0;
  bool pass_reversed_ = false;
};

const Kernel* kernel_of(const Module& module, const EntryInfo& entry) {
  for (const Kernel& k : module.kernels)
    if (&k.info == &entry || k.info.name == entry.name) return &k;
  return nullptr;
}

std::vector<LaneMask> defined_at_start(const Kernel& kernel) {
  std::vector<LaneMask> defined(kernel.slots, 0);
  for (Slot s = 0; s < first_free_slot; ++s) defined[s] = all_lanes;
  for (const ConstantSlot& c : kernel.constants) defined[c.slot] = all_lanes;
  for (const SpecialSlot& s : kernel.specials) defined[s.slot] = all_lanes;
  return defined;
}

/// Zeroed memory for the barriers of a grid that asks for it. 0 where it does not.
DeviceAddress place_workspace(const Kernel& kernel, GlobalMemory& memory) {
  constexpr std::size_t bytes = 256;
  const bool wanted =
      std::any_of(kernel.specials.begin(), kernel.specials.end(), [](const SpecialSlot& s) {
        return s.special == Special::workspace_low || s.special == Special::workspace_high;
      });
  const DeviceAddress at = wanted ? memory.allocate(bytes) : 0;
  if (at == 0) return 0;
  const auto a = memory.find(at, bytes);
  std::memset(a->written.data(), 1, a->written.size());
  return at;
}

}  // namespace

ExecuteResult execute(const Program& program, const EntryInfo& entry, const Launch& launch,
                      GlobalMemory& memory, const Machine& machine, const ExecuteOptions& options) {
  ExecuteResult failed;
  const Module& module = program.module();
  const Kernel* kernel = kernel_of(module, entry);
  const auto refuse = [&](std::string_view why) {
    failed.outcome = Outcome::launch_failed;
    failed.report = text("ptxmill emulator: error: ", why, "\n");
    return failed;
  };
  if (kernel == nullptr) return refuse(text("no entry '", entry.name, "' in the module"));
  if (launch.params.size() < kernel->info.param_bytes) {
    return refuse(text("entry '", entry.name, "' takes ", kernel->info.param_bytes,
                       " bytes of parameters, not ", launch.params.size()));
  }
  std::uint64_t threads = 1, blocks = 1;
  for (const std::uint32_t n : launch.block) threads *= n;
  for (const std::uint32_t n : launch.grid) blocks *= n;
  if (blocks == 0) return failed;
  for (std::size_t d = 0; d < 3; ++d) {
    if (launch.cluster[d] == 0 || launch.grid[d] % launch.cluster[d] != 0)
      return refuse("the grid is not made of whole clusters");
  }
  if (threads == 0 || threads > 1024) return refuse(text("a block of ", threads, " threads"));

  Grid grid(module, *kernel, launch, memory, machine, options);
  grid.checked = options.check != Check::off;
  grid.block_threads = static_cast<std::uint32_t>(threads);
  grid.block_warps = static_cast<std::uint32_t>((threads + lane_count - 1) / lane_count);
  grid.shared_bytes = kernel->dynamic_shared_offset + launch.dynamic_shared_bytes;
  grid.defined_at_start = defined_at_start(*kernel);
  if (options.count) {
    grid.counts = std::make_shared<LaunchCounts>();
    grid.counts->at.resize(kernel->code.size());
  }
  grid.variables.assign(launch.variables.begin(), launch.variables.end());
  const bool own_variables = grid.variables.empty() && !module.variables.empty();
  if (own_variables) grid.variables = program.place_variables(memory);
  if (grid.variables.size() != module.variables.size()) {
    return refuse("the module's variables are not placed");
  }
  // What earlier launches did is ordered before this one, or the driver's business.
  if (memory.history.is_large()) memory.history.clear();
  grid.launch_number = memory.history.add_launch();
  grid.workspace = launch.cooperative ? place_workspace(*kernel, memory) : 0;
  Launcher(grid).run();
  if (grid.workspace != 0) memory.free(grid.workspace);
  if (own_variables) {
    for (const DeviceAddress a : grid.variables) memory.free(a);
  }
  grid.result.warp_instructions = grid.executed;
  grid.result.counts = std::move(grid.counts);
  return std::move(grid.result);
}

}  // namespace ptxmill::emu
