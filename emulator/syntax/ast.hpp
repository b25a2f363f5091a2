// A PTX module as the parser leaves it: names are not resolved, instructions not yet understood.
// All text views point into the source, which outlives the tree.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

#include "emulator/syntax/diagnostics.hpp"
#include "isa/types.hpp"

namespace ptxmill::emu::ast {

enum class Space : std::uint8_t { reg, param, shared, local, global, constant };

/// An operand of an instruction.
struct Operand {
  enum class Kind : std::uint8_t {
    name,     ///< register, special register, variable, label or function; `+ offset` for variables
    integer,  ///< `bits`, sign-extended to 64 bits
    real32,   ///< pattern of a float
    real64,   ///< pattern of a double
    address,  ///< [parts[0] + offset], or [parts...] for several coordinates
    vector,   ///< {parts...}
    pair,     ///< parts[0] | parts[1]
    list,     ///< (parts...)
    sink,     ///< _
  };
  Kind kind = Kind::sink;
  bool negated = false;  ///< !p
  Position at;
  std::string_view name;  ///< with the component, as %tid.x
  std::uint64_t bits = 0;
  std::int64_t offset = 0;
  std::vector<Operand> parts;
};

struct Instruction {
  Position at;
  std::string_view guard;  ///< empty where there is none
  bool guard_negated = false;
  std::string_view opcode;
  std::vector<std::string_view> modifiers;  ///< without their dots, in order
  std::vector<Operand> operands;
  std::uint32_t phase = 0;  ///< index into Module::phases
};

/// All threads of a set hold the same value of a register here ("//@ uniform <level> <register>").
struct Uniform {
  Position at;
  std::string_view level;
  std::string_view name;
  std::uint32_t phase = 0;
};

struct Label {
  Position at;
  std::string_view name;
};

struct ScopeOpen {};
struct ScopeClose {};

/// `.reg .f32 %f<12>` (count 12) or `.reg .f32 x` (count 0); `width` is 2 or 4 for .v2 and .v4.
struct Register {
  Position at;
  std::string_view name;
  isa::Type type = isa::Type::b32;
  int width = 1;
  bool ranged = false;
  std::uint64_t count = 0;
};

/// One element of an initialiser.
struct InitialValue {
  Position at;
  std::uint64_t index = 0;    ///< of the element
  std::string_view symbol;    ///< the address of a variable, plus `bits`; empty for a number
  bool is_real = false;       ///< `bits` is the pattern of a double
  bool is_pattern32 = false;  ///< `bits` is the pattern of a float
  std::uint64_t bits = 0;
};

struct Variable {
  Position at;
  Space space = Space::global;
  std::string_view name;
  isa::Type type = isa::Type::b8;
  std::uint64_t align = 0;     ///< 0 where not given: the type's size
  std::uint64_t elements = 1;  ///< 0 for `name[]`
  bool external = false;
  std::vector<InitialValue> values;
};

/// `name: .branchtargets a, b, c;`
struct BranchTargets {
  Position at;
  std::string_view name;
  std::vector<Operand> labels;
};

/// `name: .callprototype (results) _ (params);`, or `name: .calltargets f, g;`
struct Prototype {
  Position at;
  std::string_view name;
  std::vector<Variable> params;
  std::vector<Variable> results;
  std::vector<Operand> targets;  ///< of .calltargets
};

using Statement = std::variant<Instruction, Label, ScopeOpen, ScopeClose, Register, Variable,
                               BranchTargets, Prototype, Uniform>;

struct Function {
  Position at;
  std::string_view name;
  bool entry = false;
  bool defined = false;  ///< has a body
  std::vector<Variable> params;
  std::vector<Variable> results;
  std::array<std::uint64_t, 3> max_threads{0, 0, 0};  ///< .maxntid or .reqntid; 0: not given
  bool exact_threads = false;                         ///< .reqntid
  std::uint64_t max_registers = 0;
  std::uint64_t min_blocks = 0;                   ///< .minnctapersm; 0: not given
  std::array<std::uint64_t, 3> cluster{0, 0, 0};  ///< .reqnctapercluster; 0: not given
  std::vector<Statement> body;
};

struct Target {
  int sm = 0;
  bool arch_specific = false;
  Position at;
};

struct Module {
  Position version_at;
  int version = 0;  ///< as major * 10 + minor
  Target target;
  std::vector<Variable> variables;
  std::vector<Function> functions;
  std::vector<std::string_view> phases;  ///< phases[0] is the unnamed one
};

}  // namespace ptxmill::emu::ast
