// Words for data races.
#include "emulator/run/grid.hpp"
#include "emulator/text.hpp"
#include "emulator/watch/race.hpp"

namespace ptxmill::emu {
namespace {

/// The byte that `lane` stores at `offset` into the target.
std::uint8_t stored_byte(WarpState& w, const AccessNow& now, int lane, std::uint64_t offset) {
  const std::uint64_t at = offset - now.target->offset[lane];
  const std::uint64_t element = std::uint64_t{1} << (now.bits >> AccessBits::element_shift & 3u);
  const Slot slot = now.instruction->s[1 + at / element];
  const std::uint64_t value =
      element == 8 ? w.lanes<std::uint64_t>(slot)[lane] : w.lanes<std::uint32_t>(slot)[lane];
  return static_cast<std::uint8_t>(value >> 8 * (at % element));
}

/// Whether the racing stores leave the same bytes whichever is last.
bool same_value(WarpState& w, const AccessNow& now, Stamp other, std::uint16_t access,
                const RacingLanes& pair, std::uint64_t word_offset) {
  const Target& t = *now.target;
  const auto pc = static_cast<std::size_t>(now.instruction - w.grid->kernel.code.data());
  const Segment& s = w.grid->history()[segment_of(other)];
  const bool now_too = s.launch == w.grid->launch_number && s.cta == w.cta->order.linear &&
                       s.warp == w.index && s.time == w.order.time;
  const bool same_instruction =
      now_too && w.grid->kernel.access_numbers[pc] == access && (now.lanes >> pair.other & 1u) != 0;
  const std::uint64_t size = std::uint64_t{1} << (now.bits >> AccessBits::element_shift & 3u);
  const std::uint64_t first = size < 4 ? word_offset + pair.byte : word_offset;
  const std::uint64_t last = size < 4 ? first + 1 : word_offset + 4;
  for (std::uint64_t at = first; at < last; ++at) {
    const std::uint8_t mine = stored_byte(w, now, pair.lane, at);
    const std::uint64_t theirs_at = at - t.offset[pair.other];
    const bool theirs_too =
        same_instruction && theirs_at < sizeof(std::uint64_t) * 4 && at >= t.offset[pair.other];
    const std::uint8_t theirs = theirs_too ? stored_byte(w, now, pair.other, at)
                                           : std::to_integer<std::uint8_t>(t.bytes[at]);
    if (mine != theirs) return false;
  }
  return true;
}

std::string thread_name(const Grid& grid, const Segment& s, int lane) {
  const auto& g = grid.launch.grid;
  const auto& b = grid.launch.block;
  const std::string block =
      text("block (", s.cta % g[0], ", ", s.cta / g[0] % g[1], ", ", s.cta / g[0] / g[1], ")");
  if (s.warp >= grid.block_warps) return text(block, " warpgroup ", s.warp - grid.block_warps);
  const std::uint32_t thread =
      s.warp * std::uint32_t{lane_count} + static_cast<std::uint32_t>(lane);
  return text(block, " thread (", thread % b[0], ", ", thread / b[0] % b[1], ", ",
              thread / b[0] / b[1], ") (warp ", s.warp, " lane ", lane, ")");
}

std::string_view deed(std::uint32_t bits, Kind kind, bool copy) {
  const bool strong = scope_in(bits) != Scope::weak;
  if (kind == Kind::warpgroup) return "multiplies what is there";
  if (copy) return (bits & AccessBits::writes) != 0 ? "copies to it" : "copies from it";
  if ((bits & AccessBits::writes) == 0) return strong ? "reads it (strong)" : "reads it";
  if ((bits & AccessBits::reads) != 0) return "updates it (atomic)";
  return strong ? "writes it (strong)" : "writes it";
}

/// What a copy in flight waits for.
std::string flight(const WarpState& w, const Segment& s) {
  if (s.agent != 0) {
    std::string at = "an mbarrier";
    for (const auto& [offset, barrier] : async_of(*w.cta).barriers)
      if (barrier.agent == s.agent) at = text("the mbarrier at 0x", hex(offset));
    return text("the copy completes on ", at,
                ": who has not waited for the phase in which it does (mbarrier.try_wait), nor "
                "acquired from a thread that has, must not touch what it does");
  }
  if (s.async_proxy) {
    return "the copy is in flight: its thread has not waited for its group "
           "(cp.async.bulk.wait_group; with .read only the source is free again), and then the "
           "others for that thread";
  }
  return "the copy is in flight: its thread has not waited for it (cp.async.wait_group, or "
         "wait_all), and then the others for that thread";
}

/// What would have ordered the two, or let them be.
std::string remedy(const WarpState& w, const Segment& s, std::uint32_t now_bits,
                   std::uint32_t other_bits, const RacingLanes& pair, Kind other, bool shared) {
  if (other == Kind::warpgroup) {
    return s.pending != 0 ? "the product is in flight: its warpgroup has not waited for it "
                            "(wgmma.wait_group), and then the others for that warpgroup"
                          : "nothing orders the two after the wgmma.wait_group of the warpgroup";
  }
  if (s.async && (s.pending >> pair.other & 1u) != 0) return flight(w, s);
  const bool strong = scope_in(now_bits) != Scope::weak && scope_in(other_bits) != Scope::weak;
  if (strong) return "both are strong, but a scope of .cta does not reach the other's block";
  const bool same_cta = s.cta == w.cta->order.linear;
  if (same_cta && s.warp == w.index) {
    return "the lanes belong to one warp: bar.warp.sync would order them, running together does "
           "not";
  }
  if (same_cta) return "no barrier, and no release and acquire, lies between them";
  if (shared) {
    return "no barrier of the cluster, and no release and acquire of its scope, lies between them";
  }
  return "the blocks run in any order: only a release and an acquire of gpu scope, or another "
         "launch, would order them";
}

}  // namespace

void report_race(WarpState& w, const AccessNow& now, Stamp other, std::uint16_t access,
                 bool other_writes, const RacingLanes& pair, std::uint64_t word_offset) {
  Grid& grid = *w.grid;
  const Segment& s = grid.history()[segment_of(other)];
  const auto pc = static_cast<std::uint32_t>(now.instruction - grid.kernel.code.data());
  const bool now_copies = now.instruction->kind == Kind::copy;
  const bool plain_writes = now.instruction->kind == Kind::memory && other_writes &&
                            (now.bits & AccessBits::writes) != 0 &&
                            scope_in(now.bits) == Scope::weak;
  if (plain_writes && !s.async && same_value(w, now, other, access, pair, word_offset)) {
    return;
  }
  const std::uint32_t other_pc = grid.kernel.accesses[access];
  if (!grid.reported_races.emplace(pc, other_pc).second) return;
  std::uint32_t other_bits = access_bits(grid, access);
  if (s.async) other_bits = other_writes ? AccessBits::writes : AccessBits::reads;
  const Target& t = *now.target;
  const std::uint64_t at = (t.global ? t.base : 0) + word_offset + pair.byte;
  std::string owner;
  if (t.owner != nullptr)
    owner = text(" of block (", t.owner->id[0], ", ", t.owner->id[1], ", ", t.owner->id[2], ")");
  add_finding(
      grid,
      text("data race on ", t.global ? "global" : "shared", " memory", owner, " at 0x", hex(at),
           "; ", surroundings(grid, t.global, at), "\n  ", where(grid, pc), "\n  ",
           who(grid, w, pair.lane), " ", deed(now.bits, now.instruction->kind, now_copies),
           "\n  earlier, ", where(grid, other_pc), "\n  ", thread_name(grid, s, pair.other), " ",
           deed(other_bits, grid.kernel.code[other_pc].kind, s.async), "\n  ",
           remedy(w, s, now.bits, other_bits, pair, grid.kernel.code[other_pc].kind, !t.global)),
      Outcome::launch_failed, Severity::finding);
  w.stop = grid.stopped;
}

}  // namespace ptxmill::emu
