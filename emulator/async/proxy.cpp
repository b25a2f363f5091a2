// Accesses by the generic proxy and by the async proxy need a fence between them (PTX ISA,
// "Proxies", "Async proxy"): anywhere on the way from the one to the other.
#include <bit>

#include "emulator/async/block.hpp"
#include "emulator/run/cluster.hpp"
#include "emulator/run/grid.hpp"
#include "emulator/text.hpp"
#include "emulator/watch/race.hpp"

namespace ptxmill::emu {
namespace {

// A thread's fences before its latest ones matter only where no later one has reached the reader.
constexpr std::size_t most_fences = 8;

Agents thread_agent(const WarpState& w, int lane) {
  return {w.cta->order.linear, static_cast<std::uint16_t>(w.index),
          static_cast<std::uint16_t>(lane)};
}

/// Whether a write came before a fence.
bool precedes(const Segment& s, int lane, const ProxyFence& f) {
  if (s.agent != 0 && f.known->has(barrier_agent(s.agent), s.agent_time)) return true;
  if (has_lane(s.pending, lane)) return false;
  return f.known->knows(s.cta, s.warp, static_cast<std::uint16_t>(lane), s.time);
}

/// Whether a fence lies between the write of a thread and what a lane does now.
bool is_fenced(WarpState& w, int lane, const Segment& s, int writer) {
  const AsyncBlock& block = async_of(*w.cta);
  const auto lies_between = [&](const std::vector<ProxyFence>& fences) {
    for (auto f = fences.rbegin(); f != fences.rend(); ++f) {
      if (precedes(s, writer, *f) && knows(w, lane, f->by.cta, f->by.warp, f->by.lane, f->time))
        return true;
    }
    return false;
  };
  const auto own =
      block.fences.find(s.warp * std::uint32_t{lane_count} + static_cast<std::uint32_t>(writer));
  if (own != block.fences.end() && lies_between(own->second)) return true;
  for (const auto& [thread, fences] : block.fences)
    if (lies_between(fences)) return true;
  return false;
}

/// The words that an access of the async proxy touches.
class ProxyWatch {
 public:
  ProxyWatch(WarpState& w, const Instruction& i, int lane, const Target& t, bool writes)
      : w_(w), i_(i), lane_(lane), t_(t), writes_(writes) {}

  void run(std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t word = first / Shadow::word; word * Shadow::word < last && !w_.stop;
         ++word) {
      const Cell& c = (*t_.shadow)[word];
      if (c.write == 0) continue;
      if (c.write != Shadow::apart) {
        check(c, word * Shadow::word, 0, Shadow::word);
        continue;
      }
      const Shadow::Bytes& bytes = t_.shadow->split(word);
      for (std::uint32_t b = 0; b < Shadow::word; ++b) {
        const std::uint64_t at = word * Shadow::word + b;
        if (at >= first && at < last && bytes[b].write != 0) check(bytes[b], at, b, b + 1);
      }
    }
  }

 private:
  void check(const Cell& c, std::uint64_t at, std::uint32_t first, std::uint32_t last) {
    if (c.write == settled_) return;
    const History& history = w_.grid->history();
    const Segment& s = history[segment_of(c.write)];
    // What other blocks write to global memory is fenced there; that is not followed.
    const bool matters =
        s.launch == w_.grid->launch_number && !s.async_proxy && s.cta == w_.cta->order.linear;
    LaneMask writers = 0;
    for (std::uint32_t b = first; b < last && matters; ++b)
      writers |= threads_at(history, c.write, b);
    for (LaneMask left = writers; left != 0; left &= left - 1) {
      const int writer = std::countr_zero(left);
      // What is not even ordered is a race, and is reported as that.
      if (!knows(*w_.grid, w_, lane_, segment_of(c.write), writer)) continue;
      if (!is_fenced(w_, lane_, s, writer)) return report(c, at);
    }
    settled_ = c.write;
  }

  void report(const Cell& c, std::uint64_t at) {
    Grid& grid = *w_.grid;
    const auto pc = static_cast<std::uint32_t>(&i_ - grid.kernel.code.data());
    const std::uint32_t other = grid.kernel.accesses[c.write_access];
    settled_ = c.write;
    if (!grid.reported_proxies.emplace(pc, other).second) return;
    async_finding(
        w_, i_, lane_,
        text("missing proxy fence on ", t_.global ? "global" : "shared", " memory at 0x",
             hex(t_.base + at), "; ", surroundings(grid, t_.global, t_.base + at),
             "\n  the async proxy ", writes_ ? "overwrites" : "reads",
             " what the generic proxy has written: the writer needs a fence.proxy.async behind its "
             "writes, and then the barrier\n  written: ",
             where(grid, other)));
  }

  WarpState& w_;
  const Instruction& i_;
  int lane_;
  const Target& t_;
  bool writes_;
  Stamp settled_ = 0;
};

}  // namespace

void fence_async_proxy(Warp& warp, const Instruction&, LaneMask lanes) {
  auto& w = static_cast<WarpState&>(warp);
  AsyncBlock& block = async_of(*w.cta);
  if (!w.checked) return;
  for (LaneMask left = lanes; left != 0; left &= left - 1) {
    const int lane = std::countr_zero(left);
    const ClockPtr known = knowledge(w, lane);
    const Agents thread = thread_agent(w, lane);
    auto& fences =
        block.fences[w.index * std::uint32_t{lane_count} + static_cast<std::uint32_t>(lane)];
    if (fences.size() == most_fences) fences.erase(fences.begin());
    fences.push_back({thread, w.order.time, known});
    for (auto& [offset, b] : block.barriers) {
      const Agents& by = b.initialised_by;
      b.fenced = b.fenced || known->knows(by.cta, by.warp, by.lane, b.initialised_time);
    }
  }
  end_segment(w);
}

void fence_barrier_init(Warp& warp, const Instruction&, LaneMask lanes) {
  auto& w = static_cast<WarpState&>(warp);
  for (auto& [offset, b] : async_of(*w.cta).barriers) {
    if (b.initialised_by.warp == w.index && has_lane(lanes, b.initialised_by.lane)) b.fenced = true;
  }
  publish_to_cluster(w, lanes);
}

void watch_async_proxy(WarpState& w, const Instruction& i, int reader, LaneMask lanes,
                       const Target& t, std::uint64_t bytes, bool writes) {
  if (t.shadow == nullptr || !w.checked) return;
  ProxyWatch watch(w, i, reader, t, writes);
  for (LaneMask left = lanes; left != 0; left &= left - 1) {
    const std::uint64_t first = t.offset[std::countr_zero(left)];
    watch.run(first, first + bytes);
  }
}

}  // namespace ptxmill::emu
