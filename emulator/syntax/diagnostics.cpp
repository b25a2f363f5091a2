#include "emulator/syntax/diagnostics.hpp"

#include <fmt/format.h>

namespace ptxmill::emu {

void Diagnostics::error(Position at, std::string_view message) {
  ++errors_;
  lines_ += fmt::format("ptxas application ptx input, line {}; error   : {} (column {})\n", at.line,
                        message, at.column);
}

void Diagnostics::unsupported(Position at, std::string_view message) {
  ++unsupported_;
  error(at, message);
}

std::string Diagnostics::text() const {
  return failed() ? lines_ + "ptxas fatal   : Ptx assembly aborted due to errors\n" : lines_;
}

}  // namespace ptxmill::emu
