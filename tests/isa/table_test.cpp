// The instruction table itself: what the rows must have in common, and the release tables.
#include <doctest/doctest.h>

#include <set>
#include <string>

#include "tests/isa/instance.hpp"

namespace ptxmill::test {
namespace {

TEST_CASE("rows are unique in method, and in spelling with shape and types") {
  std::set<std::string> methods, forms;
  for (const isa::Row& row : isa::rows)
    CHECK_MESSAGE(methods.insert(std::string(row.method)).second, row.method);
  for (const Instance& i : instances())
    CHECK_MESSAGE(forms.insert(i.spelling() + " " + std::string(isa::name(i.row().shape))).second,
                  i.spelling());
}

TEST_CASE("a row of types has an operand of them, and a conversion has sources") {
  for (const isa::Row& row : isa::rows) {
    const auto all = instances(row.op);
    CHECK_MESSAGE(all.empty() != isa::runs_alone(row), row.method << " has no legal form");
    const bool converts = row.shape == isa::Shape::t_from || row.shape == isa::Shape::t_from_from;
    CHECK_MESSAGE(row.from.empty() != converts, row.method);
  }
}

TEST_CASE("targets are not a line") {
  CHECK(isa::sm(80).allows(90, true));
  CHECK(isa::sm(80).allows(80, false));
  CHECK_FALSE(isa::sm(80).allows(75, false));
  CHECK(isa::only_sm_a(90).allows(90, true));
  CHECK_FALSE(isa::only_sm_a(90).allows(90, false));
  CHECK_FALSE(isa::only_sm_a(90).allows(100, true));
}

// PTX ISA, "Release Notes": the CUDA release that introduced a version, and the version that
// introduced a target.
TEST_CASE("versions, drivers and targets are those of the release notes") {
  CHECK(isa::driver_for_ptx(70) == 11000);
  CHECK(isa::driver_for_ptx(78) == 11080);
  CHECK(isa::driver_for_ptx(80) == 12000);
  CHECK(isa::driver_for_ptx(86) == 12070);
  CHECK(isa::driver_for_ptx(88) == 12090);
  CHECK(isa::driver_for_ptx(90) == 13000);
  CHECK(isa::driver_for_ptx(990) == 0);
  CHECK(isa::ptx_for_target(80, false) == 70);
  CHECK(isa::ptx_for_target(86, false) == 71);
  CHECK(isa::ptx_for_target(87, false) == 74);
  CHECK(isa::ptx_for_target(89, false) == 78);
  CHECK(isa::ptx_for_target(90, false) == 78);
  CHECK(isa::ptx_for_target(90, true) == 80);
  CHECK(isa::ptx_for_target(100, true) == 86);
  CHECK(isa::ptx_for_target(33, false) == 0);
}

TEST_CASE("types: sizes and spellings") {
  CHECK(isa::bits(isa::Type::pred) == 1);
  CHECK(isa::bits(isa::Type::bf16x2) == 32);
  CHECK(isa::spelling(isa::Type::f16x2) == "f16x2");
  CHECK(isa::bits_type(isa::Type::f64) == isa::Type::b64);
  CHECK(isa::bits_type(isa::Type::s8) == isa::Type::b8);
  CHECK(isa::widened(isa::Type::s16) == isa::Type::s32);
  for (int t = 0; t < isa::type_count; ++t) {
    const auto type = static_cast<isa::Type>(t);
    CHECK(isa::bits(isa::bits_type(type)) == isa::bits(type));
    CHECK(isa::is_float(type) + isa::is_signed(type) + isa::is_unsigned(type) <= 1);
  }
}

// PTX ISA, "cvt": a rounding modifier is mandatory where it matters and illegal elsewhere.
TEST_CASE("conversions carry rounding exactly where it matters") {
  using isa::Op;
  using isa::Type;
  const auto has = [](Op op, Type to, Type from) { return isa::converts(isa::row(op), to, from); };
  CHECK(has(Op::cvt, Type::s64, Type::u16));
  CHECK(has(Op::cvt, Type::f32, Type::f16));
  CHECK_FALSE(has(Op::cvt, Type::f32, Type::s32));
  CHECK_FALSE(has(Op::cvt, Type::u32, Type::f32));
  CHECK(has(Op::cvt_rn, Type::f16, Type::f32));
  CHECK(has(Op::cvt_rn, Type::f64, Type::u64));
  CHECK_FALSE(has(Op::cvt_rn, Type::f64, Type::f32));
  CHECK(has(Op::cvt_rn_x2, Type::bf16x2, Type::f32));
  CHECK(has(Op::cvt_rzi, Type::s32, Type::f64));
  CHECK(has(Op::cvt_rmi, Type::f32, Type::f32));
  CHECK_FALSE(has(Op::cvt_rmi, Type::f32, Type::f64));
}

}  // namespace
}  // namespace ptxmill::test
