#include "emulator/decode/classify.hpp"

#include <algorithm>
#include <optional>

#include "isa/isa.hpp"

namespace ptxmill::emu {
namespace {

using isa::Type;
using Class = InstructionClass;

std::optional<Type> named_type(std::string_view word) {
  for (int i = 0; i < isa::type_count; ++i) {
    const auto t = static_cast<Type>(i);
    if (isa::spelling(t) == word) return t;
  }
  return std::nullopt;
}

bool has(const ast::Instruction& i, std::string_view word) {
  return std::find(i.modifiers.begin(), i.modifiers.end(), word) != i.modifiers.end();
}

/// The type that closes the modifiers.
std::optional<Type> last_type(const ast::Instruction& i) {
  for (auto it = i.modifiers.rbegin(); it != i.modifiers.rend(); ++it)
    if (const auto t = named_type(*it)) return t;
  return std::nullopt;
}

template <std::size_t n>
bool one_of(std::string_view word, const std::string_view (&words)[n]) {
  return std::find(std::begin(words), std::end(words), word) != std::end(words);
}

std::uint8_t access_bytes(const ast::Instruction& i) {
  const auto t = last_type(i);
  int bytes = t ? isa::bits(*t) / 8 : has(i, "b128") ? 16 : 0;
  for (const std::string_view m : i.modifiers)
    if (m == "v2" || m == "v4" || m == "v8") bytes *= m[1] - '0';
  return static_cast<std::uint8_t>(bytes);
}

/// A load or store by the state space that it names.
Class by_space(const ast::Instruction& i, bool store) {
  for (const std::string_view m : i.modifiers) {
    if (m == "global") return store ? Class::global_store : Class::global_load;
    if (m.starts_with("shared")) return store ? Class::shared_store : Class::shared_load;
    if (m == "local") return Class::local;
    if (m.starts_with("param") || m == "const") return Class::param;
  }
  return store ? Class::generic_store : Class::generic_load;
}

std::optional<Class> memory_class(const ast::Instruction& i) {
  const std::string_view op = i.opcode;
  if (op == "ld" || op == "ldu") return by_space(i, false);
  if (op == "st") return by_space(i, true);
  if (op == "ldmatrix") return Class::shared_load;
  if (op == "stmatrix") return Class::shared_store;
  if (op == "atom" || op == "red" || op == "multimem") return Class::atomic;
  if (op == "cp") return Class::async_copy;
  return std::nullopt;
}

std::optional<Class> control_class(const ast::Instruction& i) {
  constexpr std::string_view branches[] = {"bra", "brx", "call", "ret", "exit", "trap", "brkpt"};
  constexpr std::string_view barriers[] = {"bar",   "barrier", "mbarrier",
                                           "fence", "membar",  "griddepcontrol"};
  constexpr std::string_view warps[] = {"shfl",  "vote",  "match",    "activemask",
                                        "redux", "elect", "movmatrix"};
  const std::string_view op = i.opcode;
  if (one_of(op, branches)) return Class::branch;
  if (one_of(op, warps) || (op == "bar" && has(i, "warp"))) return Class::warp;
  if (one_of(op, barriers)) return Class::barrier;
  return std::nullopt;
}

/// What has an arithmetic type: by that, and by the unit that computes it.
std::optional<Class> arithmetic_class(const ast::Instruction& i) {
  constexpr std::string_view integers[] = {
      "add",  "sub",   "mul",   "mad",      "div",   "rem",  "abs",  "neg",  "min",  "max",
      "sad",  "mul24", "fma",   "copysign", "mad24", "dp4a", "dp2a", "addc", "subc", "madc",
      "popc", "clz",   "bfind", "fns",      "brev",  "bfe",  "bfi",  "bmsk", "szext"};
  constexpr std::string_view special[] = {"rcp", "sqrt", "rsqrt", "sin",
                                          "cos", "lg2",  "ex2",   "tanh"};
  const std::string_view op = i.opcode;
  if (one_of(op, special)) return Class::special_function;
  if (!one_of(op, integers)) return std::nullopt;
  const auto t = last_type(i);
  if (!t || !isa::is_float(*t)) return Class::integer;
  if (op == "div") return Class::special_function;
  return *t == Type::f32 ? Class::f32 : *t == Type::f64 ? Class::f64 : Class::half;
}

std::optional<Class> data_class(const ast::Instruction& i) {
  constexpr std::string_view moves[] = {"mov",  "mapa", "getctarank", "selp", "slct",
                                        "prmt", "shf",  "shl",        "shr",  "and",
                                        "or",   "xor",  "not",        "cnot", "lop3"};
  constexpr std::string_view predicates[] = {"setp", "set", "testp", "isspacep"};
  constexpr std::string_view tensors[] = {"mma", "wmma", "wgmma", "tcgen05"};
  const std::string_view op = i.opcode;
  if (op == "cvt" || op == "cvta") return Class::conversion;
  if (one_of(op, predicates)) return Class::predicate;
  if (one_of(op, moves)) return has(i, "pred") ? Class::predicate : Class::move;
  if (one_of(op, tensors)) return Class::tensor;
  return std::nullopt;
}

AccessKind access_kind(const ast::Instruction& i, Class c) {
  constexpr std::string_view strong[] = {"volatile", "relaxed", "acquire", "release", "mmio"};
  if (c == Class::atomic) return AccessKind::atomic;
  for (const std::string_view m : i.modifiers)
    if (one_of(m, strong)) return AccessKind::atomic;
  return i.opcode == "st" ? AccessKind::write : AccessKind::read;
}

}  // namespace

InstructionTraits classify(const ast::Instruction& i) {
  if (i.opcode.empty()) return {};
  InstructionTraits traits{Class::other, 0, AccessKind::read};
  if (const auto c = memory_class(i)) {
    traits.what = *c;
    traits.bytes = access_bytes(i);
    traits.access = access_kind(i, *c);
    if (i.opcode == "cp") traits.bytes = 0;  // bulk copies show what they touch themselves
    if (i.opcode == "cp" && !has(i, "bulk") && i.operands.size() >= 3)
      traits.bytes = static_cast<std::uint8_t>(i.operands[2].bits);
    if (i.opcode == "ldmatrix" || i.opcode == "stmatrix") traits.bytes = 16;
  } else if (const auto control = control_class(i)) {
    traits.what = *control;
  } else if (const auto arithmetic = arithmetic_class(i)) {
    traits.what = *arithmetic;
  } else if (const auto data = data_class(i)) {
    traits.what = *data;
  }
  return traits;
}

}  // namespace ptxmill::emu
