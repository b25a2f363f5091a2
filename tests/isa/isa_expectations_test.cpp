// The builder prints each row of the instruction table as the PTX manual spells it.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/isa/expectations.hpp"
#include "tests/isa/instance.hpp"

namespace ptxmill::test {
namespace {

Target lowest_target(isa::TargetRule rule) { return *Target::parse(lowest_header(rule, 0).target); }

/// Runs the call; checks its line and the version that it leads to.
void check(const Expectation& e, isa::TargetRule rule, int ptx) {
  Scratch k(lowest_target(rule));
  try {
    e.call(k);
  } catch (const BuildError& error) {
    FAIL_CHECK("expectations.def:" << e.source_line << ": " << e.row
                                   << ": refused: " << std::string(error.what()));
    return;
  }
  const std::string got = k.last_instruction();
  CHECK_MESSAGE(got == e.line, "expectations.def:" << e.source_line << ": " << e.row
                                                   << "\n  got      " << got << "\n  expected "
                                                   << e.line);
  CHECK_MESSAGE(k.recorder.ptx_version() == lowest_header(rule, ptx).ptx,
                e.row << ": .version " << k.recorder.ptx_version());
}

template <class Entries>
void check_all(const Entries& entries, const std::vector<Expectation>& expectations) {
  for (const auto& entry : entries) {
    int found = 0;
    for (const Expectation& e : expectations) {
      if (entry.method != e.row) continue;
      ++found;
      check(e, entry.target, entry.ptx);
    }
    CHECK_MESSAGE(found > 0,
                  entry.method << " (" << entry.spelling << ") has no line in expectations.def");
  }
  for (const Expectation& e : expectations) {
    bool known = false;
    for (const auto& entry : entries) known = known || entry.method == e.row;
    CHECK_MESSAGE(known, "expectations.def:" << e.source_line << ": there is no " << e.row);
  }
}

TEST_CASE("every row prints as the manual spells it") { check_all(isa::rows, row_expectations()); }

TEST_CASE("every special register prints as the manual spells it") {
  check_all(isa::special_registers(), special_expectations());
}

}  // namespace
}  // namespace ptxmill::test
