// Where memory instructions show what they do.
#include <bit>

#include "emulator/run/grid.hpp"
#include "emulator/watch/race.hpp"

namespace ptxmill::emu {
namespace {

/// Whether the lane's compare-and-swap has swapped.
bool has_swapped(WarpState& w, const Instruction& i, int lane) {
  const bool wide = (i.aux >> AccessBits::element_shift & 3u) == 3;
  return wide ? w.lanes<std::uint64_t>(i.d[0])[lane] == w.lanes<std::uint64_t>(i.s[1])[lane]
              : w.lanes<std::uint32_t>(i.d[0])[lane] == w.lanes<std::uint32_t>(i.s[1])[lane];
}

}  // namespace

void watch_access(Warp& warp, const Instruction& i, std::uint32_t access, LaneMask lanes,
                  const Target& t, int bytes) {
  auto& w = static_cast<WarpState&>(warp);
  const std::uint32_t segment = current_segment(*w.grid, w);
  watch_access(w, i, access, lanes, t, bytes, segment);
  if (t.owner != nullptr) {
    const auto pc = static_cast<std::uint32_t>(&i - w.grid->kernel.code.data());
    note_remote_access(w, *t.owner, segment, pc, lanes);
  }
  if (scope_in(access) == Scope::weak) {
    w.order.plain = true;
  } else if ((access & (AccessBits::reads | AccessBits::writes)) !=
             (AccessBits::reads | AccessBits::writes)) {
    watch_order(w, i, lanes, t);  // of atomics when they are done: they may turn out not to write
  }
}

void watch_order(Warp& warp, const Instruction& i, LaneMask lanes, const Target& t) {
  auto& w = static_cast<WarpState&>(warp);
  const Scope scope = scope_in(i.aux);
  Releases& releases = t.global             ? w.grid->releases
                       : t.owner != nullptr ? t.owner->releases
                                            : w.cta->releases;
  const bool reads = (i.aux & AccessBits::reads) != 0;
  for (LaneMask left = lanes; left != 0; left &= left - 1) {
    const int lane = std::countr_zero(left);
    const std::uint64_t address = (t.global ? t.base : 0) + t.offset[lane];
    if (reads) order_read(w, lane, releases, address, scope, (i.aux & AccessBits::acquires) != 0);
    if ((i.aux & AccessBits::writes) == 0) continue;
    if ((i.aux & AccessBits::compares) != 0 && !has_swapped(w, i, lane)) continue;
    order_write(w, lane, releases, address, scope, (i.aux & AccessBits::releases) != 0, reads);
  }
}

}  // namespace ptxmill::emu
