// The builder prints each row of the instruction table as the PTX manual spells it.
#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "generator/ptx/kernel.hpp"
#include "generator/ptx/printer.hpp"
#include "tests/isa/instance.hpp"

namespace ptxmill::test {
namespace {

using namespace ptx;  // NOLINT(google-build-using-namespace): the type tags

/// A kernel with operands at hand: named registers that nothing computed.
class Scratch : public Kernel {
 public:
  explicit Scratch(Target target) : Kernel("kernel", target) {}

  template <class T>
  Val<T> operand(const char* name) {
    const Where here = Where::here();
    return {recorder, recorder.name_value(recorder.temporary(T::type, here), name, here)};
  }
  template <class T>
  GlobalPtr<T> global() {
    return {assume_multiple(operand<u64>("p"), 16), 0};
  }
  template <class T>
  std::array<Val<T>, 1> one() {
    return {operand<T>("a")};
  }
  template <class T>
  std::array<Val<T>, 2> pair() {
    return {operand<T>("e"), operand<T>("f")};
  }
  std::span<const Var<f32>, 4> sums() {
    sums_ = array<f32>("s", 4);
    return std::span<const Var<f32>, 4>(sums_);
  }
  template <class T>
  std::array<Val<T>, 2> two() {
    return {operand<T>("a"), operand<T>("b")};
  }
  template <class T>
  std::array<Val<T>, 4> four() {
    return {operand<T>("a"), operand<T>("b"), operand<T>("c"), operand<T>("d")};
  }

  /// The last instruction printed, runs of spaces as one.
  std::string last_instruction() const {
    std::istringstream text(print(recorder, {}, {}));
    std::string last;
    for (std::string line; std::getline(text, line);)
      if (line.find(';') != line.npos) last = line;
    std::istringstream words(last);
    std::string normal;
    for (std::string word; words >> word;) normal += (normal.empty() ? "" : " ") + word;
    return normal;
  }

 private:
  std::vector<Var<f32>> sums_;
};

struct Expectation {
  std::string row;
  std::function<void(Scratch&)> call;
  std::string line;
  int source_line;
};

// NOLINTBEGIN(cppcoreguidelines-macro-usage): expectations.def documents them.
#define A(t) k.operand<t>("a")
#define B(t) k.operand<t>("b")
#define C(t) k.operand<t>("c")
#define D(t) k.operand<t>("d")
#define GLOBAL(t) k.global<t>()
#define SHARED(t) k.shared<t>("s", 64)
#define ONE(t) k.one<t>()
#define TWO(t) k.two<t>()
#define PAIR(t) k.pair<t>()
#define SUMS() k.sums()
#define FOUR(t) k.four<t>()
#define HERE Where::here()
// NOLINTEND(cppcoreguidelines-macro-usage)

const std::vector<Expectation>& row_expectations() {
  static const std::vector<Expectation> all{
#define EXPECT_LINE(row, call, text) {#row, [](Scratch& k) { (void)(call); }, text, __LINE__},
#define EXPECT_SPECIAL(...)
#include "tests/isa/expectations.def"
#undef EXPECT_LINE
#undef EXPECT_SPECIAL
  };
  return all;
}

const std::vector<Expectation>& special_expectations() {
  static const std::vector<Expectation> all{
#define EXPECT_LINE(...)
#define EXPECT_SPECIAL(method, call, text) \
  {#method, [](Scratch& k) { (void)(call); }, text, __LINE__},
#include "tests/isa/expectations.def"
#undef EXPECT_LINE
#undef EXPECT_SPECIAL
  };
  return all;
}

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
