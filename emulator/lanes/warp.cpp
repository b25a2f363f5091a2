// What lanes of a warp do together (PTX ISA, "shfl.sync", "vote.sync", "match.sync", "redux.sync").
// The scheduler sees to it that all lanes named by the membermask take part.
#include "emulator/lanes/lanes.hpp"
#include "emulator/lanes/parts.hpp"

namespace ptxmill::emu::PTXMILL_HOST_ISA {
namespace {

using U32 = std::uint32_t;
using U64 = std::uint64_t;

/// The lane that `lane` reads, by the manual's pseudo-code; `*valid` is the predicate it sets.
template <ShuffleMode mode>
[[gnu::always_inline]] inline int source_lane(int lane, U32 b, U32 c, bool* valid) {
  const int bval = static_cast<int>(b & 31);
  const int cval = static_cast<int>(c & 31);
  const int segment = static_cast<int>(c >> 8 & 31);
  const int least = lane & segment;
  const int most = least | (cval & ~segment);
  int j = 0;
  switch (mode) {
    case ShuffleMode::up:
      j = lane - bval;
      *valid = j >= most;
      break;
    case ShuffleMode::down:
      j = lane + bval;
      *valid = j <= most;
      break;
    case ShuffleMode::bfly:
      j = lane ^ bval;
      *valid = j <= most;
      break;
    case ShuffleMode::idx:
      j = least | (bval & ~segment);
      *valid = j <= most;
      break;
  }
  return *valid ? j : lane;
}

template <ShuffleMode mode>
void shuffle_op(Warp& w, const Instruction& i, LaneMask m) {
  alignas(64) U32 r[lane_count];
  int source[lane_count];
  const U32* a = w.lanes<U32>(i.s[0]);
  const U32* b = w.lanes<U32>(i.s[1]);
  const U32* c = w.lanes<U32>(i.s[2]);
  LaneMask valid = 0, defined = 0;
  const LaneMask source_defined = w.checked ? w.defined[i.s[0]] & m : all_lanes;
  for (int l = 0; l < lane_count; ++l) {
    bool in_range = false;
    const int from = source_lane<mode>(l, b[l], c[l], &in_range);
    r[l] = a[from];
    source[l] = from;
    valid |= static_cast<LaneMask>(in_range) << l;
    // What a lane outside the group holds is not defined.
    defined |= (source_defined >> from & 1u) << l;
  }
  write_lanes(w.lanes<U32>(i.d[0]), r, m);
  write_predicate(w, i.d[1], valid, m);
  if (!w.checked) return;
  const LaneMask control = w.defined[i.s[1]] & w.defined[i.s[2]] & w.defined[i.s[4]];
  LaneMask& d0 = w.defined[i.d[0]];
  d0 = (d0 & ~m) | (defined & control & m);
  LaneMask& d1 = w.defined[i.d[1]];
  d1 = (d1 & ~m) | (control & m);
  if (m == all_lanes) return;
  LaneMask apart = 0;  // lanes that read one that takes no part
  for (int l = 0; l < lane_count; ++l) apart |= (~m >> source[l] & 1u) << l;
  if ((apart & m) != 0) note_undefined(w, i, apart & m, source);
}

/// A result that depends on all lanes is defined where all their operands are.
[[gnu::always_inline]] inline void define_together(Warp& w, const Instruction& i, LaneMask m) {
  if (!w.checked) return;
  const bool all = (m & ~(w.defined[i.s[0]] & w.defined[i.s[4]])) == 0;
  for (const Slot d : {i.d[0], i.d[1]}) w.defined[d] = (w.defined[d] & ~m) | (all ? m : 0);
}

template <WarpOp op>
void vote(Warp& w, const Instruction& i, LaneMask m) {
  const LaneMask holds = w.predicate(i.s[0]) & m;
  if constexpr (op == WarpOp::vote_ballot) {
    alignas(64) U32 r[lane_count];
    for (U32& lane : r) lane = holds;
    write_lanes(w.lanes<U32>(i.d[0]), r, m);
  } else {
    const bool value = op == WarpOp::vote_any   ? holds != 0
                       : op == WarpOp::vote_all ? holds == m
                                                : holds == 0 || holds == m;
    write_predicate(w, i.d[0], value ? all_lanes : 0, m);
  }
  define_together(w, i, m);
}

template <class W>
void match_any(Warp& w, const Instruction& i, LaneMask m) {
  alignas(64) U32 r[lane_count];
  const W* a = w.lanes<W>(i.s[0]);
  for (int l = 0; l < lane_count; ++l) {
    LaneMask same = 0;
    for (int k = 0; k < lane_count; ++k) same |= static_cast<LaneMask>(a[k] == a[l]) << k;
    r[l] = same & m;
  }
  write_lanes(w.lanes<U32>(i.d[0]), r, m);
  define_together(w, i, m);
}

template <class W>
void match_all(Warp& w, const Instruction& i, LaneMask m) {
  alignas(64) U32 r[lane_count];
  const W* a = w.lanes<W>(i.s[0]);
  const W first = a[std::countr_zero(m) & 31];
  bool all = true;
  for (int l = 0; l < lane_count; ++l) all = all && (!has(m, l) || a[l] == first);
  for (U32& lane : r) lane = all ? m : 0;
  write_lanes(w.lanes<U32>(i.d[0]), r, m);
  write_predicate(w, i.d[1], all ? all_lanes : 0, m);
  define_together(w, i, m);
}

template <class T, WarpOp op>
void reduce(Warp& w, const Instruction& i, LaneMask m) {
  const U32* a = w.lanes<U32>(i.s[0]);
  T total = unpack<T>(a[std::countr_zero(m) & 31]);
  for (int l = std::countr_zero(m) + 1; l < lane_count; ++l) {
    if (!has(m, l)) continue;
    const T v = unpack<T>(a[l]);
    if constexpr (op == WarpOp::redux_add)
      total = static_cast<T>(static_cast<U32>(total) + static_cast<U32>(v));
    if constexpr (op == WarpOp::redux_min) total = v < total ? v : total;
    if constexpr (op == WarpOp::redux_max) total = v > total ? v : total;
    if constexpr (op == WarpOp::redux_and) total = total & v;
    if constexpr (op == WarpOp::redux_or) total = total | v;
    if constexpr (op == WarpOp::redux_xor) total = total ^ v;
  }
  alignas(64) U32 r[lane_count];
  for (U32& lane : r) lane = pack<T>(total);
  write_lanes(w.lanes<U32>(i.d[0]), r, m);
  define_together(w, i, m);
}

/// Elects the lowest lane: d[0] is its number, d[1] whether this lane is it.
void elect(Warp& w, const Instruction& i, LaneMask m) {
  const int leader = std::countr_zero(m) & 31;
  alignas(64) U32 r[lane_count];
  for (U32& lane : r) lane = static_cast<U32>(leader);
  write_lanes(w.lanes<U32>(i.d[0]), r, m);
  write_predicate(w, i.d[1], LaneMask{1} << leader, m);
  define_together(w, i, m);
}

template <class T>
Handler arithmetic_reduction(WarpOp op) {
  switch (op) {
    case WarpOp::redux_add: return reduce<T, WarpOp::redux_add>;
    case WarpOp::redux_min: return reduce<T, WarpOp::redux_min>;
    case WarpOp::redux_max: return reduce<T, WarpOp::redux_max>;
    default: return nullptr;
  }
}

Handler bit_reduction(WarpOp op) {
  switch (op) {
    case WarpOp::redux_and: return reduce<U32, WarpOp::redux_and>;
    case WarpOp::redux_or: return reduce<U32, WarpOp::redux_or>;
    case WarpOp::redux_xor: return reduce<U32, WarpOp::redux_xor>;
    default: return nullptr;
  }
}

}  // namespace

Handler shuffle(ShuffleMode mode) {
  switch (mode) {
    case ShuffleMode::up: return shuffle_op<ShuffleMode::up>;
    case ShuffleMode::down: return shuffle_op<ShuffleMode::down>;
    case ShuffleMode::bfly: return shuffle_op<ShuffleMode::bfly>;
    case ShuffleMode::idx: return shuffle_op<ShuffleMode::idx>;
  }
  return nullptr;
}

Handler warp(WarpOp op, isa::Type type) {
  using isa::Type;
  switch (op) {
    case WarpOp::vote_any: return vote<WarpOp::vote_any>;
    case WarpOp::vote_all: return vote<WarpOp::vote_all>;
    case WarpOp::vote_uni: return vote<WarpOp::vote_uni>;
    case WarpOp::vote_ballot: return vote<WarpOp::vote_ballot>;
    case WarpOp::match_any: return isa::bits(type) == 64 ? match_any<U64> : match_any<U32>;
    case WarpOp::match_all: return isa::bits(type) == 64 ? match_all<U64> : match_all<U32>;
    case WarpOp::elect: return elect;
    case WarpOp::no_operation: return [](Warp&, const Instruction&, LaneMask) {};
    default: break;
  }
  if (type == Type::b32) return bit_reduction(op);
  if (type == Type::u32) return arithmetic_reduction<U32>(op);
  return type == Type::s32 ? arithmetic_reduction<std::int32_t>(op) : nullptr;
}

}  // namespace ptxmill::emu::PTXMILL_HOST_ISA
