// What the parser must accept, and what it makes of it.
#include <cstdint>

#include "interpreter_fixture.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

/// The u32 that `code` leaves in %r.
std::uint32_t value_of(const std::string& code) {
  Device device(module_text(".param .u64 p",
                            ".reg .b64 %p, %d;\n.reg .b32 %r, %s;\n.reg .f32 %f;\n.reg .pred "
                            "%q;\nld.param.u64 %p, [p];\n" +
                                code + "\nst.global.u32 [%p], %r;\nret;\n"));
  const auto p = device.reserve(4);
  check_clean(device.run({.block = {1, 1, 1}}, p));
  return device.download<std::uint32_t>(p, 1)[0];
}
std::uint32_t constant(const std::string& expression) {
  return value_of("mov.u32 %r, " + expression + ";");
}

TEST_CASE("integer constants in every base") {
  CHECK(constant("42") == 42);
  CHECK(constant("42U") == 42);
  CHECK(constant("052") == 42);
  CHECK(constant("0x2a") == 42);
  CHECK(constant("0X2AU") == 42);
  CHECK(constant("0b101010") == 42);
  CHECK(constant("0") == 0);
  CHECK(constant("-1") == 0xffffffff);
  CHECK(constant("0xffffffffffffffff") == 0xffffffff);
  CHECK(constant("WARP_SZ") == 32);
}

TEST_CASE("constant expressions follow C") {
  CHECK(constant("2+3*4") == 14);
  CHECK(constant("(2+3)*4") == 20);
  CHECK(constant("1<<4|3") == 19);
  CHECK(constant("-7/2") == static_cast<std::uint32_t>(-3));
  CHECK(constant("-7%3") == static_cast<std::uint32_t>(-1));
  CHECK(constant("7U/2") == 3);
  CHECK(constant("~0&0xf0") == 0xf0);
  CHECK(constant("5>3?10:20") == 10);
  CHECK(constant("!5") == 0);
  CHECK(constant("1&&0||1") == 1);
  CHECK(constant("6^3") == 5);
  CHECK(constant("10-2-3") == 5);
  CHECK(constant("-8>>1") == static_cast<std::uint32_t>(-4));
  CHECK(constant("3<=3") == 1);
  CHECK(constant("(.s64)-1 < 0") == 1);
}

TEST_CASE("floating point constants") {
  const auto bits_of = [](const std::string& c) {
    return value_of("mov.f32 %f, " + c + ";\nmov.b32 %r, %f;");
  };
  CHECK(bits_of("0f3F800000") == 0x3f800000);
  CHECK(bits_of("0F3f800000") == 0x3f800000);
  CHECK(bits_of("1.0") == 0x3f800000);
  CHECK(bits_of("-2.5e-1") == 0xbe800000);
  CHECK(bits_of("1e10") == 0x501502f9);
  CHECK(bits_of("0d3FF0000000000000") == 0x3f800000);
  CHECK(bits_of("-0f3F800000") == 0xbf800000);
  CHECK(bits_of("1e400") == 0x7f800000);
  CHECK(bits_of("1e-400") == 0);
  CHECK(bits_of("1.") == 0x3f800000);
}

TEST_CASE("names may hold dollars, underscores and per cents") {
  CHECK(value_of(".reg .b32 $x, _y, %_z, x$1;\nmov.u32 $x, 1;\nmov.u32 _y, 2;\nmov.u32 %_z, "
                 "3;\nmov.u32 x$1, 4;\nadd.u32 %r, $x, _y;\nadd.u32 %r, %r, %_z;\nadd.u32 %r, %r, "
                 "x$1;\nbra $L__BB0_1;\nmov.u32 %r, 0;\n$L__BB0_1:") == 10);
}

TEST_CASE("comments, line markers and trailing zeros are blanks") {
  const std::string text = "# 1 \"x.ptx\"\n" + module_text("", "/* a\nb */ ret; // c\n");
  parsed(text);
  std::string log;
  bool unsupported = false;
  CHECK(Program::parse(text + std::string(3, '\0'), Machine{}, &log, &unsupported) != nullptr);
  // Windows line ends.
  std::string crlf;
  for (const char c : text) crlf += c == '\n' ? "\r\n" : std::string(1, c);
  parsed(crlf);
}

TEST_CASE("debug directives and sections are passed over") {
  parsed(
      ".version 8.0\n.target sm_80, debug\n.address_size 64\n.file 1 \"k.cu\", 123, 456\n.visible "
      ".entry k()\n{\n.loc 1 5 3\n.loc 1 6 2, function_name $L1, inlined_at 1 5 "
      "3\nret;\n$L1:\n}\n.section .debug_info {\n.b32 1\n.b8 2, 3\n{ }\n}\n");
}

TEST_CASE("a block is bounded or exact, not both") {
  const auto with = [](const std::string& directives) {
    return ".version 8.0\n.target sm_80\n.address_size 64\n.entry k()" + directives + "{ret;}\n";
  };
  parsed(with(".maxntid 64"));
  parsed(with(".reqntid 64, 2"));
  check_contains(refusal(with(".maxntid 64 .reqntid 64")),
                 {"line 4", "Conflicting directives: .maxntid and .reqntid"});
}

TEST_CASE("entries report their shape") {
  const auto p = parsed(
      ".version 8.0\n.target sm_80\n.address_size 64\n.weak .entry first() .maxntid 64, 2, 1 "
      ".minnctapersm 1\n{\n.shared .align 32 .b8 a[10];\n.shared .align 32 .b8 b[7];\n.local "
      ".align 8 .b8 l[20];\nret;\n}\n"
      ".visible .entry second(.param .u32 n)\n.reqntid 128\n.maxnreg 64\n{\nret;\n}\n.entry "
      "third();\n");
  REQUIRE(p->entries().size() == 2);
  const EntryInfo& first = *p->find("first");
  CHECK(first.static_shared_bytes == 39);
  CHECK(first.local_bytes >= 20);
  CHECK(first.max_threads == 128);
  CHECK(first.params.empty());
  const EntryInfo& second = *p->find("second");
  CHECK(second.max_threads == 128);
  CHECK(second.required_block == std::array<std::uint32_t, 3>{128, 1, 1});
  CHECK(first.required_block == std::array<std::uint32_t, 3>{0, 0, 0});
  CHECK(second.registers <= 64);
  CHECK(second.registers > 0);
  CHECK(second.param_bytes == 4);
  CHECK(second.params[0].name == "n");
  CHECK(p->find("third") == nullptr);
  CHECK(parsed(module_text("", "ret;\n"))->find("k")->max_threads == 1024);
}

TEST_CASE("an empty body and a missing ret are returns") {
  Device empty(module_text("", ""));
  check_clean(empty.run({}));
  Device falls_off(module_text(".param .u64 p",
                               ".reg .b64 %p;\nld.param.u64 %p, [p];\nst.global.u32 [%p], 5;\n"));
  const auto p = falls_off.reserve(4);
  check_clean(falls_off.run({.block = {1, 1, 1}}, p));
  CHECK(falls_off.download<std::uint32_t>(p, 1)[0] == 5);
}

TEST_CASE("module-scope shared variables are counted where they are used") {
  const std::string text =
      ".version 8.0\n.target sm_80\n.address_size 64\n.shared .align 4 .b8 tile[100];\n.visible "
      ".entry uses()\n{\n.reg .b32 %r;\nmov.u32 %r, tile;\nret;\n}\n.visible .entry "
      "spares()\n{\nret;\n}\n";
  const auto p = parsed(text);
  CHECK(p->find("uses")->static_shared_bytes == 100);
  CHECK(p->find("spares")->static_shared_bytes == 0);
}

TEST_CASE("a register may hide a special register's name, as compilers allow") {
  CHECK(value_of(".reg .b32 %laneid;\nmov.u32 %laneid, 77;\nmov.u32 %r, %laneid;") == 77);
}

TEST_CASE("special registers are operands of any instruction") {
  CHECK(value_of("mad.lo.u32 %r, %ntid.x, 10, %nctaid.x;") == 11);
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
