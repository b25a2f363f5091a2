// What runs is counted, and watched over the order of streams.
#include <algorithm>
#include <array>
#include <bit>

#include "emulator/lanes/handlers.hpp"
#include "emulator/run/grid.hpp"
#include "emulator/text.hpp"
#include "emulator/watch/product.hpp"

namespace ptxmill::emu {
namespace {

using Addresses = std::array<std::uint64_t, lane_count>;

bool in_window(std::uint64_t address, std::uint64_t window) {
  return address - window < window_bytes;
}

/// Lanes by where their generic addresses lead.
struct Places {
  LaneMask global = 0, shared = 0;
};

Places places_of(const Addresses& addresses, LaneMask active) {
  Places p;
  for (int l = 0; l < lane_count; ++l) {
    const LaneMask bit = active & LaneMask{1} << l;
    const std::uint64_t a = addresses[static_cast<std::size_t>(l)];
    if (in_window(a, shared_window)) {
      p.shared |= bit;
    } else if (!in_window(a, local_window) && !in_window(a, param_window)) {
      p.global |= bit;
    }
  }
  return p;
}

/// Generic addresses of an instruction's access. False where it goes to memory of a thread alone.
bool addresses_of(Warp& w, const Instruction& i, Addresses& addresses) {
  std::uint64_t window = 0;
  switch (static_cast<AddressSpace>(i.aux & AccessBits::space_mask)) {
    case AddressSpace::shared: window = shared_window; break;
    case AddressSpace::constant:
    case AddressSpace::local:
    case AddressSpace::param: return false;
    default: break;
  }
  const auto offset = static_cast<std::uint64_t>(i.imm);
  for (std::size_t l = 0; l < addresses.size(); ++l) {
    addresses[l] =
        (i.aux & AccessBits::address64) != 0
            ? window + w.lanes<std::uint64_t>(i.s[0])[l] + offset
            : window + (w.lanes<std::uint32_t>(i.s[0])[l] + static_cast<std::uint32_t>(offset));
  }
  return true;
}

/// How many bytes a lane touches: a copy may read less than it writes.
std::uint64_t bytes_of(Warp& w, const Instruction& i, const InstructionTraits& traits, int lane) {
  if (i.kind != Kind::copy) return traits.bytes;
  return std::min<std::uint64_t>(traits.bytes, w.lanes<std::uint32_t>(i.s[2])[lane]);
}

bool is_early(const Warp& w) {
  return !static_cast<const WarpState&>(w).cta->has_waited_for_launches;
}

/// Shows the accesses to the watch, those of neighbouring lanes as one.
void watch(Grid& grid, Warp& w, std::uint32_t pc, LaneMask active, const Addresses& addresses) {
  const Instruction& i = grid.kernel.code[pc];
  const InstructionTraits traits = grid.kernel.traits[pc];
  const auto show = [&](std::uint64_t begin, std::uint64_t end, int lane) {
    const std::string wrong = grid.watch->touch(begin, end - begin, traits.access, is_early(w));
    if (wrong.empty()) return;
    add_finding(grid, text(wrong, "\n  ", where(grid, pc), "\n  ", who(grid, w, lane)),
                Outcome::launch_failed, Severity::finding);
    w.stop = grid.stopped;
  };
  std::uint64_t begin = 0, end = 0;
  int first = 0;
  for (int l = 0; l < lane_count && !w.stop; ++l) {
    if ((active >> l & 1u) == 0) continue;
    const std::uint64_t a = addresses[static_cast<std::size_t>(l)];
    const std::uint64_t bytes = bytes_of(w, i, traits, l);
    if (bytes == 0) continue;
    if (a != end) {
      if (begin != end) show(begin, end, first);
      begin = a;
      first = l;
    }
    end = a + bytes;
  }
  if (begin != end && !w.stop) show(begin, end, first);
}

}  // namespace

void observe(Grid& grid, Warp& w, std::uint32_t pc, LaneMask mask, LaneMask active) {
  const Instruction& i = grid.kernel.code[pc];
  if (grid.checked && !grid.kernel.names_fragment.empty() && grid.kernel.names_fragment[pc] &&
      active != 0) {
    watch_fragments(grid, w, pc);
    if (w.stop) return;
  }
  const InstructionTraits traits = grid.kernel.traits[pc];
  InstructionCounts* const counts = grid.counts ? &grid.counts->at[pc] : nullptr;
  if (counts != nullptr) {
    ++counts->executions;
    counts->lanes += static_cast<std::uint64_t>(std::popcount(active));
    if (i.kind == Kind::branch && active != 0 && active != mask) ++counts->divergent;
  }
  const bool accesses = i.kind == Kind::memory || i.kind == Kind::copy;
  if (!accesses || active == 0 || traits.bytes == 0) return;
  Addresses addresses;
  if (!addresses_of(w, i, addresses)) return;
  const Places places = places_of(addresses, active);
  if (counts != nullptr) {
    if (places.global != 0)
      counts->global += global_traffic(places.global, addresses.data(), traits.bytes);
    // Atomics on one word are not served together; how many rounds they take is not modelled.
    if (places.shared != 0 && traits.what != InstructionClass::atomic)
      counts->shared += shared_traffic(places.shared, addresses.data(), traits.bytes);
  }
  if (grid.watch != nullptr && places.global != 0) watch(grid, w, pc, places.global, addresses);
}

}  // namespace ptxmill::emu
