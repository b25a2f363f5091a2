// Turns the body of an entry into instructions of the interpreter.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "emulator/decode/module.hpp"
#include "emulator/decode/scope.hpp"
#include "emulator/lanes/handlers.hpp"
#include "emulator/syntax/ast.hpp"
#include "emulator/syntax/diagnostics.hpp"

namespace ptxmill::emu {

/// A text that needs more is refused.
inline constexpr Slot max_slots = Slot{1} << 17;
inline constexpr std::size_t max_instructions = std::size_t{1} << 21;
/// Targets of all indexed branches of a kernel, and parameters of a function.
inline constexpr std::size_t max_branch_targets = std::size_t{1} << 21;
inline constexpr std::size_t max_function_params = 4096;

constexpr std::uint64_t round_up(std::uint64_t n, std::uint64_t align) {
  return (n + align - 1) / align * align;
}

/// The modifiers of one instruction, taken one by one; what nobody takes is an error.
class Modifiers {
 public:
  explicit Modifiers(const std::vector<std::string_view>& words);

  bool take(std::string_view word);
  /// The first of `words` that is there, or empty.
  std::string_view take_one(std::initializer_list<std::string_view> words);
  /// The next type; types close the list of modifiers.
  std::optional<isa::Type> take_type();
  bool has(std::string_view word) const;
  /// The first that nobody took, or empty.
  std::string_view left() const;

 private:
  std::vector<std::string_view> words_;  ///< taken ones are empty
};

/// Module-wide facts that the bodies refer to.
struct ModuleContext {
  const ast::Module* ast = nullptr;
  Module* module = nullptr;
  std::map<std::string_view, Symbol> variables;
  std::map<std::string_view, const ast::Function*> functions;
  /// Functions with a body whose address is taken somewhere, by their index in Module::functions.
  std::map<std::string_view, std::uint32_t> pointed_to;
  std::uint64_t stack_align = 16;  ///< what every local variable of every function can do with
};

/// Finds the functions whose addresses are taken.
void find_function_pointers(ModuleContext& context);

/// The untyped word of that many bits.
constexpr isa::Type word_type(int bits) {
  using isa::Type;
  return bits == 8 ? Type::b8 : bits == 16 ? Type::b16 : bits == 32 ? Type::b32 : Type::b64;
}

class Decoder {
 public:
  Decoder(const ModuleContext& context, Diagnostics& diagnostics, Kernel& kernel);

  /// Decodes the entry; complaints go to the diagnostics.
  void run(const ast::Function& entry);

  // What the decoding functions of the instructions use (decode_*.cpp). They throw SyntaxError.
  const ast::Instruction& instruction() const { return *current_; }
  Modifiers& modifiers() { return *modifiers_; }
  std::size_t operand_count() const { return current_->operands.size(); }
  const ast::Operand& operand(std::size_t i) const { return current_->operands[i]; }
  void expect_operands(std::size_t least, std::size_t most) const;
  void expect_operands(std::size_t n) const { expect_operands(n, n); }
  /// The type modifier, which must be there.
  isa::Type type();

  [[noreturn]] void mismatch() const;
  [[noreturn]] void unsupported(std::string_view what) const;
  [[noreturn]] void fail(Position at, std::string message) const;

  /// The slot that holds a source operand, seen as type `t`.
  Slot source(const ast::Operand& o, isa::Type t);
  /// The slot of a predicate operand; `!p` and constants included.
  Slot predicate(const ast::Operand& o);
  /// The slot of a destination register of type `t`; `_` where that is allowed.
  Slot result(const ast::Operand& o, isa::Type t);
  /// The register that an operand names, of whatever type. Null for anything else.
  const Symbol* register_of(const ast::Operand& o);

  /// A slot of 1, 32 or 64 bits a lane with the same value in all; `variable` as ConstantSlot's.
  Slot constant(int bits, std::uint64_t value, int variable = -1);
  Slot special(Special s);
  Slot temporary(isa::Type t);
  Slot carry();

  /// Says that the instruction emitted last accesses memory although all lanes run it together.
  void note_matrix_move();
  /// Says that the instruction emitted last has operands of that many, of which `results` are
  /// written, at `first` in Kernel::operands.
  void note_operands(std::size_t first, std::size_t results, std::size_t total);
  /// Refuses the instruction but for the target sm_90a, say.
  void require_target(int sm) const;
  /// Refuses the feature on older targets.
  void require_at_least(int sm, std::string_view feature) const;

  /// Appends an instruction under the current guard. A null handler is "unsupported".
  Instruction& emit(Handler handler, std::initializer_list<Slot> results,
                    std::initializer_list<Slot> sources, Kind kind = Kind::plain);

  /// The base slot, offset and space of a memory operand.
  struct Address {
    Slot base = zero_slot;
    std::int64_t offset = 0;
    bool wide = true;  ///< the base has 64 bits
    AddressSpace space = AddressSpace::generic;
  };
  /// `space` is what the instruction says; a variable of another space is an error.
  Address address(const ast::Operand& o, AddressSpace space);
  /// Address bits of `Instruction::aux`.
  std::uint32_t access_bits(const Address& a);
  /// The address of a variable as a constant of 32 or 64 bits.
  Slot address_constant(const Symbol& variable, std::int64_t offset, int bits);

  /// Emits a branch to a label that is defined later or earlier.
  void emit_branch(std::uint32_t label);
  std::uint32_t label(const ast::Operand& o);
  const ast::BranchTargets& branch_targets(const ast::Operand& o);
  Kernel& kernel() { return kernel_; }
  void emit_return();
  void emit_table_branch(const ast::BranchTargets& targets, Slot index);
  const ast::Function* function(std::string_view name) const;

  /// The parts of a call instruction; a list may be empty.
  struct Call {
    std::vector<ast::Operand> results, arguments;
    const ast::Operand* target = nullptr;     ///< a function's name, or a register
    const ast::Operand* prototype = nullptr;  ///< of an indirect call
  };
  void emit_call(const Call& call);
  /// Where the frame of the running function, and free local memory, begin.
  Slot frame();
  Slot top();

 private:
  struct Fixup {
    std::size_t instruction;
    std::uint32_t label;
  };
  struct TableFixup {
    std::size_t table;
    std::vector<std::uint32_t> labels;
  };

  void declare_params(const ast::Function& entry);
  const Symbol* find(std::string_view name);
  void decode_body(const ast::Function& f);
  void decode_statement(const ast::Statement& s);
  void declare_labels(const ast::Function& f);
  void open_scope();
  void declare(const ast::Register& r);
  void decode_note(const ast::Uniform& note);
  void declare(const ast::Variable& v);
  void declare_shared(const ast::Variable& v);
  void declare_local(const ast::Variable& v);
  void decode(const ast::Instruction& i);
  void decode_guarded(const ast::Instruction& i);
  void number_accesses();
  void find_fragments();
  void finish();

  // Calls (call.cpp).
  struct Interface {
    const std::vector<ast::Variable>* params;
    const std::vector<ast::Variable>* results;
  };
  struct Layout {
    std::vector<std::uint64_t> params, results;  ///< offsets into the callee's frame
    std::uint64_t param_bytes = 0, bytes = 0;
    std::string spelled;  ///< equal where the interfaces agree
  };
  static Layout layout(const Interface& f);
  Interface interface_of(const Call& call, const ast::Function* callee);
  std::uint32_t interface_index(const std::string& spelled);
  int callee_index(const ast::Function& f);
  void pass(const Call& call, const Interface& f, const Layout& places, CallSite& site);
  void collect(const Call& call, const Interface& f, const Layout& places, CallSite& site);
  FrameCopy frame_copy(const ast::Variable& formal, const ast::Operand& actual,
                       std::uint64_t offset);
  void move_register(const ast::Variable& formal, std::uint64_t offset, Slot base, Slot value,
                     bool to_memory);
  void decode_functions();
  void decode_function(std::size_t index);
  void declare_formals(const ast::Function& f, const Layout& places);
  std::uint64_t frame_bytes() const { return round_up(local_bytes_, context_.stack_align); }

  Slot constant_operand(const ast::Operand& o, isa::Type t);
  std::optional<Slot> special_operand(const ast::Operand& o, isa::Type t);
  void emit_fixup(std::uint32_t label);

  const ModuleContext& context_;
  Diagnostics& diagnostics_;
  Kernel& kernel_;
  Scopes scopes_;

  const ast::Instruction* current_ = nullptr;
  Modifiers* modifiers_ = nullptr;
  std::vector<std::uint32_t> matrix_moves_;  ///< their places in the code
  InstructionTraits traits_;                 ///< of the current instruction
  Slot guard_ = zero_slot;
  bool guarded_ = false, guard_negated_ = false;

  std::map<std::tuple<int, std::uint64_t, int>, Slot> constants_;
  std::map<Special, Slot> specials_;
  std::array<std::vector<Slot>, 3> temporaries_;
  std::array<std::size_t, 3> temporaries_used_{};
  Slot carry_ = 0;

  // Labels of the body being decoded, by scope; `scope_serial_` numbers scopes as they open.
  std::vector<std::int64_t> label_places_;
  std::vector<std::map<std::string_view, std::uint32_t>> label_scopes_;
  std::size_t scope_serial_ = 0;
  std::vector<Fixup> fixups_;
  std::vector<TableFixup> table_fixups_;

  const ast::Function* function_ = nullptr;  ///< being decoded; null: the entry
  int function_index_ = CallSite::indirect;  ///< in Kernel::callees
  std::vector<const ast::Function*> callees_;
  std::map<const ast::Function*, int> callee_indices_;
  std::map<std::string, std::uint32_t> interface_indices_;
  bool calls_pointers_ = false;
  bool returns_registers_ = false;
  std::size_t branch_targets_ = 0;
  std::uint32_t hint_ = 0;
  std::uint64_t static_shared_ = 0, local_bytes_ = 0, extern_shared_align_ = 1;
};

/// Marks a ConstantSlot that counts from the start of dynamic shared memory.
inline constexpr int in_dynamic_shared = -2;

/// Decodes the current instruction. False where the opcode is unknown.
bool decode_arithmetic(Decoder& d, std::string_view opcode);
bool decode_logic(Decoder& d, std::string_view opcode);
bool decode_data(Decoder& d, std::string_view opcode);
bool decode_memory(Decoder& d, std::string_view opcode);
bool decode_control(Decoder& d, std::string_view opcode);
bool decode_mbarrier(Decoder& d, std::string_view opcode);
bool decode_matrix(Decoder& d, std::string_view opcode);
bool decode_video(Decoder& d, std::string_view opcode);
bool decode_warpgroup(Decoder& d, std::string_view opcode);

/// cp.async.bulk, behind `cp.async`; cp.async.mbarrier.arrive.
void decode_bulk(Decoder& d);
/// st.async
void decode_async_store(Decoder& d);
void decode_arrival_of_copies(Decoder& d);
/// fence.proxy and fence.mbarrier_init. False where it is another fence.
bool decode_proxy_fence(Decoder& d);
/// prefetch.tensormap
bool decode_map_prefetch(Decoder& d);

/// cvt.pack
void decode_cvt_pack(Decoder& d);

/// What the operand types of an instruction of type `t` may be declared as.
bool compatible(isa::Type declared, isa::Type t);

}  // namespace ptxmill::emu
