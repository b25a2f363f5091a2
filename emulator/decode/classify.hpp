// What an instruction counts as.
#pragma once

#include <cstdint>

#include "emulator/counts.hpp"
#include "emulator/operation_order.hpp"
#include "emulator/syntax/ast.hpp"

namespace ptxmill::emu {

struct InstructionTraits {
  InstructionClass what = InstructionClass::none;
  std::uint8_t bytes = 0;  ///< that each lane accesses, where it accesses memory
  AccessKind access = AccessKind::read;
};

/// By opcode and modifiers.
InstructionTraits classify(const ast::Instruction& i);

}  // namespace ptxmill::emu
