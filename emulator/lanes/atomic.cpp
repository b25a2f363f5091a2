// Atomics and reductions (PTX ISA, "atom", "red"). Lanes that hit one address take turns in order.
#include "emulator/lanes/access.hpp"
#include "emulator/lanes/floats.hpp"
#include "emulator/lanes/lanes.hpp"
#include "emulator/lanes/parts.hpp"

namespace ptxmill::emu::PTXMILL_HOST_ISA {
namespace {

/// Two packed halves.
template <class H>
struct Pair {
  std::uint32_t bits;
};

template <class T>
struct Bits {
  using type = std::make_unsigned_t<T>;
};
template <>
struct Bits<float> {
  using type = std::uint32_t;
};
template <>
struct Bits<double> {
  using type = std::uint64_t;
};
template <>
struct Bits<F16> {
  using type = std::uint16_t;
};
template <>
struct Bits<BF16> {
  using type = std::uint16_t;
};
template <class H>
struct Bits<Pair<H>> {
  using type = std::uint32_t;
};

template <class H>
H add_halves(H a, H b) {
  // The sum of two f16 is exact in a double; of two bf16, beyond 53 bits only the sticky part of
  // the smaller is lost, and it cannot meet a tie since the larger one ends 45 bits above.
  return round_to_half<H>(static_cast<double>(to_float(a)) + static_cast<double>(to_float(b)));
}

template <class T>
T add(T a, T b, bool global) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(static_cast<std::make_unsigned_t<T>>(a) +
                          static_cast<std::make_unsigned_t<T>>(b));
  } else if constexpr (std::is_same_v<T, float>) {
    // Global memory's adders flush subnormals; those of shared memory do not.
    return global ? canonical(flushed(flushed(a) + flushed(b))) : canonical(a + b);
  } else if constexpr (std::is_same_v<T, double>) {
    // Global memory's adders hand on a NaN as it is.
    if (global && (b != b || a != a)) return b != b ? b : a;
    return with_last_nan(a + b, b, a);
  } else if constexpr (sizeof(T) == 2) {
    return add_halves(a, b);
  } else {
    return a;
  }
}

template <class H>
Pair<H> add(Pair<H> a, Pair<H> b, bool) {
  const auto half = [](std::uint32_t v, int shift) {
    return H{static_cast<std::uint16_t>(v >> shift)};
  };
  const std::uint32_t lo = add_halves(half(a.bits, 0), half(b.bits, 0)).bits;
  const std::uint32_t hi = add_halves(half(a.bits, 16), half(b.bits, 16)).bits;
  return {hi << 16 | lo};
}

template <class T, AtomicOp op>
T combine(T old, T b, T c, bool global) {
  (void)c;
  if constexpr (op == AtomicOp::add) return add(old, b, global);
  if constexpr (op == AtomicOp::exch) return b;
  if constexpr (std::is_integral_v<T>) {
    if constexpr (op == AtomicOp::min) return old < b ? old : b;
    if constexpr (op == AtomicOp::max) return old < b ? b : old;
    if constexpr (op == AtomicOp::inc) return old >= b ? T{0} : static_cast<T>(old + 1);
    if constexpr (op == AtomicOp::dec) return old == 0 || old > b ? b : static_cast<T>(old - 1);
    if constexpr (op == AtomicOp::cas) return old == b ? c : old;
    if constexpr (op == AtomicOp::and_) return static_cast<T>(old & b);
    if constexpr (op == AtomicOp::or_) return static_cast<T>(old | b);
    if constexpr (op == AtomicOp::xor_) return static_cast<T>(old ^ b);
  }
  return old;
}

template <class T>
T from_bits(typename Bits<T>::type b) {
  if constexpr (std::is_class_v<T>) return T{b};
  return std::bit_cast<T>(b);
}
template <class T>
typename Bits<T>::type to_bits(T v) {
  if constexpr (std::is_class_v<T>) return v.bits;
  return std::bit_cast<typename Bits<T>::type>(v);
}

/// One lane's turn. Returns whether what it read and what it used was defined.
template <class T, AtomicOp op>
void turn(Warp& w, const Instruction& i, int lane, const Target& t, bool operands_defined) {
  using B = typename Bits<T>::type;
  using W = Word<B>;
  std::byte* place = t.bytes + t.offset[lane];
  B bits;
  std::memcpy(&bits, place, sizeof bits);
  const T b = from_bits<T>(static_cast<B>(w.lanes<W>(i.s[1])[lane]));
  const T c = from_bits<T>(static_cast<B>(w.lanes<W>(i.s[2])[lane]));
  const B result = to_bits(combine<T, op>(from_bits<T>(bits), b, c, t.global));
  std::memcpy(place, &result, sizeof result);
  if (i.d[0] != sink_slot) w.lanes<W>(i.d[0])[lane] = bits;
  if (t.written == nullptr) return;
  B flags;
  std::memcpy(&flags, t.written + t.offset[lane], sizeof flags);
  const bool old_defined = flags == static_cast<B>(all_written<B>);
  const bool new_defined = operands_defined && (old_defined || op == AtomicOp::exch);
  flags = new_defined ? static_cast<B>(all_written<B>) : B{0};
  std::memcpy(t.written + t.offset[lane], &flags, sizeof flags);
  if (!w.checked) return;
  const LaneMask bit = LaneMask{1} << lane;
  LaneMask& d = w.defined[i.d[0]];
  d = old_defined ? d | bit : d & ~bit;
  if (!new_defined && t.global) {
    report_fault(w, i, operands_defined ? Fault::undefined_operand : Fault::undefined_store, lane,
                 address_of(w, i, lane), sizeof(T));
  }
}

template <class T, AtomicOp op>
void atomic_op(Warp& w, const Instruction& i, LaneMask m) {
  LaneMask defined = all_lanes;
  if (w.checked) {
    m = with_defined_address(w, i, m);
    defined = w.defined[i.s[1]] & w.defined[i.s[2]];
  }
  for_targets<sizeof(T), sizeof(T)>(w, i, m, [&](LaneMask lanes, const Target& t) {
    for (int l = 0; l < lane_count && !w.stop; ++l) {
      if (has(lanes, l)) turn<T, op>(w, i, l, t, has(defined, l));
    }
    if (t.shadow != nullptr && !w.stop) watch_order(w, i, lanes, t);
  });
}

template <class T>
Handler ordered(AtomicOp op) {
  switch (op) {
    case AtomicOp::add: return atomic_op<T, AtomicOp::add>;
    case AtomicOp::min: return atomic_op<T, AtomicOp::min>;
    case AtomicOp::max: return atomic_op<T, AtomicOp::max>;
    default: return nullptr;
  }
}

template <class T>
Handler counted(AtomicOp op) {
  switch (op) {
    case AtomicOp::inc: return atomic_op<T, AtomicOp::inc>;
    case AtomicOp::dec: return atomic_op<T, AtomicOp::dec>;
    default: return ordered<T>(op);
  }
}

template <class T>
Handler untyped(AtomicOp op) {
  switch (op) {
    case AtomicOp::exch: return atomic_op<T, AtomicOp::exch>;
    case AtomicOp::cas: return atomic_op<T, AtomicOp::cas>;
    case AtomicOp::and_: return atomic_op<T, AtomicOp::and_>;
    case AtomicOp::or_: return atomic_op<T, AtomicOp::or_>;
    case AtomicOp::xor_: return atomic_op<T, AtomicOp::xor_>;
    default: return nullptr;
  }
}

template <class T>
Handler adds(AtomicOp op) {
  return op == AtomicOp::add ? atomic_op<T, AtomicOp::add> : nullptr;
}

}  // namespace

Handler atomic(AtomicOp op, const Access& access) {
  using isa::Type;
  switch (access.type) {
    case Type::u32: return counted<std::uint32_t>(op);
    case Type::s32: return ordered<std::int32_t>(op);
    case Type::u64: return ordered<std::uint64_t>(op);
    case Type::s64: return op == AtomicOp::add ? nullptr : ordered<std::int64_t>(op);
    case Type::b16: return op == AtomicOp::cas ? untyped<std::uint16_t>(op) : nullptr;
    case Type::b32: return untyped<std::uint32_t>(op);
    case Type::b64: return untyped<std::uint64_t>(op);
    case Type::f32: return adds<float>(op);
    case Type::f64: return adds<double>(op);
    case Type::f16: return adds<F16>(op);
    case Type::bf16: return adds<BF16>(op);
    case Type::f16x2: return adds<Pair<F16>>(op);
    case Type::bf16x2: return adds<Pair<BF16>>(op);
    default: return nullptr;
  }
}

}  // namespace ptxmill::emu::PTXMILL_HOST_ISA
