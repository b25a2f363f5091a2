#include "tests/isa/expectations.hpp"

#include <cmath>
#include <limits>
#include <sstream>

#include "generator/ptx/printer.hpp"

namespace ptxmill::test {

std::string Scratch::text() const { return print(recorder, {128, 1, 1}, {}); }

std::string Scratch::last_instruction() const {
  std::istringstream lines(text());
  std::string last;
  for (std::string line; std::getline(lines, line);)
    if (line.find(';') != line.npos) last = line;
  std::istringstream words(last);
  std::string normal;
  for (std::string word; words >> word;) normal += (normal.empty() ? "" : " ") + word;
  return normal;
}

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
#define BARRIER() k.barrier()
#define TILE() k.tile()
#define MAP() k.map()
#define PLACE() (ptx::Place{A(u32), B(u32)})
#define ACCUMULATORS(n) k.accumulators(n)
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

}  // namespace ptxmill::test
