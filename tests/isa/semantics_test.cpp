// Every pure row computes what the manual says, over operands that reveal mistakes: on the emulated
// driver, and on a GPU.
#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <map>
#include <memory>
#include <set>
#include <string>

#include <fmt/format.h>

#include "tests/isa/cases.hpp"
#include "tests/isa/instance.hpp"
#include "tests/isa/loaded_module.hpp"
#include "tests/isa/reference.hpp"
#include "tests/isa/small_float.hpp"
#include "tests/support/device_fixture.hpp"

namespace ptxmill::test {
namespace {

using isa::Type;

constexpr std::size_t cases_per_row = 16384;

std::uint64_t mask_of(Type type) {
  const int bits = isa::bits(type) == 1 ? 32 : isa::bits(type);
  return bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
}

/// The value of a float's bits; only of types that have one.
double real_value(Type type, std::uint64_t bits) {
  switch (type) {
    case Type::f32: return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    case Type::f64: return std::bit_cast<double>(bits);
    default: return decode(small_format(type), static_cast<std::uint16_t>(bits));
  }
}

bool same_number(Type type, std::uint64_t got, std::uint64_t expected) {
  if (type == Type::f16x2 || type == Type::bf16x2) {
    const Type half = type == Type::f16x2 ? Type::f16 : Type::bf16;
    return same_number(half, got & 0xffff, expected & 0xffff) &&
           same_number(half, got >> 16, expected >> 16);
  }
  return got == expected ||
         (std::isnan(real_value(type, got)) && std::isnan(real_value(type, expected)));
}

bool is_near(Type type, std::uint64_t bits, const Expected& e) {
  const double got = real_value(type, bits);
  if (std::isnan(e.value)) return std::isnan(got);
  if (std::isinf(e.value)) return got == e.value;
  // A value that rounds beyond the largest f32 becomes an infinity.
  if (std::isinf(got))
    return type == Type::f32 && std::signbit(got) == std::signbit(e.value) &&
           std::fabs(e.value) + e.bound >= 0x1.ffffffp127;
  return std::fabs(got - e.value) <= e.bound;
}

/// Whether result `k` is as expected.
bool agrees(Type type, std::uint64_t got, const Expected& e, std::size_t k) {
  switch (e.kind) {
    case Expected::Kind::any: return true;
    case Expected::Kind::near: return is_near(type, got & mask_of(type), e);
    case Expected::Kind::number:
      return same_number(type, got & mask_of(type), e.bits[k] & mask_of(type));
    case Expected::Kind::bits: return (got & mask_of(type)) == (e.bits[k] & mask_of(type));
  }
  return false;
}

std::string describe(Type type, std::uint64_t bits) {
  bits &= mask_of(type);
  const bool real = isa::is_float(type) && type != Type::f16x2 && type != Type::bf16x2;
  return real ? fmt::format("0x{:x} ({})", bits, real_value(type, bits))
              : fmt::format("0x{:x}", bits);
}

std::string describe(Type type, const Expected& e, std::size_t k) {
  if (e.kind == Expected::Kind::near) return fmt::format("{} within {}", e.value, e.bound);
  return describe(type, e.bits[k]);
}

/// Compares every case; the first few that differ, one a line.
std::string differences(const Instance& i, const Function& compute,
                        const std::vector<std::uint64_t>& in,
                        const std::vector<std::uint64_t>& out) {
  const auto from = sources(i), to = results(i);
  std::string report;
  int failures = 0;
  for (std::size_t c = 0; c < out.size() / to.size(); ++c) {
    const Expected expected = compute(i, Sources(&in[c * from.size()], from.size()));
    for (std::size_t k = 0; k < to.size(); ++k) {
      const std::uint64_t got = out[c * to.size() + k];
      if (agrees(to[k], got, expected, k) || ++failures > 5) continue;
      report += "\n  of";
      for (std::size_t s = 0; s < from.size(); ++s)
        report += " " + describe(from[s], in[c * from.size() + s]);
      report +=
          fmt::format(": got {}, expected {}", describe(to[k], got), describe(to[k], expected, k));
    }
  }
  return failures == 0 ? ""
                       : fmt::format("{}: {} of {} cases{}", i.spelling(), failures,
                                     out.size() / to.size(), report);
}

/// The forms of a row that are run: each type, and some immediates where it takes one.
std::vector<Instance> forms(isa::Op op) {
  std::vector<Instance> all;
  for (Instance i : instances(op)) {
    if (i.row().shape != isa::Shape::t_t_t_t_imm) {
      all.push_back(i);
      continue;
    }
    for (const int immediate : {0xe8, 0x96, 0xca, 0x80, 0x01, 0xfe}) {
      i.immediate = immediate;
      all.push_back(i);
    }
  }
  return all;
}

/// Runs each row of a chapter with all of its types.
void check_chapter(const std::vector<Reference>& chapter, const rt::Device& device,
                   const rt::Stream& stream) {
  std::map<Header, std::string> texts;
  for (const Reference& r : chapter)
    for (const Instance& i : forms(r.op)) {
      std::string& module = texts[lowest_header(i.row().target, i.row().ptx)];
      if (module.empty()) module = text(lowest_header(i.row().target, i.row().ptx));
      module += kernel_text(i);
    }
  std::map<Header, std::unique_ptr<LoadedModule>> modules;
  for (const auto& [header, text] : texts)
    modules[header] = std::make_unique<LoadedModule>(device, text);
  for (const Reference& r : chapter)
    for (const Instance& i : forms(r.op)) {
      Random random = random_for("isa " + i.name());
      const std::vector<std::uint64_t> in = cases(i, random, cases_per_row);
      const auto& module = *modules[lowest_header(i.row().target, i.row().ptx)];
      const auto out =
          module.run(stream, i.name(), in, in.size() / sources(i).size(), results(i).size());
      const std::string report = differences(i, r.compute, in, out);
      CHECK_MESSAGE(report.empty(), report);
    }
}

TEST_CASE_FIXTURE(DeviceFixture, "integer arithmetic") {
  check_chapter(integer_references(), device(), stream);
}
TEST_CASE_FIXTURE(DeviceFixture, "floating point") {
  check_chapter(float_references(), device(), stream);
}
TEST_CASE_FIXTURE(DeviceFixture, "half precision") {
  check_chapter(half_references(), device(), stream);
}
TEST_CASE_FIXTURE(DeviceFixture, "comparison and selection") {
  check_chapter(comparison_references(), device(), stream);
}
TEST_CASE_FIXTURE(DeviceFixture, "logic and shifts") {
  check_chapter(logic_references(), device(), stream);
}
TEST_CASE_FIXTURE(DeviceFixture, "data movement and conversion") {
  check_chapter(conversion_references(), device(), stream);
}

TEST_CASE("every pure row on registers has a reference") {
  std::set<isa::Op> known;
  for (const auto* chapter :
       {&integer_references(), &float_references(), &half_references(), &comparison_references(),
        &logic_references(), &conversion_references()})
    for (const Reference& r : *chapter)
      CHECK_MESSAGE(known.insert(r.op).second, isa::row(r.op).method);
  for (const isa::Row& row : isa::rows) {
    if (row.effect != isa::Effect::pure || !isa::runs_alone(row)) continue;
    // Rows on addresses have a test of their own.
    if (row.shape == isa::Shape::t_symbol || row.spelling.starts_with("cvta")) continue;
    CHECK_MESSAGE(known.count(row.op) == 1, row.method);
  }
}

TEST_CASE_FIXTURE(DeviceFixture, "addresses convert between the generic and the named spaces") {
  // Writes what it can reach through converted addresses: 1 and 2 in shared memory, and results.
  const std::string ptx = text({"sm_80", 70}) + R"(
.visible .entry addresses(.param .u64 p_in, .param .u64 p_out, .param .u32 p_count, .param .align 16 .b8 p_cell[16])
{
    .reg .b32 %r<6>;
    .reg .b64 %rd<8>;
    .shared .align 16 .b32 first[4];
    .shared .align 16 .b32 second[4];
    mov.u32 %r0, %tid.x;
    .reg .pred %other;
    setp.ne.u32 %other, %r0, 0;
    @%other ret;
    ld.param.u64 %rd0, [p_out];
    cvta.to.global.u64 %rd1, %rd0;
    mov.u32 %r1, second;
    st.shared.u32 [%r1], 2;
    st.shared.u32 [first+4], 1;
    mov.u64 %rd2, first;
    ld.shared.u32 %r2, [%rd2+4];
    cvta.shared.u64 %rd3, %rd2;
    ld.u32 %r3, [%rd3+4];
    cvta.to.shared.u64 %rd4, %rd3;
    sub.u64 %rd5, %rd4, %rd2;
    ld.shared.u32 %r4, [second];
    cvt.u64.u32 %rd6, %r2;
    st.global.u64 [%rd1], %rd6;
    cvt.u64.u32 %rd6, %r3;
    st.global.u64 [%rd1+8], %rd6;
    cvt.u64.u32 %rd6, %r4;
    st.global.u64 [%rd1+16], %rd6;
    st.global.u64 [%rd1+24], %rd5;
    ret;
}
)";
  const LoadedModule module(device(), ptx);
  const auto out = module.run(stream, "addresses", {}, 1, 4);
  CHECK(out == std::vector<std::uint64_t>{1, 1, 2, 0});
}

}  // namespace
}  // namespace ptxmill::test
