// What happens before what within a launch: barriers, releases and acquires, waits for copies (PTX
// ISA, "Memory Consistency Model"). Times count per block; a segment of a warp ends where others
// may learn of it, or it of others.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "emulator/watch/clock.hpp"
#include "emulator/watch/history.hpp"

namespace ptxmill::emu {

struct Cta;
struct Grid;
struct Warp;
struct WarpState;

/// What single lanes know beyond their warp; most warps never need it.
struct LaneOrder {
  std::array<ClockPtr, lane_count> learned;  ///< by acquiring
  /// What a later strong write publishes, for the fence before it; by its scope.
  std::array<ClockPtr, lane_count> fenced_cta, fenced_gpu;
  /// What a later fence makes known, for the strong reads before it; by their reach.
  std::array<ClockPtr, lane_count> seen_cta, seen_gpu;
  /// What each lane found released where it read last.
  std::array<ClockPtr, lane_count> found_cta, found_gpu;
  std::array<Scope, lane_count> acquired{};  ///< how far that was acquired
  /// What each lane knew at `published_at`, when it had learned `published_of`.
  std::array<ClockPtr, lane_count> published, published_of;
  std::array<Time, lane_count> published_at{};
  /// For lanes that met by bar.warp.sync: what each knows of each; all zeros where none did.
  std::array<std::array<Time, lane_count>, lane_count> met{};
};

/// What a segment is to a warp.
enum class Relation : std::uint8_t {
  unknown,
  before,   ///< known to every lane
  own,      ///< of the same warp: a lane knows its own part, and that of lanes it met
  foreign,  ///< known to lanes that acquired it, if any
};

struct WarpOrder {
  Time time = 1;              ///< when the current segment began
  std::uint32_t segment = 0;  ///< its number in the history; 0: nothing accessed yet
  /// Segments of the same time that stand for some of the lanes together.
  std::vector<std::pair<LaneMask, std::uint32_t>> parts;
  bool plain = false;       ///< the segment has accesses that are not strong
  Time converged = 0;       ///< the lanes know one another up to here
  std::vector<Time> known;  ///< by warp of the block; empty: no more than all of the block does
  std::unique_ptr<LaneOrder> lanes;

  /// Relations of segments, by their lowest bits, while the current segment lasts.
  struct Remembered {
    std::uint32_t segment = 0;
    Relation relation = Relation::unknown;
  };
  std::array<Remembered, 32> relations;

  /// What became of cells that the warp's accesses joined, while the segment lasts.
  struct Transition {
    std::uint64_t key = 0;  ///< the cell's others and the access, by their lanes' distance
    std::uint16_t access = 0;
    std::uint32_t others = 0;  ///< a set; or a stamp of several lanes; 0: the access alone
  };
  std::array<Transition, 32> transitions;
  /// Sets all of whose members happened before, by their lowest bits.
  std::array<std::uint32_t, 32> settled{};
  std::array<std::uint32_t, 32> settled_global{};
};

struct CtaOrder {
  Time time = 1;
  Time all = 0;              ///< every thread knows every other's past up to here
  std::uint32_t linear = 0;  ///< of the block in the grid
};

/// What has been brought to a barrier that is not complete yet.
struct BarrierOrder {
  std::vector<Time> known;
  ClockPtr learned;
};

/// What was released at an address.
struct Released {
  ClockPtr gpu;                                      ///< at a scope beyond the block
  std::unordered_map<std::uint32_t, ClockPtr> ctas;  ///< by any thread of that block
};
using Releases = std::unordered_map<std::uint64_t, Released>;

/// Gives the grid its history, before any of its blocks starts. What earlier launches did is
/// ordered before this one, or the driver's business.
void open_history(Grid& grid);
void start_order(Grid& grid, Cta& cta);
/// How many agents of a block have times of their own: its warps, and what warpgroups have in
/// flight.
std::size_t known_agents(const Cta& cta);
/// The stamp's segment of what the warp does now.
std::uint32_t current_segment(Grid& grid, WarpState& w);
/// The same for some of its lanes together.
std::uint32_t current_segment(Grid& grid, WarpState& w, LaneMask lanes);
/// Ends the warp's current segment.
void end_segment(WarpState& w);

Relation relation_to(Grid& grid, WarpState& w, std::uint32_t segment);
/// Whether lane `lane` of the warp knows what `other` of the segment did.
bool knows(Grid& grid, WarpState& w, int lane, std::uint32_t segment, int other);

/// Whether lane `lane` of the warp knows what a thread of block `cta` did up to `time`.
bool knows(const WarpState& w, int lane, std::uint32_t cta, std::uint16_t warp, int other,
           Time time);
/// All that the lane knows now, itself included: what it releases.
ClockPtr knowledge(WarpState& w, int lane);
/// The lanes acquire what a clock says.
void order_acquisition(WarpState& w, LaneMask lanes, const ClockPtr& clock);
/// All that the lanes know, themselves included; what the warp does from now on is not of it.
ClockPtr order_publication(WarpState& w, LaneMask lanes);

/// Lanes of a warp have met at bar.warp.sync.
void order_lanes(WarpState& w, LaneMask lanes);
/// A warp has arrived at a barrier with all its lanes, `waits` for the others or goes on.
void order_arrival(WarpState& w, BarrierOrder& b, bool waits);
/// The barrier is complete: warps that waited at it know what was brought there.
void order_release(Cta& cta, BarrierOrder& b, const std::vector<bool>& waited);

/// The handler of a fence, whose Scope is the instruction's imm.
void run_fence(Warp& warp, const Instruction& instruction, LaneMask lanes);
/// Handler of griddepcontrol.wait.
void wait_for_launches(Warp& warp, const Instruction& instruction, LaneMask lanes);
/// A fence of `lanes`.
void order_fence(WarpState& w, LaneMask lanes, Scope scope);
/// A strong read or write of one lane at `address`. A read-modify-write is first the one, then the
/// other.
void order_read(WarpState& w, int lane, Releases& releases, std::uint64_t address, Scope scope,
                bool acquires);
void order_write(WarpState& w, int lane, Releases& releases, std::uint64_t address, Scope scope,
                 bool releases_too, bool continues);

}  // namespace ptxmill::emu
