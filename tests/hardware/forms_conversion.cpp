// Conversions: the combinations of types, rounding and saturation that the manual allows.
#include <fmt/format.h>

#include "tests/hardware/form.hpp"

namespace ptxmill::test {
namespace {

using isa::Type;

constexpr Type integers[] = {Type::u8,  Type::s8,  Type::u16, Type::s16,
                             Type::u32, Type::s32, Type::u64, Type::s64};
const char* const integer_roundings[] = {".rni", ".rzi", ".rmi", ".rpi"};
const char* const roundings[] = {".rn", ".rz", ".rm", ".rp"};

struct Adder {
  std::vector<Form>& all;

  void operator()(const std::string& modifiers, Type to, Type from) const {
    const std::string name =
        fmt::format("cvt{}.{}.{}", modifiers, isa::spelling(to), isa::spelling(from));
    all.push_back(plain_form("conversion", name, name + " %d0, %a0;", {from}, {held(to)}));
  }
  void code(const std::string& name, const std::string& operands, std::vector<Type> from,
            Type to) const {
    all.push_back(plain_form("conversion", name, name + operands, std::move(from), {to}));
  }

 private:
  /// What a register of 16 bits holds beyond an 8-bit result counts too.
  static Type held(Type t) { return isa::bits(t) == 8 ? Type::b16 : t; }
};

/// Whether values of `from` may lie outside of `to`, where .sat has a meaning.
bool narrows(Type to, Type from) {
  if (isa::is_signed(from) && !isa::is_signed(to)) return true;
  const int same_sign = isa::is_signed(to) == isa::is_signed(from) ? 0 : 1;
  return isa::bits(to) < isa::bits(from) + same_sign;
}

void between_integers(const Adder& add) {
  for (const Type to : integers) {
    for (const Type from : integers) {
      add("", to, from);
      if (narrows(to, from)) add(".sat", to, from);
    }
  }
}

void integers_and_floats(const Adder& add) {
  for (const Type i : integers) {
    for (const Type f : {Type::f16, Type::f32, Type::f64}) {
      for (const char* r : integer_roundings) {
        add(r, i, f);
        add(std::string(r) + ".sat", i, f);
        if (f == Type::f32) add(std::string(r) + ".ftz", i, f);
      }
      for (const char* r : roundings) add(r, f, i);
      add(".rn.sat", f, i);
    }
    for (const char* r : integer_roundings) {
      if (isa::bits(i) >= 16) add(r, i, Type::bf16);
    }
    for (const char* r : roundings) {
      if (isa::bits(i) >= 16) add(r, Type::bf16, i);
    }
  }
}

void between_floats(const Adder& add) {
  for (const Type t : {Type::f16, Type::f32, Type::f64, Type::bf16}) {
    for (const char* r : integer_roundings) {
      add(r, t, t);
      if (t != Type::bf16) add(std::string(r) + ".sat", t, t);
      if (t == Type::f32) add(std::string(r) + ".ftz", t, t);
    }
  }
  for (const char* m : {"", ".ftz", ".sat", ".ftz.sat"}) {
    add(m, Type::f32, Type::f32);
    add(m, Type::f32, Type::f16);
  }
  for (const char* m : {"", ".sat"}) {
    add(m, Type::f64, Type::f64);
    add(m, Type::f16, Type::f16);
    add(m, Type::f64, Type::f16);
    add(m, Type::f64, Type::f32);
  }
  add(".ftz", Type::f64, Type::f32);
  add("", Type::f32, Type::bf16);
  add("", Type::f64, Type::bf16);
  for (const char* r : roundings) {
    for (const char* m : {"", ".ftz", ".sat", ".ftz.sat"}) {
      add(std::string(r) + m, Type::f32, Type::f64);
      if (std::string_view(r) == ".rn" || std::string_view(r) == ".rz")
        add(std::string(r) + m, Type::f16, Type::f32);
    }
    for (const char* m : {"", ".sat"}) {
      add(std::string(r) + m, Type::f16, Type::f64);
    }
    add(r, Type::bf16, Type::f64);
    if (std::string_view(r) == ".rm" || std::string_view(r) == ".rp") {
      add(r, Type::f16, Type::f32);
      add(r, Type::bf16, Type::f32);
    }
  }
  for (const char* r : {".rn", ".rz"}) {
    add(std::string(r) + ".relu", Type::f16, Type::f32);
    add(r, Type::bf16, Type::f32);
    add(std::string(r) + ".relu", Type::bf16, Type::f32);
  }
}

void packed(const Adder& add) {
  for (const char* r : {".rn", ".rz"}) {
    for (const char* relu : {"", ".relu"}) {
      for (const Type t : {Type::f16x2, Type::bf16x2}) {
        add.code(fmt::format("cvt{}{}.{}.f32", r, relu, isa::spelling(t)), " %d0, %a0, %a1;",
                 {Type::f32, Type::f32}, t);
      }
    }
    add.code(fmt::format("cvt{}.tf32.f32", r), " %d0, %a0;", {Type::f32}, Type::b32);
    add.code(fmt::format("cvt{}.relu.tf32.f32", r), " %d0, %a0;", {Type::f32}, Type::b32);
  }
  add.code("cvt.rna.tf32.f32", " %d0, %a0;", {Type::f32}, Type::b32);
  for (const char* relu : {"", ".relu"}) {
    for (const char* t : {"e4m3x2", "e5m2x2"}) {
      add.code(fmt::format("cvt.rn.satfinite{}.{}.f32", relu, t), " %d0, %a0, %a1;",
               {Type::f32, Type::f32}, Type::b16);
      add.code(fmt::format("cvt.rn.satfinite{}.{}.f16x2", relu, t), " %d0, %a0;", {Type::f16x2},
               Type::b16);
      add.code(fmt::format("cvt.rn{}.f16x2.{}", relu, t), " %d0, %a0;", {Type::b16}, Type::f16x2);
    }
  }
  for (const char* t : {"u16", "s16"}) {
    add.code(fmt::format("cvt.pack.sat.{}.s32", t), " %d0, %a0, %a1;", {Type::s32, Type::s32},
             Type::b32);
  }
  for (const char* t : {"u8", "s8"}) {
    add.code(fmt::format("cvt.pack.sat.{}.s32.b32", t), " %d0, %a0, %a1, %a2;",
             {Type::s32, Type::s32, Type::b32}, Type::b32);
  }
}

}  // namespace

std::vector<Form> conversion_forms() {
  std::vector<Form> all;
  const Adder add{all};
  between_integers(add);
  integers_and_floats(add);
  between_floats(add);
  packed(add);
  return all;
}

}  // namespace ptxmill::test
