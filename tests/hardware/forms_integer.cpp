// Integer and bit instructions with the modifiers that compilers write and the table does not hold.
#include <fmt/format.h>

#include "tests/hardware/form.hpp"

namespace ptxmill::test {
namespace {

using isa::Type;

struct Adder {
  std::vector<Form>& all;
  std::string group;

  void operator()(const std::string& name, std::vector<Type> from, Type to) const {
    all.push_back(plain_form(group, name, std::move(from), to));
  }
  void code(const std::string& name, const std::string& code, std::vector<Type> from,
            std::vector<Type> to) const {
    all.push_back(plain_form(group, name, code, std::move(from), std::move(to)));
  }
};

void narrow_products(const Adder& add) {
  for (const Type t : {Type::u32, Type::s32}) {
    const std::string type = fmt::format(".{}", isa::spelling(t));
    for (const char* part : {".lo", ".hi"}) {
      add("mul24" + (part + type), {t, t}, t);
      add("mad24" + (part + type), {t, t, t}, t);
    }
    for (const char* other : {".u32", ".s32"}) {
      add("dp4a" + type + other, {Type::b32, Type::b32, t}, Type::b32);
      add("dp2a.lo" + type + other, {Type::b32, Type::b32, t}, Type::b32);
      add("dp2a.hi" + type + other, {Type::b32, Type::b32, t}, Type::b32);
    }
  }
  add("mad24.hi.sat.s32", {Type::s32, Type::s32, Type::s32}, Type::s32);
  add("mad.hi.sat.s32", {Type::s32, Type::s32, Type::s32}, Type::s32);
  add("add.sat.s32", {Type::s32, Type::s32}, Type::s32);
  add("sub.sat.s32", {Type::s32, Type::s32}, Type::s32);
}

void carries(const Adder& add) {
  for (const Type t : {Type::u32, Type::s32, Type::u64, Type::s64}) {
    const std::string type = fmt::format(".{}", isa::spelling(t));
    for (const char* op : {"add", "sub"}) {
      add.code(fmt::format("{}.cc{}", op, type),
               fmt::format("{0}.cc{1} %d0, %a0, %a1;\n{0}c.cc{1} %d1, %a2, %a3;\n"
                           "{0}c{1} %d2, %a0, %a3;",
                           op, type),
               {t, t, t, t}, {t, t, t});
    }
    for (const char* part : {".lo", ".hi"}) {
      add.code(fmt::format("mad{}.cc{}", part, type),
               fmt::format("mad{0}.cc{1} %d0, %a0, %a1, %a2;\nmadc{0}.cc{1} %d1, %a1, %a2, %a3;\n"
                           "madc{0}{1} %d2, %a0, %a2, %a3;",
                           part, type),
               {t, t, t, t}, {t, t, t});
    }
  }
}

void bits(const Adder& add) {
  for (const Type t : {Type::u32, Type::s32, Type::u64, Type::s64})
    add(fmt::format("bfind.shiftamt.{}", isa::spelling(t)), {t}, Type::u32);
  for (const char* mode : {"clamp", "wrap"}) {
    add(fmt::format("szext.{}.u32", mode), {Type::u32, Type::u32}, Type::u32);
    add(fmt::format("szext.{}.s32", mode), {Type::s32, Type::u32}, Type::s32);
    add(fmt::format("bmsk.{}.b32", mode), {Type::u32, Type::u32}, Type::b32);
    for (const char* direction : {"l", "r"}) {
      add(fmt::format("shf.{}.{}.b32", direction, mode), {Type::b32, Type::b32, Type::u32},
          Type::b32);
    }
  }
  for (const char* mode : {"f4e", "b4e", "rc8", "ecl", "ecr", "rc16"}) {
    add(fmt::format("prmt.b32.{}", mode), {Type::b32, Type::b32, Type::u32}, Type::b32);
  }
  for (const Type t : {Type::b16, Type::b32, Type::b64})
    add(fmt::format("cnot.{}", isa::spelling(t)), {t}, t);
  add.code("fns.b32", "and.b32 %a1, %a1, 31;\nshr.s32 %a2, %a2, 26;\nfns.b32 %d0, %a0, %a1, %a2;",
           {Type::b32, Type::b32, Type::s32}, {Type::b32});
  for (const char* op : {"or", "and"}) {
    add.code(fmt::format("lop3.{}.b32", op),
             fmt::format("lop3.{}.b32 %d0|%d1, %a0, %a1, %a2, 0x96, %a3;", op),
             {Type::b32, Type::b32, Type::b32, Type::pred}, {Type::b32, Type::pred});
  }
}

void packed(const Adder& add) {
  for (const char* type : {"u16x2", "s16x2"}) {
    add(fmt::format("add.{}", type), {Type::b32, Type::b32}, Type::b32);
    for (const char* op : {"min", "max"})
      add(fmt::format("{}.{}", op, type), {Type::b32, Type::b32}, Type::b32);
  }
  for (const char* op : {"min", "max"}) {
    add(fmt::format("{}.relu.s16x2", op), {Type::b32, Type::b32}, Type::b32);
    add(fmt::format("{}.relu.s32", op), {Type::s32, Type::s32}, Type::s32);
  }
}

void compare(const Adder& add) {
  const char* const comparisons[] = {"eq", "ne", "lt", "le", "gt", "ge"};
  for (const char* c : comparisons) {
    for (const Type t : {Type::u16, Type::s16, Type::u32, Type::s32, Type::u64, Type::s64}) {
      for (const char* to : {"u32", "f32"}) {
        add(fmt::format("set.{}.{}.{}", c, to, isa::spelling(t)), {t, t},
            to[0] == 'f' ? Type::f32 : Type::u32);
      }
      const std::string name = fmt::format("setp.{}.or.{}", c, isa::spelling(t));
      add.code(name, name + " %d0|%d1, %a0, %a1, !%a2;", {t, t, Type::pred},
               {Type::pred, Type::pred});
    }
  }
  for (const char* c : {"lo", "ls", "hi", "hs"}) {
    for (const Type t : {Type::u16, Type::u32, Type::u64}) {
      const std::string name = fmt::format("setp.{}.{}", c, isa::spelling(t));
      add.code(name, name + " %d0, %a0, %a1;", {t, t}, {Type::pred});
    }
  }
  for (const Type t : {Type::b16, Type::b32, Type::b64, Type::f32, Type::f64}) {
    add(fmt::format("slct.{}.s32", isa::spelling(t)), {t, t, Type::s32}, t);
    add(fmt::format("slct.{}.f32", isa::spelling(t)), {t, t, Type::f32}, t);
    add(fmt::format("slct.ftz.{}.f32", isa::spelling(t)), {t, t, Type::f32}, t);
  }
}

}  // namespace

std::vector<Form> integer_forms() {
  std::vector<Form> all;
  narrow_products({all, "integer products"});
  carries({all, "carries"});
  bits({all, "bits"});
  packed({all, "packed integers"});
  compare({all, "integer comparison"});
  return all;
}

}  // namespace ptxmill::test
