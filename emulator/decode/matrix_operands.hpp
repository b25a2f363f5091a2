// What the matrix instructions of warps and of warpgroups share.
#pragma once

#include <vector>

#include "emulator/decode/decoder.hpp"

namespace ptxmill::emu {

bool is_integer(MatrixElement e);
/// The next element type among the modifiers.
MatrixElement take_element(Decoder& d);
void take_sync_aligned(Decoder& d);
/// The registers of a fragment, a vector or a lone register.
std::vector<const ast::Operand*> registers_of(const ast::Operand& o);
/// Appends the slots of a fragment to the kernel's operand lists; `count` are the elements that a
/// warp holds.
void append_fragment(Decoder& d, const ast::Operand& o, MatrixElement e, int count, bool result);

}  // namespace ptxmill::emu
