// How a recorded kernel reads: whole files, the order of lines, literals, floors.
#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>

#include "tests/ptx/golden_kernels.hpp"
#include "tests/ptx/scratch_kernel.hpp"

namespace ptxmill::test {
namespace {

std::string golden(const std::string& name) {
  std::ifstream file("tests/ptx/golden/" + name);
  REQUIRE_MESSAGE(file.good(), "tests/ptx/golden/"
                                   << name
                                   << " cannot be read; tests run in the source tree's root");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST_CASE("every structure, with static shared memory, reads as its golden file") {
  CHECK(every_structure() == golden("every_structure.ptx"));
}

TEST_CASE("a layout beyond 48 KiB is dynamic, and reads as its golden file") {
  CHECK(dynamic_shared() == golden("dynamic_shared.ptx"));
}

TEST_CASE("the same kernel twice gives the same bytes") {
  CHECK(every_structure() == every_structure());
  CHECK(dynamic_shared() == dynamic_shared());
}

TEST_CASE("a value just computed goes straight into its variable") {
  ScratchKernel k;
  auto sum = k.var<f32>("sum", 0.f);
  sum += k.load(k.x);
  sum = k.fma(sum, 2, 1);
  k.var<f32>("kept", sum);
  const auto four = k.load<4>(k.x);
  auto first = k.var<f32>("first", 0);
  first = four[0];
  CHECK(instructions(k.recorder) ==
        "mov.f32 %f_sum, 0f00000000; // 0\n"
        "ld.global.f32 %f0, [%rd_x];\n"
        "add.rn.f32 %f_sum, %f_sum, %f0;\n"
        "fma.rn.f32 %f_sum, %f_sum, 0f40000000, 0f3F800000; // 2, 1\n"
        "mov.f32 %f_kept, %f_sum;\n"
        "ld.global.v4.f32 {%f1, %f2, %f3, %f4}, [%rd_x];\n"
        "mov.f32 %f_first, 0f00000000; // 0\n"
        "mov.f32 %f_first, %f1;\n");
}

TEST_CASE("one load does not write a variable twice") {
  ScratchKernel k;
  auto v = k.var<f32>("v", 0);
  auto four = k.load<4>(k.x);
  v = std::move(four[0]);
  v = std::move(four[1]);
  CHECK(instructions(k.recorder) ==
        "mov.f32 %f_v, 0f00000000; // 0\n"
        "ld.global.v4.f32 {%f_v, %f0, %f1, %f2}, [%rd_x];\n"
        "mov.f32 %f_v, %f0;\n");
}

TEST_CASE("literals are spelled exactly") {
  CHECK(print_literal(Operand::literal(1.0, isa::Type::f32)) == "0f3F800000");
  CHECK(print_literal(Operand::literal(-0.0, isa::Type::f32)) == "0f80000000");
  CHECK(print_literal(Operand::literal(0.1, isa::Type::f32)) == "0f3DCCCCCD");
  CHECK(print_literal(Operand::literal(0.1, isa::Type::f64)) == "0d3FB999999999999A");
  CHECK(print_literal(Operand::literal(INFINITY, isa::Type::f32)) == "0f7F800000");
  CHECK(print_literal(Operand::literal(std::int64_t{-7}, isa::Type::s32)) == "-7");
  CHECK(print_literal(Operand::literal(std::int64_t{255}, isa::Type::b32)) == "0xFF");
  CHECK(decimal(0.1, isa::Type::f32) == "0.1");
  CHECK(decimal(0.1f, isa::Type::f64) == "0.10000000149011612");
  CHECK(decimal(1e-20, isa::Type::f32) == "1e-20");
  CHECK(decimal(-INFINITY, isa::Type::f32) == "-inf");
}

TEST_CASE(".version is the lowest that the instructions and the target need") {
  const auto version = [](const char* target, auto body) {
    ScratchKernel k(*Target::parse(target));
    body(k);
    const std::string text = print(k.recorder, {}, {});
    const auto at = text.find(".version ");
    return text.substr(at + 9, text.find('\n', at) - at - 9);
  };
  const auto plain = [](auto& k) { k.sync(); };
  CHECK(version("sm_80", plain) == "7.0");
  CHECK(version("sm_86", plain) == "7.1");
  CHECK(version("sm_87", plain) == "7.4");
  CHECK(version("sm_89", plain) == "7.8");
  CHECK(version("sm_90", plain) == "7.8");
  CHECK(version("sm_90a", plain) == "8.0");
  CHECK(version("sm_80", [](auto& k) { k.redux_sync_add(k.n); }) == "7.0");
  CHECK(version("sm_80", [](auto& k) {
          k.template cvt_bf16<f32>(k.template cvt_rn_bf16<bf16>(k.load(k.x)));
        }) == "7.1");
  CHECK(version("sm_90", [](auto& k) {
          k.template cvt_bf16<f32>(k.template cvt_rn_bf16<bf16>(k.load(k.x)));
        }) == "7.8");
}

TEST_CASE("targets have names") {
  CHECK(Target::parse("sm_90a")->arch_specific);
  CHECK(Target::parse("sm_90a")->name() == "sm_90a");
  CHECK_FALSE(Target::parse("sm_70"));
  CHECK_FALSE(Target::parse("sm_80a"));
  CHECK_FALSE(Target::parse("90"));
  CHECK(Target::known() == "sm_80, sm_86, sm_87, sm_89, sm_90, sm_90a");
}

TEST_CASE("a place is named without its directories") {
  CHECK(Where{"/a/b/softmax.cpp", 12}.text() == "softmax.cpp:12");
  CHECK(std::string(BuildError({"x/y.cpp", 3}, "no").what()) == "y.cpp:3: no");
}

}  // namespace
}  // namespace ptxmill::test
