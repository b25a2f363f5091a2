// Instructions that change barriers in shared memory. Arrivals release what their thread knows.
#include <bit>
#include <cstring>

#include "emulator/async/block.hpp"
#include "emulator/async/mbarrier_operands.hpp"
#include "emulator/run/grid.hpp"
#include "emulator/text.hpp"

namespace ptxmill::emu {
namespace {

/// Makes the bytes of the object show its state, so that nothing takes them for unwritten.
void store_state(SharedPlace at, std::uint64_t state) {
  std::memcpy(at.block->shared.data() + at.offset, &state, sizeof state);
  std::memset(at.block->shared_written.data() + at.offset, 1, sizeof state);
}

std::string words_for(MbarrierMisuse misuse, std::uint64_t count) {
  switch (misuse) {
    case MbarrierMisuse::count_range:
      return text("a count of ", count, " arrivals: 1 to 1048575 are allowed");
    case MbarrierMisuse::too_many: return text(count, " arrivals are more than the phase lacks");
    case MbarrierMisuse::bytes_overflow:
      return text("overflow of the tx-count by ", count, " bytes: its range is +-1048575");
    case MbarrierMisuse::completes: return "an arrival with .noComplete completes the phase";
    case MbarrierMisuse::none: break;
  }
  return {};
}

void report_misuse(Warp& w, const Instruction& i, int lane, SharedPlace at, const BlockBarrier& b,
                   MbarrierMisuse misuse, std::uint64_t count) {
  async_finding(w, i, lane,
                text("mbarrier: ", words_for(misuse, count), "; ", describe(at.offset, b)));
}

/// Goes on to the next phase where the current one is complete, and wakes those who wait for that.
void settle(Warp& w, SharedPlace at, BlockBarrier& b) {
  w.grid->vain_waits = 0;
  if (b.counts.advance()) {
    b.completed = b.released;
    for (WarpState& other : at.block->warps) {
      for (Split& s : other.splits)
        if (s.wait == Wait::mbarrier && (s.barrier == at.offset || s.barrier == several_mbarriers))
          s.wait = Wait::none;
    }
  }
  store_state(at, b.counts.state());
}

void initialise(WarpState& w, const Instruction& i, int lane, SharedPlace at) {
  auto& barriers = async_of(*at.block).barriers;
  const auto pc = static_cast<std::uint32_t>(&i - w.grid->kernel.code.data());
  const auto known = barriers.find(at.offset);
  if (known != barriers.end() && w.checked) {
    async_finding(w, i, lane,
                  text("mbarrier.init of a barrier in use, without mbarrier.inval; ",
                       describe(at.offset, known->second), "\n  initialised at ",
                       where(*w.grid, known->second.initialised_at)));
    if (w.stop) return;
  }
  BlockBarrier& b = barriers[at.offset] = {};
  const std::uint32_t count = w.lanes<std::uint32_t>(i.s[1])[lane];
  const MbarrierMisuse misuse = b.counts.start(count);
  if (misuse != MbarrierMisuse::none) report_misuse(w, i, lane, at, b, misuse, count);
  b.initialised_at = pc;
  b.initialised_by = {w.cta->order.linear, static_cast<std::uint16_t>(w.index),
                      static_cast<std::uint16_t>(lane)};
  b.initialised_time = w.order.time;
  b.agent = ++w.grid->barrier_agents;
  settle(w, at, b);
}

void arrive_at(WarpState& w, const Instruction& i, int lane, SharedPlace at) {
  BlockBarrier* const b = barrier_at(w, i, lane, at);
  if (b == nullptr) return;
  std::uint32_t count = w.lanes<std::uint32_t>(i.s[1])[lane];
  MbarrierMisuse misuse = MbarrierMisuse::none;
  if ((i.aux & MbarrierBits::expects) != 0) {
    misuse = b->counts.expect(count);
    if (misuse != MbarrierMisuse::none) return report_misuse(w, i, lane, at, *b, misuse, count);
    count = 1;
  }
  const std::uint64_t state = b->counts.state();
  misuse = b->counts.arrive(count, (i.aux & MbarrierBits::drops) != 0,
                            (i.aux & MbarrierBits::no_complete) == 0);
  if (misuse != MbarrierMisuse::none) return report_misuse(w, i, lane, at, *b, misuse, count);
  if (w.checked && (i.aux & MbarrierBits::relaxed) == 0)
    b->released = joined(b->released, knowledge(w, lane));
  settle(w, at, *b);
  if (i.d[0] == sink_slot) return;
  w.lanes<std::uint64_t>(i.d[0])[lane] = state;
  w.defined[i.d[0]] |= LaneMask{1} << lane;
}

void count_bytes(Warp& w, const Instruction& i, int lane, SharedPlace at) {
  const std::uint32_t bytes = w.lanes<std::uint32_t>(i.s[1])[lane];
  if (mbarrier_op(i.aux) == MbarrierOp::complete_tx) return complete_bytes(w, i, lane, at, bytes);
  BlockBarrier* const b = barrier_at(w, i, lane, at);
  if (b == nullptr) return;
  const MbarrierMisuse misuse = b->counts.expect(bytes);
  if (misuse != MbarrierMisuse::none) return report_misuse(w, i, lane, at, *b, misuse, bytes);
  settle(w, at, *b);
}

/// The arrivals of lanes at one barrier, which come when the copies are done that they have
/// started.
void arrive_with_copies(WarpState& w, const Instruction& i, LaneMask lanes, SharedPlace at) {
  const int first = std::countr_zero(lanes);
  BlockBarrier* const b = barrier_at(w, i, first, at);
  if (b == nullptr) return;
  for (LaneMask left = lanes; left != 0; left &= left - 1) {
    if ((i.aux & MbarrierBits::no_increment) != 0) continue;
    const MbarrierMisuse misuse = b->counts.await_one();
    if (misuse != MbarrierMisuse::none) return report_misuse(w, i, first, at, *b, misuse, 1);
  }
  auto t = std::make_unique<Transfer>();
  t->instruction = &i;
  t->warp = &w;
  t->lane = first;
  t->lanes = lanes;
  t->segments = take_copies_in_flight(w, lanes);
  t->barrier = at;
  schedule_transfer(*w.grid, *w.cta, std::move(t));
}

void arrive_with_copies(WarpState& w, const Instruction& i, LaneMask lanes) {
  while (lanes != 0 && !w.stop) {
    const SharedPlace at = mbarrier_place(w, i, std::countr_zero(lanes));
    if (at.block == nullptr) return;
    LaneMask together = 0;
    for (LaneMask left = lanes; left != 0; left &= left - 1) {
      const int lane = std::countr_zero(left);
      if (resolve_cluster_address(w, mbarrier_address(w, i, lane)).offset == at.offset)
        together |= LaneMask{1} << lane;
    }
    arrive_with_copies(w, i, together, at);
    lanes &= ~together;
  }
}

void invalidate(Warp& w, const Instruction& i, int lane, SharedPlace at) {
  if (barrier_at(w, i, lane, at) == nullptr) return;
  async_of(*at.block).barriers.erase(at.offset);
}

void pending_count(Warp& w, const Instruction& i, LaneMask lanes) {
  for (LaneMask left = lanes; left != 0 && !w.stop; left &= left - 1) {
    const int lane = std::countr_zero(left);
    const std::uint64_t state = w.lanes<std::uint64_t>(i.s[2])[lane];
    if (!Mbarrier::is_state(state) && w.checked)
      async_finding(w, i, lane, "mbarrier.pending_count of what no arrival returned");
    w.lanes<std::uint32_t>(i.d[0])[lane] = Mbarrier::pending_of(state);
  }
  w.defined[i.d[0]] |= lanes;
}

}  // namespace

std::string describe(std::uint32_t offset, const BlockBarrier& b) {
  const Mbarrier& c = b.counts;
  std::string words = text("the mbarrier at 0x", hex(offset), ": phase ", c.phase(), " lacks ",
                           c.pending(), " of ", c.expected(), " arrivals and ");
  if (c.bytes() < 0) return words + text("has ", -c.bytes(), " bytes that nothing expects");
  return words + text(c.bytes(), " bytes");
}

BlockBarrier* barrier_at(Warp& w, const Instruction& i, int lane, SharedPlace at) {
  auto& barriers = async_of(*at.block).barriers;
  const auto found = barriers.find(at.offset);
  if (found != barriers.end()) return &found->second;
  async_finding(w, i, lane,
                text("no mbarrier was initialised at 0x", hex(at.offset), "; ",
                     surroundings(*w.grid, false, at.offset)));
  w.stop = w.stop || !w.checked;
  return nullptr;
}

void complete_bytes(Warp& w, const Instruction& i, int lane, SharedPlace at, std::uint64_t bytes) {
  BlockBarrier* const b = barrier_at(w, i, lane, at);
  if (b == nullptr) return;
  const MbarrierMisuse misuse = b->counts.complete(bytes);
  if (misuse != MbarrierMisuse::none) return report_misuse(w, i, lane, at, *b, misuse, bytes);
  settle(w, at, *b);
}

void arrive_for_copies(Transfer& t, BlockBarrier& b) {
  const auto count = static_cast<std::uint32_t>(std::popcount(t.lanes));
  const MbarrierMisuse misuse = b.counts.arrive(count, false, true);
  if (misuse != MbarrierMisuse::none)
    return report_misuse(*t.warp, *t.instruction, t.lane, t.barrier, b, misuse, count);
  settle(*t.warp, t.barrier, b);
}

void run_mbarrier(Warp& warp, const Instruction& i, LaneMask lanes) {
  auto& w = static_cast<WarpState&>(warp);
  const MbarrierOp op = mbarrier_op(i.aux);
  if (w.checked) lanes = with_defined_operands(w, i, lanes);
  if (w.stop) return;
  if (op == MbarrierOp::pending_count) return pending_count(w, i, lanes);
  watch_mbarriers(w, i, lanes);
  if (w.stop) return;
  if (op == MbarrierOp::arrive_copies) return arrive_with_copies(w, i, lanes);
  if (op == MbarrierOp::test) return test_mbarriers(w, i, lanes);
  for (LaneMask left = lanes; left != 0 && !w.stop; left &= left - 1) {
    const int lane = std::countr_zero(left);
    const SharedPlace at = mbarrier_place(w, i, lane);
    if (at.block == nullptr) continue;
    switch (op) {
      case MbarrierOp::init: initialise(w, i, lane, at); break;
      case MbarrierOp::inval: invalidate(w, i, lane, at); break;
      case MbarrierOp::arrive: arrive_at(w, i, lane, at); break;
      default: count_bytes(w, i, lane, at); break;
    }
  }
  if (w.checked && op == MbarrierOp::arrive) end_segment(w);
}

}  // namespace ptxmill::emu
