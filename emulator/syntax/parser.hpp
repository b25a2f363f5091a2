// PTX text to syntax tree.
#pragma once

#include <string_view>

#include "emulator/syntax/ast.hpp"

namespace ptxmill::emu {

/// Parses `text`, which must outlive the tree. Throws SyntaxError at the first fault.
ast::Module parse_module(std::string_view text);

}  // namespace ptxmill::emu
