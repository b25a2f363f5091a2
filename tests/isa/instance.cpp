#include "tests/isa/instance.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace ptxmill::test {
namespace {

using isa::Is;
using isa::Role;
using isa::Type;

std::string underscored(std::string_view s) {
  std::string name;
  for (const char c : s) name += c == '.' || c == '%' ? '_' : c;
  return name;
}

bool is_result(const isa::Row& row, std::size_t index) {
  const isa::OperandRule& rule = isa::operands(row.shape)[index];
  const bool group = rule.role == Role::one || rule.role == Role::pair || rule.role == Role::quad;
  return rule.role == Role::result || (group && index == 0);
}

/// How many registers an operand names; 0 where it is none.
int registers(const isa::OperandRule& rule) {
  switch (rule.role) {
    case Role::result:
    case Role::source:
    case Role::one: return 1;
    case Role::pair: return 2;
    case Role::quad: return 4;
    default: return 0;
  }
}

std::vector<Type> register_types(const Instance& instance, bool wanted_results) {
  std::vector<Type> types;
  const auto rules = isa::operands(instance.row().shape);
  for (std::size_t i = 0; i < rules.size(); ++i)
    if (is_result(instance.row(), i) == wanted_results)
      types.insert(types.end(), static_cast<std::size_t>(registers(rules[i])),
                   type_of(rules[i].type, instance));
  return types;
}

/// The type that a register is declared with: the packed and the 16-bit float types have none.
std::string declared(Type type) {
  if (isa::bits(type) == 8 || type == Type::f16 || type == Type::bf16) return "b16";
  if (type == Type::f16x2 || type == Type::bf16x2) return "b32";
  return std::string(isa::spelling(type));
}

/// The type with which a register's bits are loaded and stored.
std::string moved(Type type) {
  if (isa::bits(type) == 8) return "u8";
  return declared(type);
}

std::string address(const isa::Row& row, std::size_t index) {
  if (row.shape == isa::Shape::at_at_bytes && index == 1) return "[%in]";
  if (row.spelling.find(".shared") != row.spelling.npos) return "[scratch]";
  return row.spelling.starts_with("ld.param") ? "[p_cell]" : "[%out]";
}

/// The operands as they are written: results %d0, %d1, ..., sources %a0, %a1, ...
std::string operand_text(const Instance& instance) {
  const auto rules = isa::operands(instance.row().shape);
  int next_result = 0, next_source = 0;
  std::string text;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const bool result = is_result(instance.row(), i);
    std::string names;
    for (int n = registers(rules[i]); n > 0; --n)
      names += fmt::format("{}%{}{}", names.empty() ? "" : ", ", result ? 'd' : 'a',
                           result ? next_result++ : next_source++);
    switch (rules[i].role) {
      case Role::one:
      case Role::pair:
      case Role::quad: names = "{" + names + "}"; break;
      // The first operand of a barrier is its number.
      case Role::immediate: names = i == 0 ? "0" : std::to_string(instance.immediate); break;
      case Role::address: names = address(instance.row(), i); break;
      case Role::label: names = "$end"; break;
      case Role::symbol: names = "scratch"; break;
      default: break;
    }
    text += (text.empty() ? "" : ", ") + names;
  }
  return text;
}

std::string declarations(const std::vector<Type>& types, char letter) {
  std::string text;
  for (std::size_t k = 0; k < types.size(); ++k)
    text += fmt::format("    .reg .{} %{}{};\n", declared(types[k]), letter, k);
  return text;
}

std::string load(Type type, std::size_t k) {
  if (type != Type::pred)
    return fmt::format("    ld.global.{} %a{}, [%in+{}];\n", moved(type), k, 8 * k);
  return fmt::format("    ld.global.u32 %word, [%in+{}];\n    setp.ne.u32 %a{}, %word, 0;\n", 8 * k,
                     k);
}

std::string store(Type type, std::size_t k) {
  if (type != Type::pred)
    return fmt::format("    st.global.{} [%out+{}], %d{};\n", moved(type), 8 * k, k);
  return fmt::format("    selp.u32 %word, 1, 0, %d{};\n    st.global.u32 [%out+{}], %word;\n", k,
                     8 * k);
}

std::string entry(const std::string& name, const std::vector<Type>& from,
                  const std::vector<Type>& to, const std::string& instruction) {
  std::string text = fmt::format(
      ".visible .entry {}(\n    .param .u64 p_in, .param .u64 p_out, .param .u32 p_count,\n"
      "    .param .align 16 .b8 p_cell[16])\n{{\n"
      "    .reg .pred %beyond;\n    .reg .b32 %case, %threads, %cta, %count, %word;\n"
      "    .reg .b64 %in, %out;\n    .shared .align 16 .b8 scratch[64];\n",
      name);
  text += declarations(from, 'a') + declarations(to, 'd');
  text += fmt::format(
      "    mov.u32 %cta, %ctaid.x;\n    mov.u32 %threads, %ntid.x;\n    mov.u32 %case, %tid.x;\n"
      "    mad.lo.u32 %case, %cta, %threads, %case;\n    ld.param.u32 %count, [p_count];\n"
      "    setp.ge.u32 %beyond, %case, %count;\n    @%beyond ret;\n"
      "    ld.param.u64 %in, [p_in];\n    cvta.to.global.u64 %in, %in;\n"
      "    mad.wide.u32 %in, %case, {}, %in;\n"
      "    ld.param.u64 %out, [p_out];\n    cvta.to.global.u64 %out, %out;\n"
      "    mad.wide.u32 %out, %case, {}, %out;\n",
      8 * from.size(), 8 * to.size());
  for (std::size_t k = 0; k < from.size(); ++k) text += load(from[k], k);
  text += "    " + instruction + ";\n";
  for (std::size_t k = 0; k < to.size(); ++k) text += store(to[k], k);
  return text + "$end:\n    ret;\n}\n\n";
}

}  // namespace

std::string Instance::spelling() const {
  std::string s(row().spelling);
  if (!row().types.empty()) s += "." + std::string(isa::spelling(type));
  if (!row().from.empty()) s += "." + std::string(isa::spelling(from));
  return s;
}

std::string Instance::name() const {
  std::string s(row().method);
  if (!row().types.empty()) s += "_" + std::string(isa::spelling(type));
  if (!row().from.empty()) s += "_" + std::string(isa::spelling(from));
  return row().types.empty() || immediate == 0 ? s : fmt::format("{}_{}", s, immediate);
}

std::vector<Instance> instances(isa::Op op) {
  const isa::Row& row = isa::row(op);
  std::vector<Instance> all;
  if (!isa::runs_alone(row)) return all;
  // A barrier's count of threads is a multiple of a warp's; every asynchronous copy has 16 bytes.
  if (row.types.empty())
    return {{.op = op,
             .immediate = row.shape == isa::Shape::barrier_count ? 32
                          : row.shape == isa::Shape::at_at_bytes ? 16
                                                                 : 0}};
  for (int t = 0; t < isa::type_count; ++t) {
    const Type type = static_cast<Type>(t);
    if (!row.types.contains(type)) continue;
    if (row.from.empty()) all.push_back({op, type});
    for (int f = 0; f < isa::type_count; ++f)
      if (const Type from = static_cast<Type>(f); isa::converts(row, type, from))
        all.push_back({op, type, from});
  }
  return all;
}

std::vector<Instance> instances() {
  std::vector<Instance> all;
  for (const isa::Row& row : isa::rows)
    for (const Instance& i : instances(row.op)) all.push_back(i);
  return all;
}

Type type_of(Is is, const Instance& instance) {
  switch (is) {
    case Is::from: return instance.from;
    case Is::wide: return isa::widened(instance.type);
    case Is::half: return instance.type == Type::b64 ? Type::b32 : Type::b16;
    case Is::u16: return Type::u16;
    case Is::u32: return Type::u32;
    case Is::u64: return Type::u64;
    case Is::f32: return Type::f32;
    case Is::pred: return Type::pred;
    default: return instance.type;
  }
}

std::vector<Type> sources(const Instance& instance) { return register_types(instance, false); }
std::vector<Type> results(const Instance& instance) { return register_types(instance, true); }

Header lowest_header(isa::TargetRule target, int ptx) {
  const bool exact = target.kind == isa::TargetRule::Kind::exactly;
  const int sm = exact ? target.sm : std::max(80, target.sm);
  return {fmt::format("sm_{}{}", sm, exact ? "a" : ""),
          std::max(ptx, isa::ptx_for_target(sm, exact))};
}

std::string text(const Header& header) {
  return fmt::format(".version {}.{}\n.target {}\n.address_size 64\n\n", header.ptx / 10,
                     header.ptx % 10, header.target);
}

std::string kernel_text(const Instance& instance) {
  return entry(instance.name(), sources(instance), results(instance),
               instance.spelling() + " " + operand_text(instance));
}

std::string name(const isa::SpecialRegister& special) {
  return "special" + underscored(special.spelling);
}

std::string kernel_text(const isa::SpecialRegister& special) {
  return entry(name(special), {}, {special.type},
               fmt::format("mov.{} %d0, {}", isa::spelling(special.type), special.spelling));
}

}  // namespace ptxmill::test
