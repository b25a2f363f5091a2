// Where the lanes that a branch separates meet again.
#pragma once

#include "emulator/decode/module.hpp"

namespace ptxmill::emu {

/// Sets `imm` of every branch to the first instruction of its immediate post-dominator, or to
/// no_pc where that is the exit (S. Muchnick, "Advanced Compiler Design", 7.3; the iteration is
/// that of K. Cooper, T. Harvey, K. Kennedy, "A Simple, Fast Dominance Algorithm").
void set_reconvergence(Kernel& kernel);

}  // namespace ptxmill::emu
