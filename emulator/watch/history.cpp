#include "emulator/watch/history.hpp"

namespace ptxmill::emu {

std::size_t AccessSets::place(const Member& m) const {
  const std::uint64_t h = (std::uint64_t{m.rest} << 32 | m.stamp) * 0x9e3779b97f4a7c15u +
                          m.access * 0xff51afd7ed558ccdu;
  std::size_t at = (h ^ h >> 32) & (places_.size() - 1);
  for (; places_[at] != 0; at = (at + 1) & (places_.size() - 1)) {
    const Member& there = members_[places_[at]];
    if (there.rest == m.rest && there.stamp == m.stamp && there.access == m.access) break;
  }
  return at;
}

void AccessSets::grow() {
  places_.assign(places_.size() * 2, 0);
  for (std::uint32_t id = 1; id < members_.size(); ++id) places_[place(members_[id])] = id;
}

std::uint32_t AccessSets::with(std::uint32_t rest, Stamp stamp, std::uint16_t access,
                               std::uint16_t kind) {
  const Member m{rest, stamp, access, static_cast<std::uint16_t>(members_[rest].kinds | kind)};
  std::uint32_t& id = places_[place(m)];
  if (id != 0) return id;
  const auto added = static_cast<std::uint32_t>(members_.size());
  id = added;
  members_.push_back(m);
  if (members_.size() * 2 > places_.size()) grow();
  return added;
}

void AccessSets::clear() {
  members_.assign(1, Member{});
  places_.assign(256, 0);
  begin();
}

History::History() { clear(); }

std::uint32_t History::add(const Segment& segment) {
  if (next_ / chunk_size == chunks_.size())
    chunks_.push_back(std::make_unique<Segment[]>(chunk_size));
  (*this)[next_] = segment;
  return next_++;
}

void History::clear() {
  chunks_.clear();
  next_ = first_ = 1;
  sets.clear();
  ++generation;
}

}  // namespace ptxmill::emu
