// Texts that must be refused, with the line of the fault; and texts that must not crash the parser.
#include <cstdint>
#include <random>

#include "interpreter_fixture.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

/// The log for `code` in an entry with some declarations; the code starts on line 10.
std::string log_of(const std::string& code) {
  return refusal(module_text(
      ".param .u64 p", ".reg .b32 %r<4>;\n.reg .b64 %d<4>;\n.reg .f32 %f<4>;\n.reg .pred %p<4>;\n" +
                           code + "\nret;\n"));
}

TEST_CASE("the log reads as ptxas's does") {
  const std::string log = log_of("add.u32 %r0, %r1, %r2;\nadd.u32 %r0, %r1, %missing;");
  check_contains(
      log,
      {"ptxas application ptx input, line 11; error   : Unknown symbol '%missing' (column 19)\n",
       "ptxas fatal   : Ptx assembly aborted due to errors\n"});
}

TEST_CASE("every fault of a text is reported, each with its line") {
  const std::string log =
      log_of("add.u32 %r0, %r9, 1;\nmov.u32 %r0, 1;\nfoo.u32 %r0;\nbra NOWHERE;");
  check_contains(log, {"line 10; error   : Unknown symbol '%r9'",
                       "line 12; error   : Unknown instruction 'foo'",
                       "line 13; error   : Unknown label 'NOWHERE'"});
}

TEST_CASE("operands must match the instruction") {
  struct Case {
    std::string code, words;
  };
  const Case cases[] = {
      {"add.u32 %r0, %r1;", "takes 3 operands, not 2"},
      {"add.u32 %r0, %r1, %r2, %r3;", "takes 3 operands, not 4"},
      {"add.f32 %r0, %r1, %r2;", ""},  // untyped registers take any type of their size
      {"add.u32 %f0, %f1, %f2;", "Arguments mismatch for instruction 'add'"},
      {"add.u64 %d0, %d1, %r2;", "Arguments mismatch"},
      {"add.u32 %p0, %r1, %r2;", "Arguments mismatch"},
      {"add.u32 5, %r1, %r2;", "Arguments mismatch"},
      {"add.f32 %f0, %f1, 1;", "Arguments mismatch"},
      {"add.u32 %r0, %r1, 0f3F800000;", "Arguments mismatch"},
      {"add.u32 %r0, %r1, !%r2;", "Arguments mismatch"},
      {"selp.u32 %r0, %r1, %r2, %r3;", "Arguments mismatch"},
      {"mov.u32 %r0, %tid;", "Unknown symbol '%tid'"},
      {"mov.u64 %d0, %tid.x;", "Arguments mismatch"},
      {"ld.global.u32 %r0, %d0;", "Arguments mismatch"},
      {"ld.global.f32 %d0, [%d0];", "Arguments mismatch"},
      {"ld.global.u64 %r0, [%d0];", "Arguments mismatch"},
      {"ld.global.v2.u32 %r0, [%d0];", "Arguments mismatch"},
      {"ld.global.v4.u32 {%r0, %r1}, [%d0];", "Arguments mismatch"},
      {"ld.shared.u32 %r0, [p];", "State space mismatch for 'p'"},
      {"st.param.u32 [p], %r0;", "read-only"},
      {"st.const.u32 [%d0], %r0;", "read-only"},
      {"bar.sync 16;", "out of range"},
      {"bar.sync 0, 33;", "not a multiple of the warp size"},
      {"lop3.b32 %r0, %r1, %r2, %r3, 256;", "out of range"},
      {"lop3.b32 %r0, %r1, %r2, %r3, %r1;", "integer constant"},
      {"@%r0 bra NEXT;\nNEXT:", "Guard '%r0' is not a predicate"},
      {"@%p9 bra NEXT;\nNEXT:", "Unknown symbol '%p9'"},
      {"bra %r0;", "Unknown label"},
      {"NEXT:\nNEXT:", "Duplicate definition of label 'NEXT'"},
      {"{\nINNER:\n}\nbra INNER;", "Unknown label 'INNER'"},
      {".reg .b32 %r<2>;", "Duplicate definition of register '%r'"},
      {".reg .b32 a;\n.reg .f32 a;", "Duplicate definition of register 'a'"},
      {".shared .b32 a;\n.shared .b32 a;", "Duplicate definition of 'a'"},
      {".global .b32 a;", "module scope"},
      {".shared .b8 big[49153];", "too much shared data (0xc001 bytes, 0xc000 max)"},
      {".local .b8 big[600000];", "too much local data"},
  };
  for (const Case& k : cases) {
    CAPTURE(k.code);
    if (k.words.empty()) {
      parsed(module_text("", ".reg .b32 %r<4>;\n" + k.code + "\nret;\n"));
    } else {
      check_contains(log_of(k.code), {"; error   : ", k.words});
    }
  }
}

TEST_CASE("modifiers must belong to the instruction") {
  for (const std::string code : {"add.u32.rn %r0, %r1, %r2;",
                                 "add.wide.u32 %r0, %r1, %r2;",
                                 "add.sat.u32 %r0, %r1, %r2;",
                                 "fma.f32 %f0, %f1, %f2, %f3;",
                                 "div.f32 %f0, %f1, %f2;",
                                 "rcp.f32 %f0, %f1;",
                                 "sqrt.f32 %f0, %f1;",
                                 "mul.u32 %r0, %r1, %r2;",
                                 "mul.wide.u64 %d0, %d1, %d2;",
                                 "cvt.f32.s32 %f0, %r1;",
                                 "cvt.s32.f32 %r0, %f1;",
                                 "cvt.rn.s32.f32 %r0, %f1;",
                                 "cvt.rni.f32.s32 %f0, %r1;",
                                 "cvt.rn.u32.u32 %r0, %r1;",
                                 "setp.u32 %p0, %r1, %r2;",
                                 "setp.equ.u32 %p0, %r1, %r2;",
                                 "setp.lo.f32 %p0, %f1, %f2;",
                                 "min.rn.f32 %f0, %f1, %f2;",
                                 "shl.u32 %r0, %r1, %r2;",
                                 "atom.global.u32 %r0, [%d0], 1;",
                                 "atom.global.add.f16 %r0, [%d0], %r1;",
                                 "atom.local.add.u32 %r0, [%d0], 1;",
                                 "red.global.exch.b32 [%d0], 1;",
                                 "shfl.bfly.b32 %r0, %r1, 1, 31;",
                                 "vote.all.pred %p0, %p1;",
                                 "bar.sync;",
                                 "bar.arrive 1;",
                                 "ex2.f32 %f0, %f1;",
                                 "ld.global %r0, [%d0];",
                                 "ld.global.v3.u32 {%r0, %r1, %r2}, [%d0];",
                                 "abs.u32 %r0, %r1;",
                                 "mov %r0, %r1;",
                                 "prmt.f4e.b32.b32 %r0, %r1, %r2, %r3;",
                                 "membar;",
                                 "fence.proxy.async.cta;",
                                 "wgmma.fence.sync.aligned;",
                                 "cp.async.wait_some;"}) {
    CAPTURE(code);
    check_contains(log_of(code), {"line 10; error   : "});
  }
}

TEST_CASE("syntax errors name the place") {
  check_contains(log_of("add.u32 %r0, %r1 %r2;"),
                 {"line 10; error   : Parsing error near '%r2'", "(column 18)"});
  check_contains(log_of("add.u32 %r0, ;"), {"line 10; error   : Parsing error near ';'"});
  check_contains(log_of("mov.u32 %r0, 08;"), {"line 10"});
  check_contains(log_of("mov.u32 %r0, 0x;"), {"line 10", "without digits"});
  check_contains(log_of("mov.u32 %r0, 99999999999999999999;"), {"line 10", "exceeds 64 bits"});
  check_contains(log_of("mov.f32 %f0, 0f3F8;"), {"line 10", "8 digits"});
  check_contains(log_of("mov.u32 %r0, 1/0;"), {"line 10", "Division by zero"});
  check_contains(log_of("mov.u32 %r0, \x01;"), {"line 10", "unexpected character (code 1)"});
  check_contains(log_of("/* never closed"), {"line 10", "Unterminated comment"});
  check_contains(log_of(".pragma \"never closed;"), {"line 10", "Unterminated string"});
  check_contains(log_of("{"), {"function body is not closed"});
  check_contains(refusal(""), {"line 1; error", "missing .version"});
  check_contains(refusal(".version 8.0\n"), {"line 2; error", "missing .target"});
  check_contains(refusal(".version eight\n.target sm_80\n"),
                 {"line 1; error", "Malformed .version 'eight'"});
  check_contains(refusal(".version 8.0\n.target sm_x\n"), {"line 2; error", "Unknown target"});
  check_contains(refusal(".version 8.0\n.target sm_80\n.address_size 32\n"),
                 {"line 3; error", "address_size 64"});
  check_contains(refusal(".version 8.0\n.target sm_80\nhello\n"),
                 {"line 3; error", "expected a directive"});
  check_contains(refusal(".version 8.0\n.target sm_80\n.visible .entry k()\n{ret;}\n.visible "
                         ".entry k()\n{ret;}\n"),
                 {"line 5; error", "Duplicate definition of 'k'"});
  check_contains(refusal(".version 8.0\n.target sm_80\n.extern .global .u32 x;\n"),
                 {"line 3; error", "Unresolved extern variable 'x'"});
  check_contains(refusal(".version 8.0\n.target sm_80\n.global .align 3 .u32 x;\n"),
                 {"line 3; error", "power of two"});
  check_contains(refusal(".version 8.0\n.target sm_80\n.global .u32 x[2] = {1, 2, 3};\n"),
                 {"line 3; error", "Too many initial values"});
  check_contains(refusal(".version 8.0\n.target sm_80\n.global .u64 x = nobody;\n"),
                 {"line 3; error", "Invalid initial value 'nobody'"});
}

TEST_CASE("a text for another machine is unsupported, not wrong") {
  const auto verdict = [](const std::string& version, const std::string& target, Machine machine) {
    std::string log;
    bool unsupported = false;
    const auto p = Program::parse(".version " + version + "\n.target " + target +
                                      "\n.address_size 64\n.visible .entry k()\n{\nret;\n}\n",
                                  machine, &log, &unsupported);
    return p != nullptr  ? std::string("runs")
           : unsupported ? "unsupported: " + log
                         : "wrong: " + log;
  };
  Machine h200, a100, old_driver;
  a100.compute_capability = 80;
  old_driver.driver_version = 11020;
  CHECK(verdict("7.0", "sm_80", h200) == "runs");
  CHECK(verdict("9.0", "sm_90a", h200) == "runs");
  CHECK(verdict("7.0", "sm_80", a100) == "runs");
  CHECK(verdict("6.0", "sm_70", a100) == "runs");
  check_contains(verdict("7.8", "sm_90", a100), {"unsupported: ", "line 2; error", "sm_90", "8.0"});
  check_contains(verdict("8.0", "sm_90a", a100), {"unsupported: "});
  check_contains(verdict("8.6", "sm_100", h200), {"unsupported: "});
  check_contains(verdict("7.4", "sm_80", old_driver),
                 {"unsupported: ", "line 1; error", ".version 7.4", "11.2"});
  CHECK(verdict("7.2", "sm_80", old_driver) == "runs");
  check_contains(verdict("9.9", "sm_80", h200), {"unsupported: "});
  check_contains(verdict("7.0", "sm_90", h200),
                 {"wrong: ", "line 2; error", "does not support .target sm_90"});
}

TEST_CASE("calls must fit the function") {
  const std::string head =
      ".version 8.0\n.target sm_80\n.address_size 64\n.func (.param .b32 r) f(.param .b32 "
      "x)\n{\nret;\n}\n.visible .entry k()\n{\n.reg .b32 %r;\n.param .b32 a, b;\n";
  check_contains(refusal(head + "call (a), g, (b);\nret;\n}\n"),
                 {"line 12; error", "Unknown function 'g'"});
  check_contains(refusal(head + "call f, (b);\nret;\n}\n"),
                 {"line 12; error", "has 1 arguments and 0 results, its declaration 1 and 1"});
  check_contains(refusal(head + "call (a), f, (%r);\nret;\n}\n"),
                 {"line 12; error", ".param variable"});
  check_contains(refusal(head + "call (a), %r, (b), proto;\nret;\n}\n"), {"line 12; error"});
}

TEST_CASE("deep nesting is refused rather than followed") {
  check_contains(log_of(std::string(10000, '{')), {"nested too deeply"});
  check_contains(
      log_of("mov.u32 %r0, " + std::string(10000, '(') + "1" + std::string(10000, ')') + ";"),
      {"nested too deeply"});
  check_contains(log_of("mov.u32 %r0, " + std::string(10000, '-') + "1;"), {"nested too deeply"});
  check_contains(log_of("mov.b64 " + std::string(10000, '{') + ";"), {"nested too deeply"});
  check_contains(
      refusal(".version 8.0\n.target sm_80\n.global .u32 x[4] = " + std::string(1000, '{') + "1\n"),
      {"line 3; error"});
  check_contains(log_of("setp.eq.u32 %p0" +
                        [] {
                          std::string s;
                          for (int i = 0; i < 10000; ++i) s += "|%p1";
                          return s;
                        }() +
                        ", 1, 1;"),
                 {"line 10; error"});
}

TEST_CASE("sizes that overflow are refused") {
  check_contains(refusal(".version 8.0\n.target sm_80\n.global .b8 x[0xffffffffffffffff];\n"),
                 {"line 3; error"});
  check_contains(
      refusal(".version 8.0\n.target sm_80\n.global .b64 x[0x10000000][0x10000000][0x10000000];\n"),
      {"line 3; error"});
  check_contains(log_of(".reg .b32 %x<4000000000>;"), {"Too many registers"});
  check_contains(log_of(".shared .b8 x[0xfffffffffff];"), {"line 10; error"});
  check_contains(refusal(module_text(".param .b8 p[40000]", "ret;\n")),
                 {"Formal parameter space overflowed"});
}

/// A module that uses much of the syntax.
std::string sample() {
  return ".version 8.0\n.target sm_80, debug\n.address_size 64\n.file 1 \"a.cu\"\n.global .align 8 "
         ".u64 g[2] = {0x10, g+8};\n.const .f32 c = 0f3F800000;\n.extern .shared .align 16 .b8 "
         "dyn[];\n"
         ".func (.param .b32 r) f(.param .b32 x)\n{\n.reg .b32 %v;\nld.param.b32 %v, "
         "[x];\nst.param.b32 [r], %v;\nret;\n}\n"
         ".visible .entry k(.param .u64 .ptr .global .align 4 p, .param .align 8 .b8 "
         "q[16])\n.maxntid 256, 1, 1\n.minnctapersm 2\n{\n.reg .b64 %d<4>;\n.reg .b32 %r<8>;\n.reg "
         ".pred %p<3>;\n.reg .f32 %f<4>;\n.shared .align 16 .b8 s[64];\n"
         ".loc 1 2 3\n.pragma \"nounroll\";\nld.param.u64 %d0, [p];\nmov.u32 %r0, %tid.x;\n// ---- "
         "loop\nLOOP:\nsetp.lt.and.u32 %p0|%p1, %r0, (1 << 4) + 3, !%p2;\n@!%p0 bra DONE;\n{\n.reg "
         ".b32 %t;\nmov.b64 {%t, _}, %d0;\nadd.u32 %r0, %r0, %t;\n}\n"
         "ld.global.v4.f32 {%f0, %f1, %f2, %f3}, [%d0+-16];\nfma.rn.f32 %f0, %f1, 1.5e0, "
         "0f40000000;\nshfl.sync.bfly.b32 %r1|%p1, %r0, 1, 31, -1;\nbra LOOP;\nDONE:\nret;\n}\n";
}

TEST_CASE("no mutation of a sound text crashes or hangs the parser") {
  const std::string text = sample();
  std::mt19937 random(1);
  const Machine machine;
  int accepted = 0;
  for (int round = 0; round < 4000; ++round) {
    std::string mutant = text;
    const int edits = 1 + static_cast<int>(random() % 3);
    for (int e = 0; e < edits; ++e) {
      const std::size_t at = random() % mutant.size();
      switch (random() % 5) {
        case 0: mutant.erase(at, 1 + random() % 20); break;
        case 1: mutant[at] = static_cast<char>(random() % 256); break;
        case 2: mutant.insert(at, mutant.substr(random() % mutant.size(), random() % 30)); break;
        case 3: mutant[at] = "{}[]();,.:%@!<>-+0x\"/*\n"[random() % 24]; break;
        default: mutant.resize(at); break;
      }
      if (mutant.empty()) mutant = " ";
    }
    std::string log;
    bool unsupported = false;
    const auto p = Program::parse(mutant, machine, &log, &unsupported);
    CHECK((p != nullptr) == log.empty());
    accepted += p != nullptr;
  }
  CHECK(accepted > 0);
  CHECK(accepted < 4000);
  parsed(text);
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
