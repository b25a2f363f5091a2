// Loads and stores in every space, vectors, sub-word accesses, addresses, variables.
#include <cstdint>
#include <numeric>

#include "interpreter_fixture.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

TEST_CASE("bytes and halves extend by their type into wider registers") {
  const auto check = [](const std::string& type, std::int32_t expected32, std::int64_t expected64) {
    CAPTURE(type);
    Device device(
        module_text(".param .u64 p_in, .param .u64 p_out",
                    ".reg .b64 %in, %out, %w;\n.reg .b32 %r;\nld.param.u64 %in, "
                    "[p_in];\nld.param.u64 %out, [p_out];\n"
                    "ld.global." +
                        type + " %r, [%in+2];\nld.global." + type +
                        " %w, [%in+2];\n"
                        "st.global.b32 [%out], %r;\nst.global.b64 [%out+8], %w;\nret;\n"));
    const auto in = device.upload<std::uint8_t>({0, 0, 0x80, 0xff, 0x7f, 0x01});
    const auto out = device.reserve(16);
    check_clean(device.run({.block = {1, 1, 1}}, in, out));
    CHECK(device.download<std::int32_t>(out, 1)[0] == expected32);
    CHECK(device.download<std::int64_t>(out + 8, 1)[0] == expected64);
  };
  check("u8", 0x80, 0x80);
  check("s8", -128, -128);
  check("u16", 0xff80, 0xff80);
  check("s16", -128, -128);
  check("b16", 0xff80, 0xff80);
}

TEST_CASE("a signed byte in a 16-bit register, and stores that keep the low part") {
  Device device(module_text(
      ".param .u64 p",
      ".reg .b64 %p;\n.reg .b16 %h;\n.reg .b32 %r;\nld.param.u64 %p, [p];\nld.global.s8 %h, "
      "[%p];\nst.global.b16 [%p+2], %h;\n"
      "mov.b32 %r, 0x11223344;\nst.global.u8 [%p+4], %r;\nst.global.u16 [%p+6], %r;\nret;\n"));
  const auto p = device.upload<std::uint8_t>({0xfe, 0, 0, 0, 0, 0xaa, 0, 0});
  check_clean(device.run({.block = {1, 1, 1}}, p));
  CHECK(device.download<std::uint8_t>(p, 8) ==
        std::vector<std::uint8_t>{0xfe, 0, 0xfe, 0xff, 0x44, 0xaa, 0x44, 0x33});
}

TEST_CASE("vector loads and stores move their elements in order") {
  for (const std::string space : {"global", "shared"}) {
    CAPTURE(space);
    // Each thread swaps the elements of its vector, through shared memory where asked.
    const std::string via =
        space == "shared"
            ? "st.shared.v4.b32 [%s], {%r0, %r1, %r2, %r3};\nld.shared.v4.b32 {%r0, %r1, %r2, "
              "%r3}, [%s];\n"
              "ld.shared.v2.b64 {%d0, %d1}, [%s];\nst.shared.v2.b64 [%s], {%d0, %d1};\n"
            : "";
    Device device(module_text(
        ".param .u64 p",
        ".reg .b64 %p, %d0, %d1;\n.reg .b32 %t, %s, %r0, %r1, %r2, %r3;\n.shared .align 16 .b8 "
        "tile[512];\n"
        "ld.param.u64 %p, [p];\nmov.u32 %t, %tid.x;\nmad.wide.u32 %p, %t, 16, %p;\nmov.u32 %s, "
        "tile;\nmad.lo.u32 %s, %t, 16, %s;\n"
        "ld.global.v4.u32 {%r0, %r1, %r2, %r3}, [%p];\n" +
            via +
            "st.global.v2.u32 [%p], {%r3, %r2};\nst.global.v2.u32 [%p+8], {%r1, %r0};\nret;\n"));
    std::vector<std::uint32_t> v(128);
    std::iota(v.begin(), v.end(), 0u);
    const auto p = device.upload(v);
    check_clean(device.run({}, p));
    const auto out = device.download<std::uint32_t>(p, 128);
    for (std::uint32_t i = 0; i < 128; ++i) CHECK(out[i] == i / 4 * 4 + (3 - i % 4));
  }
}

TEST_CASE("a vector load may overwrite its own address, and may drop elements") {
  Device device(module_text(
      ".param .u64 p",
      ".reg .b64 %p, %q;\n.reg .b32 %a, %b;\nld.param.u64 %p, [p];\nmov.b64 %q, %p;\n"
      "ld.global.v2.b64 {%p, _}, [%p];\nst.global.b64 [%q+16], %p;\n"
      "ld.global.v4.b32 {_, %a, _, %b}, [%q];\nst.global.v2.b32 [%q+24], {%a, %b};\nret;\n"));
  const auto p = device.upload<std::uint32_t>({1, 2, 3, 4, 0, 0, 0, 0});
  check_clean(device.run({.block = {1, 1, 1}}, p));
  CHECK(device.download<std::uint32_t>(p + 16, 4) == std::vector<std::uint32_t>{1, 2, 2, 4});
}

TEST_CASE("orderings, scopes and cache hints change nothing that a thread sees") {
  const std::vector<std::string> loads{"ld.volatile.global.u32",
                                       "ld.relaxed.gpu.global.u32",
                                       "ld.acquire.sys.global.u32",
                                       "ld.global.nc.u32",
                                       "ld.global.ca.u32",
                                       "ld.global.cg.u32",
                                       "ld.global.nc.L1::no_allocate.L2::128B.u32",
                                       "ld.weak.global.u32",
                                       "ldu.global.u32",
                                       "ld.global.L1::evict_last.u32"};
  const std::vector<std::string> stores{"st.volatile.global.u32",    "st.relaxed.cta.global.u32",
                                        "st.release.gpu.global.u32", "st.global.cs.u32",
                                        "st.global.wt.u32",          "st.weak.global.u32"};
  for (const std::string& load : loads) {
    for (const std::string& store : stores) {
      Device device(
          module_text(".param .u64 p", ".reg .b64 %p;\n.reg .b32 %r;\nld.param.u64 %p, [p];\n" +
                                           load + " %r, [%p];\n" + store + " [%p+4], %r;\nret;\n"));
      const auto p = device.upload<std::uint32_t>({42, 0});
      check_clean(device.run({.block = {1, 1, 1}}, p));
      CHECK(device.download<std::uint32_t>(p, 2)[1] == 42);
    }
  }
}

TEST_CASE("a cache policy operand is read and ignored") {
  Device device(module_text(".param .u64 p",
                            ".reg .b64 %p, %policy;\n.reg .b32 %r;\nld.param.u64 %p, [p];\nmov.b64 "
                            "%policy, 0x12F0000000000000;\n"
                            "ld.global.L2::cache_hint.u32 %r, [%p], "
                            "%policy;\nst.global.L2::cache_hint.u32 [%p+4], %r, %policy;\nret;\n"));
  const auto p = device.upload<std::uint32_t>({7, 0});
  check_clean(device.run({.block = {1, 1, 1}}, p));
  CHECK(device.download<std::uint32_t>(p, 2)[1] == 7);
}

TEST_CASE("generic addresses reach shared, local and global memory") {
  Device device(module_text(
      ".param .u64 p",
      ".reg .b64 %p, %g, %s, %l;\n.reg .b32 %r, %t, %x;\n.reg .pred %in_s, %in_l, %in_g;\n.shared "
      ".align 4 .b32 box[32];\n.local .align 8 .b8 stack[16];\n"
      "ld.param.u64 %p, [p];\nmov.u32 %t, %tid.x;\nmov.u64 %s, box;\ncvta.shared.u64 %s, "
      "%s;\nmad.wide.u32 %s, %t, 4, %s;\n"
      "mov.u64 %l, stack;\ncvta.local.u64 %l, %l;\n"
      "add.u32 %x, %t, 100;\nst.u32 [%s], %x;\nbar.warp.sync -1;\nld.shared.u32 %r, "
      "[box];\nmov.u32 %x, %t;\nst.u32 "
      "[%l+4], %x;\n"
      "isspacep.shared %in_s, %s;\nisspacep.local %in_l, %l;\nisspacep.global %in_g, %p;\n"
      // Lanes of one instruction in three spaces.
      "and.b32 %x, %t, 1;\nsetp.eq.u32 %in_l, %x, 1;\nadd.u64 %l, %l, 4;\nselp.b64 %g, %l, %s, "
      "%in_l;\nsetp.eq.u32 %in_s, %t, 5;\n@%in_s add.u64 %g, %p, 20;\n"
      "ld.u32 %r, [%g];\nmad.wide.u32 %p, %t, 4, %p;\nst.u32 [%p], %r;\nret;\n"));
  std::vector<std::uint32_t> v(32, 9999);
  const auto p = device.upload(v);
  check_clean(device.run({}, p));
  const auto out = device.download<std::uint32_t>(p, 32);
  for (std::uint32_t i = 0; i < 32; ++i)
    CHECK(out[i] == (i == 5 ? 9999 : i % 2 == 1 ? i : i + 100));
}

TEST_CASE("cvta goes both ways") {
  Device device(module_text(".param .u64 p",
                            ".reg .b64 %p, %s, %q;\n.reg .b32 %r;\n.shared .b32 "
                            "box[8];\nld.param.u64 %p, [p];\ncvta.to.global.u64 %p, %p;\n"
                            "mov.u64 %s, box+8;\ncvta.shared.u64 %q, %s;\ncvta.to.shared.u64 %q, "
                            "%q;\nsub.u64 %q, %q, %s;\n"
                            "cvt.u32.u64 %r, %q;\nst.global.u32 [%p], %r;\nret;\n"));
  const auto p = device.upload<std::uint32_t>({77});
  check_clean(device.run({.block = {1, 1, 1}}, p));
  CHECK(device.download<std::uint32_t>(p, 1)[0] == 0);
}

TEST_CASE(
    "module variables have initial values, and last across launches when placed by the caller") {
  const std::string text =
      ".version 8.0\n.target sm_80\n.address_size 64\n.global .align 4 .u32 counter = 5;\n.const "
      ".align 4 .f32 table[4] = {0f3F800000, 2.0, -3.5, 4};\n"
      ".global .align 8 .u64 where[2] = {counter, generic(counter)+4};\n.global .align 1 .b8 "
      "grid[2][3] = {{1, 2}, {4, 5, 6}};\n.global .f64 zero;\n"
      ".visible .entry k(.param .u64 p)\n{\n.reg .b64 %p, %a, %b;\n.reg .b32 %r;\n.reg .f32 "
      "%f;\nld.param.u64 %p, [p];\n"
      "ld.global.u32 %r, [counter];\nst.global.u32 [%p], %r;\nadd.u32 %r, %r, 1;\nst.global.u32 "
      "[counter], %r;\n"
      "ld.const.f32 %f, [table+8];\nst.global.f32 [%p+4], %f;\nmov.u64 %a, table;\ncvta.const.u64 "
      "%a, %a;\nld.f32 %f, [%a+12];\nst.global.f32 [%p+8], %f;\n"
      "ld.global.u64 %a, [where+8];\nmov.u64 %b, counter;\nsub.u64 %a, %a, %b;\ncvt.u32.u64 %r, "
      "%a;\nst.global.u32 [%p+12], %r;\n"
      "ld.global.u8 %r, [grid+2];\nst.global.u32 [%p+16], %r;\nld.global.u8 %r, "
      "[grid+4];\nst.global.u32 [%p+20], %r;\nret;\n}\n";
  Device device(text);
  REQUIRE(device.program().variables().size() == 5);
  CHECK(device.program().variables()[0].name == "counter");
  CHECK(device.program().variables()[1].constant);
  CHECK(device.program().variables()[2].size == 16);
  const auto out = device.reserve(24);
  for (int launch = 0; launch < 2; ++launch) {
    check_clean(device.run({.block = {1, 1, 1}}, out));
    const auto v = device.download<std::uint32_t>(out, 6);
    CHECK(v[0] == 5);  // placed anew for each launch
    CHECK(device.download<float>(out + 4, 2) == std::vector<float>{-3.5f, 4.f});
    CHECK(v[3] == 4);
    CHECK(v[4] == 0);
    CHECK(v[5] == 5);
  }
  const auto placed = device.program().place_variables(device.memory);
  REQUIRE(placed.size() == 5);
  Launch launch;
  launch.params = std::as_bytes(std::span(&out, 1));
  launch.variables = placed;
  for (std::uint32_t n = 0; n < 3; ++n) {
    check_clean(execute(device.program(), *device.program().find("k"), launch, device.memory,
                        device.machine, device.options));
    CHECK(device.download<std::uint32_t>(out, 1)[0] == 5 + n);
  }
}

TEST_CASE("extern shared memory starts behind the static, aligned, at the launch's size") {
  const std::string text =
      ".version 8.0\n.target sm_80\n.address_size 64\n.extern .shared .align 16 .b8 "
      "dynamic[];\n.visible .entry k(.param .u64 p)\n{\n.reg .b64 %p;\n.reg .b32 %r, %s;\n"
      ".shared .align 1 .b8 fixed[5];\nld.param.u64 %p, [p];\nmov.u32 %r, fixed;\nmov.u32 %s, "
      "dynamic;\nst.global.v2.u32 [%p], {%r, %s};\n"
      "st.shared.u32 [dynamic+60], %r;\nld.shared.u32 %r, [dynamic+60];\nmov.u32 %s, "
      "%dynamic_smem_size;\nst.global.u32 [%p+8], %s;\nret;\n}\n";
  Device device(text);
  CHECK(device.program().find("k")->static_shared_bytes == 5);
  const auto p = device.reserve(12);
  check_clean(device.run({.block = {1, 1, 1}, .dynamic_shared_bytes = 64}, p));
  CHECK(device.download<std::uint32_t>(p, 3) == std::vector<std::uint32_t>{0, 16, 64});
}

TEST_CASE("local memory is each thread's own") {
  Device device(module_text(".param .u64 p",
                            ".reg .b64 %p, %l;\n.reg .b32 %t, %r;\n.local .align 16 .b8 "
                            "stack[64];\nld.param.u64 %p, [p];\nmov.u32 %t, %tid.x;\n"
                            "mov.u64 %l, stack;\nst.local.u32 [stack+8], %t;\nadd.u64 %l, %l, "
                            "8;\nbar.sync 0;\nld.local.u32 %r, [%l];\n"
                            "mad.wide.u32 %p, %t, 4, %p;\nst.global.u32 [%p], %r;\nret;\n"));
  CHECK(device.program().find("k")->local_bytes == 64);
  const auto p = device.reserve(4 * 96);
  check_clean(device.run({.block = {96, 1, 1}}, p));
  const auto out = device.download<std::uint32_t>(p, 96);
  for (std::uint32_t i = 0; i < 96; ++i) CHECK(out[i] == i);
}

TEST_CASE("parameters of every type and array, and their generic address") {
  const std::string text =
      ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u8 a, .param .u16 "
      "b, .param .f64 c, .param .align 16 .b8 d[20], .param .u64 .ptr .global .align 8 p)\n{\n"
      ".reg .b64 %p, %q;\n.reg .b32 %r;\n.reg .f64 %f;\nld.param.u64 %p, [p];\nld.param.u8 %r, "
      "[a];\nst.global.u32 [%p], %r;\nld.param.u16 %r, [b];\nst.global.u32 [%p+4], %r;\n"
      "ld.param.f64 %f, [c];\nst.global.f64 [%p+8], %f;\nld.param.u32 %r, [d+16];\nst.global.u32 "
      "[%p+16], %r;\nmov.b64 %q, d;\ncvta.param.u64 %q, %q;\nld.u32 %r, [%q+4];\nst.global.u32 "
      "[%p+20], %r;\nret;\n}\n";
  Device device(text);
  const EntryInfo& k = *device.program().find("k");
  REQUIRE(k.params.size() == 5);
  CHECK(k.params[1].offset == 2);
  CHECK(k.params[2].offset == 8);
  CHECK(k.params[3].offset == 16);
  CHECK(k.params[3].align == 16);
  CHECK(k.params[4].offset == 40);
  CHECK(k.param_bytes == 48);
  const auto p = device.reserve(24);
  const std::array<std::uint32_t, 5> d{10, 11, 12, 13, 14};
  check_clean(device.run({.block = {1, 1, 1}}, std::uint8_t{200}, std::uint16_t{60000}, 2.5, d, p));
  const auto v = device.download<std::uint32_t>(p, 6);
  CHECK(v[0] == 200);
  CHECK(v[1] == 60000);
  CHECK(device.download<double>(p + 8, 1)[0] == 2.5);
  CHECK(v[4] == 14);
  CHECK(v[5] == 11);
}

TEST_CASE("moves pack and unpack registers") {
  const std::vector<std::uint64_t> a{0x1122334455667788};
  CHECK(evaluate<std::uint64_t>("mov.b64 {%t, %u}, %a;\nmov.b64 %d, {%u, %t};", a)[0] ==
        0x5566778811223344);
  CHECK(evaluate<std::uint32_t>(
            ".reg .b16 %x, %y, %z, %w;\nmov.b64 {%x, %y, %z, %w}, %a;\nmov.b32 %d, {%w, %x};",
            a)[0] == 0x77881122);
  CHECK(evaluate<std::uint32_t>("mov.b64 {_, %d}, %a;", a)[0] == 0x11223344);
}

TEST_CASE("vector registers and their components") {
  Device device(
      module_text(".param .u64 p",
                  ".reg .b64 %p;\n.reg .v4 .b32 %v;\n.reg .v2 .f32 %w<3>;\nld.param.u64 %p, "
                  "[p];\nmov.u32 %v.x, 1;\nmov.u32 %v.w, 4;\nmov.f32 %w2.y, 0f40000000;\n"
                  "st.global.u32 [%p], %v.x;\nst.global.u32 [%p+4], %v.w;\nst.global.f32 [%p+8], "
                  "%w2.y;\nret;\n"));
  const auto p = device.reserve(12);
  check_clean(device.run({.block = {1, 1, 1}}, p));
  CHECK(device.download<std::uint32_t>(p, 3) == std::vector<std::uint32_t>{1, 4, 0x40000000});
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
