// Vector clocks: what a thread of a grid knows of the others' past (Fidge 1988, Mattern 1989).
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace ptxmill::emu {

/// A point in the life of a block, which counts what orders its threads: barriers, fences,
/// releases.
using Time = std::uint32_t;

/// Threads of a grid that a clock speaks of together.
struct Agents {
  static constexpr std::uint16_t all = 0xffff;
  std::uint32_t cta = 0;
  std::uint16_t warp = all;
  std::uint16_t lane = all;
};

/// The agent that completes a barrier's copies, among threads: no block has such a number.
constexpr Agents barrier_agent(std::uint32_t number) { return {number | 1u << 31, 0, 0}; }

/// For sets of threads, the time up to which their accesses are known. Immutable once shared.
class Clock {
 public:
  /// Adds that `agents` are known up to `time`.
  void add(Agents agents, Time time);
  void add(const Clock& other);
  /// Whether the thread's accesses up to `time` are known.
  bool knows(std::uint32_t cta, std::uint16_t warp, std::uint16_t lane, Time time) const;
  /// Whether just these agents, named as they are here, are known up to `time`.
  bool has(Agents agents, Time time) const;
  /// Whether all that `other` knows is known here.
  bool includes(const Clock& other) const;

 private:
  using Entry = std::pair<std::uint64_t, Time>;
  std::vector<Entry> entries_;  ///< sorted by agents
};

using ClockPtr = std::shared_ptr<const Clock>;

/// All that either knows; either may be null.
ClockPtr joined(const ClockPtr& a, const ClockPtr& b);

}  // namespace ptxmill::emu
