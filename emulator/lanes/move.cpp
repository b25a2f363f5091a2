// Moves, packing, and reads of what changes while a thread runs (PTX ISA, "mov", "Special
// Registers").
#include "emulator/lanes/lanes.hpp"
#include "emulator/lanes/parts.hpp"

namespace ptxmill::emu::PTXMILL_HOST_ISA {
namespace {

using U32 = std::uint32_t;
using U64 = std::uint64_t;

template <class W>
void copy(Warp& w, const Instruction& i, LaneMask m) {
  map1<W, W>(w, i, m, [](W a) { return a; });
}

void copy_predicate(Warp& w, const Instruction& i, LaneMask m) {
  write_predicate(w, i.d[0], w.predicate(i.s[0]), m);
}

/// d = {s0, s1, ...}, the first part lowest. `P` is what a part is stored as, of `bits` bits.
template <class W, class P, int parts>
void pack_parts(Warp& w, const Instruction& i, LaneMask m) {
  constexpr int bits = static_cast<int>(sizeof(W)) * 8 / parts;
  constexpr W mask =
      bits == 32 ? static_cast<W>(0xffffffffu) : static_cast<W>((W{1} << (bits % 32)) - 1);
  alignas(64) W r[lane_count] = {};
  for (int k = 0; k < parts; ++k) {
    const P* a = w.lanes<P>(i.s[k]);
    for (int l = 0; l < lane_count; ++l) r[l] |= (static_cast<W>(a[l]) & mask) << (k * bits);
  }
  write_lanes(w.lanes<W>(i.d[0]), r, m);
}

template <class W, class P, int parts>
void unpack_parts(Warp& w, const Instruction& i, LaneMask m) {
  constexpr int bits = static_cast<int>(sizeof(W)) * 8 / parts;
  constexpr W mask =
      bits == 32 ? static_cast<W>(0xffffffffu) : static_cast<W>((W{1} << (bits % 32)) - 1);
  alignas(64) P r[parts][lane_count];
  const W* a = w.lanes<W>(i.s[0]);
  for (int k = 0; k < parts; ++k) {
    for (int l = 0; l < lane_count; ++l) r[k][l] = static_cast<P>(a[l] >> (k * bits) & mask);
  }
  for (int k = 0; k < parts; ++k) write_lanes(w.lanes<P>(i.d[k]), r[k], m);
}

template <class W>
void fill(Warp& w, const Instruction& i, LaneMask m, W value) {
  alignas(64) W r[lane_count];
  for (W& lane : r) lane = value;
  write_lanes(w.lanes<W>(i.d[0]), r, m);
}

Handler packing(int bits, int parts) {
  if (bits == 32 && parts == 2) return pack_parts<U32, U32, 2>;
  if (bits == 32 && parts == 4) return pack_parts<U32, U32, 4>;
  if (bits == 64 && parts == 2) return pack_parts<U64, U32, 2>;
  if (bits == 64 && parts == 4) return pack_parts<U64, U32, 4>;
  if (bits == 16 && parts == 2) {
    return [](Warp& w, const Instruction& i, LaneMask m) {
      map2<U32, U32, U32>(w, i, m, [](U32 a, U32 b) { return (a & 0xff) | (b & 0xff) << 8; });
    };
  }
  return nullptr;
}

Handler unpacking(int bits, int parts) {
  if (bits == 32 && parts == 2) return unpack_parts<U32, U32, 2>;
  if (bits == 32 && parts == 4) return unpack_parts<U32, U32, 4>;
  if (bits == 64 && parts == 2) return unpack_parts<U64, U32, 2>;
  if (bits == 64 && parts == 4) return unpack_parts<U64, U32, 4>;
  return nullptr;
}

}  // namespace

Handler move(Move kind, int bits, int parts) {
  switch (kind) {
    case Move::copy: return bits == 1 ? copy_predicate : bits == 64 ? copy<U64> : copy<U32>;
    case Move::pack: return packing(bits, parts);
    case Move::unpack: return unpacking(bits, parts);
    case Move::clock32:
      return [](Warp& w, const Instruction& i, LaneMask m) {
        fill(w, i, m, static_cast<U32>(virtual_time(w)));
      };
    case Move::clock_hi:
      return [](Warp& w, const Instruction& i, LaneMask m) {
        fill(w, i, m, static_cast<U32>(virtual_time(w) >> 32));
      };
    case Move::clock64:
      return [](Warp& w, const Instruction& i, LaneMask m) { fill(w, i, m, virtual_time(w)); };
    case Move::active_mask:
      return [](Warp& w, const Instruction& i, LaneMask m) { fill(w, i, m, U32{m}); };
  }
  return nullptr;
}

}  // namespace ptxmill::emu::PTXMILL_HOST_ISA
