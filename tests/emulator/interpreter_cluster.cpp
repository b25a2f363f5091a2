// Clusters: where blocks stand in theirs, their barrier, and one another's shared memory.
#include <functional>

#include "hopper_fixture.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

using U32 = std::uint32_t;

constexpr Schedule schedules[] = {Schedule::earliest, Schedule::latest, Schedule::random};

/// Runs a body that leaves a word in %v for each thread; %t is the thread of the block, %b the
/// block's number in the grid, %z the shared memory `s` of 1024 bytes.
std::vector<U32> run_words(const std::string& code, const Shape& shape, Schedule schedule) {
  U32 blocks = 1, threads = 1;
  for (std::size_t d = 0; d < 3; ++d) {
    blocks *= shape.grid[d];
    threads *= shape.block[d];
  }
  const std::string body =
      ".reg .b64 %out, %w<8>;\n.reg .b32 %t, %b, %z, %v, %x<12>;\n.reg .pred %p<4>;\n"
      ".shared .align 16 .b8 s[1024];\nmov.u32 %t, %tid.x;\nmov.u32 %z, s;\n"
      "mov.u32 %x0, %ctaid.y;\nmov.u32 %x1, %nctaid.x;\nmov.u32 %x2, %ctaid.x;\n"
      "mad.lo.u32 %b, %x0, %x1, %x2;\nmov.u32 %x0, %ctaid.z;\nmov.u32 %x2, %nctaid.y;\n"
      "mul.lo.u32 %x1, %x1, %x2;\nmad.lo.u32 %b, %x0, %x1, %b;\n" +
      code +
      "\nld.param.u64 %out, [p];\nmov.u32 %x0, %ntid.x;\nmad.lo.u32 %x0, %b, %x0, %t;\n"
      "mad.wide.u32 %out, %x0, 4, %out;\nst.global.u32 [%out], %v;\nret;\n";
  Device device(hopper_text(".param .u64 p", body));
  device.options.schedule = schedule;
  device.options.seed = 3;
  const auto out = device.reserve(std::size_t{blocks} * threads * 4);
  check_clean(device.run(shape, out));
  return device.download<U32>(out, std::size_t{blocks} * threads);
}

void check_words(const std::string& code, const Shape& shape,
                 const std::function<U32(U32 block, U32 thread)>& expected) {
  CAPTURE(code);
  for (const Schedule schedule : schedules) {
    const auto words = run_words(code, shape, schedule);
    for (U32 i = 0; i < words.size(); ++i) {
      CAPTURE(i);
      REQUIRE(words[i] == expected(i / shape.block[0], i % shape.block[0]));
    }
  }
}

#define ARRIVE "barrier.cluster.arrive.release.aligned;\n"
#define AWAIT "barrier.cluster.wait.acquire.aligned;\n"
#define MEET ARRIVE AWAIT

TEST_CASE("clusters: where a block stands") {
  const Shape shape{.grid = {6, 4, 2}, .block = {32, 1, 1}, .cluster = {3, 2, 1}};
  const auto special = [&](const char* name, const std::function<U32(U32, U32, U32)>& f) {
    check_words(std::string("mov.u32 %v, %") + name + ";", shape,
                [&](U32 b, U32) { return f(b % 6, b / 6 % 4, b / 24); });
  };
  special("cluster_ctaid.x", [](U32 x, U32, U32) { return x % 3; });
  special("cluster_ctaid.y", [](U32, U32 y, U32) { return y % 2; });
  special("cluster_ctaid.z", [](U32, U32, U32) { return 0u; });
  special("cluster_nctaid.x", [](U32, U32, U32) { return 3u; });
  special("cluster_nctaid.y", [](U32, U32, U32) { return 2u; });
  special("cluster_ctarank", [](U32 x, U32 y, U32) { return x % 3 + y % 2 * 3; });
  special("cluster_nctarank", [](U32, U32, U32) { return 6u; });
  special("clusterid.x", [](U32 x, U32, U32) { return x / 3; });
  special("clusterid.y", [](U32, U32 y, U32) { return y / 2; });
  special("clusterid.z", [](U32, U32, U32 z) { return z; });
  special("nclusterid.x", [](U32, U32, U32) { return 2u; });
  special("nclusterid.y", [](U32, U32, U32) { return 2u; });
  special("nclusterid.z", [](U32, U32, U32) { return 2u; });
  const std::string is_explicit = "mov.pred %p0, %is_explicit_cluster;\nselp.u32 %v, 1, 0, %p0;";
  check_words(is_explicit, shape, [](U32, U32) { return 1u; });
  check_words(is_explicit, {.grid = {2, 1, 1}}, [](U32, U32) { return 0u; });
  check_words("mov.u32 %v, %cluster_nctarank;", {.grid = {2, 1, 1}}, [](U32, U32) { return 1u; });
}

TEST_CASE("clusters: addresses of other blocks' memory") {
  const Shape shape{.grid = {4, 1, 1}, .cluster = {4, 1, 1}};
  check_words(
      "mov.u32 %x0, 2;\nmapa.shared::cluster.u32 %x1, %z, %x0;\n"
      "getctarank.shared::cluster.u32 %v, %x1;",
      shape, [](U32, U32) { return 2u; });
  check_words("getctarank.shared::cluster.u32 %v, %z;", shape, [](U32 b, U32) { return b; });
  check_words(
      "cvt.u64.u32 %w0, %z;\ncvta.shared.u64 %w0, %w0;\nmapa.u64 %w1, %w0, 3;\n"
      "getctarank.u64 %v, %w1;",
      shape, [](U32, U32) { return 3u; });
  check_words(
      "cvt.u64.u32 %w0, %z;\ncvta.shared.u64 %w0, %w0;\nmapa.u64 %w1, %w0, 1;\n"
      "isspacep.shared %p0, %w0;\nselp.u32 %v, 1, 0, %p0;\n"
      "isspacep.shared::cta %p0, %w1;\nselp.u32 %x0, 2, 0, %p0;\nadd.u32 %v, %v, %x0;\n"
      "isspacep.shared::cluster %p0, %w1;\nselp.u32 %x0, 4, 0, %p0;\nadd.u32 %v, %v, %x0;\n"
      "isspacep.global %p0, %w1;\nselp.u32 %x0, 8, 0, %p0;\nadd.u32 %v, %v, %x0;",
      shape, [](U32, U32) { return 5u; });
}

/// Each thread's word of `s` is 100 * block + thread.
#define FILL                                                                        \
  "mad.lo.u32 %x0, %t, 4, %z;\nmad.lo.u32 %x1, %b, 100, %t;\nst.shared.u32 [%x0], " \
  "%x1;\n" MEET

TEST_CASE("clusters: loads and stores in other blocks' memory") {
  const Shape shape{.grid = {8, 1, 1}, .block = {64, 1, 1}, .cluster = {4, 1, 1}};
  const auto next = [](U32 b) { return b / 4 * 4 + (b + 1) % 4; };
  const std::string neighbour =
      "mov.u32 %x2, %cluster_ctarank;\nadd.u32 %x2, %x2, 1;\nand.b32 %x2, %x2, 3;\n"
      "mapa.shared::cluster.u32 %x3, %x0, %x2;\n";
  check_words(FILL + neighbour + "ld.shared::cluster.u32 %v, [%x3];\n" MEET, shape,
              [&](U32 b, U32 t) { return 100 * next(b) + t; });
  check_words(FILL + neighbour +
                  "cvt.u64.u32 %w0, %x3;\ncvta.shared::cluster.u64 %w0, %w0;\n"
                  "ld.u32 %v, [%w0];\n" MEET,
              shape, [&](U32 b, U32 t) { return 100 * next(b) + t; });
  // Each lane goes to the block of its own number modulo 4.
  check_words(FILL
              "and.b32 %x2, %t, 3;\nmapa.shared::cluster.u32 %x3, %x0, %x2;\n"
              "ld.shared::cluster.u32 %v, [%x3];\n" MEET,
              shape, [](U32 b, U32 t) { return 100 * (b / 4 * 4 + t % 4) + t; });
  check_words(FILL + neighbour +
                  "add.u32 %x1, %x1, 7;\n" MEET "st.shared::cluster.u32 [%x3], %x1;\n" MEET
                  "ld.shared.u32 %v, [%x0];",
              shape, [](U32 b, U32 t) { return 100 * (b / 4 * 4 + (b + 3) % 4) + t + 7; });
  check_words("setp.eq.u32 %p0, %t, 0;\nmov.u32 %x1, 0;\n@%p0 st.shared.u32 [%z], %x1;\n" MEET
              "mapa.shared::cluster.u32 %x3, %z, 2;\n"
              "atom.relaxed.cluster.shared::cluster.add.u32 %x4, [%x3], 1;\n"
              "red.relaxed.cluster.shared::cluster.add.u32 [%x3], 1;\n" MEET
              "ld.shared::cluster.u32 %v, [%x3];\n" MEET,
              shape, [](U32, U32) { return 2u * 64 * 4; });
}

TEST_CASE("clusters: asynchronous stores into other blocks' memory") {
  // Each thread sends to the next block, which waits until all bytes have come.
  const Shape shape{.grid = {4, 1, 1}, .block = {32, 1, 1}, .cluster = {4, 1, 1}};
  const auto before = [](U32 b) { return (b + 3) % 4; };
  const auto sent = [&](const std::string& store, int bytes, const std::string& load) {
    return "setp.eq.u32 %p0, %t, 0;\nadd.u32 %x9, %z, 1016;\n"
           "@%p0 mbarrier.init.shared::cta.b64 [%x9], 1;\nfence.mbarrier_init.release.cluster;\n"
           "bar.warp.sync -1;\n" MEET "@%p0 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%x9], " +
           std::to_string(32 * bytes) +
           ";\nmov.u32 %x2, %cluster_ctarank;\nadd.u32 %x2, %x2, 1;\nand.b32 %x2, %x2, 3;\n"
           "mad.lo.u32 %x0, %t, " +
           std::to_string(bytes) +
           ", %z;\nmapa.shared::cluster.u32 %x3, %x0, %x2;\n"
           "mapa.shared::cluster.u32 %x4, %x9, %x2;\n"
           "mad.lo.u32 %x5, %b, 100, %t;\nadd.u32 %x6, %x5, 1000;\nadd.u32 %x7, %x5, 2000;\n"
           "add.u32 %x8, %x5, 3000;\nmov.b64 %w0, {%x5, %x6};\n" +
           store +
           "\nWAIT:\nmbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 %p1, [%x9], 0;\n"
           "@!%p1 bra WAIT;\nbar.warp.sync -1;\n" +
           load + "\n" MEET;
  };
  const std::string async = "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes";
  check_words(sent(async + ".u32 [%x3], %x5, [%x4];", 4, "ld.shared.u32 %v, [%x0];"), shape,
              [&](U32 b, U32 t) { return 100 * before(b) + t; });
  check_words(sent(async + ".b64 [%x3], %w0, [%x4];", 8, "ld.shared.u32 %v, [%x0+4];"), shape,
              [&](U32 b, U32 t) { return 100 * before(b) + t + 1000; });
  check_words(sent(async + ".v2.u32 [%x3], {%x6, %x7}, [%x4];", 8, "ld.shared.u32 %v, [%x0+4];"),
              shape, [&](U32 b, U32 t) { return 100 * before(b) + t + 2000; });
  check_words(sent(async + ".v4.b32 [%x3], {%x5, %x6, %x7, %x8}, [%x4];", 16,
                   "ld.shared.u32 %v, [%x0+12];"),
              shape, [&](U32 b, U32 t) { return 100 * before(b) + t + 3000; });
}

TEST_CASE("clusters: the barrier in many phases") {
  const Shape shape{.grid = {6, 1, 1}, .block = {96, 1, 1}, .cluster = {3, 1, 1}};
  // A token goes round the blocks; each phase one thread adds its block's number to it.
  check_words(
      "mov.u32 %x5, 0;\nmov.u32 %x6, %cluster_ctarank;\nsetp.eq.u32 %p1, %t, 0;\n"
      "@%p1 st.shared.u32 [%z], %x5;\nmapa.shared::cluster.u32 %x3, %z, 0;\n" MEET
      "LOOP:\nrem.u32 %x7, %x5, 3;\nsetp.eq.and.u32 %p2, %x7, %x6, %p1;\n"
      "@!%p2 bra SKIP;\nld.shared::cluster.u32 %x8, [%x3];\nmad.lo.u32 %x8, %x8, 3, %x6;\n"
      "st.shared::cluster.u32 [%x3], %x8;\nSKIP:\nbar.warp.sync -1;\n" MEET
      "add.u32 %x5, %x5, 1;\nsetp.lt.u32 %p2, %x5, 7;\n@%p2 bra LOOP;\n"
      "ld.shared::cluster.u32 %v, [%x3];\n" MEET,
      shape, [](U32, U32) {
        U32 v = 0;
        for (U32 i = 0; i < 7; ++i) v = v * 3 + i % 3;
        return v;
      });
}

TEST_CASE("clusters: exited threads do not hold the barrier up") {
  const Shape shape{.grid = {2, 1, 1}, .block = {64, 1, 1}, .cluster = {2, 1, 1}};
  check_words(
      "mov.u32 %v, 5;\nsetp.ge.u32 %p0, %t, 32;\n@%p0 bra OUT;\n"
      "barrier.cluster.arrive;\nbarrier.cluster.wait;\nOUT:\n",
      shape, [](U32, U32) { return 5u; });
}

TEST_CASE("clusters: a flag of cluster scope") {
  const Shape shape{.grid = {4, 1, 1}, .block = {1, 1, 1}, .cluster = {2, 1, 1}};
  check_words(
      "mov.u32 %x1, 0;\nst.shared.u32 [%z+4], %x1;\n" MEET
      "mov.u32 %x6, %cluster_ctarank;\nsetp.eq.u32 %p0, %x6, 0;\nmov.u32 %v, 9;\n@%p0 bra WAITER;\n"
      "mapa.shared::cluster.u32 %x3, %z, 0;\nmov.u32 %x1, 42;\nst.shared::cluster.u32 [%x3], %x1;\n"
      "mov.u32 %x1, 1;\nst.release.cluster.shared::cluster.u32 [%x3+4], %x1;\nbra DONE;\n"
      "WAITER:\nld.acquire.cluster.shared.u32 %x2, [%z+4];\nsetp.eq.u32 %p1, %x2, 0;\n"
      "@%p1 bra WAITER;\nld.shared.u32 %v, [%z];\nDONE:\n" MEET,
      shape, [](U32 b, U32) { return b % 2 == 0 ? 42u : 9u; });
}

TEST_CASE("clusters: values that are uniform across one") {
  const auto run = [](const char* value) {
    Device device(hopper_text("", ".reg .b32 %v;\nmov.u32 %v, " + std::string(value) +
                                      ";\n//@ uniform cluster %v\nret;\n"));
    Shape shape;
    shape.grid = {4, 1, 1};
    shape.cluster = {2, 1, 1};
    return device.run(shape);
  };
  check_clean(run("%clusterid.x"));
  const ExecuteResult r = run("%ctaid.x");
  CHECK(r.outcome == Outcome::launch_failed);
  check_contains(r.report, {"said to be uniform across the cluster"});
}

TEST_CASE("clusters: a launch that does not fit is refused") {
  Device device(hopper_text("", "ret;\n"));
  Shape shape;
  shape.grid = {3, 1, 1};
  shape.cluster = {2, 1, 1};
  const ExecuteResult r = device.run(shape);
  CHECK(r.outcome == Outcome::launch_failed);
  check_contains(r.report, {"the grid is not made of whole clusters"});
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
