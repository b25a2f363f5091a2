// Waits for barriers in shared memory: those that find a phase complete acquire what was released
// in it.
#include <bit>

#include "emulator/async/mbarrier_operands.hpp"
#include "emulator/run/grid.hpp"
#include "emulator/text.hpp"

namespace ptxmill::emu {
namespace {

// A device gives up after some time as well. Longer than any nanosleep, so that whoever waits this
// long while nothing else can run waits in vain.
constexpr std::uint64_t patience = 20'000'000;

/// Remembers that the lane found `phase` incomplete. Returns the phase that it found so before and
/// still waits for.
std::uint64_t note_poll(BlockBarrier& b, const Warp& w, int lane, std::uint64_t phase) {
  const LaneMask bit = LaneMask{1} << lane;
  MbarrierPoll* mine = nullptr;
  for (MbarrierPoll& p : b.polls) {
    if (p.warp != w.index) continue;
    if ((p.lanes & bit) != 0) return p.phase;
    if (p.phase == phase) mine = &p;
  }
  if (mine == nullptr) mine = &b.polls.emplace_back(MbarrierPoll{w.index, 0, phase});
  mine->lanes |= bit;
  return phase;
}

void forget_poll(BlockBarrier& b, const Warp& w, int lane) {
  for (MbarrierPoll& p : b.polls)
    if (p.warp == w.index) p.lanes &= ~(LaneMask{1} << lane);
  std::erase_if(b.polls, [](const MbarrierPoll& p) { return p.lanes == 0; });
}

bool polls(const BlockBarrier& b, const Warp& w, int lane) {
  for (const MbarrierPoll& p : b.polls)
    if (p.warp == w.index && has_lane(p.lanes, lane)) return true;
  return false;
}

/// Whether the phase that the lane asks for is complete.
bool is_complete(Warp& w, const Instruction& i, int lane, SharedPlace at, BlockBarrier& b) {
  const std::uint64_t now = b.counts.phase();
  std::uint64_t wanted = 0;
  if (!w.checked && (i.aux & MbarrierBits::parity) != 0)
    return (now & 1u) != (w.lanes<std::uint32_t>(i.s[2])[lane] & 1u);
  if ((i.aux & MbarrierBits::parity) != 0) {
    const std::uint32_t parity = w.lanes<std::uint32_t>(i.s[2])[lane] & 1u;
    const bool same_wait = polls(b, w, lane) && (note_poll(b, w, lane, now) & 1u) == parity;
    if (!same_wait) forget_poll(b, w, lane);
    if ((now & 1u) != parity && !same_wait) return true;
    wanted = note_poll(b, w, lane, now);
  } else {
    const std::uint64_t state = w.lanes<std::uint64_t>(i.s[2])[lane];
    wanted = Mbarrier::phase_of(state);
    if (w.checked && (!Mbarrier::is_state(state) || wanted > now)) {
      async_finding(
          w, i, lane,
          text("a wait for what no arrival at this barrier returned; ", describe(at.offset, b)));
      return true;
    }
  }
  if (now > wanted + 1 && w.checked) {
    async_finding(
        w, i, lane,
        text("lapped: the thread waits for phase ", wanted,
             " of the mbarrier, and the next one is complete already; ", describe(at.offset, b)));
  }
  if (now > wanted) forget_poll(b, w, lane);
  return now > wanted;
}

/// The lanes that find their phase complete. They acquire what was released in it.
LaneMask completed(WarpState& w, const Instruction& i, LaneMask lanes) {
  LaneMask done = 0;
  ClockPtr last;
  LaneMask of_last = 0;
  const auto acquire = [&] {
    if (w.checked && (i.aux & MbarrierBits::relaxed) == 0) order_acquisition(w, of_last, last);
  };
  for (LaneMask left = lanes; left != 0 && !w.stop; left &= left - 1) {
    const int lane = std::countr_zero(left);
    const SharedPlace at = mbarrier_place(w, i, lane);
    BlockBarrier* const b = at.block == nullptr ? nullptr : barrier_at(w, i, lane, at);
    if (b == nullptr || !is_complete(w, i, lane, at, *b)) continue;
    done |= LaneMask{1} << lane;
    b->seen_phase = b->counts.phase();
    if (b->completed != last) {
      acquire();
      of_last = 0;
      last = b->completed;
    }
    of_last |= LaneMask{1} << lane;
  }
  acquire();
  return done;
}

void write_result(Warp& w, const Instruction& i, LaneMask lanes, LaneMask done) {
  LaneMask& p = w.predicate(i.d[0]);
  p = (p & ~lanes) | (done & lanes);
  w.defined[i.d[0]] |= lanes;
}

/// Whether a wait that could suspend returns at once, as it may.
bool gives_up(const Grid& grid, Cta& cta, Split& s) {
  if (s.tried) return false;
  s.tried = true;
  switch (grid.options.schedule) {
    case Schedule::earliest: return false;
    case Schedule::latest: return true;
    case Schedule::random: return (cta.random() & 1) != 0;
  }
  return false;
}

}  // namespace

void test_mbarriers(WarpState& w, const Instruction& i, LaneMask lanes) {
  write_result(w, i, lanes, completed(w, i, lanes));
}

void wait_at_mbarrier(Grid& grid, WarpState& w, const Instruction& i, LaneMask m) {
  if (w.checked && m != 0) m = with_defined_operands(w, i, m);
  if (w.stop) return;
  Split& s = w.splits[w.current];
  if (m == 0) {
    ++s.pc;
    return;
  }
  watch_mbarriers(w, i, m);
  const LaneMask done = w.stop ? 0 : completed(w, i, m);
  if (w.stop) return;
  const bool too_long = s.deadline != 0 && s.deadline <= grid.now();
  if (done != 0 || too_long || gives_up(grid, *w.cta, s)) {
    write_result(w, i, m, done);
    if (done != 0) s.tried = false;
    s.deadline = 0;
    ++s.pc;
    return;
  }
  separate(w, m);
  Split& mine = w.splits[w.current];
  mine.wait = Wait::mbarrier;
  const auto offset_of = [&](int lane) {
    return resolve_cluster_address(w, mbarrier_address(w, i, lane)).offset;
  };
  mine.barrier = offset_of(std::countr_zero(m));
  for (LaneMask left = m; left != 0; left &= left - 1)
    if (offset_of(std::countr_zero(left)) != mine.barrier) mine.barrier = several_mbarriers;
  if (mine.deadline == 0) mine.deadline = grid.now() + patience;
}

}  // namespace ptxmill::emu
