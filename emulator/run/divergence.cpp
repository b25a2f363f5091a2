#include <algorithm>

#include "emulator/run/grid.hpp"

namespace ptxmill::emu {
namespace {

std::uint32_t open_meeting(WarpState& w, std::uint32_t pc, std::uint32_t outer, LaneMask expected) {
  const Meeting m{pc, outer, expected, 0, true, 0, nowhere};
  for (std::uint32_t k = 1; k < w.meetings.size(); ++k) {
    if (w.meetings[k].in_use) continue;
    w.meetings[k] = m;
    return k;
  }
  w.meetings.push_back(m);
  return static_cast<std::uint32_t>(w.meetings.size() - 1);
}

void remove_current(WarpState& w) {
  w.splits.erase(w.splits.begin() + static_cast<std::ptrdiff_t>(w.current));
  w.current = 0;
}

/// Whether lanes that part wait for one another where their ways meet. A device may, and need not:
/// only what the program says brings them together again (PTX ISA, "Independent Thread
/// Scheduling").
bool meets_again(const Grid& grid, Cta& cta) {
  switch (grid.options.schedule) {
    case Schedule::earliest: return true;
    case Schedule::latest: return false;
    case Schedule::random: return (cta.random() & 3) != 0;
  }
  return true;
}

/// Sends everybody onwards where a meeting is complete. Returns whether it was.
bool close_if_complete(WarpState& w, std::uint32_t index) {
  Meeting& m = w.meetings[index];
  if (index == 0 || !m.in_use || m.arrived != m.expected) return false;
  m.in_use = false;
  if (m.expected == 0) return false;
  Split s;
  s.pc = m.resume != nowhere ? m.resume : m.pc;
  s.mask = m.expected;
  s.meeting = m.outer;
  w.splits.push_back(s);
  w.current = w.splits.size() - 1;
  return true;
}

}  // namespace

void start_warp(WarpState& w, LaneMask lanes) {
  w.alive = lanes;
  w.splits.assign(1, Split{});
  w.splits[0].mask = lanes;
  w.meetings.assign(1, Meeting{nowhere, 0, lanes, 0, true, 0, nowhere});
  w.current = 0;
  w.misused_barrier = false;
  w.notes_passed.clear();
  w.undefined.fill({});
}

void diverge(WarpState& w, LaneMask taken, std::uint32_t target, std::uint32_t next,
             std::uint32_t meet_at) {
  const LaneMask rest = w.splits[w.current].mask & ~taken;
  std::uint32_t index = w.splits[w.current].meeting;
  if (w.meetings[index].pc != meet_at && meets_again(*w.grid, *w.cta)) {
    index = open_meeting(w, meet_at, index, taken | rest);
  }
  Split& s = w.splits[w.current];
  s.meeting = index;
  Meeting& m = w.meetings[index];
  // Lanes that are at the meeting place already need no split of their own.
  m.last_arrival = w.ran;
  if (target == m.pc) {
    m.arrived |= taken;
    s.mask = rest;
    s.pc = next;
  } else if (next == m.pc) {
    m.arrived |= rest;
    s.mask = taken;
    s.pc = target;
  } else {
    s.mask = rest;
    s.pc = next;
    Split other = s;
    other.mask = taken;
    other.pc = target;
    // Behind the current one, which goes on first.
    w.splits.insert(w.splits.begin() + static_cast<std::ptrdiff_t>(w.current), other);
    ++w.current;
  }
}

namespace {

/// Lanes that have waited at a meeting while the warp ran `patience` instructions go on alone.
bool release(WarpState& w, std::uint64_t patience) {
  bool any = false;
  for (std::uint32_t k = 1; k < w.meetings.size(); ++k) {
    Meeting& m = w.meetings[k];
    if (!m.in_use || m.arrived == 0 || w.ran - m.last_arrival < patience) continue;
    Split s;
    s.pc = m.resume != nowhere ? m.resume : m.pc;
    s.mask = m.arrived;
    s.meeting = m.outer;
    m.expected &= ~m.arrived;
    m.arrived = 0;
    w.splits.push_back(s);
    any = true;
  }
  return any;
}

}  // namespace

void release_impatient(WarpState& w) {
  // Long enough for loops whose lanes leave one by one, short enough for a lock taken in turns.
  release(w, 16384);
}

bool release_awaited(WarpState& w) {
  const auto waits = [&](Wait wait) {
    return std::any_of(w.splits.begin(), w.splits.end(),
                       [&](const Split& s) { return s.wait == wait; });
  };
  return (waits(Wait::warp) || waits(Wait::warpgroup)) && !waits(Wait::barrier) && release(w, 0);
}

void separate(WarpState& w, LaneMask lanes) {
  Split& s = w.splits[w.current];
  if (s.mask == lanes) return;
  Split others = s;
  others.mask &= ~lanes;
  ++others.pc;
  s.mask = lanes;
  w.splits.push_back(others);
}

bool meet(WarpState& w) {
  const Split s = w.splits[w.current];
  Meeting& m = w.meetings[s.meeting];
  m.arrived |= s.mask;
  m.last_arrival = w.ran;
  remove_current(w);
  return close_if_complete(w, s.meeting);
}

void leave(WarpState& w, LaneMask lanes, std::uint32_t next) {
  w.alive &= ~lanes;
  Split& s = w.splits[w.current];
  s.mask &= ~lanes;
  s.pc = next;
  if (s.mask == 0) remove_current(w);
  for (std::uint32_t k = 0; k < w.meetings.size(); ++k) {
    if (!w.meetings[k].in_use) continue;
    w.meetings[k].expected &= ~lanes;
    w.meetings[k].arrived &= ~lanes;
  }
  const std::size_t kept = w.current;
  for (std::uint32_t k = 1; k < w.meetings.size(); ++k) close_if_complete(w, k);
  w.current = std::min(kept, w.splits.empty() ? 0 : w.splits.size() - 1);
}

void unite(WarpState& w) {
  for (std::size_t k = 0; k < w.splits.size(); ++k) {
    for (std::size_t other = w.splits.size() - 1; other > k; --other) {
      Split& a = w.splits[k];
      const Split& b = w.splits[other];
      if (a.pc != b.pc || a.meeting != b.meeting || a.wait != Wait::none || b.wait != Wait::none)
        continue;
      a.mask |= b.mask;
      w.splits.erase(w.splits.begin() + static_cast<std::ptrdiff_t>(other));
      if (w.current == other) w.current = k;
      if (w.current > other) --w.current;
    }
  }
}

bool choose_split(WarpState& w) {
  const std::size_t n = w.splits.size();
  for (std::size_t k = 0; k < n; ++k) {
    const std::size_t candidate = (w.current + n - k) % n;
    if (w.splits[candidate].wait == Wait::none) {
      w.current = candidate;
      return true;
    }
  }
  return false;
}

std::uint32_t enter_call(WarpState& w, std::uint32_t target, std::uint32_t resume) {
  const Split before = w.splits[w.current];
  const std::uint32_t index = open_meeting(w, nowhere, before.meeting, before.mask);
  w.meetings[index].resume = resume;
  w.meetings[index].last_arrival = w.ran;
  w.splits[w.current].meeting = index;
  w.splits[w.current].pc = target;
  return index;
}

std::uint32_t innermost_call(const WarpState& w) {
  std::uint32_t index = w.splits[w.current].meeting;
  while (index != 0 && w.meetings[index].resume == nowhere) index = w.meetings[index].outer;
  return index;
}

void leave_call(WarpState& w, std::uint32_t call, LaneMask lanes, std::uint32_t next) {
  Split& s = w.splits[w.current];
  std::vector<std::uint32_t> passed;
  for (std::uint32_t k = s.meeting; k != call; k = w.meetings[k].outer) {
    w.meetings[k].expected &= ~lanes;
    passed.push_back(k);
  }
  w.meetings[call].arrived |= lanes;
  w.meetings[call].last_arrival = w.ran;
  s.mask &= ~lanes;
  s.pc = next;
  if (s.mask == 0) remove_current(w);
  const std::size_t kept = w.current;
  for (const std::uint32_t k : passed) close_if_complete(w, k);
  const bool resumed = close_if_complete(w, call);
  if (!resumed) w.current = std::min(kept, w.splits.empty() ? 0 : w.splits.size() - 1);
}

}  // namespace ptxmill::emu
