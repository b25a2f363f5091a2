// The fundamental types of PTX (PTX ISA, "Fundamental Types") as a small enumeration and sets of
// it.
#pragma once

#include <cstdint>
#include <string_view>

namespace ptxmill::isa {

/// A PTX fundamental type, or a packed one.
enum class Type : std::uint8_t {
  pred,
  b8,
  b16,
  b32,
  b64,
  u8,
  u16,
  u32,
  u64,
  s8,
  s16,
  s32,
  s64,
  f16,
  bf16,
  f32,
  f64,
  f16x2,
  bf16x2
};
inline constexpr int type_count = 19;

/// The spelling in PTX, without the dot.
constexpr std::string_view spelling(Type t) {
  constexpr std::string_view names[] = {"pred", "b8",  "b16", "b32",   "b64",   "u8",  "u16",
                                        "u32",  "u64", "s8",  "s16",   "s32",   "s64", "f16",
                                        "bf16", "f32", "f64", "f16x2", "bf16x2"};
  return names[static_cast<int>(t)];
}

/// Size in bits; a predicate counts as 1.
constexpr int bits(Type t) {
  constexpr int sizes[] = {1, 8, 16, 32, 64, 8, 16, 32, 64, 8, 16, 32, 64, 16, 16, 32, 64, 32, 32};
  return sizes[static_cast<int>(t)];
}

/// The untyped type of the same size: what logic, moves and shuffles are spelled with.
constexpr Type bits_type(Type t) {
  switch (bits(t)) {
    case 1: return Type::pred;
    case 8: return Type::b8;
    case 16: return Type::b16;
    case 32: return Type::b32;
    default: return Type::b64;
  }
}

constexpr bool is_float(Type t) { return t >= Type::f16; }
constexpr bool is_signed(Type t) { return t >= Type::s8 && t <= Type::s64; }
constexpr bool is_unsigned(Type t) { return t >= Type::u8 && t <= Type::u64; }
constexpr bool is_integer(Type t) { return is_signed(t) || is_unsigned(t); }

/// The integer type of twice the width: the result of mul.wide and mad.wide.
constexpr Type widened(Type t) {
  switch (t) {
    case Type::u16: return Type::u32;
    case Type::s16: return Type::s32;
    case Type::u32: return Type::u64;
    case Type::s32: return Type::s64;
    default: return t;
  }
}

/// A set of types, as the table's rows give them.
class TypeSet {
 public:
  constexpr TypeSet() = default;
  constexpr TypeSet(Type t)
      : mask_(1u << static_cast<int>(t)) {}  // NOLINT(google-explicit-constructor)
  constexpr bool contains(Type t) const { return (mask_ >> static_cast<int>(t)) & 1u; }
  constexpr bool empty() const { return mask_ == 0; }
  friend constexpr TypeSet operator|(TypeSet a, TypeSet b) { return TypeSet(a.mask_ | b.mask_); }

 private:
  constexpr explicit TypeSet(std::uint32_t mask) : mask_(mask) {}
  std::uint32_t mask_ = 0;
};

}  // namespace ptxmill::isa
