// Shuffles, votes, matches and reductions across the lanes of a warp.
#include <bit>
#include <cstdint>

#include "interpreter_fixture.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

/// Runs `code`, which leaves %r, in one warp of `threads` threads; %t is the lane.
std::vector<std::uint32_t> lanes(const std::string& code, std::uint32_t threads = 32) {
  Device device(module_text(
      ".param .u64 p",
      ".reg .b64 %p;\n.reg .b32 %t, %r, %a, %b, %c;\n.reg .pred %p0, %p1;\nld.param.u64 %p, "
      "[p];\nmov.u32 %t, %tid.x;\nmad.wide.u32 %p, %t, 4, %p;\nmov.u32 %r, 0;\n" +
          code + "\nst.global.u32 [%p], %r;\nret;\n"));
  const auto p = device.reserve(threads * 4);
  check_clean(device.run({.block = {threads, 1, 1}}, p));
  return device.download<std::uint32_t>(p, threads);
}

TEST_CASE("shfl modes, segments and clamps") {
  struct Case {
    std::string mode;
    std::uint32_t b, c;
  };
  std::vector<Case> cases;
  for (const std::string mode : {"up", "down", "bfly", "idx"}) {
    for (const std::uint32_t b : {0u, 1u, 3u, 8u, 17u, 31u}) {
      for (const std::uint32_t c : {0u, 31u, 0x181fu, 0x1c07u, 0x1e1fu, 0x1018u, 0x1f1fu})
        cases.push_back({mode, b, c});
    }
  }
  for (const Case& k : cases) {
    CAPTURE(k.mode);
    CAPTURE(k.b);
    CAPTURE(k.c);
    const auto v = lanes("mad.lo.u32 %a, %t, 3, 5;\nshfl.sync." + k.mode + ".b32 %r|%p0, %a, " +
                         std::to_string(k.b) + ", " + std::to_string(k.c) +
                         ", 0xffffffff;\n@%p0 add.u32 %r, %r, 1000;");
    for (int lane = 0; lane < 32; ++lane) {
      // The manual's pseudo-code.
      const int bval = static_cast<int>(k.b & 31), cval = static_cast<int>(k.c & 31),
                mask = static_cast<int>(k.c >> 8 & 31);
      const int max_lane = (lane & mask) | (cval & ~mask), min_lane = lane & mask;
      int j = 0;
      bool valid = false;
      if (k.mode == "up") j = lane - bval, valid = j >= max_lane;
      if (k.mode == "down") j = lane + bval, valid = j <= max_lane;
      if (k.mode == "bfly") j = lane ^ bval, valid = j <= max_lane;
      if (k.mode == "idx") j = min_lane | (bval & ~mask), valid = j <= max_lane;
      if (!valid) j = lane;
      CHECK(v[static_cast<std::size_t>(lane)] ==
            static_cast<std::uint32_t>(3 * j + 5 + (valid ? 1000 : 0)));
    }
  }
}

TEST_CASE("a shuffle may read a source lane that differs by lane, and overwrite its source") {
  const auto v =
      lanes("xor.b32 %a, %t, 21;\nshfl.sync.idx.b32 %t, %t, %a, 31, -1;\nmov.u32 %r, %t;");
  for (std::uint32_t i = 0; i < 32; ++i) CHECK(v[i] == (i ^ 21));
}

TEST_CASE("warp sum by shuffles in a partial warp") {
  const auto v = lanes(
      "add.u32 %r, %t, 1;\nshfl.sync.bfly.b32 %a|%p0, %r, 8, 31, 0xffff;\nadd.u32 %r, %r, "
      "%a;\nshfl.sync.bfly.b32 %a, %r, 4, 31, 0xffff;\nadd.u32 %r, %r, %a;\nshfl.sync.bfly.b32 %a, "
      "%r, 2, 31, 0xffff;\n"
      "add.u32 %r, %r, %a;\nshfl.sync.bfly.b32 %a, %r, 1, 31, 0xffff;\nadd.u32 %r, %r, %a;",
      16);
  for (const std::uint32_t n : v) CHECK(n == 136);
}

TEST_CASE("votes over all lanes and over part of them") {
  const auto all = lanes("setp.lt.u32 %p0, %t, 20;\nvote.sync.ballot.b32 %r, %p0, 0xffffffff;");
  const auto some = lanes(
      "setp.lt.u32 %p0, %t, 20;\nsetp.lt.u32 %p1, %t, 8;\n@!%p1 bra SKIP;\nvote.sync.all.pred %p0, "
      "%p0, 0xff;\nselp.u32 %r, 1, 2, %p0;\nSKIP:");
  const auto any = lanes(
      "setp.eq.u32 %p0, %t, 99;\nvote.sync.any.pred %p1, %p0, 0xffffffff;\nselp.u32 %r, 1, 0, "
      "%p1;\nvote.sync.any.pred %p1, !%p0, 0xffffffff;\nselp.u32 %a, 2, 0, "
      "%p1;\nvote.sync.uni.pred %p1, %p0, -1;\nselp.u32 %b, 4, 0, %p1;\nor.b32 %r, %r, %a;\nor.b32 "
      "%r, %r, %b;");
  for (std::uint32_t i = 0; i < 32; ++i) {
    CHECK(all[i] == 0xfffff);
    CHECK(some[i] == (i < 8 ? 1 : 0));
    CHECK(any[i] == 6);
  }
  // Threads that do not exist take no part.
  CHECK(lanes("setp.ge.u32 %p0, %t, 0;\nvote.sync.ballot.b32 %r, %p0, 0xffffffff;", 5)[0] == 31);
}

TEST_CASE("redux and match") {
  const auto v = lanes(
      "sub.u32 %a, %t, 10;\nredux.sync.add.s32 %r, %a, -1;\nredux.sync.min.s32 %b, %a, "
      "-1;\nadd.u32 %r, %r, %b;\nredux.sync.max.u32 %b, %t, -1;\nadd.u32 %r, %r, "
      "%b;\nredux.sync.xor.b32 %b, %t, -1;\nadd.u32 %r, %r, %b;");
  for (const std::uint32_t n : v) CHECK(n == static_cast<std::uint32_t>(496 - 320 - 10 + 31));
  const auto any = lanes("rem.u32 %a, %t, 5;\nmatch.any.sync.b32 %r, %a, -1;");
  for (std::uint32_t i = 0; i < 32; ++i) {
    std::uint32_t expected = 0;
    for (std::uint32_t k = 0; k < 32; ++k)
      expected |= static_cast<std::uint32_t>(k % 5 == i % 5) << k;
    CHECK(any[i] == expected);
  }
  const auto all = lanes(
      "mov.u32 %a, 4;\nmatch.all.sync.b32 %r|%p0, %a, -1;\nmatch.all.sync.b32 %b|%p1, %t, "
      "-1;\n@%p1 add.u32 %r, %r, 1;\n@!%p0 mov.u32 %r, 0;\nor.b32 %r, %r, %b;");
  for (const std::uint32_t n : all) CHECK(n == 0xffffffff);
}

TEST_CASE("halves of a warp shuffle among themselves in a branch") {
  const auto v = lanes(
      "setp.lt.u32 %p0, %t, 16;\n@%p0 bra LOW;\nshfl.sync.bfly.b32 %r, %t, 1, 31, 0xffff0000;\nbra "
      "JOIN;\nLOW:\nshfl.sync.bfly.b32 %r, %t, 2, 31, 0x0000ffff;\nJOIN:");
  for (std::uint32_t i = 0; i < 32; ++i) CHECK(v[i] == (i < 16 ? i ^ 2 : i ^ 1));
}

TEST_CASE("one instruction serves groups of lanes with masks of their own") {
  const auto v = lanes(
      "and.b32 %a, %t, 3;\nmov.u32 %b, 0x11111111;\nshl.b32 %b, %b, %a;\nredux.sync.add.u32 %r, "
      "%t, %b;");
  for (std::uint32_t i = 0; i < 32; ++i)
    CHECK(v[i] == 8 * (i % 4) + 4 * (0 + 1 + 2 + 3 + 4 + 5 + 6 + 7));
}

TEST_CASE("elect takes the lowest lane") {
  const auto v = lanes(
      "setp.ge.u32 %p0, %t, 6;\n@!%p0 bra SKIP;\nelect.sync %a|%p1, 0xffffffc0;\nadd.u32 %r, %a, "
      "1;\n@%p1 add.u32 %r, %r, 100;\nSKIP:");
  for (std::uint32_t i = 0; i < 32; ++i) CHECK(v[i] == (i < 6 ? 0 : i == 6 ? 107 : 7));
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
