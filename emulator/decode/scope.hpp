// What names mean at a place in a function body.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "emulator/decode/module.hpp"
#include "emulator/lanes/handlers.hpp"
#include "emulator/syntax/ast.hpp"
#include "isa/types.hpp"

namespace ptxmill::emu {

struct Symbol {
  enum class Kind : std::uint8_t { reg, variable, label, branch_targets, prototype };
  Kind kind = Kind::reg;
  isa::Type type = isa::Type::b32;
  // A register.
  Slot slot = 0;
  int width = 1;  ///< of a vector register: its elements are consecutive
  // A variable: its space, and its offset there; a module variable by its index.
  AddressSpace space = AddressSpace::global;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;  ///< bytes, of a variable in local memory
  bool in_frame = false;   ///< `offset` counts from the frame of the function, not of the entry
  int variable = -1;
  // A label, or a list of them.
  std::uint32_t label = 0;
  const ast::BranchTargets* targets = nullptr;
  const ast::Prototype* prototype = nullptr;
};

/// Nested scopes of names. Registers get their slots when they are first used.
class Scopes {
 public:
  /// `next_slot` is advanced as registers take their places.
  explicit Scopes(Slot& next_slot) : next_slot_(next_slot) {}

  void open() { scopes_.emplace_back(); }
  void close() { scopes_.pop_back(); }
  /// Declares a name in the innermost scope. False where that scope has it.
  bool declare(std::string_view name, const Symbol& symbol);
  /// Declares `.reg` names. False where the innermost scope has one of them.
  bool declare(const ast::Register& r);

  /// Null where the name is not declared.
  const Symbol* find(std::string_view name);
  Slot allocate(isa::Type type);
  /// A place of its own for a register that is declared under `declare`.
  Slot allocate_register(isa::Type type) { return make_register(type, 1).slot; }
  /// The named registers that took their places since the last call.
  std::vector<RegisterSlot> take_registers() { return std::exchange(registers_, {}); }

 private:
  struct Range {
    std::uint64_t count;
    isa::Type type;
    int width;
  };
  struct Scope {
    std::map<std::string_view, Symbol> names;
    std::map<std::string_view, Range> ranges;  ///< by prefix
  };
  const Symbol* find_in(Scope& scope, std::string_view name);
  Symbol make_register(isa::Type type, int width);

  Slot& next_slot_;
  std::vector<Scope> scopes_;
  std::vector<RegisterSlot> registers_;
};

}  // namespace ptxmill::emu
