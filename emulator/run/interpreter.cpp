// The inner loop.
#include <bit>

#include "emulator/run/grid.hpp"

namespace ptxmill::emu {
namespace {

/// The lanes of a source that is all ones, or all zeros, in the bits that matter.
LaneMask lanes_equal(Warp& w, Slot slot, std::uint32_t bits, bool ones) {
  LaneMask r = 0;
  if (bits == 1) return ones ? w.predicate(slot) : ~w.predicate(slot);
  for (int l = 0; l < lane_count; ++l) {
    const std::uint64_t mask = bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
    const std::uint64_t v =
        bits == 64 ? w.lanes<std::uint64_t>(slot)[l] : w.lanes<std::uint32_t>(slot)[l];
    if ((v & mask) == (ones ? mask : 0)) r |= LaneMask{1} << l;
  }
  return r;
}

/// The defined lanes of the result of and / or with operands that are not all defined: an operand
/// that settles the result alone makes it defined. Must be asked before the handler runs.
LaneMask settled(Warp& w, const Instruction& i) {
  const bool ones = i.definedness == Definedness::bits_or;
  const LaneMask a = w.defined[i.s[0]] & lanes_equal(w, i.s[0], i.aux, ones);
  const LaneMask b = w.defined[i.s[1]] & lanes_equal(w, i.s[1], i.aux, ones);
  return a | b | (w.defined[i.s[0]] & w.defined[i.s[1]]);
}

[[gnu::always_inline]] inline LaneMask defined_lanes(Warp& w, const Instruction& i, LaneMask m) {
  const LaneMask all =
      w.defined[i.s[0]] & w.defined[i.s[1]] & w.defined[i.s[2]] & w.defined[i.s[3]];
  if ((m & ~all) == 0) [[likely]]
    return all;
  switch (i.definedness) {
    case Definedness::bits_and:
    case Definedness::bits_or: return settled(w, i);
    case Definedness::same: return all_lanes;
    case Definedness::select: {
      const LaneMask p = w.predicate(i.s[2]);
      return w.defined[i.s[2]] & ((w.defined[i.s[0]] & p) | (w.defined[i.s[1]] & ~p));
    }
    default: return all;
  }
}

template <bool checked>
[[gnu::always_inline]] inline void execute_one(Warp& w, const Instruction& i, LaneMask m) {
  if constexpr (checked) {
    if (i.definedness != Definedness::own) {
      const LaneMask defined = defined_lanes(w, i, m);
      i.run(w, i, m);
      LaneMask& first = w.defined[i.d[0]];
      first = (first & ~m) | (defined & m);
      if (i.d[1] == sink_slot) return;
      for (const Slot d : {i.d[1], i.d[2], i.d[3]}) {
        w.defined[d] = (w.defined[d] & ~m) | (defined & m);
      }
      return;
    }
  }
  i.run(w, i, m);
}

class Runner {
 public:
  Runner(Grid& grid, Cta& cta, WarpState& w) : grid_(grid), cta_(cta), w_(w) {}

  template <bool checked>
  void run(std::uint64_t limit) {
    const std::uint64_t start = grid_.executed;
    const std::uint64_t end = start + limit;
    while (grid_.executed < end && !w_.stop && choose_split(w_)) run_split<checked>(end);
    w_.ran += grid_.executed - start;
    if (w_.meetings.size() > 1) release_impatient(w_);
    // Another split has its turn next time, so that lanes which spin do not starve the others.
    if (!w_.splits.empty()) w_.current = (w_.current + 1) % w_.splits.size();
  }

 private:
  /// Runs the current split until it waits, ends, or the limit is reached.
  template <bool checked>
  void run_split(std::uint64_t end) {
    const Instruction* const code = grid_.kernel.code.data();
    const bool observed = grid_.counts != nullptr || grid_.watch != nullptr ||
                          (checked && !grid_.kernel.names_fragment.empty());
    std::uint64_t executed = grid_.executed;
    Split* s = &w_.splits[w_.current];
    std::uint32_t pc = s->pc;
    LaneMask mask = s->mask;
    std::uint32_t meeting = w_.meetings[s->meeting].pc;
    const auto reload = [&] {
      s = &w_.splits[w_.current];
      pc = s->pc;
      mask = s->mask;
      meeting = w_.meetings[s->meeting].pc;
    };
    for (;;) {
      if (pc == meeting) [[unlikely]] {
        s->pc = pc;
        if (!meet(w_)) break;
        reload();
        continue;
      }
      if (executed >= end) [[unlikely]] {
        s->pc = pc;
        break;
      }
      const Instruction& i = code[pc];
      ++executed;
      LaneMask m = mask;
      if (i.guarded) {
        const LaneMask p = w_.predicate(i.guard);
        m &= i.guard_negated ? ~p : p;
        if constexpr (checked) {
          const LaneMask undefined = mask & ~w_.defined[i.guard];
          if (undefined != 0) [[unlikely]] {
            report_guard(i, undefined);
            if (w_.stop) break;
          }
        }
      }
      if (observed) [[unlikely]] {
        observe(grid_, w_, pc, mask, m);
        if (w_.stop) break;
      }
      switch (i.kind) {
        case Kind::plain:
          if (m != 0) execute_one<checked>(w_, i, m);
          ++pc;
          continue;
        case Kind::memory:
        case Kind::copy:
          grid_.executed = executed;
          if (m != 0) execute_one<checked>(w_, i, m);
          ++pc;
          if (w_.stop) [[unlikely]]
            break;
          continue;
        case Kind::branch:
          if (m == mask) {
            pc = i.aux;
          } else if (m == 0) {
            ++pc;
          } else {
            s->pc = pc;
            diverge(w_, m, i.aux, pc + 1, static_cast<std::uint32_t>(i.imm));
            reload();
          }
          continue;
        default: break;
      }
      grid_.executed = executed;
      s->pc = pc;
      if (!w_.stop) control<checked>(i, m);
      return;
    }
    grid_.executed = executed;
  }

  void report_guard(const Instruction& i, LaneMask undefined) {
    const bool branch = i.kind == Kind::branch || i.kind == Kind::branch_table;
    report_fault(w_, i, branch ? Fault::undefined_branch : Fault::undefined_guard,
                 std::countr_zero(undefined), 0, 0);
  }

  /// Everything that changes more than registers and memory. The current split's pc is that of `i`.
  template <bool checked>
  void control(const Instruction& i, LaneMask m) {
    Split& s = w_.splits[w_.current];
    switch (i.kind) {
      case Kind::warp_sync:
      case Kind::warp_barrier: return synchronise_warp(grid_, w_, i, m);
      case Kind::barrier: return arrive(grid_, cta_, w_, i, m);
      case Kind::warpgroup: return arrive_at_warpgroup(grid_, cta_, w_, i, m);
      case Kind::cluster_barrier: return run_cluster_barrier(grid_, cta_, w_, i, m);
      case Kind::exit:
        if (m == 0) {
          ++s.pc;
          return;
        }
        leave(w_, m, s.pc + 1);
        recheck_warp_waits(grid_, w_);
        recheck_barriers(grid_, cta_);
        if (cta_.cluster != nullptr) recheck_cluster(grid_, cta_);
        return;
      case Kind::trap:
        if (m == 0) {
          ++s.pc;
          return;
        }
        add_finding(grid_,
                    "trap instruction\n  " + where(grid_, s.pc) + "\n  " +
                        who(grid_, w_, std::countr_zero(m)),
                    Outcome::launch_failed, Severity::fatal);
        w_.stop = true;
        return;
      case Kind::sleep: return sleep<checked>(i, m);
      case Kind::mbarrier_wait: return wait_at_mbarrier(grid_, w_, i, m);
      case Kind::uniform:
        ++s.pc;
        if (checked) check_uniform(grid_, cta_, w_, i, m);
        return;
      case Kind::branch_table: return branch_table<checked>(i, m);
      case Kind::call: return call(grid_, w_, i, m);
      case Kind::ret: return return_from_call(grid_, w_, i, m);
      case Kind::allocate: return allocate_on_stack(grid_, w_, i, m);
      default: return;
    }
  }

  template <bool checked>
  void sleep(const Instruction& i, LaneMask m) {
    Split& s = w_.splits[w_.current];
    ++s.pc;
    if (m == 0) return;
    s.wait = Wait::sleep;
    s.wake = grid_.now() + w_.lanes<std::uint32_t>(i.s[0])[std::countr_zero(m)];
  }

  /// One target at a time: the lanes that go elsewhere meet this branch again.
  template <bool checked>
  void branch_table(const Instruction& i, LaneMask m) {
    Split& s = w_.splits[w_.current];
    const LaneMask stay = s.mask & ~m;
    if (m == 0) {
      ++s.pc;
      return;
    }
    if constexpr (checked) {
      const LaneMask undefined = m & ~w_.defined[i.s[0]];
      if (undefined != 0) {
        report_fault(w_, i, Fault::undefined_branch, std::countr_zero(undefined), 0, 0);
        if (w_.stop) return;
      }
    }
    const std::uint32_t* index = w_.lanes<std::uint32_t>(i.s[0]);
    const std::vector<std::uint32_t>& table = grid_.kernel.tables[i.aux];
    const int first = std::countr_zero(m);
    if (index[first] >= table.size()) {
      add_finding(grid_,
                  "index of an indexed branch is beyond its list of targets\n  " +
                      where(grid_, s.pc) + "\n  " + who(grid_, w_, first),
                  Outcome::launch_failed, Severity::fatal);
      w_.stop = true;
      return;
    }
    LaneMask together = 0;
    for (int l = first; l < lane_count; ++l) {
      if ((m >> l & 1u) != 0 && index[l] == index[first]) together |= LaneMask{1} << l;
    }
    const std::uint32_t target = table[index[first]];
    if (together == m && stay == 0) {
      s.pc = target;
    } else {
      diverge(w_, together, target, together == m ? s.pc + 1 : s.pc,
              static_cast<std::uint32_t>(i.imm));
    }
  }

  Grid& grid_;
  Cta& cta_;
  WarpState& w_;
};

}  // namespace

void run_warp(Grid& grid, Cta& cta, WarpState& w, std::uint64_t limit) {
  Runner runner(grid, cta, w);
  if (grid.checked) {
    runner.run<true>(limit);
  } else {
    runner.run<false>(limit);
  }
}

}  // namespace ptxmill::emu
