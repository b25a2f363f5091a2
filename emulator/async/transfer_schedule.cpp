// When bulk copies are done: at once, as late as their waits allow, or at random.
#include <algorithm>
#include <bit>

#include "emulator/async/block.hpp"
#include "emulator/run/grid.hpp"
#include "emulator/text.hpp"

namespace ptxmill::emu {
namespace {

bool has_barrier(const Transfer& t) { return t.barrier.block != nullptr; }

std::uint32_t thread_number(const WarpState& w, int lane) {
  return w.index * std::uint32_t{lane_count} + static_cast<std::uint32_t>(lane);
}

bool does_at_once(const Grid& grid, Cta& cta) {
  switch (grid.options.schedule) {
    case Schedule::earliest: return true;
    case Schedule::latest: return false;
    case Schedule::random: return (cta.random() & 1) != 0;
  }
  return true;
}

/// What has been copied is known to whoever finds the phase complete.
void publish(Grid& grid, Transfer& t, BlockBarrier& b) {
  const Time time = ++b.agent_time;
  History& history = grid.history();
  for (const std::uint32_t segment : t.segments) {
    history[segment].agent = b.agent;
    history[segment].agent_time = time;
  }
  for (const std::uint32_t segment : {t.source_segment, t.destination_segment})
    if (segment != 0) history[segment].agent_time = time;
  auto clock = std::make_shared<Clock>();
  clock->add(barrier_agent(b.agent), time);
  b.released = joined(b.released, clock);
}

void finish(Grid& grid, Transfer& t) {
  if (t.form == nullptr) {
    finish_copies(*t.warp, t.lanes);
  } else {
    read_source(t);
    if (!t.warp->stop) write_destination(t);
  }
  if (t.warp->stop || !has_barrier(t)) return;
  auto& barriers = async_of(*t.barrier.block).barriers;
  const auto found = barriers.find(t.barrier.offset);
  if (found == barriers.end()) {
    async_finding(*t.warp, *t.instruction, t.lane,
                  text("the mbarrier at 0x", hex(t.barrier.offset),
                       " was invalidated while a copy that completes on it was in flight"));
    return;
  }
  BlockBarrier& b = found->second;
  if (grid.checked) publish(grid, t, b);
  if (t.form == nullptr) return arrive_for_copies(t, b);
  b.copied_phase = b.counts.phase() + 1;
  b.last_copy = t.instruction;
  complete_bytes(*t.warp, *t.instruction, t.lane, t.barrier, t.bytes);
}

/// Takes a copy out of those in flight and finishes it.
void finish_at(Grid& grid, AsyncBlock& block, std::size_t index) {
  const std::unique_ptr<Transfer> t = std::move(block.in_flight[index]);
  block.in_flight.erase(block.in_flight.begin() + static_cast<std::ptrdiff_t>(index));
  finish(grid, *t);
}

/// Finishes what a lane waits for, or reads its source.
void finish_groups(Grid& grid, WarpState& w, int lane, std::int64_t older, bool reads_only) {
  AsyncBlock& block = async_of(*w.cta);
  for (std::size_t k = 0; k < block.in_flight.size() && !w.stop;) {
    Transfer& t = *block.in_flight[k];
    const bool mine = !has_barrier(t) && t.warp == &w && t.lane == lane;
    if (!mine || t.group >= older) {
      ++k;
    } else if (reads_only) {
      read_source(t);
      ++k;
    } else {
      finish_at(grid, block, k);
    }
  }
}

void join(Grid& grid, const WarpState& w, std::uint32_t& segment) {
  if (segment == 0) return;
  Segment& s = grid.history()[segment];
  s.pending = 0;
  s.time = w.order.time;
  segment = 0;
}

void block_finding(Grid& grid, const Cta& cta, const Instruction& i, std::string_view what) {
  const auto pc = static_cast<std::uint32_t>(&i - grid.kernel.code.data());
  add_finding(grid,
              text("block (", cta.id[0], ", ", cta.id[1], ", ", cta.id[2], ") ends while ", what,
                   "\n  ", where(grid, pc)),
              Outcome::launch_failed, Severity::finding);
}

/// Reports copies that nobody waited for: they would touch the next block's memory.
void check_waits(Grid& grid, Cta& cta) {
  const AsyncBlock& block = *cta.async;
  for (const auto& [thread, groups] : block.groups) {
    for (const TransferGroups::Segments& s : groups.segments) {
      if (s.source == 0) continue;
      return block_finding(grid, cta, *s.instruction,
                           "a bulk copy still reads its shared memory: nothing waits for it "
                           "(cp.async.bulk.wait_group.read)");
    }
  }
  const auto unseen = [&](const Instruction& i, std::uint32_t offset) {
    block_finding(grid, cta, i,
                  text("a bulk copy to its shared memory is in flight: no thread has waited for "
                       "the phase of the mbarrier at 0x",
                       hex(offset), " that it completes in"));
  };
  for (const auto& t : block.in_flight)
    if (t->barrier.block == &cta) return unseen(*t->instruction, t->barrier.offset);
  for (const auto& [offset, b] : block.barriers)
    if (b.copied_phase > b.seen_phase) return unseen(*b.last_copy, offset);
}

}  // namespace

void schedule_transfer(Grid& grid, Cta& cta, std::unique_ptr<Transfer> t) {
  if (does_at_once(grid, cta)) return finish(grid, *t);
  async_of(cta).in_flight.push_back(std::move(t));
}

void commit_transfers(Warp& warp, const Instruction&, LaneMask lanes) {
  auto& w = static_cast<WarpState&>(warp);
  for (LaneMask left = lanes; left != 0; left &= left - 1)
    ++async_of(*w.cta).groups[thread_number(w, std::countr_zero(left))].committed;
}

void wait_for_transfers(Warp& warp, const Instruction& i, LaneMask lanes) {
  auto& w = static_cast<WarpState&>(warp);
  Grid& grid = *w.grid;
  const bool reads_only = i.aux != 0;
  for (LaneMask left = lanes; left != 0 && !w.stop; left &= left - 1) {
    const int lane = std::countr_zero(left);
    TransferGroups& groups = async_of(*w.cta).groups[thread_number(w, lane)];
    const std::int64_t older = std::int64_t{groups.committed} - i.imm;
    finish_groups(grid, w, lane, older, reads_only);
    for (TransferGroups::Segments& s : groups.segments) {
      if (s.number >= older) continue;
      join(grid, w, s.source);
      if (!reads_only) join(grid, w, s.destination);
    }
    std::erase_if(groups.segments, [&](const TransferGroups::Segments& s) {
      return s.source == 0 && s.destination == 0;
    });
  }
}

bool advance_transfers(Grid& grid, Cta& cta) {
  AsyncBlock& block = *cta.async;
  std::vector<std::size_t> candidates;
  for (std::size_t k = 0; k < block.in_flight.size(); ++k)
    if (has_barrier(*block.in_flight[k])) candidates.push_back(k);
  if (candidates.empty()) return false;
  // They need not end in the order in which they began: here the last comes first.
  const std::size_t pick = grid.options.schedule == Schedule::random
                               ? cta.random() % candidates.size()
                               : candidates.size() - 1;
  finish_at(grid, block, candidates[pick]);
  return true;
}

void finish_transfers(Grid& grid, Cta& cta) {
  AsyncBlock& block = *cta.async;
  while (!block.in_flight.empty() && !grid.stopped) finish_at(grid, block, 0);
}

void end_transfers(Grid& grid, Cta& cta) {
  if (grid.checked) check_waits(grid, cta);
  finish_transfers(grid, cta);
}

}  // namespace ptxmill::emu
