// Every row of the instruction table, with every type it allows, parses and runs.
#include <string>
#include <utility>
#include <vector>

#include "interpreter_fixture.hpp"
#include "isa/isa.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

using isa::Is;
using isa::Role;
using isa::Type;

std::vector<Type> members(isa::TypeSet set) {
  std::vector<Type> out;
  for (int i = 0; i < isa::type_count; ++i)
    if (set.contains(static_cast<Type>(i))) out.push_back(static_cast<Type>(i));
  return out;
}

/// The type a register for values of type `t` is declared with.
std::string declared(Type t) {
  if (t == Type::pred) return ".pred";
  if (isa::bits(t) == 8) return ".b16";
  if (t == Type::f16x2 || t == Type::bf16x2) return ".b32";
  if (t == Type::bf16) return ".b16";
  return "." + std::string(isa::spelling(t));
}

/// One instruction with registers of its own, set to 1 where it reads them.
class RowProgram {
 public:
  RowProgram(const isa::Row& row, Type t, Type from) : row_(row), t_(t), from_(from) {
    std::string operands;
    for (const isa::OperandRule& rule : isa::operands(row.shape)) {
      operands += (operands.empty() ? " " : ", ") + operand(rule);
    }
    std::string spelled(row.spelling);
    if (!row.types.empty()) spelled += "." + std::string(isa::spelling(t));
    if (!row.from.empty()) spelled += "." + std::string(isa::spelling(from));
    instruction_ = spelled + operands + ";";
  }

  std::string instruction() const { return instruction_; }
  std::string body() const {
    return ".reg .b64 %g;\n.reg .b32 %row, %tile;\n.shared .align 16 .b8 tile[512];\n" + declare_ +
           "ld.param.u64 %g, [p_g];\nmov.u32 %row, %laneid;\nmov.u32 %tile, tile;\n"
           "mad.lo.u32 %row, %row, 16, %tile;\n" +
           set_up_ + instruction_ + "\nAFTER:\nret;\n";
  }

 private:
  Type type_of(Is is) const {
    switch (is) {
      case Is::T: return t_;
      case Is::from: return from_;
      case Is::wide: return isa::widened(t_);
      case Is::half: return isa::bits(t_) == 64 ? Type::b32 : Type::b16;
      case Is::u16: return Type::u16;
      case Is::u32: return Type::u32;
      case Is::u64: return Type::u64;
      case Is::f32: return Type::f32;
      case Is::pred: return Type::pred;
      case Is::none: break;
    }
    return Type::b32;
  }

  std::string reg(Type t, bool read) {
    std::string name = "%x" + std::to_string(count_++);
    declare_ += ".reg " + declared(t) + " " + name + ";\n";
    if (!read) return name;
    if (t == Type::pred) {
      set_up_ += "setp.eq.u32 " + name + ", 1, 1;\n";
    } else if (t == Type::f32) {
      set_up_ += "mov.f32 " + name + ", 0f3F800000;\n";
    } else if (t == Type::f64) {
      set_up_ += "mov.f64 " + name + ", 0d3FF0000000000000;\n";
    } else {
      const int bits = isa::bits(t) == 8 ? 16 : isa::bits(t);
      set_up_ += "mov.b" + std::to_string(bits) + " " + name + ", 1;\n";
    }
    return name;
  }

  std::string vector(Type t, int n, bool read) {
    std::string out = "{";
    for (int i = 0; i < n; ++i) out += (i == 0 ? "" : ", ") + reg(t, read);
    return out + "}";
  }

  std::string operand(const isa::OperandRule& rule) {
    const Type t = type_of(rule.type);
    const bool barrier =
        row_.shape == isa::Shape::barrier || row_.shape == isa::Shape::barrier_count;
    const bool mask = row_.spelling.find(".sync") != std::string_view::npos;
    // A pair or quad is written by loads and by unpacking moves, read by stores and packing ones.
    const bool reads_vector = first_ == false;
    switch (rule.role) {
      case Role::result: return first_ = false, reg(t, false);
      case Role::source:
        if (mask && t == Type::u32) return first_ = false, "0xffffffff";
        return first_ = false, reg(t, true);
      case Role::immediate:
        if (row_.shape == isa::Shape::at_at_bytes) return "16";
        return first_ = false, barrier && ++immediates_ == 2 ? "32" : barrier ? "1" : "31";
      case Role::address: return address(std::exchange(first_, false));
      case Role::one: return first_ = false, vector(t, 1, reads_vector);
      case Role::pair: return first_ = false, vector(t, 2, reads_vector);
      case Role::quad: return first_ = false, vector(t, 4, reads_vector);
      // Of rows that do not run alone.
      case Role::list:
      case Role::tensor:
      case Role::sink:
      case Role::elected: break;
      case Role::label: return "AFTER";
      case Role::symbol: return "tile";
    }
    return {};
  }

  std::string address(bool first) {
    if (row_.shape == isa::Shape::at_at_bytes && !first) return "[%g]";
    const auto has = [&](std::string_view part) {
      return row_.spelling.find(part) != std::string_view::npos;
    };
    if (has("param")) return "[p_g]";
    if (has("matrix")) return "[%row]";  // of which each lane names one
    return has("shared") ? "[tile]" : "[%g]";
  }

  const isa::Row& row_;
  Type t_, from_;
  bool first_ = true;
  int count_ = 0, immediates_ = 0;
  std::string declare_, set_up_, instruction_;
};

/// The manual's rule for the rounding of a conversion: integer results of a float need an integer
/// rounding, float results that may be inexact one of the others, exact ones none.
bool legal_conversion(const isa::Row& row, Type to, Type from) {
  const bool integer_rounding = row.spelling == "cvt.rni" || row.spelling == "cvt.rzi" ||
                                row.spelling == "cvt.rmi" || row.spelling == "cvt.rpi";
  const bool rounds = row.spelling == "cvt.rn";
  if (!isa::is_float(from)) return isa::is_float(to) ? rounds : !rounds && !integer_rounding;
  if (!isa::is_float(to)) return integer_rounding;
  if (isa::bits(to) < isa::bits(from)) return rounds;
  if (isa::bits(to) > isa::bits(from)) return !rounds && !integer_rounding;
  return !rounds;
}

void check_row(const isa::Row& row, Type t, Type from) {
  const RowProgram program(row, t, from);
  CAPTURE(program.instruction());
  const std::string text =
      ".version 8.6\n.target " +
      std::string(row.target.kind == isa::TargetRule::Kind::exactly ? "sm_90a" : "sm_90") +
      "\n.address_size 64\n.visible .entry k(.param .u64 p_g)\n{\n" + program.body() + "}\n";
  std::string log;
  bool unsupported = false;
  const auto parsed_program = Program::parse(text, Machine{}, &log, &unsupported);
  CAPTURE(log);
  REQUIRE(parsed_program != nullptr);

  GlobalMemory memory(1 << 20);
  const DeviceAddress g = memory.allocate(64);
  std::memset(memory.find(g, 64)->written.data(), 1, 64);
  ExecuteOptions options;
  options.check = Check::warn;  // a load may read shared memory that nothing wrote
  Launch launch;
  // All write to one place, so that there is one thread, but for what a whole warp must do.
  const bool whole_warp = row.spelling.find(".aligned") != std::string_view::npos;
  launch.block = {whole_warp ? 32U : 1U, 1, 1};
  launch.params = std::as_bytes(std::span(&g, 1));
  const ExecuteResult r =
      execute(*parsed_program, *parsed_program->find("k"), launch, memory, Machine{}, options);
  CAPTURE(r.report);
  const bool traps = row.method == "trap";
  CHECK(r.outcome == (traps ? Outcome::launch_failed : Outcome::ok));
  CHECK(r.report.empty() == !traps);
}

TEST_CASE("every row of the instruction table runs with every type it allows") {
  for (const isa::Row& row : isa::rows) {
    if (!isa::runs_alone(row)) continue;
    const std::vector<Type> types = row.types.empty() ? std::vector{Type::b32} : members(row.types);
    const std::vector<Type> from = row.from.empty() ? std::vector{Type::b32} : members(row.from);
    for (const Type t : types) {
      for (const Type f : from) {
        const bool one_to_one = row.shape == isa::Shape::t_from;
        if (!one_to_one || legal_conversion(row, t, f)) check_row(row, t, f);
      }
    }
  }
}

TEST_CASE("every special register of the table can be read") {
  for (const isa::SpecialRegister& s : isa::special_registers()) {
    CAPTURE(s.spelling);
    const std::string type(isa::spelling(s.type));
    Device device(module_text(
        ".param .u64 p_out",
        ".reg .b64 %at;\n.reg ." + type + " %v;\nld.param.u64 %at, [p_out];\nmov." + type +
            " %v, " + std::string(s.spelling) + ";\nst.global." + type + " [%at], %v;\nret;\n"));
    check_clean(device.run({.block = {1, 1, 1}}, device.reserve(8)));
  }
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
