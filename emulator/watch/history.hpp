// Who accessed memory, and when: what the cells of a shadow refer to.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "emulator/decode/instruction.hpp"
#include "emulator/watch/clock.hpp"

namespace ptxmill::emu {

/// What a warp does between two points at which others may learn of it.
struct Segment {
  std::uint32_t launch = 0;  ///< number in History
  std::uint32_t cta = 0;     ///< linear, within the grid
  Time time = 0;
  std::uint16_t warp = 0;
  LaneMask lanes = all_lanes;  ///< what Spread::several stands for
  LaneMask pending = 0;        ///< lanes that have not waited for these copies, which are in flight
  bool async = false;          ///< what copies do, on behalf of the lanes
  bool async_proxy = false;    ///< those of them that go through the async proxy
  /// Of copies that complete on a barrier in shared memory: its number in the grid, and which of
  /// its completions this is. Who knows that knows the copies, whether or not their thread waited.
  std::uint32_t agent = 0;
  Time agent_time = 0;
};

/// Threads of one segment. 24 bits name the segment, 5 a lane, 2 how the bytes of the cell's word
/// are spread over that lane and those behind it. 0: nobody.
using Stamp = std::uint32_t;

enum class Spread : std::uint8_t {
  word,     ///< all four bytes: the lane
  halves,   ///< two bytes each: the lane and the next one
  bytes,    ///< one byte each: the lane and the next three
  several,  ///< all lanes that the segment names
};

inline constexpr int stamp_lane_shift = 2;
inline constexpr int stamp_segment_shift = 7;
inline constexpr std::uint32_t most_segments = 1u << 24;

constexpr std::uint32_t segment_of(Stamp s) { return s >> stamp_segment_shift; }
constexpr int lane_of(Stamp s) { return static_cast<int>(s >> stamp_lane_shift & 31u); }
constexpr Spread spread_of(Stamp s) { return static_cast<Spread>(s & 3u); }
constexpr Stamp make_stamp(std::uint32_t segment, int lane, Spread spread) {
  return segment << stamp_segment_shift | static_cast<Stamp>(lane) << stamp_lane_shift |
         static_cast<Stamp>(spread);
}

/// One of the accesses of a set.
struct Member {
  std::uint32_t rest = 0;    ///< the set without this member; 0: none
  Stamp stamp = 0;           ///< its lane counts from that of the cell
  std::uint16_t access = 0;  ///< the instruction: an index into Kernel::accesses
  std::uint16_t kinds = 0;   ///< of this member and all the rest, one bit each (race.hpp)
};

/// Sets of accesses, interned: cells whose sets are equal but for a rotation of the lanes share
/// one.
class AccessSets {
 public:
  AccessSets() { clear(); }
  const Member& operator[](std::uint32_t id) const { return members_[id]; }
  /// The set `rest` with one more member, of the kind that the bit `kind` says.
  std::uint32_t with(std::uint32_t rest, Stamp stamp, std::uint16_t access, std::uint16_t kind);
  void clear();
  std::size_t size() const { return members_.size(); }
  /// A launch, or a block, begins: what it adds is counted from here.
  void begin() { first_ = members_.size(); }
  /// True once no access had better be added: those that come go unwatched.
  bool full() const { return members_.size() - first_ >= most_members; }

 private:
  static constexpr std::size_t most_members = std::size_t{1} << 22;  ///< some 24 bytes each
  std::size_t place(const Member& m) const;
  void grow();
  std::vector<Member> members_;        ///< [0] is not used
  std::vector<std::uint32_t> places_;  ///< of members by their hash, with linear probing; 0: free
  std::size_t first_ = 1;              ///< of the launch
};

class History {
 public:
  History();
  std::uint32_t add(const Segment& segment);
  Segment& operator[](std::uint32_t id) { return chunks_[id / chunk_size][id % chunk_size]; }
  const Segment& operator[](std::uint32_t id) const {
    return chunks_[id / chunk_size][id % chunk_size];
  }
  /// True once the launch can add no segment: its accesses are not watched any more. How many it
  /// can add does not depend on what ran before.
  bool full() const { return next_ - first_ >= most_segments - most_segments / 4; }
  /// True where a launch had better not begin with it: one part in `parts` is full.
  bool is_large(std::uint32_t parts) const {
    return next_ > most_segments / parts || sets.size() > most_segments / 4 / parts;
  }
  /// True where no block should begin that is a launch to the history.
  bool is_crowded() const { return next_ > most_segments / 2 || sets.size() > most_segments / 8; }
  /// The number of a launch that begins.
  std::uint32_t add_launch() {
    first_ = next_;
    sets.begin();
    return ++launches_;
  }

  AccessSets sets;  ///< of cells in global memory
  /// Counts how often all was forgotten: cells of an older generation are void.
  std::uint32_t generation = 1;
  /// Forgets every launch. Nothing may be running.
  void clear();

 private:
  static constexpr std::uint32_t chunk_size = 4096;
  std::vector<std::unique_ptr<Segment[]>> chunks_;
  std::uint32_t next_ = 1;
  std::uint32_t first_ = 1;  ///< of the launch
  std::uint32_t launches_ = 0;
};

}  // namespace ptxmill::emu
