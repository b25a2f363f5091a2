// Where lanes and warps wait for one another.
#include <bit>

#include "emulator/run/grid.hpp"
#include "emulator/text.hpp"

namespace ptxmill::emu {
namespace {

LaneMask member_mask(WarpState& w, const Instruction& i, int lane) {
  return w.lanes<std::uint32_t>(i.s[4])[lane];
}

const Instruction& at(const Grid& grid, const Split& s) { return grid.kernel.code[s.pc]; }

/// True where the split waits, or is about to, at the instruction `i` with the member mask
/// `members`.
bool waits_with(const Grid& grid, WarpState& w, const Split& s, const Instruction& i,
                LaneMask members) {
  const Instruction& other = at(grid, s);
  // bar.warp.sync pairs with any other; the rest need the very instruction.
  const bool same = i.kind == Kind::warp_barrier ? other.kind == Kind::warp_barrier : &other == &i;
  return s.wait == Wait::warp && same && member_mask(w, other, std::countr_zero(s.mask)) == members;
}

/// The lanes of `m` whose member mask is that of its first lane.
LaneMask same_group(WarpState& w, const Instruction& i, LaneMask m) {
  const LaneMask members = member_mask(w, i, std::countr_zero(m));
  LaneMask group = 0;
  for (int l = 0; l < lane_count; ++l) {
    if ((m >> l & 1u) != 0 && member_mask(w, i, l) == members) group |= LaneMask{1} << l;
  }
  return group;
}

/// Lanes that execute an instruction together and name one another must give one mask.
void check_agreement(Grid& grid, WarpState& w, const Instruction& i, LaneMask m) {
  if (same_group(w, i, m) == m) return;
  for (int l = 0; l < lane_count; ++l) {
    if ((m >> l & 1u) == 0) continue;
    const LaneMask mine = member_mask(w, i, l);
    for (LaneMask named = mine & m; named != 0; named &= named - 1) {
      const int other = std::countr_zero(named);
      if (member_mask(w, i, other) == mine) continue;
      const auto pc = static_cast<std::uint32_t>(&i - grid.kernel.code.data());
      add_finding(
          grid,
          text("lane ", l, " executes a warp-level instruction with membermask 0x", hex(mine, 8),
               ", which names lane ", other, ", whose membermask is 0x",
               hex(member_mask(w, i, other), 8), "\n  ", where(grid, pc), "\n  ", who(grid, w, l)),
          Outcome::launch_failed, Severity::finding);
      w.stop = grid.stopped;
      return;
    }
  }
}

void check_members(Grid& grid, WarpState& w, const Instruction& i, LaneMask m) {
  const LaneMask undefined = m & ~w.defined[i.s[4]];
  if (undefined != 0) {
    report_fault(w, i, Fault::undefined_operand, std::countr_zero(undefined), 0, 0);
    return;
  }
  for (int l = 0; l < lane_count; ++l) {
    if ((m >> l & 1u) == 0 || (member_mask(w, i, l) >> l & 1u) != 0) continue;
    const auto pc = static_cast<std::uint32_t>(&i - grid.kernel.code.data());
    add_finding(grid,
                text("lane ", l, " executes a warp-level instruction whose membermask 0x",
                     hex(member_mask(w, i, l), 8), " does not name it\n  ", where(grid, pc), "\n  ",
                     who(grid, w, l)),
                Outcome::launch_failed, Severity::finding);
    w.stop = grid.stopped;
    return;
  }
  check_agreement(grid, w, i, m);
}

void run_together(WarpState& w, const Instruction& i, LaneMask lanes) {
  if (i.kind == Kind::warp_sync) {
    i.run(w, i, lanes);
  } else if (w.checked) {
    order_lanes(w, lanes);
  }
}

/// True where all splits that the group needs wait with it; then runs them together.
bool try_together(Grid& grid, WarpState& w, const Instruction& i, LaneMask group) {
  const LaneMask members = member_mask(w, i, std::countr_zero(group));
  LaneMask together = group;
  for (const Split& s : w.splits) {
    if (waits_with(grid, w, s, i, members)) together |= s.mask;
  }
  if ((members & w.alive & ~together) != 0) return false;
  run_together(w, i, together);
  for (Split& s : w.splits) {
    if (!waits_with(grid, w, s, i, members)) continue;
    ++s.pc;
    s.wait = Wait::none;
  }
  unite(w);
  return true;
}

}  // namespace

void synchronise_warp(Grid& grid, WarpState& w, const Instruction& i, LaneMask m) {
  Split& s = w.splits[w.current];
  if (m == 0) {
    ++s.pc;
    return;
  }
  if (grid.checked) {
    check_members(grid, w, i, m);
    if (w.stop) return;
  }
  LaneMask left = m;
  bool complete = true;
  for (LaneMask rest = m; rest != 0;) {
    const LaneMask group = same_group(w, i, rest);
    const LaneMask members = member_mask(w, i, std::countr_zero(group));
    complete = complete && (members & w.alive & ~group) == 0;
    rest &= ~group;
  }
  if (complete) {
    for (; left != 0;) {
      const LaneMask group = same_group(w, i, left);
      run_together(w, i, group);
      left &= ~group;
    }
    ++s.pc;
    return;
  }
  separate(w, m);
  w.splits[w.current].wait = Wait::warp;
  try_together(grid, w, i, m);
}

void recheck_warp_waits(Grid& grid, WarpState& w) {
  for (bool changed = true; changed;) {
    changed = false;
    for (Split& s : w.splits) {
      if (s.wait != Wait::warp) continue;
      const Instruction& i = at(grid, s);
      if (try_together(grid, w, i, s.mask)) {
        changed = true;
        break;
      }
    }
  }
}

namespace {

void reset(Barrier& b) {
  b.active = false;
  b.threads = 0;
  b.counted = 0;
  b.lanes.assign(b.lanes.size(), 0);
  b.pcs.assign(b.pcs.size(), 0);
  b.warp_counted.assign(b.warp_counted.size(), false);
  b.warp_waits.assign(b.warp_waits.size(), false);
  b.popc = 0;
  b.all = true;
  b.any = false;
  b.votes_defined = true;
}

/// Hands the result of a barrier reduction to the lanes of a released split.
void deliver(WarpState& w, const Instruction& i, const Barrier& b, LaneMask m) {
  const auto action = static_cast<BarrierAction>(i.aux);
  if (action == BarrierAction::sync || action == BarrierAction::arrive) return;
  if (action == BarrierAction::reduce_popc) {
    std::uint32_t* d = w.lanes<std::uint32_t>(i.d[0]);
    for (int l = 0; l < lane_count; ++l) {
      if ((m >> l & 1u) != 0) d[l] = b.popc;
    }
  } else {
    const bool value = action == BarrierAction::reduce_and ? b.all : b.any;
    LaneMask& p = w.predicate(i.d[0]);
    p = value ? p | m : p & ~m;
  }
  LaneMask& defined = w.defined[i.d[0]];
  defined = b.votes_defined ? defined | m : defined & ~m;
}

void release(Grid& grid, Cta& cta, std::uint32_t id) {
  Barrier& b = cta.barriers[id];
  for (WarpState& w : cta.warps) {
    for (Split& s : w.splits) {
      if (s.wait != Wait::barrier || s.barrier != id) continue;
      deliver(w, at(grid, s), b, s.mask);
      s.wait = Wait::none;
      ++s.pc;
    }
    unite(w);
  }
  if (grid.checked) order_release(cta, b.order, b.warp_waits);
  reset(b);
}

/// Counts warps all of whose lanes have arrived, and releases a complete barrier.
void update(Grid& grid, Cta& cta, std::uint32_t id) {
  Barrier& b = cta.barriers[id];
  if (!b.active) return;
  bool everyone = true;
  for (std::size_t k = 0; k < cta.warps.size(); ++k) {
    const LaneMask alive = cta.warps[k].alive;
    if (!b.warp_counted[k] && b.lanes[k] != 0 && (alive & ~b.lanes[k]) == 0) {
      b.warp_counted[k] = true;
      b.counted += lane_count;
      if (grid.checked) order_arrival(cta.warps[k], b.order, b.warp_waits[k]);
    }
    everyone = everyone && (b.warp_counted[k] || alive == 0);
  }
  if (b.threads == 0 ? everyone : b.counted >= b.threads) release(grid, cta, id);
}

void vote(WarpState& w, const Instruction& i, Barrier& b, LaneMask m) {
  const auto action = static_cast<BarrierAction>(i.aux);
  if (action == BarrierAction::sync || action == BarrierAction::arrive) return;
  const LaneMask holds = w.predicate(i.s[2]) & m;
  b.popc += static_cast<std::uint32_t>(std::popcount(holds));
  b.all = b.all && holds == m;
  b.any = b.any || holds != 0;
  b.votes_defined = b.votes_defined && (m & ~w.defined[i.s[2]]) == 0;
}

void barrier_finding(Grid& grid, WarpState& w, const Instruction& i, int lane,
                     std::string_view what) {
  const auto pc = static_cast<std::uint32_t>(&i - grid.kernel.code.data());
  add_finding(grid, text(what, "\n  ", where(grid, pc), "\n  ", who(grid, w, lane)),
              Outcome::launch_failed, Severity::finding);
  w.stop = grid.stopped;
}

}  // namespace

void arrive(Grid& grid, Cta& cta, WarpState& w, const Instruction& i, LaneMask m) {
  Split& s = w.splits[w.current];
  if (m == 0) {
    ++s.pc;
    return;
  }
  const int lane = std::countr_zero(m);
  if (grid.checked && (m & ~(w.defined[i.s[0]] & w.defined[i.s[1]])) != 0) {
    report_fault(w, i, Fault::undefined_operand, lane, 0, 0);
    if (w.stop) return;
  }
  const std::uint32_t id = w.lanes<std::uint32_t>(i.s[0])[lane];
  const std::uint32_t threads = w.lanes<std::uint32_t>(i.s[1])[lane];
  if (id > 15 || threads % lane_count != 0) {
    add_finding(grid,
                text("barrier ", id, " with ", threads,
                     " threads: the number must be below 16 and the count a multiple of 32\n  ",
                     where(grid, s.pc), "\n  ", who(grid, w, lane)),
                Outcome::launch_failed, Severity::fatal);
    w.stop = true;
    return;
  }
  Barrier& b = cta.barriers[id];
  if (!b.active) {
    b.active = true;
    b.threads = threads;
  } else if (b.threads != threads && grid.checked) {
    barrier_finding(grid, w, i, lane,
                    text("barrier ", id, ": this arrival says ", threads,
                         " threads, an earlier one ", b.threads));
    if (w.stop) return;
  }
  if (b.warp_counted[w.index] && grid.checked) {
    barrier_finding(grid, w, i, lane,
                    text("barrier ", id, ": the warp arrives twice before the barrier completes"));
    if (w.stop) return;
  }
  const bool aligned = i.imm != 0;
  const bool elsewhere = b.lanes[w.index] != 0 && b.pcs[w.index] != s.pc;
  if (aligned && (m != s.mask || elsewhere) && grid.checked) {
    barrier_finding(
        grid, w, i, lane,
        text("barrier divergence: lanes 0x", hex(m, 8),
             " of the warp execute this barrier instruction, lanes 0x", hex(w.alive & ~m, 8),
             elsewhere ? text(" the one on line ", grid.kernel.origins[b.pcs[w.index]].line)
                       : std::string(" do not")));
    if (w.stop) return;
  }
  if (b.lanes[w.index] == 0) b.pcs[w.index] = s.pc;
  vote(w, i, b, m);
  if (static_cast<BarrierAction>(i.aux) == BarrierAction::arrive) {
    if (m != w.alive && grid.checked) {
      barrier_finding(
          grid, w, i, lane,
          text("barrier divergence: lanes 0x", hex(m, 8), " of the warp arrive at barrier ", id,
               " without lanes 0x", hex(w.alive & ~m, 8)));
      if (w.stop) return;
    }
    b.lanes[w.index] |= w.alive;  // the manual: one thread counts as its whole warp
    ++s.pc;
  } else {
    b.lanes[w.index] |= m;
    b.warp_waits[w.index] = true;
    separate(w, m);
    w.splits[w.current].wait = Wait::barrier;
    w.splits[w.current].barrier = id;
  }
  update(grid, cta, id);
}

void recheck_barriers(Grid& grid, Cta& cta) {
  for (std::uint32_t id = 0; id < cta.barriers.size(); ++id) update(grid, cta, id);
}

bool resolve_divergent_barrier(Grid& grid, Cta& cta, WarpState& w) {
  for (const Split& s : w.splits) {
    if (s.wait != Wait::barrier) continue;
    Barrier& b = cta.barriers[s.barrier];
    if (b.warp_counted[w.index]) continue;
    const LaneMask missing = w.alive & ~b.lanes[w.index];
    const Instruction& i = at(grid, s);
    if (!w.misused_barrier && grid.checked) {
      w.misused_barrier = true;
      barrier_finding(grid, w, i, std::countr_zero(s.mask),
                      text("barrier divergence: lanes 0x", hex(b.lanes[w.index], 8),
                           " of the warp wait at barrier ", s.barrier, " while lanes 0x",
                           hex(missing, 8), " cannot arrive"));
      if (w.stop) return true;
    }
    // The manual: any thread of a warp that executes it counts as the whole warp.
    b.lanes[w.index] |= w.alive;
    update(grid, cta, s.barrier);
    return true;
  }
  return false;
}

}  // namespace ptxmill::emu
