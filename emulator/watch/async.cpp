#include "emulator/watch/async.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "emulator/run/grid.hpp"
#include "emulator/watch/race.hpp"

namespace ptxmill::emu {
namespace {

WarpState& state(Warp& w) { return static_cast<WarpState&>(w); }

/// The segment of the copies that `lanes`, all in their group of that number, start now.
std::uint32_t segment_for(Grid& grid, WarpState& w, std::uint32_t number, LaneMask lanes) {
  History& history = grid.history();
  for (const CopyQueue::Group& g : w.copies.groups) {
    Segment& s = history[g.segment];
    const LaneMask waited = s.lanes & ~s.pending;
    if (g.number != number || g.closed || (waited & lanes) != 0) continue;
    s.lanes |= lanes;
    s.pending |= lanes;
    return g.segment;
  }
  const std::uint32_t segment = history.add({.launch = grid.launch_number,
                                             .cta = w.cta->order.linear,
                                             .time = w.order.time,
                                             .warp = static_cast<std::uint16_t>(w.index),
                                             .lanes = lanes,
                                             .pending = lanes,
                                             .async = true});
  w.copies.groups.push_back({number, segment, false});
  return segment;
}

/// Calls f(lanes, segment) for the lanes of each group number.
template <class F>
void for_groups(Grid& grid, WarpState& w, LaneMask lanes, F f) {
  while (lanes != 0) {
    const std::uint32_t number =
        w.copies.committed[static_cast<std::size_t>(std::countr_zero(lanes))];
    LaneMask together = 0;
    for (int l = 0; l < lane_count; ++l)
      if (has_lane(lanes, l) && w.copies.committed[static_cast<std::size_t>(l)] == number)
        together |= LaneMask{1} << l;
    f(together, segment_for(grid, w, number, together));
    lanes &= ~together;
  }
}

void carry_out(Warp& w, PendingCopy& c, LaneMask lanes) {
  Region source;
  for (LaneMask left = c.lanes & lanes; left != 0; left &= left - 1) {
    const auto l = static_cast<std::size_t>(std::countr_zero(left));
    std::byte* to = w.shared.bytes + c.to[l];
    std::uint8_t* written = w.shared.written + c.to[l];
    const std::uint32_t read = c.read[l];
    const bool known = c.from[l] - source.base < source.size;
    if (read != 0 && (known || locate_noted(w, c.from[l], source))) {
      std::memcpy(to, source.bytes + (c.from[l] - source.base), read);
      std::memcpy(written, source.written + (c.from[l] - source.base), read);
    }
    std::memset(to + read, 0, static_cast<std::size_t>(c.bytes) - read);
    std::memset(written + read, 1, static_cast<std::size_t>(c.bytes) - read);
  }
  c.lanes &= ~lanes;
}

bool does_at_once(const Grid& grid, Cta& cta) {
  switch (grid.options.schedule) {
    case Schedule::earliest: return true;
    case Schedule::latest: return false;
    case Schedule::random: return (cta.random() & 1) != 0;
  }
  return true;
}

}  // namespace

void watch_copy_source(Warp& warp, const Instruction& i, LaneMask lanes, const Target& source,
                       int bytes) {
  WarpState& w = state(warp);
  Grid& grid = *w.grid;
  for_groups(grid, w, lanes, [&](LaneMask together, std::uint32_t segment) {
    watch_access(w, i, AccessBits::reads, together, source, bytes, segment);
  });
}

void start_copies(Warp& warp, const Instruction& i, LaneMask lanes, const Target& destination,
                  int bytes) {
  WarpState& w = state(warp);
  Grid& grid = *w.grid;
  if (destination.shadow != nullptr) {
    for_groups(grid, w, lanes, [&](LaneMask together, std::uint32_t segment) {
      watch_access(w, i, AccessBits::writes, together, destination, bytes, segment);
    });
  }
  if (w.stop) return;
  PendingCopy c;
  c.lanes = lanes;
  c.bytes = bytes;
  for (LaneMask left = lanes; left != 0; left &= left - 1) {
    const int lane = std::countr_zero(left);
    const auto l = static_cast<std::size_t>(lane);
    c.group[l] = w.copies.committed[l];
    c.from[l] = w.lanes<std::uint64_t>(i.s[1])[lane] + w.lanes<std::uint64_t>(i.s[3])[lane];
    c.to[l] = destination.offset[lane];
    c.read[l] = std::min(w.lanes<std::uint32_t>(i.s[2])[lane], static_cast<std::uint32_t>(bytes));
  }
  if (does_at_once(grid, *w.cta)) {
    carry_out(w, c, lanes);
  } else {
    w.copies.copies.push_back(c);
  }
}

void commit_copies(Warp& warp, const Instruction&, LaneMask lanes) {
  for (LaneMask left = lanes; left != 0; left &= left - 1)
    ++state(warp).copies.committed[static_cast<std::size_t>(std::countr_zero(left))];
}

void wait_for_copies(Warp& warp, const Instruction& i, LaneMask lanes) {
  WarpState& w = state(warp);
  CopyQueue& q = w.copies;
  // Which lanes wait for their copies of a group.
  const auto waiting = [&](LaneMask of, auto number_of) {
    LaneMask done = 0;
    for (LaneMask left = of & lanes; left != 0; left &= left - 1) {
      const auto l = static_cast<std::size_t>(std::countr_zero(left));
      const std::int64_t older = std::int64_t{q.committed[l]} - i.imm;
      if (i.imm < 0 || std::int64_t{number_of(l)} < older) done |= LaneMask{1} << l;
    }
    return done;
  };
  for (PendingCopy& c : q.copies)
    carry_out(w, c, waiting(c.lanes, [&](std::size_t l) { return c.group[l]; }));
  std::erase_if(q.copies, [](const PendingCopy& c) { return c.lanes == 0; });
  History& history = w.grid->history();
  for (const CopyQueue::Group& g : q.groups) {
    Segment& s = history[g.segment];
    const LaneMask done = waiting(s.pending, [&](std::size_t) { return g.number; });
    if (done == 0) continue;
    s.pending &= ~done;
    s.time = w.order.time;
  }
  std::erase_if(q.groups,
                [&](const CopyQueue::Group& g) { return history[g.segment].pending == 0; });
}

std::vector<std::uint32_t> take_copies_in_flight(WarpState& w, LaneMask lanes) {
  // A thread that also waits for groups waits for recent ones.
  constexpr std::size_t most_groups = 64;
  std::vector<std::uint32_t> segments;
  if (w.copies.groups.size() > most_groups)
    std::erase_if(w.copies.groups, [](const CopyQueue::Group& g) { return g.closed; });
  for (CopyQueue::Group& g : w.copies.groups) {
    if (g.closed || (w.grid->history()[g.segment].pending & lanes) == 0) continue;
    g.closed = true;
    segments.push_back(g.segment);
  }
  return segments;
}

void finish_copies(WarpState& w, LaneMask lanes) {
  for (PendingCopy& c : w.copies.copies) carry_out(w, c, lanes);
  std::erase_if(w.copies.copies, [](const PendingCopy& c) { return c.lanes == 0; });
}

}  // namespace ptxmill::emu
