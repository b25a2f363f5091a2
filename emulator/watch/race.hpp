// What the race watch and its reports share.
#pragma once

#include <cstdint>

#include "emulator/decode/module.hpp"
#include "emulator/run/grid.hpp"
#include "emulator/watch/history.hpp"

namespace ptxmill::emu {

constexpr Scope scope_in(std::uint32_t access) {
  return static_cast<Scope>(access >> AccessBits::scope_shift & 3u);
}

/// The bits of an access by which races are judged.
constexpr std::uint32_t kind_of(std::uint32_t access) {
  return access & (AccessBits::writes | AccessBits::compares | 3u << AccessBits::scope_shift);
}

/// A bit for each kind that members of a set can be of: plain reads, strong ones by their scope.
constexpr std::uint16_t kind_bit(std::uint32_t access) {
  const int write = (access & AccessBits::writes) != 0 ? 4 : 0;
  return static_cast<std::uint16_t>(1u << (static_cast<int>(scope_in(access)) + write));
}

/// The kinds that an access may conflict with, some of them only in other blocks.
constexpr std::uint16_t conflicting_kinds(std::uint32_t access) {
  constexpr unsigned weak = 0x11, cta = 0x22, gpu = 0x44, writes = 0x70;
  unsigned kinds = weak | cta | gpu;
  if (scope_in(access) == Scope::gpu) kinds = weak | cta;
  if ((access & AccessBits::writes) == 0) kinds &= writes;
  return static_cast<std::uint16_t>(kinds);
}

/// Whether accesses by two threads, of these blocks, race where nothing orders them.
constexpr bool conflict(std::uint32_t a, std::uint32_t cta_a, std::uint32_t b,
                        std::uint32_t cta_b) {
  if (((a | b) & AccessBits::writes) == 0) return false;
  const Scope s = scope_in(a), t = scope_in(b);
  // A plain read beside a compare-and-swap is how loops around one begin: it is a guess.
  const bool a_guesses = (a & AccessBits::writes) == 0 && (b & AccessBits::compares) != 0;
  const bool b_guesses = (b & AccessBits::writes) == 0 && (a & AccessBits::compares) != 0;
  if ((a_guesses && s == Scope::weak) || (b_guesses && t == Scope::weak)) return false;
  if (s == Scope::weak || t == Scope::weak) return true;
  return cta_a != cta_b && (s != Scope::gpu || t != Scope::gpu);
}

/// AccessBits of the running kernel's access of that number.
inline std::uint32_t access_bits(const Grid& grid, std::uint16_t number) {
  return grid.kernel.code[grid.kernel.accesses[number]].aux;
}

/// The lanes that a stamp names at a byte of its word.
inline LaneMask threads_at(const History& history, Stamp s, std::uint32_t byte) {
  switch (spread_of(s)) {
    case Spread::word: return LaneMask{1} << lane_of(s);
    case Spread::halves: return LaneMask{1} << (lane_of(s) + static_cast<int>(byte / 2));
    case Spread::bytes: return LaneMask{1} << (lane_of(s) + static_cast<int>(byte));
    case Spread::several: break;
  }
  return history[segment_of(s)].lanes;
}

/// The access being made.
struct AccessNow {
  const Instruction* instruction = nullptr;
  std::uint32_t bits = 0;
  LaneMask lanes = 0;
  const Target* target = nullptr;
};

/// Of two accesses: the lane of the present one, that of the other, and the byte of the word.
struct RacingLanes {
  int lane = 0, other = 0;
  std::uint32_t byte = 0;
};

/// Watches an access that a segment makes, be it the warp's own or that of copies in flight.
void watch_access(WarpState& w, const Instruction& instruction, std::uint32_t access,
                  LaneMask lanes, const Target& target, int bytes, std::uint32_t segment);

/// Reports a race of the present access with the access number `access` of the stamp `other`, at
/// `word_offset` into the target; but not where both write the same value.
void report_race(WarpState& w, const AccessNow& now, Stamp other, std::uint16_t access,
                 bool other_writes, const RacingLanes& pair, std::uint64_t word_offset);

}  // namespace ptxmill::emu
