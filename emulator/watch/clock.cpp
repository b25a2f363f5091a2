#include "emulator/watch/clock.hpp"

#include <algorithm>

namespace ptxmill::emu {
namespace {

std::uint64_t key_of(Agents a) {
  return std::uint64_t{a.cta} << 32 | std::uint64_t{a.warp} << 16 | a.lane;
}

}  // namespace

void Clock::add(Agents agents, Time time) {
  if (time == 0) return;
  const Entry entry{key_of(agents), time};
  const auto at = std::lower_bound(entries_.begin(), entries_.end(), Entry{entry.first, 0});
  if (at != entries_.end() && at->first == entry.first) {
    at->second = std::max(at->second, time);
  } else {
    entries_.insert(at, entry);
  }
}

void Clock::add(const Clock& other) {
  std::vector<Entry> merged;
  merged.reserve(entries_.size() + other.entries_.size());
  std::merge(entries_.begin(), entries_.end(), other.entries_.begin(), other.entries_.end(),
             std::back_inserter(merged));
  entries_.clear();
  for (const Entry& e : merged) {
    if (!entries_.empty() && entries_.back().first == e.first) {
      entries_.back().second = std::max(entries_.back().second, e.second);
    } else {
      entries_.push_back(e);
    }
  }
}

bool Clock::includes(const Clock& other) const {
  if (other.entries_.size() > entries_.size()) return false;
  auto mine = entries_.begin();
  for (const Entry& e : other.entries_) {
    while (mine != entries_.end() && mine->first < e.first) ++mine;
    if (mine == entries_.end() || mine->first != e.first || mine->second < e.second) return false;
  }
  return true;
}

bool Clock::has(Agents agents, Time time) const {
  const std::uint64_t key = key_of(agents);
  const auto at = std::lower_bound(entries_.begin(), entries_.end(), Entry{key, 0});
  return at != entries_.end() && at->first == key && at->second >= time;
}

bool Clock::knows(std::uint32_t cta, std::uint16_t warp, std::uint16_t lane, Time time) const {
  return has({cta}, time) || has({cta, warp}, time) || has({cta, warp, lane}, time);
}

ClockPtr joined(const ClockPtr& a, const ClockPtr& b) {
  if (!a || a == b) return b;
  if (!b || a->includes(*b)) return a;
  if (b->includes(*a)) return b;
  auto both = std::make_shared<Clock>(*a);
  both->add(*b);
  return both;
}

}  // namespace ptxmill::emu
