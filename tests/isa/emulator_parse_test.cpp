// The emulator can run every row with each of its types: what it cannot, it refuses when it reads
// the module.
#include <doctest/doctest.h>

#include <string>

#include "emulator/program.hpp"
#include "tests/isa/instance.hpp"

namespace ptxmill::test {
namespace {

/// What the emulator says of a module with this one entry; empty where it takes it.
std::string refusal(const Header& header, const std::string& entry, const std::string& name) {
  std::string log;
  bool unsupported = false;
  const auto program =
      emu::Program::parse(text(header) + entry, emu::Machine{}, &log, &unsupported);
  if (program == nullptr) return log.empty() ? "refused without a reason" : log;
  return program->find(name) == nullptr ? "the entry is not found" : "";
}

TEST_CASE("the emulator takes every row with each of its types") {
  for (const Instance& i : instances()) {
    const std::string said =
        refusal(lowest_header(i.row().target, i.row().ptx), kernel_text(i), i.name());
    CHECK_MESSAGE(said.empty(), i.spelling() << ": " << said);
  }
}

TEST_CASE("the emulator takes every special register") {
  for (const isa::SpecialRegister& s : isa::special_registers()) {
    const std::string said = refusal(lowest_header(s.target, s.ptx), kernel_text(s), name(s));
    CHECK_MESSAGE(said.empty(), s.spelling << ": " << said);
  }
}

}  // namespace
}  // namespace ptxmill::test
