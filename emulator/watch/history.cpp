#include "emulator/watch/history.hpp"

#include <utility>

#include "emulator/program.hpp"

namespace ptxmill::emu {

std::uint32_t AccessSets::with(std::uint32_t rest, Stamp stamp, std::uint16_t access,
                               std::uint16_t kind) {
  const Key key{rest, stamp, access};
  const auto [it, inserted] = ids_.emplace(key, static_cast<std::uint32_t>(members_.size()));
  if (inserted) {
    const auto kinds = static_cast<std::uint16_t>(members_[rest].kinds | kind);
    members_.push_back({rest, stamp, access, kinds});
  }
  return it->second;
}

void AccessSets::clear() {
  members_.assign(1, Member{});
  ids_.clear();
}

History::History() { clear(); }

std::uint32_t History::add(const Segment& segment) {
  if (next_ / chunk_size == chunks_.size())
    chunks_.push_back(std::make_unique<Segment[]>(chunk_size));
  (*this)[next_] = segment;
  return next_++;
}

std::uint32_t History::add_launch(LaunchRecord record) {
  launches_.push_back(std::move(record));
  return static_cast<std::uint32_t>(launches_.size() - 1);
}

void History::clear() {
  chunks_.clear();
  next_ = 1;
  launches_.assign(1, LaunchRecord{});
  sets.clear();
  ++generation;
}

}  // namespace ptxmill::emu
