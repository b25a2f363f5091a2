// Floating-point instructions with the modifiers that compilers write and the table does not hold.
#include <fmt/format.h>

#include "tests/hardware/form.hpp"

namespace ptxmill::test {
namespace {

using isa::Type;

const char* const roundings[] = {".rn", ".rz", ".rm", ".rp"};

class List {
 public:
  explicit List(std::string group) : group_(std::move(group)) {}

  /// An instruction of one result and `sources` operands of one type.
  void add(const std::string& name, std::size_t sources, Type t, Bound bound = {}) {
    add(name, std::vector<Type>(sources, t), t, bound);
  }
  void add(const std::string& name, std::vector<Type> from, Type to, Bound bound = {}) {
    all.push_back(plain_form(group_, name, std::move(from), to, bound));
  }
  void code(const std::string& name, const std::string& code, std::vector<Type> from,
            std::vector<Type> to) {
    all.push_back(plain_form(group_, name, code, std::move(from), std::move(to)));
  }

  std::vector<Form> all;

 private:
  std::string group_;
};

void arithmetic(List& l) {
  for (const char* r : roundings) {
    for (const char* ftz : {"", ".ftz"}) {
      for (const char* sat : {"", ".sat"}) {
        const std::string tail = std::string(r) + ftz + sat + ".f32";
        l.add("add" + tail, 2, Type::f32);
        l.add("sub" + tail, 2, Type::f32);
        l.add("mul" + tail, 2, Type::f32);
        l.add("fma" + tail, 3, Type::f32);
      }
      const std::string tail = std::string(r) + ftz + ".f32";
      l.add("div" + tail, 2, Type::f32);
      l.add("rcp" + tail, 1, Type::f32);
      l.add("sqrt" + tail, 1, Type::f32);
    }
    const std::string tail = std::string(r) + ".f64";
    for (const char* op : {"add", "sub", "mul", "div"}) l.add(op + tail, 2, Type::f64);
    l.add("fma" + tail, 3, Type::f64);
    l.add("rcp" + tail, 1, Type::f64);
    l.add("sqrt" + tail, 1, Type::f64);
    l.add("mad" + tail, 3, Type::f64);
    l.add(std::string("mad") + r + ".f32", 3, Type::f32);
  }
  for (const char* op : {"add", "sub", "mul"}) {
    for (const char* m : {".f32", ".ftz.f32", ".sat.f32", ".ftz.sat.f32"})
      l.add(std::string(op) + m, 2, Type::f32);
    l.add(std::string(op) + ".f64", 2, Type::f64);
  }
  for (const char* op : {"abs", "neg"}) l.add(std::string(op) + ".ftz.f32", 1, Type::f32);
  for (const char* op : {"min", "max"}) {
    for (const char* ftz : {"", ".ftz"}) {
      for (const char* nan : {"", ".NaN"}) {
        for (const char* absolute : {"", ".xorsign.abs"})
          l.add(std::string(op) + ftz + nan + absolute + ".f32", 2, Type::f32);
      }
    }
  }
  for (const char* c : {"finite", "infinite", "number", "notanumber", "normal", "subnormal"}) {
    l.add(fmt::format("testp.{}.f32", c), {Type::f32}, Type::pred);
    l.add(fmt::format("testp.{}.f64", c), {Type::f64}, Type::pred);
  }
}

void approximations(List& l) {
  l.add("div.approx.ftz.f32", 2, Type::f32, {0x1.8p-22, 0});
  l.add("div.full.ftz.f32", 2, Type::f32, {0x1.8p-22, 0});
  l.add("sqrt.approx.ftz.f32", 1, Type::f32, {0x1p-22, 0});
  l.add("rsqrt.approx.ftz.f32", 1, Type::f32, {0x1p-21, 0});
  l.add("sin.approx.ftz.f32", 1, Type::f32, {0, 0x1p-20});
  l.add("cos.approx.ftz.f32", 1, Type::f32, {0, 0x1p-20});
  l.add("lg2.approx.ftz.f32", 1, Type::f32, {0x1p-21, 0x1p-21});
  l.add("rcp.approx.ftz.f64", 1, Type::f64, {0x1p-19, 0});
  l.add("rsqrt.approx.ftz.f64", 1, Type::f64, {0x1p-19, 0});
  l.add("tanh.approx.f16", 1, Type::f16, {0, 0x1.04p-10});
  l.add("tanh.approx.f16x2", 1, Type::f16x2, {0, 0x1.04p-10});
  l.add("tanh.approx.bf16", 1, Type::bf16, {0, 0x1p-7});
  l.add("tanh.approx.bf16x2", 1, Type::bf16x2, {0, 0x1p-7});
  l.add("ex2.approx.f16", 1, Type::f16, {0x1.2p-9, 0});
  l.add("ex2.approx.f16x2", 1, Type::f16x2, {0x1.2p-9, 0});
  l.add("ex2.approx.ftz.bf16", 1, Type::bf16, {0x1.8p-7, 0});
  l.add("ex2.approx.ftz.bf16x2", 1, Type::bf16x2, {0x1.8p-7, 0});
}

void halves(List& l) {
  for (const Type t : {Type::f16, Type::f16x2}) {
    const std::string type = fmt::format(".{}", isa::spelling(t));
    for (const char* m : {"", ".ftz", ".sat", ".ftz.sat"}) {
      for (const char* op : {"add", "sub", "mul", "add.rn", "sub.rn", "mul.rn"})
        l.add(std::string(op) + m + type, 2, t);
      l.add(std::string("fma.rn") + m + type, 3, t);
    }
    for (const char* m : {".relu", ".ftz.relu"}) l.add(std::string("fma.rn") + m + type, 3, t);
    for (const char* op : {"neg", "abs"}) {
      for (const char* ftz : {"", ".ftz"}) l.add(std::string(op) + ftz + type, 1, t);
    }
  }
  for (const Type t : {Type::bf16, Type::bf16x2}) {
    const std::string type = fmt::format(".{}", isa::spelling(t));
    for (const char* op : {"add", "sub", "mul", "add.rn", "sub.rn", "mul.rn"})
      l.add(op + type, 2, t);
    l.add("fma.rn.relu" + type, 3, t);
    for (const char* op : {"neg", "abs"}) l.add(op + type, 1, t);
  }
  for (const Type t : {Type::f16, Type::f16x2, Type::bf16, Type::bf16x2}) {
    const std::string type = fmt::format(".{}", isa::spelling(t));
    const bool brain = t == Type::bf16 || t == Type::bf16x2;
    for (const char* op : {"min", "max"}) {
      for (const char* ftz : {"", ".ftz"}) {
        if (brain && *ftz != 0) continue;
        for (const char* rest : {"", ".NaN", ".xorsign.abs", ".NaN.xorsign.abs"})
          l.add(std::string(op) + ftz + rest + type, 2, t);
      }
    }
  }
}

const char* const comparisons[] = {"eq",  "ne",  "lt",  "le",  "gt",  "ge",  "equ",
                                   "neu", "ltu", "leu", "gtu", "geu", "num", "nan"};

void compare(List& l) {
  for (const char* c : comparisons) {
    const auto setp = [&](const std::string& suffix, Type t) {
      const std::string name = fmt::format("setp.{}{}", c, suffix);
      l.code(name, name + " %d0, %a0, %a1;", {t, t}, {Type::pred});
    };
    setp(".ftz.f32", Type::f32);
    setp(".f16", Type::f16);
    setp(".ftz.f16", Type::f16);
    setp(".bf16", Type::bf16);
    for (const Type t : {Type::f16x2, Type::bf16x2}) {
      const std::string name = fmt::format("setp.{}.{}", c, isa::spelling(t));
      l.code(name, name + " %d0|%d1, %a0, %a1;", {t, t}, {Type::pred, Type::pred});
    }
    for (const char* to : {"u32", "s32", "f32"}) {
      for (const Type t : {Type::f32, Type::f64, Type::f16}) {
        if (t == Type::f16 && to[0] == 'f') continue;
        const std::string name = fmt::format("set.{}.{}.{}", c, to, isa::spelling(t));
        l.add(name, {t, t}, to[0] == 'f' ? Type::f32 : Type::u32);
      }
    }
    l.add(fmt::format("set.{}.f16.f16", c), {Type::f16, Type::f16}, Type::f16);
    l.add(fmt::format("set.{}.f16x2.f16x2", c), {Type::f16x2, Type::f16x2}, Type::f16x2);
    l.add(fmt::format("set.{}.bf16x2.bf16x2", c), {Type::bf16x2, Type::bf16x2}, Type::bf16x2);
    l.add(fmt::format("set.{}.u32.f16x2", c), {Type::f16x2, Type::f16x2}, Type::u32);
    l.add(fmt::format("set.{}.ftz.u32.f32", c), {Type::f32, Type::f32}, Type::u32);
    for (const char* combine : {"and", "or", "xor"}) {
      const std::string name = fmt::format("setp.{}.{}.f32", c, combine);
      l.code(name, name + " %d0|%d1, %a0, %a1, %a2;", {Type::f32, Type::f32, Type::pred},
             {Type::pred, Type::pred});
    }
  }
}

}  // namespace

std::vector<Form> float_forms() {
  List arithmetic_list("float arithmetic"), approximate("approximations"), half("half precision"),
      comparison("float comparison");
  arithmetic(arithmetic_list);
  approximations(approximate);
  halves(half);
  compare(comparison);
  std::vector<Form> all;
  for (List* l : {&arithmetic_list, &approximate, &half, &comparison})
    for (Form& f : l->all) all.push_back(std::move(f));
  return all;
}

}  // namespace ptxmill::test
