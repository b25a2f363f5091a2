// Where the lanes of a memory instruction go. Internal to each translation unit, as lanes.hpp.
#pragma once

#include "emulator/lanes/lanes.hpp"

namespace ptxmill::emu {
namespace {

[[gnu::always_inline]] inline std::uint64_t address_of(Warp& w, const Instruction& i, int lane) {
  const auto offset = static_cast<std::uint64_t>(i.imm);
  if ((i.aux & AccessBits::address64) != 0) return w.lanes<std::uint64_t>(i.s[0])[lane] + offset;
  return w.lanes<std::uint32_t>(i.s[0])[lane] + static_cast<std::uint32_t>(offset);
}

/// Offsets into `region` of all active lanes, where they lie in it and are aligned.
template <int bytes, int align, class A>
[[gnu::always_inline]] inline bool offsets_in(const Region& region, std::uint64_t window,
                                              const A* a, std::int64_t imm, LaneMask m, Target& t) {
  if (region.size < bytes) return false;
  const auto add = static_cast<A>(imm);
  const std::uint64_t limit = region.size - bytes;
  const std::uint64_t origin = window + region.base;
  std::uint64_t outside = 0, low_bits = 0;
  t.pattern = Pattern::scattered;
  if (m == all_lanes) {
    const std::uint64_t first = static_cast<A>(a[0] + add) - origin;
    std::uint64_t apart = 0, unequal = 0;
    for (int l = 0; l < lane_count; ++l) {
      const std::uint64_t address = static_cast<A>(a[l] + add);
      const std::uint64_t offset = address - origin;
      outside |= offset > limit ? ~std::uint64_t{0} : 0;
      low_bits |= address;
      unequal |= offset ^ first;
      apart |= offset ^ (first + static_cast<std::uint64_t>(l) * bytes);
      t.offset[l] = offset;
    }
    if (apart == 0) t.pattern = Pattern::contiguous;
    if (unequal == 0) t.pattern = Pattern::uniform;
  } else {
    for (int l = 0; l < lane_count; ++l) {
      const std::uint64_t active = std::uint64_t{0} - (m >> l & 1u);
      const std::uint64_t address = static_cast<A>(a[l] + add);
      const std::uint64_t offset = (address - origin) & active;
      outside |= offset > limit ? ~std::uint64_t{0} : 0;
      low_bits |= address & active;
      t.offset[l] = offset;
    }
  }
  return outside == 0 && (low_bits & (align - 1)) == 0;
}

template <int bytes, int align>
[[gnu::always_inline]] inline bool offsets_in(Warp& w, const Instruction& i, const Region& region,
                                              std::uint64_t window, LaneMask m, Target& t) {
  t.bytes = region.bytes;
  t.written = region.written;
  t.shadow = region.shadow;
  t.base = region.base;
  t.owner = region.owner;
  return (i.aux & AccessBits::address64) != 0
             ? offsets_in<bytes, align>(region, window, w.lanes<std::uint64_t>(i.s[0]), i.imm, m, t)
             : offsets_in<bytes, align>(region, window, w.lanes<std::uint32_t>(i.s[0]), i.imm, m,
                                        t);
}

[[gnu::always_inline]] inline Region& hinted(Warp& w, const Instruction& i) {
  return w.global[i.aux >> AccessBits::hint_shift & (allocation_hints - 1)];
}

[[gnu::always_inline]] inline bool in_window(std::uint64_t address, std::uint64_t window) {
  return address - window < window_bytes;
}

/// Adds each lane's own stretch of local memory to the offsets.
[[gnu::always_inline]] inline void spread_local(const Warp& w, LaneMask m, Target& t) {
  t.pattern = Pattern::scattered;
  for (int l = 0; l < lane_count; ++l) {
    if (has(m, l)) t.offset[l] += static_cast<std::uint64_t>(l) * w.local.size;
  }
}

/// Resolves all lanes at once. False where they do not share a stretch, or one is at fault.
template <int bytes, int align>
bool resolve(Warp& w, const Instruction& i, LaneMask m, Target& t) {
  const int first = std::countr_zero(m);
  auto space = static_cast<AddressSpace>(i.aux & AccessBits::space_mask);
  std::uint64_t window = 0;
  if (space == AddressSpace::generic) {
    const std::uint64_t address = address_of(w, i, first);
    if (in_window(address, shared_window)) {
      space = (address - shared_window) >> cluster_rank_shift == 0 ? AddressSpace::shared
                                                                   : AddressSpace::cluster;
      window = shared_window;
    } else if (in_window(address, local_window)) {
      space = AddressSpace::local;
      window = local_window;
    } else if (in_window(address, param_window)) {
      space = AddressSpace::param;
      window = param_window;
    } else {
      space = AddressSpace::global;
    }
  }
  t.global = false;
  switch (space) {
    case AddressSpace::shared: return offsets_in<bytes, align>(w, i, w.shared, window, m, t);
    case AddressSpace::cluster: {
      Region region;
      return locate_shared(w, address_of(w, i, first) - window, region) == Fault::none &&
             offsets_in<bytes, align>(w, i, region, window, m, t);
    }
    case AddressSpace::param: return offsets_in<bytes, align>(w, i, w.params, window, m, t);
    case AddressSpace::local:
      if (!offsets_in<bytes, align>(w, i, w.local, window, m, t)) return false;
      spread_local(w, m, t);
      return true;
    default: {
      t.global = true;
      Region& region = hinted(w, i);
      if (offsets_in<bytes, align>(w, i, region, 0, m, t)) return true;
      return locate_noted(w, address_of(w, i, first), region) &&
             offsets_in<bytes, align>(w, i, region, 0, m, t);
    }
  }
}

/// What is wrong with an address, where it may lead to another block's memory.
[[gnu::always_inline]] inline Fault cluster_fault(Warp& w, std::uint64_t address, Fault otherwise) {
  const std::uint64_t place = in_window(address, shared_window) ? address - shared_window : address;
  if (place >> cluster_rank_shift == 0 || place >> 32 != 0) return otherwise;
  Region region;
  const Fault fault = locate_shared(w, place, region);
  return fault == Fault::none ? otherwise : fault;
}

/// Resolves one lane, or reports its fault and returns false.
template <int bytes, int align>
bool resolve_lane(Warp& w, const Instruction& i, int lane, Target& t) {
  if (resolve<bytes, align>(w, i, LaneMask{1} << lane, t)) {
    // The others, which a load reads as well, go where this one goes.
    for (int l = 0; l < lane_count; ++l) t.offset[l] = t.offset[lane];
    return true;
  }
  const std::uint64_t address = address_of(w, i, lane);
  Fault fault = Fault::global_bounds;
  if ((address & (align - 1)) != 0) {
    fault = Fault::misaligned;
  } else {
    switch (static_cast<AddressSpace>(i.aux & AccessBits::space_mask)) {
      case AddressSpace::shared: fault = Fault::shared_bounds; break;
      case AddressSpace::local: fault = Fault::local_bounds; break;
      case AddressSpace::param: fault = Fault::param_bounds; break;
      case AddressSpace::generic: fault = cluster_fault(w, address, Fault::generic_bounds); break;
      case AddressSpace::cluster: fault = cluster_fault(w, address, Fault::shared_bounds); break;
      default: break;
    }
  }
  report_fault(w, i, fault, lane, address, bytes);
  return false;
}

/// Reports the lanes whose address is not defined, and returns the others.
[[gnu::always_inline]] inline LaneMask with_defined_address(Warp& w, const Instruction& i,
                                                            LaneMask m) {
  const LaneMask bad = m & ~w.defined[i.s[0]];
  if (bad == 0) return m;
  const int lane = std::countr_zero(bad);
  report_fault(w, i, Fault::undefined_address, lane, address_of(w, i, lane), 0);
  return m & ~bad;
}

/// Calls f(mask, target): once for all lanes of `m`, or lane by lane where they lie apart.
template <int bytes, int align, class F>
[[gnu::always_inline]] inline void for_resolved(Warp& w, const Instruction& i, LaneMask m, F f) {
  if (m == 0) return;
  Target t;
  if (resolve<bytes, align>(w, i, m, t)) return f(m, t);
  for (int l = 0; l < lane_count && !w.stop; ++l) {
    if (has(m, l) && resolve_lane<bytes, align>(w, i, l, t)) f(LaneMask{1} << l, t);
  }
}

/// The same for the warp's own accesses, which are watched before they are done.
template <int bytes, int align, class F>
[[gnu::always_inline]] inline void for_targets(Warp& w, const Instruction& i, LaneMask m, F f) {
  for_resolved<bytes, align>(w, i, m, [&](LaneMask lanes, const Target& t) {
    if (t.global && w.footprint != nullptr) note_global(w, i.aux, lanes, t, bytes);
    if (t.shadow != nullptr) watch_access(w, i, i.aux, lanes, t, bytes);
    if (!w.stop) f(lanes, t);
  });
}

/// One byte of 1 for each byte of T.
template <class T>
inline constexpr Word<T> all_written = static_cast<Word<T>>(0x0101010101010101u >>
                                                            (8 * (8 - sizeof(T))));

}  // namespace
}  // namespace ptxmill::emu
