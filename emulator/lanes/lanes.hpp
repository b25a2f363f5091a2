// Applies a function to the lanes of registers. Everything here is internal to the translation
// unit that includes it: these files are compiled for several instruction sets of the host, and
// the linker must not mix the copies.
#pragma once

#if defined(__SSE__)
#include <immintrin.h>
#endif

#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "emulator/lanes/handlers.hpp"
#include "emulator/run/warp.hpp"

#ifndef PTXMILL_HOST_ISA
#error "PTXMILL_HOST_ISA names the namespace of this copy, see CMakeLists.txt"
#endif

namespace ptxmill::emu {
namespace {

/// A pattern of 16 bits that is a float: f16 or bf16.
struct F16 {
  std::uint16_t bits;
};
struct BF16 {
  std::uint16_t bits;
};

/// What a lane of a register is stored as.
template <class T>
using Word = std::conditional_t<(sizeof(T) > 4), std::uint64_t, std::uint32_t>;

template <class T>
[[gnu::always_inline]] inline T unpack(Word<T> w) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::bit_cast<T>(w);
  } else if constexpr (std::is_class_v<T>) {
    return T{static_cast<std::uint16_t>(w)};
  } else {
    return static_cast<T>(w);
  }
}

template <class T>
[[gnu::always_inline]] inline Word<T> pack(T v) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::bit_cast<Word<T>>(v);
  } else if constexpr (std::is_class_v<T>) {
    return v.bits;
  } else {
    return static_cast<Word<T>>(static_cast<std::make_unsigned_t<T>>(v));
  }
}

[[gnu::always_inline]] inline bool has(LaneMask m, int lane) { return (m >> lane & 1u) != 0; }

/// Writes the active lanes of `r` to a register.
template <class W>
[[gnu::always_inline]] inline void write_lanes(W* __restrict d, const W* __restrict r, LaneMask m) {
  if (m == all_lanes) {
    for (int l = 0; l < lane_count; ++l) d[l] = r[l];
  } else {
    for (int l = 0; l < lane_count; ++l) d[l] = (m >> l & 1u) != 0 ? r[l] : d[l];
  }
}

// d = f(sources...) in the active lanes, for one to four sources in s[0] and up. `f` is evaluated
// in all lanes: it must be total.

template <class D, class A, class F>
[[gnu::always_inline]] inline void map1(Warp& w, const Instruction& i, LaneMask m, F f) {
  alignas(64) Word<D> r[lane_count];
  const Word<A>* a = w.lanes<Word<A>>(i.s[0]);
  for (int l = 0; l < lane_count; ++l) r[l] = pack<D>(f(unpack<A>(a[l])));
  write_lanes(w.lanes<Word<D>>(i.d[0]), r, m);
}

template <class D, class A, class B, class F>
[[gnu::always_inline]] inline void map2(Warp& w, const Instruction& i, LaneMask m, F f) {
  alignas(64) Word<D> r[lane_count];
  const Word<A>* a = w.lanes<Word<A>>(i.s[0]);
  const Word<B>* b = w.lanes<Word<B>>(i.s[1]);
  for (int l = 0; l < lane_count; ++l) r[l] = pack<D>(f(unpack<A>(a[l]), unpack<B>(b[l])));
  write_lanes(w.lanes<Word<D>>(i.d[0]), r, m);
}

template <class D, class A, class B, class C, class F>
[[gnu::always_inline]] inline void map3(Warp& w, const Instruction& i, LaneMask m, F f) {
  alignas(64) Word<D> r[lane_count];
  const Word<A>* a = w.lanes<Word<A>>(i.s[0]);
  const Word<B>* b = w.lanes<Word<B>>(i.s[1]);
  const Word<C>* c = w.lanes<Word<C>>(i.s[2]);
  for (int l = 0; l < lane_count; ++l) {
    r[l] = pack<D>(f(unpack<A>(a[l]), unpack<B>(b[l]), unpack<C>(c[l])));
  }
  write_lanes(w.lanes<Word<D>>(i.d[0]), r, m);
}

template <class D, class A, class B, class C, class E, class F>
[[gnu::always_inline]] inline void map4(Warp& w, const Instruction& i, LaneMask m, F f) {
  alignas(64) Word<D> r[lane_count];
  const Word<A>* a = w.lanes<Word<A>>(i.s[0]);
  const Word<B>* b = w.lanes<Word<B>>(i.s[1]);
  const Word<C>* c = w.lanes<Word<C>>(i.s[2]);
  const Word<E>* e = w.lanes<Word<E>>(i.s[3]);
  for (int l = 0; l < lane_count; ++l) {
    r[l] = pack<D>(f(unpack<A>(a[l]), unpack<B>(b[l]), unpack<C>(c[l]), unpack<E>(e[l])));
  }
  write_lanes(w.lanes<Word<D>>(i.d[0]), r, m);
}

/// One bit a lane from all ones or zeros a lane.
[[gnu::always_inline]] inline LaneMask collect(const std::uint32_t* lanes) {
  LaneMask r = 0;
#if defined(__AVX__)
  for (int l = 0; l < lane_count; l += 8) {
    const __m256 eight = _mm256_load_ps(reinterpret_cast<const float*>(lanes + l));
    r |= static_cast<LaneMask>(_mm256_movemask_ps(eight)) << l;
  }
#elif defined(__SSE__)
  for (int l = 0; l < lane_count; l += 4) {
    const __m128 four = _mm_load_ps(reinterpret_cast<const float*>(lanes + l));
    r |= static_cast<LaneMask>(_mm_movemask_ps(four)) << l;
  }
#else
  for (int l = 0; l < lane_count; ++l) r |= (lanes[l] & 1u) << l;
#endif
  return r;
}

/// The lanes for which f(a, b) holds.
template <class A, class B, class F>
[[gnu::always_inline]] inline LaneMask compare(Warp& w, const Instruction& i, F f) {
  const Word<A>* a = w.lanes<Word<A>>(i.s[0]);
  const Word<B>* b = w.lanes<Word<B>>(i.s[1]);
  alignas(64) std::uint32_t holds[lane_count];
  for (int l = 0; l < lane_count; ++l) {
    holds[l] = f(unpack<A>(a[l]), unpack<B>(b[l])) ? 0xffffffffu : 0u;
  }
  return collect(holds);
}

[[gnu::always_inline]] inline void write_predicate(Warp& w, Slot d, LaneMask value, LaneMask m) {
  LaneMask& p = w.predicate(d);
  p = (p & ~m) | (value & m);
}

}  // namespace
}  // namespace ptxmill::emu
