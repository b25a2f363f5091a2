// Atomics and reductions on global and shared memory.
#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <numeric>

#include "interpreter_fixture.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

/// Every thread of 3 x 64 applies `op` with its number `n` (block * 64 + thread, in %n of type T).
template <class T>
struct Outcomes {
  T memory;
  std::vector<T> returned;
};
template <class T>
Outcomes<T> apply(const std::string& op, const std::string& type, const std::string& to_type,
                  T start, const std::string& space = "global") {
  const std::string b = ".b" + std::to_string(sizeof(T) * 8);
  const bool shared = space == "shared";
  const std::string code =
      ".reg .b64 %p, %o;\n.reg .b32 %t, %b;\n.reg .pred %q;\n.reg " + b +
      " %n, %old;\n.shared .align 8 .b64 cell;\nld.param.u64 %p, [p];\nld.param.u64 %o, "
      "[o];\nmov.u32 %t, %tid.x;\nmov.u32 %b, %ctaid.x;\nmad.lo.u32 %t, %b, 64, %t;\n" +
      to_type +
      (shared ? "ld.global" + b + " %old, [%p];\nst.shared" + b + " [cell], %old;\nbar.sync 0;\n"
              : "") +
      "atom." + space + "." + op + "." + type + " %old, [" + (shared ? "cell" : "%p") + "], %n;\n" +
      (shared ? "bar.sync 0;\nld.shared" + b + " %n, [cell];\nst.global" + b + " [%p], %n;\n"
              : "") +
      "mad.wide.u32 %o, %t, " + std::to_string(sizeof(T)) + ", %o;\nst.global" + b +
      " [%o], %old;\nret;\n";
  Device device(module_text(".param .u64 p, .param .u64 o", code));
  const auto p = device.upload<T>({start});
  const std::uint32_t blocks = shared ? 1 : 3;
  const auto o = device.reserve(64 * blocks * sizeof(T));
  check_clean(device.run({.grid = {blocks, 1, 1}, .block = {64, 1, 1}}, p, o));
  return {device.download<T>(p, 1)[0], device.download<T>(o, 64 * blocks)};
}

constexpr const char* as_u32 = "mov.u32 %n, %t;\n";
constexpr const char* as_u64 = "cvt.u64.u32 %n, %t;\n";

TEST_CASE("atomic integer operations leave what a loop over the threads leaves") {
  const auto sum = apply<std::uint32_t>("add", "u32", as_u32, 5);
  CHECK(sum.memory == 5 + 191 * 192 / 2);
  // Each returned value is the sum of those before it: all differ, and one is the start.
  CHECK(sum.returned[0] == 5);
  CHECK(apply<std::uint64_t>("add", "u64", as_u64, std::uint64_t{1} << 40).memory ==
        (std::uint64_t{1} << 40) + 18336);
  CHECK(apply<std::int32_t>("add", "s32", "neg.s32 %n, %t;\n", 0).memory == -18336);
  CHECK(apply<std::uint32_t>("min", "u32", "add.u32 %n, %t, 10;\n", 100).memory == 10);
  CHECK(apply<std::uint32_t>("max", "u32", as_u32, 100).memory == 191);
  CHECK(apply<std::int32_t>("min", "s32", "neg.s32 %n, %t;\n", 0).memory == -191);
  CHECK(apply<std::int32_t>("max", "s32", "neg.s32 %n, %t;\n", -5).memory == 0);
  CHECK(apply<std::uint64_t>("max", "u64", as_u64, 7).memory == 191);
  CHECK(apply<std::int64_t>("min", "s64", "cvt.s64.s32 %n, %t;\nneg.s64 %n, %n;\n", 0).memory ==
        -191);
  CHECK(apply<std::uint32_t>("or", "b32", as_u32, 0x1000).memory == 0x10ff);
  CHECK(apply<std::uint32_t>("and", "b32", "or.b32 %n, %t, 0xf0;\n", 0xffff).memory == 0xf0);
  CHECK(apply<std::uint32_t>("xor", "b32", as_u32, 1).memory == 1);  // 0 ^ 1 ^ ... ^ 191 is 0
  CHECK(apply<std::uint32_t>("inc", "u32", "mov.u32 %n, 99;\n", 0).memory == 192 % 100);
  CHECK(apply<std::uint32_t>("dec", "u32", "mov.u32 %n, 99;\n", 0).memory ==
        8);  // 99 after the first, 191 steps down
  CHECK(apply<std::uint32_t>("add", "u32", as_u32, 5, "shared").memory == 5 + 63 * 64 / 2);
  CHECK(apply<std::uint64_t>("add", "u64", as_u64, 5, "shared").memory == 5 + 63 * 64 / 2);
}

TEST_CASE("exchanges pass every value on exactly once") {
  const auto r = apply<std::uint32_t>("exch", "b32", as_u32, 777);
  std::vector<std::uint32_t> all = r.returned;
  all.push_back(r.memory);
  std::sort(all.begin(), all.end());
  std::vector<std::uint32_t> expected(192);
  std::iota(expected.begin(), expected.end(), 0u);
  expected.push_back(777);
  CHECK(all == expected);
}

TEST_CASE("floating point sums") {
  CHECK(apply<float>("add", "f32", "cvt.rn.f32.u32 %n, %t;\n", 0.5f).memory == 18336.5f);
  CHECK(apply<double>("add", "f64", "cvt.rn.f64.u32 %n, %t;\n", 0.5).memory == 18336.5);
  CHECK(apply<float>("add", "f32", "cvt.rn.f32.u32 %n, %t;\n", 0.5f, "shared").memory == 2016.5f);
  // Global memory flushes subnormals when it adds; shared memory does not.
  CHECK(apply<float>("add", "f32", "mov.b32 %n, 1;\n", 0.f).memory == 0.f);
  CHECK(apply<float>("add", "f32", "mov.b32 %n, 1;\n", 0.f, "shared").memory == 0x1p-149f * 64);
  CHECK(apply<std::uint32_t>("add.noftz", "f16x2", "mov.b32 %n, 0x3c004000;\n", 0).memory ==
        0x5a005e00);  // 192 and 384
  CHECK(apply<std::uint16_t>("add.noftz", "bf16", "mov.b16 %n, 0x3f80;\n", 0).memory ==
        0x4340);  // 192
}

TEST_CASE("compare and swap builds any update") {
  Device device(
      module_text(".param .u64 p",
                  ".reg .b64 %p;\n.reg .b32 %old, %seen, %new;\n.reg .pred %q;\nld.param.u64 %p, "
                  "[p];\nld.volatile.global.u32 %old, [%p];\nRETRY:\nmad.lo.u32 %new, %old, 3, "
                  "1;\natom.global.cas.b32 %seen, [%p], %old, %new;\nsetp.ne.u32 %q, %seen, "
                  "%old;\nmov.u32 %old, %seen;\n@%q bra RETRY;\nret;\n"));
  const auto p = device.upload<std::uint32_t>({1});
  check_clean(device.run({.grid = {2, 1, 1}, .block = {40, 1, 1}}, p));
  std::uint32_t expected = 1;
  for (int i = 0; i < 80; ++i) expected = expected * 3 + 1;
  CHECK(device.download<std::uint32_t>(p, 1)[0] == expected);
}

TEST_CASE("a lock that every thread takes in turn") {
  Device device(
      module_text(".param .u64 p",
                  ".reg .b64 %p;\n.reg .b32 %old, %v;\n.reg .pred %q;\nld.param.u64 %p, "
                  "[p];\nTRY:\natom.acq_rel.gpu.global.cas.b32 %old, [%p], 0, 1;\nsetp.ne.u32 %q, "
                  "%old, 0;\n@%q bra TRY;\n"
                  "ld.volatile.global.u32 %v, [%p+4];\nadd.u32 %v, %v, 1;\nst.volatile.global.u32 "
                  "[%p+4], %v;\natom.release.gpu.global.exch.b32 %old, [%p], 0;\nret;\n"));
  for (const Schedule schedule : {Schedule::earliest, Schedule::latest, Schedule::random}) {
    device.options.schedule = schedule;
    device.options.instruction_budget = 50'000'000;
    const auto p = device.upload<std::uint32_t>({0, 0});
    check_clean(device.run({.grid = {2, 1, 1}, .block = {64, 1, 1}}, p));
    CHECK(device.download<std::uint32_t>(p, 2)[1] == 128);
  }
}

TEST_CASE("reductions return nothing; generic and sub-word atomics") {
  Device device(module_text(".param .u64 p",
                            ".reg .b64 %p, %s;\n.reg .b32 %v, %t;\n.reg .b16 %h;\n.reg .f32 "
                            "%f;\n.shared .b32 cell;\nld.param.u64 %p, [p];\nmov.u32 %t, "
                            "%tid.x;\nred.global.add.u32 [%p], 2;\nred.relaxed.gpu.global.max.s32 "
                            "[%p+4], %t;\nmov.f32 %f, 0f3F000000;\nred.global.add.f32 [%p+8], %f;\n"
                            "mov.u64 %s, cell;\ncvta.shared.u64 %s, %s;\nst.shared.u32 [cell], "
                            "0;\nbar.sync 0;\natom.add.u32 %v, [%s], 1;\nbar.sync "
                            "0;\nld.shared.u32 %v, [cell];\nst.global.u32 [%p+12], %v;\n"
                            "mov.b16 %h, 5;\natom.global.cas.b16 %h, [%p+18], 0, %h;\nret;\n"));
  const auto p = device.upload<std::uint32_t>({0, 0, 0, 0, 0});
  check_clean(device.run({.block = {64, 1, 1}}, p));
  const auto v = device.download<std::uint32_t>(p, 5);
  CHECK(v[0] == 128);
  CHECK(v[1] == 63);
  CHECK(std::bit_cast<float>(v[2]) == 32.f);
  CHECK(v[3] == 64);
  CHECK(v[4] == 5u << 16);
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
