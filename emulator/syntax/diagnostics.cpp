#include "emulator/syntax/diagnostics.hpp"
#include "emulator/text.hpp"

namespace ptxmill::emu {

void Diagnostics::error(Position at, std::string_view message) {
  ++errors_;
  lines_ += emu::text("ptxas application ptx input, line ", at.line, "; error   : ", message,
                      " (column ", at.column, ")\n");
}

void Diagnostics::unsupported(Position at, std::string_view message) {
  ++unsupported_;
  error(at, message);
}

std::string Diagnostics::text() const {
  return failed() ? lines_ + "ptxas fatal   : Ptx assembly aborted due to errors\n" : lines_;
}

}  // namespace ptxmill::emu
