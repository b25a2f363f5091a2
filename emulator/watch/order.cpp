#include "emulator/watch/order.hpp"

#include <algorithm>
#include <bit>

#include "emulator/run/grid.hpp"

namespace ptxmill::emu {
namespace {

std::uint16_t index16(const WarpState& w) { return static_cast<std::uint16_t>(w.index); }

LaneOrder& lanes_of(WarpState& w) {
  if (!w.order.lanes) w.order.lanes = std::make_unique<LaneOrder>();
  return *w.order.lanes;
}

/// What all lanes of the warp have learned, together.
ClockPtr learned_by(const WarpState& w) {
  ClockPtr all;
  if (w.order.lanes)
    for (const ClockPtr& c : w.order.lanes->learned) all = joined(all, c);
  return all;
}

void teach(WarpState& w, const ClockPtr& clock) {
  if (!clock) return;
  for (ClockPtr& c : lanes_of(w).learned) c = clock;
}

void raise(std::vector<Time>& to, const std::vector<Time>& from) {
  if (from.empty()) return;
  to.resize(from.size());
  for (std::size_t k = 0; k < from.size(); ++k) to[k] = std::max(to[k], from[k]);
}

/// What all lanes of the warp know of their block, beside one another.
std::shared_ptr<Clock> gathered_together(const WarpState& w) {
  const CtaOrder& cta = w.cta->order;
  auto c = std::make_shared<Clock>();
  c->add({cta.linear}, cta.all);
  for (std::size_t k = 0; k < w.order.known.size(); ++k)
    if (w.order.known[k] > cta.all)
      c->add({cta.linear, static_cast<std::uint16_t>(k)}, w.order.known[k]);
  return c;
}

/// All that the lane knows, itself included.
ClockPtr gathered(const WarpState& w, int lane) {
  const CtaOrder& cta = w.cta->order;
  const std::shared_ptr<Clock> c = gathered_together(w);
  c->add({cta.linear, index16(w)}, w.order.converged);
  c->add({cta.linear, index16(w), static_cast<std::uint16_t>(lane)}, w.order.time);
  if (w.order.lanes) {
    const auto l = static_cast<std::size_t>(lane);
    for (std::size_t k = 0; k < lane_count; ++k)
      c->add({cta.linear, index16(w), static_cast<std::uint16_t>(k)}, w.order.lanes->met[l][k]);
    if (w.order.lanes->learned[l]) c->add(*w.order.lanes->learned[l]);
  }
  return c;
}

}  // namespace

// Remembered while nothing changes: lanes that spin publish it again and again.
ClockPtr knowledge(WarpState& w, int lane) {
  const auto k = static_cast<std::size_t>(lane);
  LaneOrder& l = lanes_of(w);
  if (!l.published[k] || l.published_at[k] != w.order.time || l.published_of[k] != l.learned[k]) {
    l.published[k] = gathered(w, lane);
    l.published_at[k] = w.order.time;
    l.published_of[k] = l.learned[k];
  }
  return l.published[k];
}

void order_acquisition(WarpState& w, LaneMask lanes, const ClockPtr& clock) {
  if (!clock) return;
  LaneOrder& l = lanes_of(w);
  ClockPtr before, after;  // lanes that knew the same before know the same afterwards
  bool learned = false;
  for (LaneMask left = lanes; left != 0; left &= left - 1) {
    ClockPtr& mine = l.learned[static_cast<std::size_t>(std::countr_zero(left))];
    if (!after || mine != before) {
      before = mine;
      after = joined(mine, clock);
    }
    learned = learned || after != mine;
    mine = after;
  }
  if (learned) end_segment(w);
}

ClockPtr order_publication(WarpState& w, LaneMask lanes) {
  ClockPtr all;
  if (lanes == w.alive) {
    const CtaOrder& cta = w.cta->order;
    const std::shared_ptr<Clock> c = gathered_together(w);
    c->add({cta.linear, index16(w)}, w.order.time);
    all = joined(c, learned_by(w));
  } else {
    for (LaneMask left = lanes; left != 0; left &= left - 1)
      all = joined(all, knowledge(w, std::countr_zero(left)));
  }
  end_segment(w);
  return all;
}

void open_history(Grid& grid) {
  grid.past = &grid.memory.history(grid.number);
  // There may be many histories of threads beside the first.
  if (grid.past->is_large(grid.number == 0 ? 4 : 32)) grid.past->clear();
  grid.launch_number = grid.past->add_launch();
}

void start_order(Grid& grid, Cta& cta) {
  const auto& g = grid.launch.grid;
  cta.order = {};
  cta.order.linear = (cta.id[2] * g[1] + cta.id[1]) * g[0] + cta.id[0];
  cta.releases.clear();
  cta.sets.clear();
  for (WarpState& w : cta.warps) {
    w.order = {};
    w.copies = {};
  }
  for (Barrier& b : cta.barriers) b.order = {};
}

std::size_t known_agents(const Cta& cta) { return cta.warps.size() + cta.warpgroups.groups.size(); }

std::uint32_t current_segment(Grid& grid, WarpState& w) {
  if (w.order.segment == 0) {
    w.order.segment = grid.history().add({.launch = grid.launch_number,
                                          .cta = w.cta->order.linear,
                                          .time = w.order.time,
                                          .warp = index16(w)});
  }
  return w.order.segment;
}

std::uint32_t current_segment(Grid& grid, WarpState& w, LaneMask lanes) {
  for (const auto& [mask, segment] : w.order.parts)
    if (mask == lanes) return segment;
  Segment part = grid.history()[current_segment(grid, w)];
  part.lanes = lanes;
  w.order.parts.emplace_back(lanes, grid.history().add(part));
  return w.order.parts.back().second;
}

void end_segment(WarpState& w) {
  w.order.time = ++w.cta->order.time;
  w.order.segment = 0;
  w.order.parts.clear();
  w.order.plain = false;
  w.order.relations.fill({});
  w.order.transitions.fill({});
  w.order.settled.fill(0);
  w.order.settled_global.fill(0);
}

Relation relation_to(Grid& grid, WarpState& w, std::uint32_t segment) {
  WarpOrder::Remembered& r = w.order.relations[segment % w.order.relations.size()];
  if (r.segment == segment) return r.relation;
  const Segment& s = grid.history()[segment];
  if (s.launch != grid.launch_number) return Relation::before;
  if (s.pending != 0) return Relation::own;  // and not remembered: a wait changes it
  Relation relation = Relation::foreign;
  if (s.cta == w.cta->order.linear) {
    const auto warp = std::size_t{s.warp};
    if (s.time <= w.cta->order.all ||
        (warp < w.order.known.size() && s.time <= w.order.known[warp])) {
      relation = Relation::before;
    } else if (warp == w.index) {
      relation = s.time <= w.order.converged ? Relation::before : Relation::own;
    }
  }
  r = {segment, relation};
  return relation;
}

bool knows(const WarpState& w, int lane, std::uint32_t cta, std::uint16_t warp, int other,
           Time time) {
  const auto l = static_cast<std::size_t>(lane);
  const auto o = static_cast<std::size_t>(other);
  const bool same_warp = cta == w.cta->order.linear && warp == w.index;
  if (same_warp && lane == other) return true;
  if (cta == w.cta->order.linear) {
    if (time <= w.cta->order.all) return true;
    if (warp < w.order.known.size() && time <= w.order.known[warp]) return true;
    if (same_warp && time <= w.order.converged) return true;
  }
  if (!w.order.lanes) return false;
  if (same_warp && time <= w.order.lanes->met[l][o]) return true;
  const ClockPtr& learned = w.order.lanes->learned[l];
  return learned && learned->knows(cta, warp, static_cast<std::uint16_t>(other), time);
}

bool knows(Grid& grid, WarpState& w, int lane, std::uint32_t segment, int other) {
  const Segment& s = grid.history()[segment];
  if (s.agent != 0 && w.order.lanes) {
    const ClockPtr& learned = w.order.lanes->learned[static_cast<std::size_t>(lane)];
    if (learned && learned->has(barrier_agent(s.agent), s.agent_time)) return true;
  }
  if (has_lane(s.pending, other)) return false;
  return knows(w, lane, s.cta, s.warp, other, s.time);
}

void order_lanes(WarpState& w, LaneMask lanes) {
  if (std::popcount(lanes) < 2) return;
  WarpOrder& o = w.order;
  if ((w.alive & ~lanes) == 0) {
    const ClockPtr all = learned_by(w);
    teach(w, all);
    o.converged = o.time;
  } else {
    LaneOrder& l = lanes_of(w);
    std::array<Time, lane_count> met{};
    ClockPtr learned;
    for (int k = 0; k < lane_count; ++k) {
      if (!has_lane(lanes, k)) continue;
      const auto i = static_cast<std::size_t>(k);
      for (std::size_t j = 0; j < lane_count; ++j) met[j] = std::max(met[j], l.met[i][j]);
      met[i] = o.time;
      learned = joined(learned, l.learned[i]);
    }
    for (std::size_t k = 0; k < lane_count; ++k) {
      if (!has_lane(lanes, static_cast<int>(k))) continue;
      l.met[k] = met;
      l.learned[k] = learned;
    }
  }
  end_segment(w);
}

void order_arrival(WarpState& w, BarrierOrder& b, bool waits) {
  b.known.resize(known_agents(*w.cta));
  raise(b.known, w.order.known);
  b.known[w.index] = w.order.time;
  b.learned = joined(b.learned, learned_by(w));
  if (!waits) end_segment(w);
}

void order_release(Cta& cta, BarrierOrder& b, const std::vector<bool>& waited) {
  const bool everyone = std::all_of(cta.warps.begin(), cta.warps.end(), [&](const WarpState& w) {
    return waited[w.index] || w.alive == 0;
  });
  const Time now = cta.order.time;
  if (everyone) cta.order.all = now;
  for (WarpState& w : cta.warps) {
    if (!waited[w.index]) continue;
    if (everyone) {
      w.order.known.clear();
    } else {
      w.order.known.resize(known_agents(cta));
      raise(w.order.known, b.known);
    }
    w.order.converged = w.order.time;
    teach(w, b.learned);
    end_segment(w);
  }
  b = {};
}

void order_fence(WarpState& w, LaneMask lanes, Scope scope) {
  LaneOrder& l = lanes_of(w);
  for (std::size_t k = 0; k < lane_count; ++k) {
    if (!has_lane(lanes, static_cast<int>(k))) continue;
    l.learned[k] = joined(l.learned[k], l.seen_cta[k]);
    if (scope == Scope::gpu) l.learned[k] = joined(l.learned[k], l.seen_gpu[k]);
  }
  for (int k = 0; k < lane_count; ++k) {
    if (!has_lane(lanes, k)) continue;
    const ClockPtr all = knowledge(w, k);
    const auto i = static_cast<std::size_t>(k);
    l.fenced_cta[i] = all;
    if (scope == Scope::gpu) l.fenced_gpu[i] = all;
  }
  if (w.order.plain) end_segment(w);
}

void run_fence(Warp& warp, const Instruction& i, LaneMask lanes) {
  if (warp.checked) order_fence(static_cast<WarpState&>(warp), lanes, static_cast<Scope>(i.imm));
}

void wait_for_launches(Warp& warp, const Instruction&, LaneMask) {
  static_cast<WarpState&>(warp).cta->has_waited_for_launches = true;
}

void order_read(WarpState& w, int lane, Releases& releases, std::uint64_t address, Scope scope,
                bool acquires) {
  const auto found = releases.find(address);
  if (found == releases.end()) return;
  const auto k = static_cast<std::size_t>(lane);
  LaneOrder& l = lanes_of(w);
  const auto own = found->second.ctas.find(w.cta->order.linear);
  const ClockPtr near = own == found->second.ctas.end() ? nullptr : own->second;
  // A lane that spins finds the same each time.
  const bool again = l.found_cta[k] == near && l.found_gpu[k] == found->second.gpu;
  if (again && !acquires) return;
  if (again && l.acquired[k] == scope) return;
  l.found_cta[k] = near;
  l.found_gpu[k] = found->second.gpu;
  l.acquired[k] = acquires ? scope : Scope::weak;
  l.seen_cta[k] = joined(l.seen_cta[k], near);
  if (scope == Scope::gpu) l.seen_gpu[k] = joined(l.seen_gpu[k], found->second.gpu);
  if (!acquires) return;
  ClockPtr all = joined(l.learned[k], near);
  if (scope == Scope::gpu) all = joined(all, found->second.gpu);
  if (all == l.learned[k]) return;
  l.learned[k] = all;
  end_segment(w);
}

void order_write(WarpState& w, int lane, Releases& releases, std::uint64_t address, Scope scope,
                 bool releases_too, bool continues) {
  const auto k = static_cast<std::size_t>(lane);
  ClockPtr near, far;
  if (releases_too) {
    near = knowledge(w, lane);
    if (scope == Scope::gpu) far = near;
  } else if (w.order.lanes) {
    near = w.order.lanes->fenced_cta[k];
    if (scope == Scope::gpu) far = w.order.lanes->fenced_gpu[k];
  }
  if (!near && !far) {
    // A plain overwriting store ends the sequence that an earlier release had begun.
    if (!continues) releases.erase(address);
    return;
  }
  Released& r = releases[address];
  if (!continues) r = {};
  ClockPtr& own = r.ctas[w.cta->order.linear];
  own = joined(own, near);
  r.gpu = joined(r.gpu, far);
  if (releases_too && w.order.plain) end_segment(w);
}

}  // namespace ptxmill::emu
