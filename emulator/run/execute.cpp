// A launch: blocks take turns on the emulated multiprocessors.
#include "emulator/execute.hpp"

#include <algorithm>
#include <cstring>

#include "emulator/run/grid.hpp"
#include "emulator/text.hpp"

namespace ptxmill::emu {
namespace {

class Launcher {
 public:
  explicit Launcher(Grid& grid) : grid_(grid) {
    for (const std::uint32_t n : grid.launch.grid) total_ *= n;
    const auto sms = static_cast<std::uint64_t>(std::max(1, grid.machine.sm_count));
    for (const std::uint32_t n : grid.launch.cluster) cluster_size_ *= n;
    most_resident_ = grid.launch.cooperative ? total_ : std::min({total_, sms, most_blocks(grid)});
    most_resident_ = std::max(most_resident_, std::min(total_, cluster_size_));
  }

  void run() {
    while (!grid_.stopped && (!resident_.empty() || next_ < total_)) {
      while (resident_.size() < wanted_ && next_ < total_) admit_cluster();
      if (!round()) return;
    }
  }

 private:
  /// Gives each resident block a turn. False where the launch is over.
  bool round() {
    order();
    bool progress = false;
    bool asleep = false;
    Cta* stuck = nullptr;
    for (std::size_t k = 0; k < resident_.size() && !grid_.stopped; ++k) {
      Cta& cta = *resident_[k];
      const BlockState state = take_turn(grid_, cta, patient_);
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
        if (cta.async) end_transfers(grid_, cta);
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
    const bool full = next_ == total_ || resident_.size() >= most_resident_;
    if (!progress && asleep && full) skip_sleep();
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
    for (std::size_t n = v.size(); n > 1; --n) std::swap(v[n - 1], v[grid_.block_order() % n]);
  }

  void skip_sleep() {
    std::uint64_t wake = Split::never;
    Cta* in_vain = nullptr;
    for (Cta* c : resident_) {
      for (const WarpState& w : c->warps) {
        for (const Split& s : w.splits) {
          if (s.wakes() >= wake) continue;
          wake = s.wakes();
          in_vain = s.wait == Wait::mbarrier ? c : nullptr;
        }
      }
    }
    constexpr int most_vain_waits = 64;
    if (in_vain != nullptr && ++grid_.vain_waits > most_vain_waits) {
      deadlock(*in_vain);
      return;
    }
    if (wake != Split::never && wake > grid_.now()) grid_.skipped_time += wake - grid_.now();
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
      const std::uint64_t x = first[0] + rank % size[0];
      const std::uint64_t y = first[1] + rank / size[0] % size[1];
      const std::uint64_t z = first[2] + rank / size[0] / size[1];
      admit((z * grid[1] + y) * grid[0] + x, rank, cluster);
    }
    next_ += cluster_size_;
  }

  void admit(std::uint64_t number, std::uint32_t rank, Cluster* cluster) {
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
    cta->rank = rank;
    cta->cluster = cluster;
    if (cluster != nullptr) cluster->blocks.push_back(cta.get());
    start_block(grid_, *cta, number);
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

  Grid& grid_;
  std::uint64_t total_ = 1, next_ = 0, most_resident_ = 1, wanted_ = 1;
  std::uint64_t cluster_size_ = 1;
  std::vector<std::unique_ptr<Cluster>> clusters_;
  bool patient_ = true;  ///< with blocks that can go on only by what others of their cluster do
  std::vector<std::unique_ptr<Cta>> owned_;  ///< by slot
  std::vector<std::unique_ptr<Cta>> free_;
  std::vector<Cta*> resident_;
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

/// All slots but those that keep their values from block to block.
std::vector<std::pair<Slot, Slot>> left_over(const Kernel& kernel) {
  std::vector<bool> kept(kernel.slots, false);
  std::fill_n(kept.begin(), first_free_slot, true);
  for (const ConstantSlot& c : kernel.constants) {
    kept[c.slot] = true;
    if (c.bits == 64) kept[c.slot + 1] = true;
  }
  std::vector<std::pair<Slot, Slot>> stretches;
  for (Slot s = first_free_slot; s < kernel.slots; ++s) {
    if (kept[s]) continue;
    if (stretches.empty() || stretches.back().second != s) stretches.emplace_back(s, s);
    stretches.back().second = s + 1;
  }
  return stretches;
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
  if (!grid.checked) grid.left_over = left_over(*kernel);
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
  grid.workspace = launch.cooperative ? place_workspace(*kernel, memory) : 0;
  if (!run_in_parallel(grid)) {
    open_history(grid);
    Launcher(grid).run();
  }
  if (grid.workspace != 0) memory.free(grid.workspace);
  if (own_variables) {
    for (const DeviceAddress a : grid.variables) memory.free(a);
  }
  grid.result.warp_instructions = grid.executed;
  grid.result.counts = std::move(grid.counts);
  return std::move(grid.result);
}

}  // namespace ptxmill::emu
