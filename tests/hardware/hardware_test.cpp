// The emulator and hardware agree: on a machine with a GPU by running both, elsewhere by what a GPU
// left behind (recorded/).
#include <doctest/doctest.h>

#include <algorithm>
#include <optional>
#include <set>

#include "isa/isa.hpp"
#include "tests/hardware/compare.hpp"
#include "tests/support/case_budget.hpp"

namespace ptxmill::test {
namespace {

/// Cases of a form where the emulator is held against a record, which was made with as many.
constexpr std::size_t recorded_cases = 16384;

const DriverLibrary& emulator() {
  static const DriverLibrary library(emulator_path());
  REQUIRE_MESSAGE(library.ready(), library.error());
  return library;
}

/// Rows of the table must run; of other forms the emulator may say that it does not know them.
bool excused(const Form& form, const std::string& error) {
  const bool row = std::any_of(isa::rows.begin(), isa::rows.end(),
                               [&](const isa::Row& r) { return r.method == form.group; });
  return !row && error.starts_with("refused");
}

void check_recorded(std::vector<Form> forms) {
  static const Recorded recorded = read_recorded("tests/hardware/recorded/h200.txt");
  std::size_t compared = 0, refused = 0;
  for (Form& f : forms) {
    f.count = std::min(f.count, recorded_cases);
    const Outcome o = run_form(emulator(), f, operands_of(f));
    if (excused(f, o.error)) {
      ++refused;
      continue;
    }
    CHECK_MESSAGE(o.error.empty(), f.group << " " << f.name << ": " << o.error);
    const auto it = recorded.digests.find(f.group + " " + f.name);
    if (!f.bound.exact() || it == recorded.digests.end()) continue;
    ++compared;
    CHECK_MESSAGE(digest(f, o.results) == it->second,
                  f.group << " " << f.name << ": not what " << recorded.device << " computed");
  }
  CHECK(compared > 0);
  if (refused != 0) MESSAGE(refused << " forms that the emulator does not know");
}

void check_hardware(const std::vector<Form>& forms) {
  static const DriverLibrary hardware("libcuda.so.1");
  REQUIRE_MESSAGE(hardware.ready(), hardware.error());
  std::size_t refused = 0;
  for (const Form& f : forms) {
    const auto operands = operands_of(f);
    const Outcome h = run_form(hardware, f, operands), e = run_form(emulator(), f, operands);
    CHECK_MESSAGE(h.error.empty(), f.group << " " << f.name << ": hardware: " << h.error);
    if (excused(f, e.error)) {
      ++refused;
      continue;
    }
    CHECK_MESSAGE(e.error.empty(), f.group << " " << f.name << ": emulator: " << e.error);
    const Verdict v = compare(f, operands, h, e);
    CHECK_MESSAGE(v.beyond == 0, f.group << " " << f.name << ": " << v.beyond << " of " << v.cases
                                         << " cases differ beyond the bound");
  }
  if (refused != 0) MESSAGE(refused << " forms that the emulator does not know");
}

void check(const std::vector<Form>& forms) {
  on_emulator() ? check_recorded(forms) : check_hardware(forms);
}

TEST_CASE("the emulator and hardware agree: rows on registers") { check(table_forms()); }
TEST_CASE("the emulator and hardware agree: rows on memory, warps and blocks") {
  check(memory_forms());
}
TEST_CASE("the emulator and hardware agree: floating point") { check(float_forms()); }
TEST_CASE("the emulator and hardware agree: integers and bits") { check(integer_forms()); }
TEST_CASE("the emulator and hardware agree: conversions") { check(conversion_forms()); }
TEST_CASE("the emulator and hardware agree: matrices") { check(matrix_forms()); }

TEST_CASE("every row of the table is held against hardware") {
  std::set<std::string> groups, names;
  for (const auto& forms : {table_forms(), memory_forms()})
    for (const Form& f : forms) groups.insert(f.group);
  for (const Form& f : matrix_forms()) names.insert(f.name);
  for (const isa::Row& row : isa::rows) {
    // What a lone thread cannot run, and what ends the context.
    if (!isa::runs_alone(row) || row.spelling == "trap") continue;
    const bool is_held =
        groups.count(std::string(row.method)) + names.count(std::string(row.spelling)) == 1;
    CHECK_MESSAGE(is_held, row.method);
  }
}

TEST_CASE("a comparison finds a flipped bit, and knows its bound") {
  Form f;
  f.from = {isa::Type::f32};
  f.to = {isa::Type::f32};
  f.count = 2;
  const std::vector<std::uint64_t> operands{1, 2};
  const Outcome h{"", {0x3f800000, 0x40000000}}, e{"", {0x3f800000, 0x40000003}};
  CHECK(compare(f, operands, h, h).good());
  const Verdict exact = compare(f, operands, h, e);
  CHECK(exact.beyond == 1);
  CHECK(exact.units == 3);
  REQUIRE(exact.worst.size() == 1);
  CHECK(exact.worst[0].operands == std::vector<std::uint64_t>{2});
  CHECK(digest(f, h.results) != digest(f, e.results));
  f.bound = {0x1p-21, 0};
  CHECK(compare(f, operands, h, e).good());
  f.bound = {0x1p-23, 0};
  CHECK(!compare(f, operands, h, e).good());
}

}  // namespace
}  // namespace ptxmill::test
