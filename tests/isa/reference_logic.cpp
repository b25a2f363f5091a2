// Logic and shifts (PTX ISA, "Logic and Shift Instructions"), data movement and conversion.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "tests/isa/reference.hpp"
#include "tests/isa/small_float.hpp"

namespace ptxmill::test {
namespace {

using isa::Op;
using isa::Type;

/// A shift count beyond the width counts as the width.
template <class T>
T shifted_left(T a, std::uint32_t n) {
  return n >= std::numeric_limits<std::make_unsigned_t<T>>::digits
             ? T{0}
             : static_cast<T>(static_cast<std::uint64_t>(a) << n);
}
template <class T>
T shifted_right(T a, std::uint32_t n) {
  constexpr unsigned digits = std::numeric_limits<std::make_unsigned_t<T>>::digits;
  if (n >= digits) return static_cast<T>(a < 0 ? -1 : 0);
  return static_cast<T>(a >> n);
}

/// 32 bits of a 64-bit value {b, a}, shifted by n modulo 32.
std::uint32_t funnel(std::uint32_t a, std::uint32_t b, unsigned n, bool left) {
  const std::uint64_t both = std::uint64_t{b} << 32 | a;
  n &= 31;
  return static_cast<std::uint32_t>(left ? both << n >> 32 : both >> n);
}

/// Each bit of the table is the answer for one combination of the sources' bits.
std::uint32_t looked_up(std::uint32_t a, std::uint32_t b, std::uint32_t c, int table) {
  std::uint32_t d = 0;
  for (int i = 0; i < 32; ++i) {
    const unsigned row = (a >> i & 1) << 2 | (b >> i & 1) << 1 | (c >> i & 1);
    d |= static_cast<std::uint32_t>(table >> row & 1) << i;
  }
  return d;
}

/// Four bytes picked out of the eight of {b, a}; a selector's high bit asks for the byte's sign.
std::uint32_t permuted(std::uint32_t a, std::uint32_t b, std::uint32_t c) {
  const std::uint64_t bytes = std::uint64_t{b} << 32 | a;
  std::uint32_t d = 0;
  for (int i = 0; i < 4; ++i) {
    const unsigned selector = c >> (4 * i) & 15;
    const auto byte = static_cast<std::uint8_t>(bytes >> (8 * (selector & 7)));
    const std::uint8_t picked = selector < 8 ? byte : (byte & 0x80) != 0 ? 0xff : 0x00;
    d |= std::uint32_t{picked} << (8 * i);
  }
  return d;
}

/// Calls f with a C++ value of the source's type.
template <class F>
Expected with_source(const Instance& i, const Sources& s, F f) {
  switch (i.from) {
    case Type::u16: return f(s.as<std::uint16_t>(0));
    case Type::s16: return f(s.as<std::int16_t>(0));
    case Type::u32: return f(s.as<std::uint32_t>(0));
    case Type::s32: return f(s.as<std::int32_t>(0));
    case Type::u64: return f(s.as<std::uint64_t>(0));
    case Type::s64: return f(s.as<std::int64_t>(0));
    case Type::f16:
    case Type::bf16: return f(decode(small_format(i.from), s.u16(0)));
    case Type::f32: return f(static_cast<double>(s.as<float>(0)));
    case Type::f64: return f(s.as<double>(0));
    default: no_reference(i);
  }
}

/// The value as the result's type: integers keep their low bits, floats round to nearest even.
template <class T>
Expected converted(const Instance& i, T value) {
  switch (i.type) {
    case Type::f16:
    case Type::bf16: {
      Expected e = exactly(encode(small_format(i.type), static_cast<double>(value)));
      e.kind = Expected::Kind::number;
      return e;
    }
    case Type::f32: return exactly(static_cast<float>(value));
    case Type::f64: return exactly(static_cast<double>(value));
    default: break;
  }
  if constexpr (std::is_integral_v<T>) {
    const auto bits = static_cast<std::uint64_t>(value);
    return {.kind = Expected::Kind::bits, .bits = {bits}};
  }
  no_reference(i);
}

Expected convert(const Instance& i, const Sources& s) {
  return with_source(i, s, [&](auto value) { return converted(i, value); });
}

/// A whole number as an integer: beyond the range the nearest end of it. A NaN is 0 as 32 bits from
/// f32; from f64, or as 64 bits, it is the highest bit alone.
template <class T>
Expected saturated(double value, bool from_f64) {
  using Limits = std::numeric_limits<T>;
  if (std::isnan(value)) {
    const bool highest = from_f64 || sizeof(T) == 8;
    return exactly(static_cast<T>(highest ? std::make_unsigned_t<T>{1} << (8 * sizeof(T) - 1) : 0));
  }
  if (value <= static_cast<double>(Limits::min())) return exactly(Limits::min());
  if (value >= std::ldexp(1.0, Limits::digits)) return exactly(Limits::max());
  return exactly(static_cast<T>(value));
}

template <class F>
Function rounded(F round) {
  return [round](const Instance& i, const Sources& s) {
    return with_source(i, s, [&](auto source) {
      const double value = round(static_cast<double>(source));
      const bool from_f64 = i.from == Type::f64;
      switch (i.type) {
        case Type::u32: return saturated<std::uint32_t>(value, from_f64);
        case Type::s32: return saturated<std::int32_t>(value, from_f64);
        case Type::u64: return saturated<std::uint64_t>(value, from_f64);
        case Type::s64: return saturated<std::int64_t>(value, from_f64);
        default: return converted(i, value);
      }
    });
  };
}

Expected packed(const Instance& i, const Sources& s) {
  const SmallFormat format = small_format(i.type);
  const std::uint32_t upper = encode(format, s.as<float>(0)),
                      lower = encode(format, s.as<float>(1));
  return {.kind = Expected::Kind::number, .bits = {upper << 16 | lower}};
}

/// To the nearest number of 11 significant bits, or of 2^-136 below the least normal one; ties go
/// away from zero. Of a NaN, hardware keeps what there is room for.
Expected to_tf32(const Instance&, const Sources& s) {
  const double value = s.as<float>(0);
  if (std::isnan(value)) return exactly(s.u32(0) >> 13 << 13);
  if (value == 0 || std::isinf(value)) return exactly(std::bit_cast<std::uint32_t>(s.as<float>(0)));
  const double unit = std::ldexp(1.0, std::max(std::ilogb(value), -126) - 10);
  const auto rounded = static_cast<float>(std::copysign(std::round(value / unit) * unit, value));
  return exactly(std::bit_cast<std::uint32_t>(rounded));
}

Expected put_together(const Instance& i, const Sources& s) {
  if (i.type == Type::b32) return exactly(std::uint32_t{s.u16(0)} | std::uint32_t{s.u16(1)} << 16);
  return exactly(std::uint64_t{s.u32(0)} | std::uint64_t{s.u32(1)} << 32);
}

Expected taken_apart(const Instance& i, const Sources& s) {
  if (i.type == Type::b32)
    return exactly(std::pair(s.u16(0), static_cast<std::uint16_t>(s.u32(0) >> 16)));
  return exactly(std::pair(s.u32(0), static_cast<std::uint32_t>(s.as<std::uint64_t>(0) >> 32)));
}

}  // namespace

// clang-format off
const std::vector<Reference>& logic_references() {
  static const std::vector<Reference> all{
      {Op::and_, logic<2>([](auto a, auto b) { return static_cast<decltype(a)>(a & b); })},
      {Op::or_, logic<2>([](auto a, auto b) { return static_cast<decltype(a)>(a | b); })},
      {Op::xor_, logic<2>([](auto a, auto b) { return static_cast<decltype(a)>(a ^ b); })},
      {Op::not_, logic<1>([](auto a) { return static_cast<decltype(a)>(a ^ static_cast<decltype(a)>(-1)); })},
      {Op::lop3, [](const Instance& i, const Sources& s) { return exactly(looked_up(s.u32(0), s.u32(1), s.u32(2), i.immediate)); }},
      {Op::shl, integers<1>([](auto a, const Sources& s) { return shifted_left(a, s.u32(1)); })},
      {Op::shr, integers<1>([](auto a, const Sources& s) { return shifted_right(a, s.u32(1)); })},
      {Op::shf_l_wrap, [](const Instance&, const Sources& s) { return exactly(funnel(s.u32(0), s.u32(1), s.u32(2), true)); }},
      {Op::shf_r_wrap, [](const Instance&, const Sources& s) { return exactly(funnel(s.u32(0), s.u32(1), s.u32(2), false)); }},
  };
  return all;
}

const std::vector<Reference>& conversion_references() {
  static const std::vector<Reference> all{
      {Op::mov, [](const Instance&, const Sources& s) { return exactly(s.as<std::uint64_t>(0)); }},
      {Op::mov_pack, put_together},
      {Op::mov_unpack, taken_apart},
      {Op::prmt, [](const Instance&, const Sources& s) { return exactly(permuted(s.u32(0), s.u32(1), s.u32(2))); }},
      {Op::cvt, convert},
      {Op::cvt_rn, convert},
      {Op::cvt_rn_bf16, convert},
      {Op::cvt_bf16, convert},
      {Op::cvt_rn_x2, packed},
      {Op::cvt_rna_tf32, to_tf32},
      {Op::cvt_rni, rounded([](double a) { return std::nearbyint(a); })},
      {Op::cvt_rzi, rounded([](double a) { return std::trunc(a); })},
      {Op::cvt_rmi, rounded([](double a) { return std::floor(a); })},
      {Op::cvt_rpi, rounded([](double a) { return std::ceil(a); })},
  };
  return all;
}
// clang-format on

}  // namespace ptxmill::test
