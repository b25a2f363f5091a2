// What is refused of products in flight, of roles, and of who executes what a warpgroup must.
#include "tests/ptx/scratch_kernel.hpp"

namespace ptxmill::test {
namespace {

/// A kernel of `threads` threads, of which a multiprocessor has one CTA.
struct WarpgroupKernel : ScratchKernel {
  explicit WarpgroupKernel(int threads = 384) : ScratchKernel({90, true}) {
    recorder.set_launch({threads, threads, 1});
  }
  std::vector<Var<f32>> sums = array<f32>("sum", 4, 0.f);
  U64 a = let("a_operand", constant<u64>(0)), b = let("b_operand", constant<u64>(0));
  U32 warpgroup() { return let("warpgroup", shfl_sync_idx(tid_x() / 128, 0)); }
  void multiply(Where where = Where::here()) { wgmma(WgmmaType::f16, sums, a, b, true, where); }
};

template <class F>
void refused(const std::string& message, F offend) {
  check_refused(__FILE__, message, offend);
}

TEST_CASE("an accumulator is not touched before the wait that covers its product") {
  for (const bool commits : {false, true}) {
    int issued = 0, line = 0;
    WarpgroupKernel k;
    k.wgmma_fence();
    issued = __LINE__ + 1;
    k.multiply();
    if (commits) k.wgmma_commit_group();
    try {
      line = __LINE__ + 1;
      k.add_rn(k.present(k.sums[2]), 1.f);
      FAIL_CHECK("not refused");
    } catch (const BuildError& error) {
      CHECK(std::string(error.what()) ==
            place(__FILE__, line) + ": 'sum2' belongs to the wgmma at " + place(__FILE__, issued) +
                ", which is in flight; wgmma_wait_group comes first");
    }
  }
}

TEST_CASE("an accumulator is not assigned before the wait, nor taken over by an instruction") {
  WarpgroupKernel k;
  k.multiply();
  k.wgmma_commit_group();
  CHECK_THROWS_AS(k.sums[0] = 1.f, BuildError);
  CHECK_THROWS_AS(k.sums[1] = k.load(k.x), BuildError);
}

TEST_CASE("a wait covers the groups that it says") {
  WarpgroupKernel k;
  auto others = k.array<f32>("other", 4, 0.f);
  k.multiply();
  k.wgmma_commit_group();
  k.wgmma(WgmmaType::f16, others, k.a, k.b, true);
  k.wgmma_commit_group();
  k.wgmma_wait_group(1);
  k.sums[0] = 1.f;
  CHECK_THROWS_AS(others[0] = 1.f, BuildError);
  k.wgmma_wait_group(0);
  others[0] = 1.f;
}

TEST_CASE("products of one accumulator may follow each other") {
  WarpgroupKernel k;
  for (int i = 0; i < 3; ++i) k.multiply();
  k.wgmma_commit_group();
  k.multiply();
  k.wgmma_commit_group();
  k.wgmma_wait_group(0);
  k.sums[3] += 1.f;
}

TEST_CASE("a matrix in registers is not touched before the wait, nor made a product's sums") {
  WarpgroupKernel k;
  auto a = k.array<b32>("a", 4, 0);
  const auto multiply = [&](const std::vector<Var<f32>>& sums) {
    k.wgmma_tf32(sums, {k.present(a[0]), k.present(a[1]), k.present(a[2]), k.present(a[3])}, k.b,
                 true);
  };
  multiply(k.sums);
  multiply(k.sums);
  k.wgmma_commit_group();
  CHECK_THROWS_AS(a[1] = 1, BuildError);
  CHECK_THROWS_AS(k.wgmma_tf32(k.sums,
                               {k.present(a[0]), k.present(a[1]), k.present(a[2]),
                                k.as<b32>(k.bit_cast<u32>(k.present(k.sums[0])))},
                               k.b, true),
                  BuildError);
  k.wgmma_wait_group(0);
  a[1] = 1;
  k.for_range("i", 0, 4, 1, [&](const U32&) {
    k.wgmma_wait_group(0);
    a[0] = 2;
    multiply(k.sums);
    k.wgmma_commit_group();
  });
  CHECK_THROWS_AS(k.for_range("j", 0, 4, 1,
                              [&](const U32&) {
                                a[0] = 2;
                                k.wgmma_wait_group(0);
                                multiply(k.sums);
                                k.wgmma_commit_group();
                              }),
                  BuildError);
}

TEST_CASE("what a loop leaves in flight is not touched in its next round") {
  WarpgroupKernel k;
  int issued = 0, touched = 0;
  const auto body = [&](const U32&) {
    touched = __LINE__ + 1;
    k.sums[0] = 0.f;
    issued = __LINE__ + 1;
    k.multiply();
    k.wgmma_commit_group();
  };
  try {
    k.for_range("i", 0, 4, 1, body);
    FAIL_CHECK("not refused");
  } catch (const BuildError& error) {
    CHECK(error.where().line == touched);
    CHECK(std::string(error.what())
              .find(place(__FILE__, issued) +
                    ", which is in flight from the loop's round before") != std::string::npos);
  }
  WarpgroupKernel waits;
  waits.for_range("i", 0, 4, 1, [&](const U32&) {
    waits.sums[0] = 0.f;
    waits.multiply();
    waits.wgmma_commit_group();
    waits.wgmma_wait_group(0);
  });
}

TEST_CASE("a product is executed by whole warpgroups") {
  refused(
      "wgmma.mma_async.sync.aligned must be executed by the whole warpgroup, and stands where "
      "control is uniform only across the warp",
      [&](int& line) {
        WarpgroupKernel k;
        k.if_("warp", k.tid_x() / 32 == 2, [&] {
          line = __LINE__ + 1;
          k.multiply();
        });
      });
  WarpgroupKernel k;
  k.if_("warpgroup", k.warpgroup() == 1, [&] { k.multiply(); });
}

TEST_CASE("a product has multiples of 8 columns") {
  refused(
      "wgmma computes multiples of 8 columns up to 256, which are half as many accumulators, "
      "not 5",
      [&](int& line) {
        WarpgroupKernel k;
        const auto five = k.array<f32>("five", 5);
        line = __LINE__ + 1;
        k.wgmma(WgmmaType::bf16, five, k.a, k.b, true);
      });
}

TEST_CASE("roles divide what the multiprocessor has") {
  const auto divide = [](const std::vector<Role>& roles, int threads, const std::string& message) {
    refused(message, [&](int& line) {
      WarpgroupKernel k(threads);
      const U32 warpgroup = k.warpgroup();
      line = __LINE__ + 1;
      k.roles(warpgroup, roles);
    });
  };
  const auto nothing = [] {};
  divide({{"copies", 1, 40, nothing}, {"computes", 2, 240, nothing}}, 384,
         "the roles ask for 66560 registers of a multiprocessor, which has 65536");
  divide({{"copies", 1, 20, nothing}, {"computes", 2, 232, nothing}}, 384,
         "the role 'copies' asks for 20 registers; expected a multiple of 8 from 24 to 256");
  divide({{"copies", 1, 40, nothing}, {"computes", 1, 232, nothing}}, 384,
         "the roles have 256 threads, and the CTA 384");
  divide({{"copies", 1, 40, nothing}, {"computes", 2, 0, nothing}}, 384,
         "the role 'computes': either every role says how many registers it has, or none");
  WarpgroupKernel k;
  k.roles(k.warpgroup(), {{"copies", 1, 40, nothing}, {"computes", 2, 232, nothing}});
}

TEST_CASE("a tensor copy has 128-byte aligned shared memory") {
  refused("a tensor copy needs shared memory aligned to 128 bytes, and only 64 are known",
          [&](int& line) {
            WarpgroupKernel k;
            const TensorMap map = k.tensor_map_param("map");
            const auto tile = k.shared<b8>("tile", 1024, 1024);
            const auto bar = k.shared<b64>("bar", 1, 8);
            line = __LINE__ + 1;
            k.tma_load(tile + 64, map, {k.n, k.n}, bar);
          });
}

TEST_CASE("a tensor copy has a place in a tensor of dimensions that it has a row for") {
  const auto store = [](std::size_t coordinates, const std::string& message) {
    refused(message, [&](int& line) {
      WarpgroupKernel k;
      const TensorMap map = k.tensor_map_param("map");
      const auto tile = k.shared<b8>("tile", 1024, 1024);
      const Place to(coordinates, k.n);
      line = __LINE__ + 1;
      k.tma_store(map, to, tile);
    });
  };
  store(1, "a place of 1 coordinates: expected 2 to 3");
  store(4, "a place of 4 coordinates: expected 2 to 3");
  refused("a place of 3 coordinates: expected 2", [&](int& line) {
    WarpgroupKernel k;
    const TensorMap map = k.tensor_map_param("map");
    const auto tile = k.shared<b8>("tile", 1024, 1024);
    const auto bar = k.shared<b64>("bar", 1, 8);
    line = __LINE__ + 1;
    k.tma_load(tile, map, {k.n, k.n, k.n}, bar);
  });
}

}  // namespace
}  // namespace ptxmill::test
