// Integer arithmetic (PTX ISA, "Integer Arithmetic Instructions").
#include <algorithm>
#include <bit>
#include <bitset>
#include <cmath>
#include <limits>

#include "tests/isa/reference.hpp"

namespace ptxmill::test {
namespace {

using isa::Op;

__extension__ using Wide = __int128;
__extension__ using UnsignedWide = unsigned __int128;

/// Arithmetic modulo 2^64; the low bits of it are those of every narrower type.
template <class T>
std::uint64_t word(T v) {
  return static_cast<std::uint64_t>(v);
}
template <class T>
T low(std::uint64_t v) {
  return static_cast<T>(v);
}

template <class T>
T upper_product(T a, T b) {
  using Product = std::conditional_t<std::is_signed_v<T>, Wide, UnsignedWide>;
  return static_cast<T>(static_cast<Product>(a) * static_cast<Product>(b) >>
                        std::numeric_limits<std::make_unsigned_t<T>>::digits);
}

template <class T>
struct Twice;
template <>
struct Twice<std::uint16_t> {
  using type = std::uint32_t;
};
template <>
struct Twice<std::int16_t> {
  using type = std::int32_t;
};
template <>
struct Twice<std::uint32_t> {
  using type = std::uint64_t;
};
template <>
struct Twice<std::int32_t> {
  using type = std::int64_t;
};
template <>
struct Twice<std::uint64_t> {
  using type = std::uint64_t;
};  // no row: never run
template <>
struct Twice<std::int64_t> {
  using type = std::int64_t;
};
template <class T>
using twice = typename Twice<T>::type;

/// Division by zero is unspecified, and so is the quotient that does not fit.
template <class T>
bool divides(T a, T b) {
  return b != 0 &&
         !(std::is_signed_v<T> && a == std::numeric_limits<T>::min() && b == static_cast<T>(-1));
}

template <class T>
std::uint32_t most_significant(T a) {
  using U = std::make_unsigned_t<T>;
  const U u = static_cast<U>(std::is_signed_v<T> && a < 0 ? ~a : a);
  return u == 0 ? 0xffffffffu : static_cast<std::uint32_t>(std::bit_width(u) - 1);
}

template <class T>
T reversed(T a) {
  constexpr int digits = std::numeric_limits<T>::digits;
  T r = 0;
  for (int i = 0; i < digits; ++i)
    if ((a >> i & 1) != 0) r |= T{1} << (digits - 1 - i);
  return r;
}

/// bfe and bfi take position and length from 0 to 255. The manual has larger ones wrap; hardware
/// does so for 32 bits, and for 64 bits computes something else.
template <class T>
bool defined(std::uint32_t pos, std::uint32_t len) {
  return sizeof(T) == 4 || (pos <= 255 && len <= 255);
}

/// `len` bits from `pos` on, extended by the field's highest bit.
template <class T>
Expected extracted(T value, std::uint32_t pos, std::uint32_t len) {
  using U = std::make_unsigned_t<T>;
  if (!defined<T>(pos, len)) return unspecified();
  constexpr unsigned msb = std::numeric_limits<U>::digits - 1;
  const U a = static_cast<U>(value);
  pos &= 0xff;
  len &= 0xff;
  const bool extend =
      std::is_signed_v<T> && len != 0 && (a >> std::min(pos + len - 1, msb) & 1) != 0;
  U d = 0;
  for (unsigned i = 0; i <= msb; ++i) {
    const bool inside = i < len && pos + i <= msb;
    if (inside ? (a >> (pos + i) & 1) != 0 : extend) d |= U{1} << i;
  }
  return exactly(d);
}

/// b with the low `len` bits of a in place of those from `pos` on.
template <class T>
Expected inserted(T a, T b, std::uint32_t pos, std::uint32_t len) {
  if (!defined<T>(pos, len)) return unspecified();
  constexpr unsigned msb = std::numeric_limits<std::make_unsigned_t<T>>::digits - 1;
  pos &= 0xff;
  len &= 0xff;
  T f = b;
  for (unsigned i = 0; i < len && pos + i <= msb; ++i) {
    const T bit = static_cast<T>(T{1} << (pos + i));
    f = static_cast<T>((a >> i & 1) != 0 ? f | bit : f & ~bit);
  }
  return exactly(f);
}

/// min and max of reals: a NaN loses against a number, and -0 is less than +0.
template <class T>
T smaller(T a, T b) {
  if (std::isnan(a)) return b;
  if (std::isnan(b)) return a;
  return a < b || (a == b && std::signbit(a)) ? a : b;
}
template <class T>
T larger(T a, T b) {
  if (std::isnan(a)) return b;
  if (std::isnan(b)) return a;
  return a > b || (a == b && !std::signbit(a)) ? a : b;
}

}  // namespace

// clang-format off
const std::vector<Reference>& integer_references() {
  static const std::vector<Reference> all{
      {Op::add, integers<2>([](auto a, auto b) { return low<decltype(a)>(word(a) + word(b)); })},
      {Op::sub, integers<2>([](auto a, auto b) { return low<decltype(a)>(word(a) - word(b)); })},
      {Op::mul_lo, integers<2>([](auto a, auto b) { return low<decltype(a)>(word(a) * word(b)); })},
      {Op::mul_hi, integers<2>([](auto a, auto b) { return upper_product(a, b); })},
      {Op::mul_wide, integers<2>([](auto a, auto b) { return low<twice<decltype(a)>>(word(a) * word(b)); })},
      {Op::mad_lo, integers<3>([](auto a, auto b, auto c) { return low<decltype(a)>(word(a) * word(b) + word(c)); })},
      {Op::mad_hi, integers<3>([](auto a, auto b, auto c) { return low<decltype(a)>(word(upper_product(a, b)) + word(c)); })},
      {Op::mad_wide, integers<2>([](auto a, auto b, const Sources& s) { using W = twice<decltype(a)>; return low<W>(word(a) * word(b) + word(s.as<W>(2))); })},
      {Op::sad, integers<3>([](auto a, auto b, auto c) { return low<decltype(a)>(word(c) + (a < b ? word(b) - word(a) : word(a) - word(b))); })},
      {Op::div, integers<2>([](auto a, auto b) { return divides(a, b) ? exactly(static_cast<decltype(a)>(a / b)) : unspecified(); })},
      {Op::rem, integers<2>([](auto a, auto b) { return divides(a, b) ? exactly(static_cast<decltype(a)>(a % b)) : unspecified(); })},
      {Op::abs, either(integers<1>([](auto a) { return low<decltype(a)>(a < 0 ? 0 - word(a) : word(a)); }), reals<1>([](auto a) { return std::fabs(a); }))},
      {Op::neg, either(integers<1>([](auto a) { return low<decltype(a)>(0 - word(a)); }), reals<1>([](auto a) { return -a; }))},
      {Op::min, either(integers<2>([](auto a, auto b) { return a < b ? a : b; }), reals<2>([](auto a, auto b) { return smaller(a, b); }))},
      {Op::max, either(integers<2>([](auto a, auto b) { return a > b ? a : b; }), reals<2>([](auto a, auto b) { return larger(a, b); }))},
      {Op::popc, integers<1>([](auto a) { return static_cast<std::uint32_t>(std::bitset<64>(std::uint64_t{std::make_unsigned_t<decltype(a)>(a)}).count()); })},
      {Op::clz, integers<1>([](auto a) { return static_cast<std::uint32_t>(std::countl_zero(std::make_unsigned_t<decltype(a)>(a))); })},
      {Op::bfind, integers<1>([](auto a) { return most_significant(a); })},
      {Op::brev, integers<1>([](auto a) { return reversed(std::make_unsigned_t<decltype(a)>(a)); })},
      {Op::bfe, integers<1>([](auto a, const Sources& s) { return extracted(a, s.u32(1), s.u32(2)); })},
      {Op::bfi, integers<2>([](auto a, auto b, const Sources& s) { return inserted(a, b, s.u32(2), s.u32(3)); })},
  };
  return all;
}
// clang-format on

}  // namespace ptxmill::test
