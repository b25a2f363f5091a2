#include "emulator/async/reduction.hpp"

#include <algorithm>
#include <cstring>

#include "emulator/lanes/floats.hpp"

namespace ptxmill::emu {
namespace {

using R = TransferReduction;

template <class T>
T sum(T a, T b) {
  if constexpr (std::is_class_v<T>) {
    return round_to_half<T>(static_cast<double>(to_float(a)) + static_cast<double>(to_float(b)));
  } else if constexpr (std::is_integral_v<T>) {
    using U = std::make_unsigned_t<T>;
    return static_cast<T>(static_cast<U>(a) + static_cast<U>(b));
  } else {
    return a + b;
  }
}

template <class T>
bool less(T a, T b) {
  if constexpr (std::is_class_v<T>) {
    const bool sign_a = (a.bits & 0x8000u) != 0, sign_b = (b.bits & 0x8000u) != 0;
    if (sign_a != sign_b) return sign_a;
    return sign_a ? a.bits > b.bits : a.bits < b.bits;
  } else {
    return a < b;
  }
}

/// The lesser or the greater; of one NaN the other operand.
template <class T>
T extreme(bool greatest, T a, T b) {
  if constexpr (std::is_class_v<T>) {
    if (is_nan(a)) return b;
    if (is_nan(b)) return a;
  }
  return less(a, b) == greatest ? b : a;
}

template <class T>
T bitwise(R r, T a, T b) {
  if (r == R::and_) return a & b;
  return r == R::or_ ? a | b : a ^ b;
}

template <class T>
T combined(R r, T a, T b) {
  if (r == R::add) return sum(a, b);
  if (r == R::min || r == R::max) return extreme(r == R::max, a, b);
  if constexpr (std::is_integral_v<T>) {
    if (r == R::inc) return a >= b ? T{0} : static_cast<T>(a + 1);
    if (r == R::dec) return a == T{0} || a > b ? b : static_cast<T>(a - 1);
    return bitwise(r, a, b);
  }
  return a;
}

template <class T>
void combine(R r, std::byte* to, const std::byte* from, std::uint64_t bytes) {
  for (std::uint64_t at = 0; at + sizeof(T) <= bytes; at += sizeof(T)) {
    T a, b;
    std::memcpy(&a, to + at, sizeof a);
    std::memcpy(&b, from + at, sizeof b);
    a = combined(r, a, b);
    std::memcpy(to + at, &a, sizeof a);
  }
}

}  // namespace

isa::Type type_of(TensorElement e) {
  using isa::Type;
  constexpr Type types[tensor_element_count] = {
      Type::u8,  Type::u16, Type::u32,  Type::s32, Type::u64, Type::s64, Type::f16,
      Type::f32, Type::f64, Type::bf16, Type::f32, Type::f32, Type::f32};
  return types[static_cast<std::size_t>(e)];
}

bool has_reduction(R r, isa::Type type) {
  using isa::Type;
  switch (type) {
    case Type::u32: return r != R::none;
    case Type::s32: return r != R::none && r != R::inc && r != R::dec;
    case Type::u64:
    case Type::s64: return r != R::none && r != R::inc && r != R::dec;
    case Type::b32:
    case Type::b64: return r >= R::and_;
    case Type::f16:
    case Type::bf16: return r == R::add || r == R::min || r == R::max;
    case Type::f32:
    case Type::f64: return r == R::add;
    default: return false;
  }
}

void reduce(R r, isa::Type type, std::byte* to, const std::byte* from, std::uint64_t bytes) {
  using isa::Type;
  switch (type) {
    case Type::u32:
    case Type::b32: return combine<std::uint32_t>(r, to, from, bytes);
    case Type::s32: return combine<std::int32_t>(r, to, from, bytes);
    case Type::u64:
    case Type::b64: return combine<std::uint64_t>(r, to, from, bytes);
    case Type::s64: return combine<std::int64_t>(r, to, from, bytes);
    case Type::f16: return combine<F16>(r, to, from, bytes);
    case Type::bf16: return combine<BF16>(r, to, from, bytes);
    case Type::f32: return combine<float>(r, to, from, bytes);
    case Type::f64: return combine<double>(r, to, from, bytes);
    default: return;
  }
}

}  // namespace ptxmill::emu
