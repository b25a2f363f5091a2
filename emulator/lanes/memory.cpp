// Loads, stores and address conversion (PTX ISA, "Data Movement and Conversion Instructions").
#include "emulator/lanes/access.hpp"
#include "emulator/lanes/lanes.hpp"
#include "emulator/lanes/parts.hpp"

namespace ptxmill::emu::PTXMILL_HOST_ISA {
namespace {

template <class T>
[[gnu::always_inline]] inline T read(const std::byte* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

/// An element as its register holds it: signed ones extended to the register's width.
template <class T>
[[gnu::always_inline]] inline Word<T> to_register(T v, std::uint32_t mask) {
  if constexpr (std::is_signed_v<T>) {
    return static_cast<std::uint32_t>(static_cast<std::int32_t>(v)) & mask;
  } else {
    return v;
  }
}

/// Calls f(lane, offset of the lane's access) for all lanes, with the offsets of the common
/// patterns in a form that the compiler can vectorise.
template <int stride, class F>
[[gnu::always_inline]] inline void for_offsets(const Target& t, F f) {
  const std::uint64_t first = t.offset[0];
  switch (t.pattern) {
    case Pattern::contiguous:
      for (int l = 0; l < lane_count; ++l) f(l, first + static_cast<std::uint64_t>(l) * stride);
      return;
    case Pattern::uniform:
      for (int l = 0; l < lane_count; ++l) f(l, first);
      return;
    case Pattern::scattered:
      for (int l = 0; l < lane_count; ++l) f(l, t.offset[l]);
  }
}

/// The lanes all of whose bytes were written.
template <class T, int stride>
[[gnu::always_inline]] inline LaneMask written_lanes(const std::byte* flags, const Target& t) {
  using Flags = std::make_unsigned_t<T>;
  Word<T> every = all_written<T>;
  for_offsets<stride>(t, [&](int, std::uint64_t offset) {
    every = static_cast<Word<T>>(every & read<Flags>(flags + offset));
  });
  if (every == all_written<T>) return all_lanes;
  LaneMask defined = 0;
  for (int l = 0; l < lane_count; ++l) {
    const bool ok = read<Flags>(flags + t.offset[l]) == all_written<T>;
    defined |= static_cast<LaneMask>(ok) << l;
  }
  return defined;
}

#if defined(__SSE2__)
/// Transposes four rows of four words.
[[gnu::always_inline]] inline void transpose(__m128i (&v)[4]) {
  const __m128i ab_low = _mm_unpacklo_epi32(v[0], v[1]), ab_high = _mm_unpackhi_epi32(v[0], v[1]);
  const __m128i cd_low = _mm_unpacklo_epi32(v[2], v[3]), cd_high = _mm_unpackhi_epi32(v[2], v[3]);
  v[0] = _mm_unpacklo_epi64(ab_low, cd_low);
  v[1] = _mm_unpackhi_epi64(ab_low, cd_low);
  v[2] = _mm_unpacklo_epi64(ab_high, cd_high);
  v[3] = _mm_unpackhi_epi64(ab_high, cd_high);
}

/// Loads four words for each lane, 16 bytes at a time. False where flags say that not all of them
/// were written: nothing is done then.
template <bool checked>
[[gnu::always_inline]] inline bool load_quads(Warp& w, const Instruction& i, LaneMask m,
                                              const Target& t) {
  if (checked && t.written != nullptr) {
    __m128i every = _mm_set1_epi8(1);
    for (int l = 0; l < lane_count; ++l) {
      every = _mm_and_si128(
          every, _mm_loadu_si128(reinterpret_cast<const __m128i*>(t.written + t.offset[l])));
    }
    if (_mm_movemask_epi8(_mm_cmpeq_epi8(every, _mm_set1_epi8(1))) != 0xffff) return false;
  }
  alignas(64) std::uint32_t r[4][lane_count];
  for (int l = 0; l < lane_count; l += 4) {
    __m128i v[4];
    for (int k = 0; k < 4; ++k)
      v[k] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(t.bytes + t.offset[l + k]));
    transpose(v);
    for (int k = 0; k < 4; ++k) _mm_store_si128(reinterpret_cast<__m128i*>(&r[k][l]), v[k]);
  }
  for (int k = 0; k < 4; ++k) {
    write_lanes(w.lanes<std::uint32_t>(i.d[k]), r[k], m);
    if constexpr (checked) w.defined[i.d[k]] |= m;
  }
  return true;
}
#endif

template <class T, int count, bool checked>
[[gnu::always_inline]] inline void load_lanes(Warp& w, const Instruction& i, LaneMask m,
                                              const Target& t) {
  constexpr int stride = static_cast<int>(sizeof(T)) * count;
#if defined(__SSE2__)
  if constexpr (sizeof(T) == 4 && count == 4) {
    if (load_quads<checked>(w, i, m, t)) return;
  }
#endif
  const std::uint32_t mask = (i.aux & AccessBits::into16) != 0 ? 0xffffu : 0xffffffffu;
  for (int k = 0; k < count; ++k) {
    alignas(64) Word<T> r[lane_count];
    const std::size_t element = static_cast<std::size_t>(k) * sizeof(T);
    const std::byte* p = t.bytes + element;
    for_offsets<stride>(
        t, [&](int l, std::uint64_t offset) { r[l] = to_register(read<T>(p + offset), mask); });
    write_lanes(w.lanes<Word<T>>(i.d[k]), r, m);
    if constexpr (checked) {
      const LaneMask defined =
          t.written == nullptr ? all_lanes
                               : written_lanes<T, stride>(
                                     reinterpret_cast<const std::byte*>(t.written + element), t);
      LaneMask& d = w.defined[i.d[k]];
      d = (d & ~m) | (defined & m);
      if ((m & ~defined) != 0) note_undefined(w, i, m & ~defined);
    }
  }
}

template <class T, int count>
void load_op(Warp& w, const Instruction& i, LaneMask m) {
  constexpr int bytes = static_cast<int>(sizeof(T)) * count;
  if (w.checked) {
    for_targets<bytes, bytes>(
        w, i, with_defined_address(w, i, m),
        [&](LaneMask lanes, const Target& t) { load_lanes<T, count, true>(w, i, lanes, t); });
  } else {
    for_targets<bytes, bytes>(w, i, m, [&](LaneMask lanes, const Target& t) {
      load_lanes<T, count, false>(w, i, lanes, t);
    });
  }
}

/// Writes the active lanes of `v` to their offsets from `to`; the highest lane wins a shared place.
template <class T, int count>
[[gnu::always_inline]] inline void scatter(std::byte* to, const Word<T>* v, LaneMask m,
                                           const Target& t) {
  constexpr int stride = static_cast<int>(sizeof(T)) * count;
  const auto put = [&](int l, std::uint64_t offset) {
    const T value = static_cast<T>(v[l]);
    std::memcpy(to + offset, &value, sizeof value);
  };
  if (m == all_lanes) {
    for_offsets<stride>(t, put);
  } else {
    for (int l = 0; l < lane_count; ++l) {
      if (has(m, l)) put(l, t.offset[l]);
    }
  }
}

#if defined(__SSE2__)
/// Stores four words of every lane, 16 bytes at a time. False where lanes are missing or a value is
/// not defined: nothing is done then.
template <bool checked>
[[gnu::always_inline]] inline bool store_quads(Warp& w, const Instruction& i, LaneMask m,
                                               const Target& t) {
  if (m != all_lanes) return false;
  if constexpr (checked) {
    if ((w.defined[i.s[1]] & w.defined[i.s[2]] & w.defined[i.s[3]] & w.defined[i.s[4]]) !=
        all_lanes)
      return false;
  }
  for (int l = 0; l < lane_count; l += 4) {
    __m128i v[4];
    for (int k = 0; k < 4; ++k) {
      v[k] =
          _mm_load_si128(reinterpret_cast<const __m128i*>(w.lanes<std::uint32_t>(i.s[1 + k]) + l));
    }
    transpose(v);
    for (int k = 0; k < 4; ++k)
      _mm_storeu_si128(reinterpret_cast<__m128i*>(t.bytes + t.offset[l + k]), v[k]);
  }
  if (t.written == nullptr || (!checked && !t.global)) return true;
  for (int l = 0; l < lane_count; ++l) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(t.written + t.offset[l]), _mm_set1_epi8(1));
  }
  return true;
}
#endif

template <class T, int count, bool checked>
[[gnu::always_inline]] inline void store_lanes(Warp& w, const Instruction& i, LaneMask m,
                                               const Target& t) {
#if defined(__SSE2__)
  if constexpr (sizeof(T) == 4 && count == 4) {
    if (store_quads<checked>(w, i, m, t)) return;
  }
#endif
  for (int k = 0; k < count; ++k) {
    const Slot source = i.s[1 + k];
    const Word<T>* v = w.lanes<Word<T>>(source);
    const std::size_t element = static_cast<std::size_t>(k) * sizeof(T);
    LaneMask undefined = 0;
    if constexpr (checked) undefined = m & ~w.defined[source];
    if (undefined != 0 && t.global) {
      const int lane = std::countr_zero(undefined);
      report_fault(w, i, Fault::undefined_store, lane, address_of(w, i, lane), sizeof(T));
      if (w.stop) return;
    }
    scatter<T, count>(t.bytes + element, v, m, t);
    // The host wants to know what is defined in global memory even where checks are off.
    if (t.written == nullptr || (!checked && !t.global)) continue;
    auto* flags = reinterpret_cast<std::byte*>(t.written + element);
    alignas(64) Word<T> written[lane_count];
    for (int l = 0; l < lane_count; ++l) written[l] = has(undefined, l) ? 0 : all_written<T>;
    scatter<T, count>(flags, written, m, t);
  }
}

template <class T, int count>
void store_op(Warp& w, const Instruction& i, LaneMask m) {
  constexpr int bytes = static_cast<int>(sizeof(T)) * count;
  if (w.checked) {
    for_targets<bytes, bytes>(
        w, i, with_defined_address(w, i, m),
        [&](LaneMask lanes, const Target& t) { store_lanes<T, count, true>(w, i, lanes, t); });
  } else {
    for_targets<bytes, bytes>(w, i, m, [&](LaneMask lanes, const Target& t) {
      store_lanes<T, count, false>(w, i, lanes, t);
    });
  }
}

template <class T>
Handler load_of(int count) {
  switch (count) {
    case 1: return load_op<T, 1>;
    case 2: return load_op<T, 2>;
    case 4: return sizeof(T) <= 4 ? load_op<T, 4> : nullptr;
    default: return nullptr;
  }
}

template <class T>
Handler store_of(int count) {
  switch (count) {
    case 1: return store_op<T, 1>;
    case 2: return store_op<T, 2>;
    case 4: return sizeof(T) <= 4 ? store_op<T, 4> : nullptr;
    default: return nullptr;
  }
}

void cvta_from(Warp& w, const Instruction& i, LaneMask m) {
  const auto window = static_cast<std::uint64_t>(i.imm);
  map1<std::uint64_t, std::uint64_t>(w, i, m, [=](std::uint64_t a) { return a + window; });
}

void space_test(Warp& w, const Instruction& i, LaneMask m) {
  const auto window = static_cast<std::uint64_t>(i.imm);
  const std::uint64_t bytes = i.aux != 0 ? i.aux : window_bytes;
  const LaneMask r =
      compare<std::uint64_t, std::uint64_t>(w, i, [=](std::uint64_t a, std::uint64_t) {
        return window == 0 ? a < shared_window : a - window < bytes;
      });
  write_predicate(w, i.d[0], r, m);
}

}  // namespace

Handler load(const Access& a) {
  const bool sign = isa::is_signed(a.type);
  switch (isa::bits(a.type)) {
    case 8: return sign ? load_of<std::int8_t>(a.count) : load_of<std::uint8_t>(a.count);
    case 16: return sign ? load_of<std::int16_t>(a.count) : load_of<std::uint16_t>(a.count);
    case 32: return load_of<std::uint32_t>(a.count);
    case 64: return load_of<std::uint64_t>(a.count);
    default: return nullptr;
  }
}

Handler store(const Access& a) {
  switch (isa::bits(a.type)) {
    case 8: return store_of<std::uint8_t>(a.count);
    case 16: return store_of<std::uint16_t>(a.count);
    case 32: return store_of<std::uint32_t>(a.count);
    case 64: return store_of<std::uint64_t>(a.count);
    default: return nullptr;
  }
}

Handler cvta() { return cvta_from; }
Handler is_space() { return space_test; }

}  // namespace ptxmill::emu::PTXMILL_HOST_ISA
