#include "generator/ptx/printer.hpp"

#include <bit>
#include <charconv>
#include <map>

#include <fmt/format.h>

namespace ptxmill::ptx {
namespace {

constexpr std::size_t operand_column = 18;
constexpr std::size_t comment_column = 72;

class Printer {
 public:
  explicit Printer(const Recorder& recorder) : k_(recorder), offsets_(recorder.shared_offsets()) {
    number_registers();
  }

  std::string body() {
    declare(0);
    out_ += "\n";
    for (const Line& line : k_.lines()) print_line(line);
    return std::move(out_);
  }

 private:
  void number_registers();
  void declare(int phase);
  void print_line(const Line& line);
  void instruction(const Line& line);
  std::string operand(const Operand& o) const;
  std::string address(const Operand& o) const;
  std::string name(RegId id) const;
  void text(const std::string& line) {
    out_ += std::string(static_cast<std::size_t>(indent_) * 4, ' ') + line + "\n";
  }

  const Recorder& k_;
  std::vector<std::int64_t> offsets_;
  std::vector<int> numbers_;                          ///< a temporary's number in its phase, or -1
  std::map<int, std::map<std::string, int>> counts_;  ///< temporaries by phase and prefix
  std::map<int, std::map<std::string, std::vector<std::string>>> named_;  ///< by phase and class
  int indent_ = 1;
  std::string out_;
};

/// Temporaries are numbered in the order in which the text mentions them, from zero in each phase.
void Printer::number_registers() {
  numbers_.assign(k_.registers().size(), -1);
  std::vector<bool> seen(k_.registers().size(), false);
  const auto visit = [&](RegId id) {
    if (id == no_reg || seen[static_cast<std::size_t>(id)]) return;
    seen[static_cast<std::size_t>(id)] = true;
    const Register& r = k_.reg(id);
    const RegisterClass c = register_class(r.type);
    if (r.name.empty())
      numbers_[static_cast<std::size_t>(id)] = counts_[r.phase][std::string(c.prefix)]++;
    else
      named_[r.phase][std::string(c.declared)].push_back(name(id));
  };
  for (const Line& line : k_.lines()) {
    visit(line.guard);
    for (const Operand& o : line.operands) {
      visit(o.reg);
      for (const RegId r : o.group) visit(r);
    }
  }
}

std::string Printer::name(RegId id) const {
  const Register& r = k_.reg(id);
  const std::string prefix(register_class(r.type).prefix);
  return r.name.empty() ? prefix + std::to_string(numbers_[static_cast<std::size_t>(id)])
                        : prefix + "_" + r.name;
}

void Printer::declare(int phase) {
  static constexpr std::pair<const char*, const char*> classes[] = {
      {".pred", "%p"}, {".b16", "%h"}, {".b32", "%r"},
      {".b64", "%rd"}, {".f32", "%f"}, {".f64", "%fd"}};
  for (const auto& [declared, prefix] : classes) {
    std::vector<std::string> names = named_[phase][declared];
    if (const int n = counts_[phase][prefix]; n > 0)
      names.insert(names.begin(), fmt::format("{}<{}>", prefix, n));
    std::string line;
    for (const std::string& n : names) {
      if (line.size() + n.size() > 84) {
        text(fmt::format(".reg {:<6} {};", declared, line));
        line.clear();
      }
      line += (line.empty() ? "" : ", ") + n;
    }
    if (!line.empty()) text(fmt::format(".reg {:<6} {};", declared, line));
  }
}

void Printer::print_line(const Line& line) {
  switch (line.kind) {
    case Line::Kind::open:
      if (!out_.ends_with(":\n")) out_ += "\n";
      text("{");
      ++indent_;
      text("// ---- " + line.text);
      declare(line.phase);
      break;
    case Line::Kind::close:
      --indent_;
      text("}");
      break;
    case Line::Kind::label: out_ += line.text + ":\n"; break;
    case Line::Kind::comment: text("// " + line.text); break;
    case Line::Kind::pragma: text(fmt::format(".pragma \"{}\";", line.text)); break;
    case Line::Kind::assume:
      text(fmt::format("//@ uniform {} {}", line.text, operand(line.operands[0])));
      break;
    case Line::Kind::instruction: instruction(line); break;
  }
}

void Printer::instruction(const Line& line) {
  std::string s(static_cast<std::size_t>(indent_) * 4, ' ');
  if (line.guard != no_reg)
    s += fmt::format("@{}{} ", line.guard_negated ? "!" : "", name(line.guard));
  s += std::string(isa::row(line.op).spelling) + line.suffix;
  const std::size_t column = static_cast<std::size_t>(indent_) * 4 + operand_column;
  std::string decimals;
  for (std::size_t i = 0; i < line.operands.size(); ++i) {
    if (i == 0)
      s += std::string(s.size() < column ? column - s.size() : 1, ' ');
    else
      s += ", ";
    // Where a variable stands for its address, it stands without brackets.
    const bool symbol = isa::operands(isa::row(line.op).shape)[i].role == isa::Role::symbol;
    s += symbol ? address(line.operands[i]) : operand(line.operands[i]);
    if (line.operands[i].kind == Operand::Kind::real)
      decimals +=
          (decimals.empty() ? "" : ", ") + decimal(line.operands[i].real, line.operands[i].type);
  }
  s += ";";
  if (!decimals.empty())
    s += std::string(s.size() < comment_column ? comment_column - s.size() : 2, ' ') + "// " +
         decimals;
  out_ += s + "\n";
}

std::string Printer::address(const Operand& o) const {
  std::string base;
  std::int64_t offset = o.integer;
  if (o.reg != no_reg) {
    base = name(o.reg);
  } else if (o.kind == Operand::Kind::shared) {
    base = k_.shared_is_dynamic() ? "smem" : k_.shared_array(o.shared).name;
    if (k_.shared_is_dynamic()) offset += offsets_[static_cast<std::size_t>(o.shared)];
  } else {
    base = o.text;
  }
  return offset == 0 ? base : fmt::format("{}{}{}", base, offset > 0 ? "+" : "", offset);
}

std::string Printer::operand(const Operand& o) const {
  switch (o.kind) {
    case Operand::Kind::reg: return o.text + name(o.reg);
    case Operand::Kind::symbol: return o.text;
    case Operand::Kind::address: return "[" + address(o) + "]";
    case Operand::Kind::shared: return "[" + address(o) + "]";
    case Operand::Kind::integer:
    case Operand::Kind::real: return print_literal(o);
    case Operand::Kind::group: {
      std::string s;
      for (const RegId r : o.group)
        if (r != no_reg) s += (s.empty() ? "" : ", ") + name(r);
      return "{" + s + "}";
    }
    case Operand::Kind::tensor: {
      std::string s;
      for (const RegId r : o.group) s += (s.empty() ? "" : ", ") + name(r);
      return "[" + name(o.reg) + ", {" + s + "}]";
    }
  }
  return {};
}

std::string shared_declarations(const Recorder& k) {
  if (k.shared_arrays().empty() || k.shared_is_dynamic()) return {};
  std::string s;
  for (const SharedArray& a : k.shared_arrays())
    s += fmt::format("    .shared .align {} .{} {}[{}];\n", a.align, isa::spelling(a.type), a.name,
                     a.count);
  return s;
}

std::string dynamic_declaration(const Recorder& k) {
  if (!k.shared_is_dynamic()) return {};
  std::string s = "// Dynamic shared memory:\n";
  const std::vector<std::int64_t> offsets = k.shared_offsets();
  for (std::size_t i = 0; i < k.shared_arrays().size(); ++i) {
    const SharedArray& a = k.shared_arrays()[i];
    s +=
        fmt::format("//   {:>7}  {} .{}[{}]\n", offsets[i], a.name, isa::spelling(a.type), a.count);
  }
  return s + ".extern .shared .align 1024 .b8 smem[];\n\n";
}

std::string parameters(const Recorder& k) {
  std::string s;
  for (const Param& p : k.params()) {
    if (!s.empty()) s += ",\n";
    s += p.bytes > 0 ? fmt::format("    .param .align {} .b8 p_{}[{}]", p.align, p.name, p.bytes)
                     : fmt::format("    .param .{:<3} p_{}", isa::spelling(p.type), p.name);
  }
  return s;
}

}  // namespace

std::string decimal(double value, isa::Type type) {
  char buffer[64];
  const auto end = type == isa::Type::f32
                       ? std::to_chars(buffer, buffer + sizeof buffer, static_cast<float>(value))
                       : std::to_chars(buffer, buffer + sizeof buffer, value);
  return {buffer, end.ptr};
}

std::string print_literal(const Operand& o) {
  if (o.kind == Operand::Kind::integer) {
    if (o.type == isa::Type::b32 || (o.type == isa::Type::u32 && o.integer == 0xffffffff))
      return fmt::format("0x{:X}", static_cast<std::uint32_t>(o.integer));
    return std::to_string(o.integer);
  }
  if (o.type == isa::Type::f32)
    return fmt::format("0f{:08X}", std::bit_cast<std::uint32_t>(static_cast<float>(o.real)));
  return fmt::format("0d{:016X}", std::bit_cast<std::uint64_t>(o.real));
}

std::string print(const Recorder& k, const EntryShape& shape,
                  const std::vector<std::string>& header) {
  std::string out;
  for (const std::string& line : header) out += line.empty() ? "//\n" : "// " + line + "\n";
  out += fmt::format("\n.version {}.{}\n.target {}\n.address_size 64\n\n", k.ptx_version() / 10,
                     k.ptx_version() % 10, k.target().name());
  out += dynamic_declaration(k);
  out += fmt::format(".visible .entry {}(\n{}\n)\n.maxntid {}, {}, {}\n", k.entry(), parameters(k),
                     shape.block_x, shape.block_y, shape.block_z);
  if (shape.min_ctas_per_sm > 0) out += fmt::format(".minnctapersm {}\n", shape.min_ctas_per_sm);
  if (shape.cluster > 1) out += fmt::format(".reqnctapercluster {}, 1, 1\n", shape.cluster);
  out += "{\n" + shared_declarations(k);
  out += Printer(k).body();
  return out + "}\n";
}

}  // namespace ptxmill::ptx
