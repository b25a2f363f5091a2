// Launches: shapes, refusals, results that do not depend on how checks are set, whole small
// kernels.
#include <cmath>
#include <cstdint>
#include <numeric>

#include "interpreter_fixture.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

TEST_CASE("a launch without blocks succeeds, one that cannot be is refused") {
  Device device(module_text(
      ".param .u64 p", ".reg .b64 %p;\nld.param.u64 %p, [p];\nst.global.u32 [%p], 1;\nret;\n"));
  const auto p = device.reserve(4);
  const auto none = device.run({.grid = {0, 1, 1}}, p);
  check_clean(none);
  CHECK(none.warp_instructions == 0);
  CHECK_FALSE(device.written(p, 1));
  CHECK(device.run({.block = {0, 1, 1}}, p).outcome == Outcome::launch_failed);
  CHECK(device.run({.block = {1025, 1, 1}}, p).outcome == Outcome::launch_failed);
  Launch short_params;
  CHECK(execute(device.program(), *device.program().find("k"), short_params, device.memory,
                device.machine, device.options)
            .outcome == Outcome::launch_failed);
  check_clean(device.run({.block = {16, 8, 8}}, p));
}

TEST_CASE("warp instructions are counted") {
  Device device(module_text("", ".reg .b32 %r;\nmov.u32 %r, 1;\nmov.u32 %r, 2;\nret;\n"));
  CHECK(device.run({.grid = {5, 1, 1}, .block = {70, 1, 1}}).warp_instructions == 5 * 3 * 3);
}

const std::string vector_add =
    ".reg .pred %p;\n.reg .b32 %i, %n, %step;\n.reg .b64 %a, %b, %c, %o;\n.reg .f32 %x, "
    "%y;\nld.param.u64 %a, [a];\nld.param.u64 %b, [b];\nld.param.u64 %c, [c];\nld.param.u32 %n, "
    "[n];\n"
    "mov.u32 %i, %tid.x;\nmad.lo.u32 %i, %ctaid.x, %ntid.x, %i;\nmul.lo.u32 %step, %nctaid.x, "
    "%ntid.x;\nLOOP:\nsetp.ge.u32 %p, %i, %n;\n@%p bra DONE;\nmul.wide.u32 %o, %i, 4;\nadd.u64 %o, "
    "%a, %o;\nld.global.f32 %x, [%o];\n"
    "mul.wide.u32 %o, %i, 4;\nadd.u64 %o, %b, %o;\nld.global.f32 %y, [%o];\nadd.rn.f32 %x, %x, "
    "%y;\nmul.wide.u32 %o, %i, 4;\nadd.u64 %o, %c, %o;\nst.global.f32 [%o], %x;\nadd.u32 %i, %i, "
    "%step;\nbra LOOP;\nDONE:\nret;\n";

TEST_CASE("a vector sum over any length, with any check and schedule") {
  Device device(
      module_text(".param .u64 a, .param .u64 b, .param .u64 c, .param .u32 n", vector_add));
  for (const std::uint32_t n : {1u, 31u, 32u, 1000u, 4097u}) {
    std::vector<float> a(n), b(n), expected(n);
    for (std::uint32_t i = 0; i < n; ++i) {
      a[i] = static_cast<float>(i) * 0.25f;
      b[i] = 7.f - static_cast<float>(i);
      expected[i] = a[i] + b[i];
    }
    const auto at_a = device.upload(a), at_b = device.upload(b);
    for (const Check check : {Check::off, Check::warn, Check::fail}) {
      for (const Schedule schedule : {Schedule::earliest, Schedule::latest, Schedule::random}) {
        device.options.check = check;
        device.options.schedule = schedule;
        const auto c = device.reserve(n * 4);
        check_clean(device.run({.grid = {3, 1, 1}, .block = {96, 1, 1}}, at_a, at_b, c, n));
        CHECK(device.download<float>(c, n) == expected);
        CHECK(device.written(c, n * 4));
      }
    }
  }
}

/// C = A B with tiles of 8 x 8 in shared memory, one element a thread.
const std::string tiled_product =
    ".reg .pred %p, %inside;\n.reg .b32 %n, %row, %col, %k, %t, %x, %y, %sa, %sb, %i;\n.reg .b64 "
    "%a, %b, %c, %o;\n.reg .f32 %u, %v, %sum;\n.shared .align 16 .f32 tile_a[64];\n.shared .align "
    "16 .f32 tile_b[64];\n"
    "ld.param.u64 %a, [a];\nld.param.u64 %b, [b];\nld.param.u64 %c, [c];\nld.param.u32 %n, "
    "[n];\nmov.u32 %x, %tid.x;\nmov.u32 %y, %tid.y;\nmad.lo.u32 %row, %ctaid.y, 8, %y;\nmad.lo.u32 "
    "%col, %ctaid.x, 8, %x;\nmov.f32 %sum, 0f00000000;\nmov.u32 %k, 0;\n"
    "// ---- tiles\nTILES:\n{\n// ---- fetch\nadd.u32 %t, %k, %x;\nmov.f32 %u, "
    "0f00000000;\nsetp.lt.u32 %p, %row, %n;\nsetp.lt.and.u32 %inside, %t, %n, %p;\nmad.lo.u32 %i, "
    "%row, %n, %t;\nmad.wide.u32 %o, %i, 4, %a;\n@%inside ld.global.f32 %u, [%o];\n"
    "add.u32 %t, %k, %y;\nmov.f32 %v, 0f00000000;\nsetp.lt.u32 %p, %col, %n;\nsetp.lt.and.u32 "
    "%inside, %t, %n, %p;\nmad.lo.u32 %i, %t, %n, %col;\nmad.wide.u32 %o, %i, 4, %b;\n@%inside "
    "ld.global.f32 %v, [%o];\n"
    "mad.lo.u32 %i, %y, 8, %x;\nshl.b32 %i, %i, 2;\nmov.u32 %sa, tile_a;\nadd.u32 %sa, %sa, "
    "%i;\nst.shared.f32 [%sa], %u;\nmov.u32 %sb, tile_b;\nadd.u32 %sb, %sb, %i;\nst.shared.f32 "
    "[%sb], %v;\nbar.sync 0;\n}\n"
    "{\n// ---- multiply\nshl.b32 %sa, %y, 5;\nadd.u32 %sa, %sa, tile_a;\nshl.b32 %sb, %x, "
    "2;\nadd.u32 %sb, %sb, tile_b;\nmov.u32 %i, 0;\nINNER:\nld.shared.f32 %u, "
    "[%sa];\nld.shared.f32 %v, [%sb];\nfma.rn.f32 %sum, %u, %v, %sum;\nadd.u32 %sa, %sa, "
    "4;\nadd.u32 %sb, %sb, 32;\nadd.u32 %i, %i, 1;\nsetp.lt.u32 %p, %i, 8;\n@%p bra "
    "INNER;\nbar.sync 0;\n}\n"
    "add.u32 %k, %k, 8;\nsetp.lt.u32 %p, %k, %n;\n@%p bra TILES;\nsetp.lt.u32 %p, %row, "
    "%n;\nsetp.lt.and.u32 %inside, %col, %n, %p;\nmad.lo.u32 %i, %row, %n, %col;\nmad.wide.u32 %o, "
    "%i, 4, %c;\n@%inside st.global.f32 [%o], %sum;\nret;\n";

TEST_CASE("a tiled matrix product, exactly, for sizes on and off the tile") {
  Device device(
      module_text(".param .u64 a, .param .u64 b, .param .u64 c, .param .u32 n", tiled_product));
  for (const std::uint32_t n : {1u, 7u, 8u, 9u, 21u}) {
    std::vector<float> a(n * n), b(n * n);
    for (std::uint32_t i = 0; i < n * n; ++i) {
      a[i] = static_cast<float>(static_cast<int>(i * 7 % 11) - 5);
      b[i] = static_cast<float>(static_cast<int>(i * 5 % 13) - 6);
    }
    const auto c = device.reserve(n * n * 4);
    const std::uint32_t tiles = (n + 7) / 8;
    check_clean(device.run({.grid = {tiles, tiles, 1}, .block = {8, 8, 1}}, device.upload(a),
                           device.upload(b), c, n));
    const auto got = device.download<float>(c, n * n);
    for (std::uint32_t i = 0; i < n; ++i) {
      for (std::uint32_t j = 0; j < n; ++j) {
        int sum = 0;
        for (std::uint32_t k = 0; k < n; ++k)
          sum += static_cast<int>(a[i * n + k]) * static_cast<int>(b[k * n + j]);
        CHECK(got[i * n + j] == static_cast<float>(sum));
      }
    }
  }
}

TEST_CASE("a tiled product without its barrier is caught") {
  std::string broken = tiled_product;
  const std::size_t at = broken.find("st.shared.f32 [%sb], %v;\nbar.sync 0;");
  REQUIRE(at != std::string::npos);
  broken.erase(broken.find("bar.sync 0;", at), 11);
  Device device(module_text(".param .u64 a, .param .u64 b, .param .u64 c, .param .u32 n", broken));
  const auto a = device.upload(std::vector<float>(64, 1.f));
  const auto r = device.run({.block = {8, 8, 1}}, a, a, device.reserve(256), 8u);
  CHECK(r.outcome == Outcome::launch_failed);
  check_contains(r.report, {"data race on shared memory", "into 'tile_"});
}

TEST_CASE("a row softmax in one block") {
  const std::string softmax =
      ".reg .pred %p, %w;\n.reg .b32 %t, %n, %s, %i, %x;\n.reg .b64 %in, %o;\n.reg .f32 %v, %m, "
      "%u, %sum;\n.shared .align 4 .f32 part[2];\nld.param.u64 %in, [p];\nld.param.u32 %n, "
      "[n];\nmov.u32 %t, %tid.x;\nmad.wide.u32 %o, %t, 4, %in;\nmov.f32 %v, "
      "0fFF800000;\nsetp.lt.u32 %p, %t, %n;\n@%p ld.global.f32 %v, [%o];\n"
      "// ---- maximum\nmov.f32 %m, %v;\n" +
      [] {
        std::string s;
        for (const char* d : {"16", "8", "4", "2", "1"})
          s += std::string("mov.b32 %i, %m;\nshfl.sync.bfly.b32 %x, %i, ") + d +
               ", 31, -1;\nmov.b32 %u, %x;\nmax.f32 %m, %m, %u;\n";
        return s;
      }() +
      "shr.u32 %s, %t, 5;\nshl.b32 %s, %s, 2;\nadd.u32 %s, %s, part;\nst.shared.f32 [%s], "
      "%m;\nbar.sync 0;\nld.shared.f32 %m, [part];\nld.shared.f32 %u, [part+4];\nmax.f32 %m, %m, "
      "%u;\nbar.sync 0;\n"
      "// ---- sum\nsub.f32 %v, %v, %m;\nmul.f32 %v, %v, 0f3FB8AA3B;\nex2.approx.f32 %v, "
      "%v;\nmov.f32 %sum, %v;\n" +
      [] {
        std::string s;
        for (const char* d : {"16", "8", "4", "2", "1"})
          s += std::string("mov.b32 %i, %sum;\nshfl.sync.bfly.b32 %x, %i, ") + d +
               ", 31, -1;\nmov.b32 %u, %x;\nadd.f32 %sum, %sum, %u;\n";
        return s;
      }() +
      "st.shared.f32 [%s], %sum;\nbar.sync 0;\nld.shared.f32 %sum, [part];\nld.shared.f32 %u, "
      "[part+4];\nadd.f32 %sum, %sum, %u;\ndiv.rn.f32 %v, %v, %sum;\n@%p st.global.f32 [%o], "
      "%v;\nret;\n";
  Device device(module_text(".param .u64 p, .param .u32 n", softmax));
  for (const std::uint32_t n : {1u, 33u, 64u}) {
    std::vector<float> row(n);
    for (std::uint32_t i = 0; i < n; ++i) row[i] = std::sin(static_cast<float>(i)) * 5;
    const auto p = device.upload(row);
    check_clean(device.run({.block = {64, 1, 1}}, p, n));
    const auto got = device.download<float>(p, n);
    double sum = 0;
    for (const float v : row) sum += std::exp(static_cast<double>(v));
    for (std::uint32_t i = 0; i < n; ++i) {
      const double expected = std::exp(static_cast<double>(row[i])) / sum;
      CHECK(std::fabs(got[i] - expected) <= 1e-6 * expected + 1e-12);
    }
  }
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
