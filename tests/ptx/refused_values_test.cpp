// What is refused of values while a kernel is generated: stale, doubly named, too large.
#include <cmath>
#include <optional>

#include "tests/ptx/scratch_kernel.hpp"

namespace ptxmill::test {
namespace {

template <class F>
void refused(const std::string& message, F offend) {
  check_refused(__FILE__, message, offend);
}

std::string outside(int defined) {
  return "a temporary defined at " + place(__FILE__, defined) +
         " is used outside the phase, branch or loop that defines it";
}

TEST_CASE("a temporary does not leave its phase") {
  ScratchKernel k;
  std::optional<U32> stale;
  int defined = 0;
  k.phase("one", [&] {
    defined = __LINE__ + 1;
    stale = k.tid_x();
  });
  refused(outside(defined), [&](int& line) {
    line = __LINE__ + 1;
    k.add(*stale, 1);
  });
  refused(outside(defined), [&](int& line) {
    k.phase("two", [&] {
      line = __LINE__ + 1;
      k.add(*stale, 1);
    });
  });
}

TEST_CASE("a temporary of the enclosing phase is named before an inner phase reads it") {
  ScratchKernel k;
  const int defined = __LINE__ + 1;
  const U32 tid = k.tid_x();
  refused("a temporary defined at " + place(__FILE__, defined) +
              " is used in another phase; name it with let()",
          [&](int& line) {
            k.phase("inner", [&] {
              line = __LINE__ + 1;
              k.add(tid, 1);
            });
          });
}

TEST_CASE("a named value crosses phases, and a value of a phase does not") {
  ScratchKernel k;
  const U32 tid = k.let("tid", k.tid_x());
  k.phase("reads", [&] { k.add(tid, 1); });
  std::optional<U32> inner;
  int defined = 0;
  k.phase("defines", [&] {
    defined = __LINE__ + 1;
    inner = k.let("inner", k.add(tid, 2));
  });
  refused("'inner' defined at " + place(__FILE__, defined) +
              " is used outside the phase, branch or loop that defines it",
          [&](int& line) {
            line = __LINE__ + 1;
            k.add(*inner, 1);
          });
}

TEST_CASE("a value does not leave a branch, a loop or a guard") {
  ScratchKernel k;
  const Pred p = k.let("p", k.n > 4);
  std::optional<U32> stale;
  int defined = 0;
  const auto define = [&] {
    defined = __LINE__ + 1;
    stale = k.add(k.n, 1);
  };
  const auto use = [&](int& line) {
    line = __LINE__ + 1;
    k.add(*stale, 1);
  };
  k.if_("branch", p, define);
  refused(outside(defined), use);
  k.if_(
      "else", p, [] {}, define);
  refused(outside(defined), use);
  k.for_range("i", 0, k.n, 1, [&](const U32&) { define(); });
  refused(outside(defined), use);
  k.while_(
      "again", [&] { return k.n > 3; }, define);
  refused(outside(defined), use);
  k.guard(p, define);
  refused(outside(defined), use);
}

TEST_CASE("a temporary that a variable took over is gone") {
  ScratchKernel k;
  auto sum = k.var<f32>("sum", 0.f);
  const int defined = __LINE__ + 1;
  F32 value = k.load(k.x);
  const F32 alias = value;
  sum = std::move(value);
  refused("the temporary of " + place(__FILE__, defined) +
              " was assigned to 'sum' and is gone; use the variable",
          [&](int& line) {
            line = __LINE__ + 1;
            k.add_rn(alias, 1);
          });
}

TEST_CASE("names are given once where they are seen") {
  ScratchKernel k;
  k.let("tid", k.tid_x());
  const std::string twice =
      "'%r_tid' is declared twice; a value of an unrolled loop carries its index in the name";
  refused(twice, [&](int& line) {
    line = __LINE__ + 1;
    k.let("tid", k.tid_y());
  });
  refused(twice, [&](int& line) {
    line = __LINE__ + 1;
    k.var<u32>("tid", 0);
  });
  refused(twice, [&](int& line) {
    k.phase("inner", [&] {
      line = __LINE__ + 1;
      k.let("tid", k.tid_y());
    });
  });
}

TEST_CASE("phases side by side may use the same names, and classes of registers too") {
  ScratchKernel k;
  k.phase("one", [&] { k.let("v", k.tid_x()); });
  k.phase("two", [&] { k.let("v", k.tid_x()); });
  k.let("v", k.load(k.x));
  CHECK(instructions(k.recorder) ==
        "mov.u32 %r_v, %tid.x;\nmov.u32 %r_v, %tid.x;\nld.global.f32 %f_v, [%rd_x];\n");
}

// ptxas takes `.reg .b32 %laneid` without a word, and then reads the variable. Printed names carry
// their class, which no special register's does.
TEST_CASE("no value can be printed as a special register") {
  for (const isa::SpecialRegister& special : isa::special_registers()) {
    std::string name(special.spelling.substr(1));
    for (char& c : name) c = c == '.' ? '_' : c;
    ScratchKernel k;
    k.let(name, k.mov(k.n));
    k.let(name, k.load(k.x));
    for (const Register& r : k.recorder.registers())
      if (r.name == name)
        CHECK(std::string(register_class(r.type).prefix) + "_" + name != special.spelling);
    for (const char* prefix : {"%p_", "%h_", "%r_", "%rd_", "%f_", "%fd_"})
      CHECK_FALSE(special.spelling.starts_with(prefix));
  }
}

TEST_CASE("names are words") {
  ScratchKernel k;
  refused("'two words' is no value name: letters, digits and '_' are", [&](int& line) {
    line = __LINE__ + 1;
    k.let("two words", k.tid_x());
  });
  refused("'' is no value name: letters, digits and '_' are", [&](int& line) {
    line = __LINE__ + 1;
    k.var<f32>("", 0);
  });
  refused("'gr\xc3\xb6\xc3\x9f\x65' is no value name: letters, digits and '_' are", [&](int& line) {
    line = __LINE__ + 1;
    k.let("gr\xc3\xb6\xc3\x9f\x65", k.tid_x());
  });
}

TEST_CASE("constants fit their type") {
  ScratchKernel k;
  refused("the constant -1 does not fit .u32", [&](int& line) {
    line = __LINE__ + 1;
    k.add(k.n, -1);
  });
  refused("the constant 4294967296 does not fit .u32", [&](int& line) {
    line = __LINE__ + 1;
    k.add(k.n, std::int64_t{1} << 32);
  });
  refused("the constant 2147483648 does not fit .s32", [&](int& line) {
    line = __LINE__ + 1;
    k.constant<s32>(2147483648);
  });
  refused("the constant 65536 does not fit .u16", [&](int& line) {
    line = __LINE__ + 1;
    k.constant<u16>(65536);
  });
  refused("the constant " + std::to_string(1e39) + " does not fit .f32", [&](int& line) {
    line = __LINE__ + 1;
    k.constant<f32>(1e39);
  });
  k.constant<f32>(INFINITY);
  k.constant<u64>(~std::uint64_t{0});
  k.constant<s32>(INT32_MIN);
}

TEST_CASE("an operator needs a register") {
  refused("an operator needs a register on one side", [&](int& line) {
    line = __LINE__ + 1;
    (void)(In<u32>(1) + In<u32>(2));
  });
}

TEST_CASE("instructions have forms for some types only") {
  ScratchKernel k;
  refused("neg has no form for .u32", [&](int& line) {
    line = __LINE__ + 1;
    (void)-k.n;
  });
  const F16 half = k.cvt_rn<f16>(k.load(k.x));
  refused("setp.eq has no form for .f16", [&](int& line) {
    line = __LINE__ + 1;
    (void)(half == half);
  });
}

TEST_CASE("an assignment is as uniform as its variable is declared") {
  ScratchKernel k;
  auto v = k.var<u32>("v", 0, Level::cta);
  v = k.ctaid_x();
  refused(
      "'v' is declared uniform across the cta, and is assigned a value that is uniform only across "
      "the thread",
      [&](int& line) {
        line = __LINE__ + 1;
        v = k.tid_x();
      });
  const Pred some = k.tid_x() < 3;
  refused(
      "'v' is declared uniform across the cta, and is assigned a value that is uniform only across "
      "the thread",
      [&](int& line) {
        k.if_("some", some, [&] {
          line = __LINE__ + 1;
          v = k.ctaid_y();
        });
      });
}

TEST_CASE("a variable is assigned where it is declared") {
  ScratchKernel k;
  std::optional<Var<u32>> inner;
  k.phase("declares", [&] { inner.emplace(k.var<u32>("inner", 0)); });
  refused("'inner' is assigned outside the phase or branch that declares it", [&](int& line) {
    line = __LINE__ + 1;
    *inner = In<u32>(k.n);
  });
}

}  // namespace
}  // namespace ptxmill::test
