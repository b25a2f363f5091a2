// The untyped core of the builder: registers, scopes, the recorded lines, and every check that
// needs more than C++ types. Templates do not see it; they use Kernel (kernel.hpp).
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "generator/ptx/in_flight.hpp"
#include "generator/ptx/target.hpp"
#include "generator/ptx/where.hpp"
#include "isa/isa.hpp"

namespace ptxmill::ptx {

using isa::Level;
using isa::Op;
using RegId = int;
inline constexpr RegId no_reg = -1;

/// One operand of a recorded instruction.
struct Operand {
  enum class Kind : std::uint8_t { reg, group, integer, real, address, shared, symbol, tensor };
  Kind kind = Kind::integer;
  isa::Type type = isa::Type::b32;  ///< of a literal
  RegId reg = no_reg;        ///< reg; the base of an address (no_reg: a symbol); a tensor's map
  std::vector<RegId> group;  ///< the registers of a vector; the coordinates in a tensor
  std::int64_t integer = 0;  ///< a literal; the byte offset of an address
  double real = 0;
  std::string text;    ///< symbol, label, special register, parameter
  int shared = -1;     ///< index of the shared array an address starts from
  bool fresh = false;  ///< computed inside the expression of which this is an operand

  static Operand of(RegId r);
  static Operand literal(std::int64_t value, isa::Type type);
  static Operand literal(double value, isa::Type type);
  static Operand symbolic(std::string text);
};

/// A virtual register.
struct Register {
  isa::Type type = isa::Type::b32;
  std::string name;  ///< empty: a temporary, numbered within its phase when printed
  int scope = 0;     ///< the control scope that defined it
  int phase = 0;     ///< the phase block that declares it
  Level uniform = Level::grid;
  std::uint32_t divisor = 1;  ///< a power of two known to divide the value
  bool assignable = false;
  int shifts_tid = -1;      ///< n: this is tid.x >> n
  std::string consumed_by;  ///< the variable that took this temporary's register over
  /// The lines that computed the value and, before it, the operands written inside the same
  /// expression: [first_line, last_line]; -1 where it is no single instruction's result.
  int first_line = -1, last_line = -1;
  Where defined;
};

/// One line of the kernel's body.
struct Line {
  enum class Kind : std::uint8_t { instruction, label, open, close, comment, pragma, assume };
  Kind kind = Kind::comment;
  Op op{};
  std::string suffix;  ///< type suffix with its dots: ".f32", ".f32.u32", or empty
  RegId guard = no_reg;
  bool guard_negated = false;
  std::vector<Operand> operands;
  std::string text;  ///< label, phase name, comment, pragma
  int phase = 0;     ///< phase opened
};

/// An array in shared memory. Offsets are given when the layout is complete.
struct SharedArray {
  std::string name;
  isa::Type type;
  std::int64_t count;
  int align;
  std::int64_t bytes() const { return count * isa::bits(type) / 8; }
};

/// A kernel parameter as the PTX declares it: `.param .u64 p_x`.
struct Param {
  std::string name;
  isa::Type type = isa::Type::u64;
  int bytes = 0;  ///< not 0: an array of .b8
  int align = 0;
};

/// Records one kernel. Every refusal is a BuildError that names the template's line.
/// Bytes that one thread's access touches.
std::uint32_t access_bytes(const isa::Row& row, isa::Type type,
                           const std::vector<Operand>& operands);

class Recorder {
 public:
  Recorder(std::string entry, Target target);

  // ---- registers
  RegId temporary(isa::Type type, Where where);
  /// Gives a temporary a name, or copies an already named value. Refuses a name that is taken,
  /// malformed, or a special register's.
  RegId name_value(RegId value, const std::string& name, Where where);
  RegId variable(isa::Type type, const std::string& name, Level level, Where where);
  /// Assigns to a variable. Where `value` is the temporary that the last instruction computed and
  /// `may_take_over` holds, that instruction writes the variable itself.
  void assign(RegId variable, const Operand& value, bool may_take_over, Where where);
  const Register& reg(RegId id) const { return registers_[static_cast<std::size_t>(id)]; }
  void assume_uniform(RegId id, Level level, Where where);
  void set_divisor(RegId id, std::uint32_t divisor) {
    registers_[static_cast<std::size_t>(id)].divisor = divisor;
  }

  /// The largest power of two that is known to divide an operand or an address.
  std::uint32_t divisor_of(const Operand& operand) const;

  // ---- instructions
  /// Records an instruction; `operands` stand in the row's order, results first. `type` is the
  /// type of the operands (the row's suffix follows from it), `from` a conversion's source.
  void emit(Op op, isa::Type type, std::vector<Operand> operands, Where where);
  void emit(Op op, isa::Type type, isa::Type from, std::vector<Operand> operands, Where where);
  /// The same for a row without types whose spelling goes on: wgmma's shape and types.
  void emit_spelled(Op op, const std::string& suffix, std::vector<Operand> operands, Where where);
  /// C++ leaves open in which order the operands of `f() + g()` are evaluated, and compilers
  /// differ. Puts what the operands just computed into the order in which they are written, so
  /// that the same template gives the same lines. `emit` does this for every instruction.
  void settle_order(const std::vector<Operand>& sources);
  RegId special(const isa::SpecialRegister& special, Where where);
  std::string param(const Param& param, Where where);

  /// Says how the kernel is launched. Until then a CTA counts as one of 1024 threads, and nothing
  /// is known of how its extents divide it into warps.
  struct LaunchFacts {
    int block_x, threads;
    int min_ctas_per_sm;  ///< 0: not declared
  };
  void set_launch(const LaunchFacts& facts) { launch_ = facts; }
  const LaunchFacts& launch() const { return launch_; }

  // ---- structure
  void open_phase(const std::string& name, Where where);
  void close_phase();
  /// Opens a region that runs under a condition of the given uniformity.
  void open_scope(Level condition);
  /// Opens the region that a loop repeats; narrow_scope says how uniform its condition is.
  void open_loop();
  /// Control in the innermost scope is from here on only as uniform as a condition. Refused where
  /// the scope is a loop, whose earlier instructions will run again, that needs more.
  void narrow_scope(Level condition, Where where);
  void close_scope();
  void place_label(const std::string& label);
  /// Claims a label; refuses one that is taken or malformed. Returns it as printed.
  std::string claim_label(const std::string& name, Where where);
  void branch(const std::string& label, RegId condition, bool negated, Where where);
  void early_exit(RegId condition, bool negated, Where where);
  void open_guard(RegId condition, bool negated, Where where);
  void close_guard();
  void comment(const std::string& text, Where where);
  void pragma(const std::string& text);
  Level control_level() const { return widened(scopes_.back().level); }

  // ---- shared memory
  int shared_array(const std::string& name, isa::Type type, std::int64_t count, int align,
                   Where where);
  const SharedArray& shared_array(int index) const {
    return shared_[static_cast<std::size_t>(index)];
  }

  // ---- what the printer and the manifest ask
  const std::string& entry() const { return entry_; }
  const Target& target() const { return target_; }
  const std::vector<Line>& lines() const { return lines_; }
  const std::vector<Register>& registers() const { return registers_; }
  const std::vector<Param>& params() const { return params_; }
  const std::vector<SharedArray>& shared_arrays() const { return shared_; }
  /// Byte offset of each shared array in the layout, and the layout's size at the end.
  std::vector<std::int64_t> shared_offsets() const;
  std::int64_t shared_bytes() const { return shared_offsets().back(); }
  bool shared_is_dynamic() const { return shared_bytes() > static_shared_limit; }
  int ptx_version() const { return ptx_version_; }
  /// Ends the recording: refuses an open phase or scope, or a layout beyond the target's limit.
  void finish(Where where);

 private:
  struct Scope {
    int id;
    Level level;
    int phase;
    bool loop = false;
    // What the instructions so far need, and the one that needs most.
    Level needs = Level::thread;
    std::string neediest;
  };

  /// In a CTA of one warp, or one warpgroup, that set of threads is the CTA.
  Level widened(Level level) const;
  void need(const isa::Row& row, Where where);
  void check_source(RegId id, Where where) const;
  void check_operands(const isa::Row& row, const std::vector<Operand>& operands, Where where) const;
  void check_address(const isa::Row& row, std::uint32_t bytes, const Operand& address,
                     Where where) const;
  void check_control(const isa::Row& row, Where where) const;
  void check_repetition(const Scope& scope, Level condition, Where where) const;
  void check_name(const std::string& name, isa::Type type, int phase, Where where);
  static RegId* result_slot(Line& line, RegId value);
  const Register* fresh_register(const Operand& operand) const;
  /// What one operand of an instruction took to compute: the lines from `first` to `last`.
  struct Piece {
    std::size_t rank;  ///< the operand's place
    int first, last;
  };
  bool is_movable(int first, int last) const;
  bool depend_on_each_other(const std::vector<Piece>& pieces) const;
  static std::vector<RegId> results_of(const Line& line);
  void settle_results(const isa::Row& row, const std::vector<Operand>& operands);
  Level sources_level(const isa::Row& row, const std::vector<Operand>& operands) const;
  void check_in_flight(const isa::Row& row, const std::vector<Operand>& operands, Where where);
  void touch(RegId id, Where where, InFlight::Part part = InFlight::Part::ordinary);
  bool scope_is_open(int scope) const;
  Register& at(RegId id) { return registers_[static_cast<std::size_t>(id)]; }
  int phase() const { return scopes_.back().phase; }

  std::string entry_;
  Target target_;
  int ptx_version_;
  LaunchFacts launch_{0, 1024, 0};
  InFlight in_flight_;
  std::vector<Register> registers_;
  std::vector<Line> lines_;
  std::vector<Param> params_;
  std::vector<SharedArray> shared_;
  std::vector<Scope> scopes_;
  int next_scope_ = 0;
  int next_phase_ = 0;
  std::set<std::string> labels_;
  std::map<int, std::set<std::string>> names_;  ///< printed register names by phase
  RegId guard_ = no_reg;
  bool guard_negated_ = false;
};

/// The class of registers that holds a type: its prefix (%r) and how it is declared (.b32).
struct RegisterClass {
  std::string_view prefix;
  std::string_view declared;
};
RegisterClass register_class(isa::Type type);

}  // namespace ptxmill::ptx
