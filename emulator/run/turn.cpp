// A block's turn: its warps take turns of their own.
#include <algorithm>
#include <optional>

#include "emulator/run/grid.hpp"

namespace ptxmill::emu {
namespace {

// Instructions that a warp, and a block, run before the next has its turn. Long turns keep a
// block's registers in the host's caches; short enough that a spin loop does not waste much.
constexpr std::uint64_t warp_turn = 4096;
constexpr std::uint64_t block_turn = 65536;

bool still_alive(const Cta& cta) {
  return std::any_of(cta.warps.begin(), cta.warps.end(),
                     [](const WarpState& w) { return !w.finished(); });
}

bool sleeping(const WarpState& w) {
  return std::any_of(w.splits.begin(), w.splits.end(),
                     [](const Split& s) { return s.wait == Wait::sleep; });
}

bool at_mbarrier(const WarpState& w) {
  return std::any_of(w.splits.begin(), w.splits.end(),
                     [](const Split& s) { return s.wait == Wait::mbarrier; });
}

class Turn {
 public:
  Turn(Grid& grid, Cta& cta, bool patient) : grid_(grid), cta_(cta), patient_(patient) {}

  BlockState run() {
    const std::uint64_t end =
        std::min(grid_.executed + block_turn, grid_.options.instruction_budget);
    bool has_run = false;
    for (;;) {
      if (grid_.options.schedule == Schedule::random) {
        draw();
        if (grid_.stopped) return BlockState::running;
      }
      bool ran = false, alive = false, asleep = false;
      for (std::size_t step = 0; step < cta_.warps.size(); ++step) {
        WarpState& w = cta_.warps[pick(step)];
        if (w.finished()) continue;
        if (ready(w)) {
          run_warp(grid_, cta_, w, std::min(warp_limit(), end - std::min(end, grid_.executed)));
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
            cta_.next_warp = (cta_.next_warp + step + 1) % cta_.warps.size();
          // Whoever spins, here or in another block, may be waiting for what copies bring.
          if (cta_.async) finish_transfers(grid_, cta_);
          return still_alive(cta_) ? BlockState::running : BlockState::finished;
        }
      }
      if (!alive) return BlockState::finished;
      has_run = has_run || ran;
      if (ran) continue;
      if (cta_.async && advance_transfers(grid_, cta_)) {
        if (grid_.stopped) return BlockState::running;
        continue;
      }
      if (const std::optional<BlockState> state = held_up(has_run, asleep)) return *state;
    }
  }

 private:
  /// What the random schedule does before a pass over the warps.
  void draw() {
    pass_offset_ = cta_.random() % cta_.warps.size();
    pass_reversed_ = (cta_.random() & 1) != 0;
    if (cta_.async && (cta_.random() & 3) == 0) advance_transfers(grid_, cta_);
  }

  /// No warp is ready. What that makes of the block; nothing where one can go on after all.
  std::optional<BlockState> held_up(bool has_run, bool asleep) {
    if (asleep) return BlockState::asleep;
    if (std::any_of(cta_.warps.begin(), cta_.warps.end(), release_awaited)) return std::nullopt;
    const bool waits = std::any_of(cta_.warps.begin(), cta_.warps.end(), at_mbarrier);
    if (waits) return has_run ? BlockState::running : BlockState::asleep;
    if (cta_.cluster != nullptr && (patient_ || has_run))
      return has_run ? BlockState::running : BlockState::stuck;
    if (report_stuck_warpgroup(grid_, cta_)) return BlockState::running;
    if (resolve()) return std::nullopt;
    return grid_.stopped ? BlockState::running : BlockState::stuck;
  }

  /// True where the warp has a ready split; wakes those whose time has come.
  bool ready(WarpState& w) {
    bool any = false;
    for (Split& s : w.splits) {
      const std::uint64_t wake = s.wakes();
      if (wake != Split::never && wake <= grid_.now()) s.wait = Wait::none;
      any = any || s.wait == Wait::none;
    }
    return any;
  }

  std::size_t pick(std::size_t step) const {
    const std::size_t n = cta_.warps.size();
    switch (grid_.options.schedule) {
      case Schedule::earliest: return (cta_.next_warp + step) % n;
      case Schedule::latest: return n - 1 - (cta_.next_warp + step) % n;
      case Schedule::random: break;
    }
    // A rotation and a reflection drawn for this pass; every warp is visited once.
    const std::size_t place = (pass_offset_ + step) % n;
    return pass_reversed_ ? n - 1 - place : place;
  }

  std::uint64_t warp_limit() {
    return grid_.options.schedule == Schedule::random ? 1 + cta_.random() % 256 : warp_turn;
  }

  /// Lets one warp with a divergent barrier go on, by the rules of the manual.
  bool resolve() {
    for (WarpState& w : cta_.warps) {
      if (w.finished() || !resolve_divergent_barrier(grid_, cta_, w)) continue;
      return !grid_.stopped;
    }
    return false;
  }

  Grid& grid_;
  Cta& cta_;
  bool patient_;
  std::size_t pass_offset_ = 0;
  bool pass_reversed_ = false;
};

}  // namespace

BlockState take_turn(Grid& grid, Cta& cta, bool patient) { return Turn(grid, cta, patient).run(); }

}  // namespace ptxmill::emu
