// cuTensorMapEncodeTiled: its rules, and a kernel that gets the map as a parameter.
#include <array>
#include <functional>

#include "driver_session.hpp"

namespace ptxmill::emu::driver_test {
namespace {

/// The arguments of a call, sound ones at first.
struct Arguments {
  CUtensorMapDataType type = CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
  unsigned rank = 3;
  std::uintptr_t address = std::uintptr_t{1} << 52;
  std::array<cuuint64_t, 5> sizes{100, 20, 3, 4, 5};
  std::array<cuuint64_t, 5> strides{208, 4160, 16640, 66560, 0};
  std::array<unsigned, 5> boxes{64, 16, 1, 1, 1}, steps{1, 1, 1, 1, 1};
  CUtensorMapInterleave interleave = CU_TENSOR_MAP_INTERLEAVE_NONE;
  CUtensorMapSwizzle swizzle = CU_TENSOR_MAP_SWIZZLE_128B;
  CUtensorMapL2promotion promotion = CU_TENSOR_MAP_L2_PROMOTION_L2_128B;
  CUtensorMapFloatOOBfill fill = CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE;
};

CUresult encode(CUtensorMap* map, const Arguments& a) {
  return cuTensorMapEncodeTiled(map, a.type, a.rank, reinterpret_cast<void*>(a.address),
                                a.sizes.data(), a.strides.data(), a.boxes.data(), a.steps.data(),
                                a.interleave, a.swizzle, a.promotion, a.fill);
}

TEST_CASE("a tensor map is encoded where its numbers are in range") {
  Environment environment;
  CUtensorMap map{};
  CHECK_CODE(encode(&map, {}), CUDA_ERROR_NOT_INITIALIZED);
  REQUIRE_OK(cuInit(0));
  const std::function<void(Arguments&)> sound[] = {
      [](Arguments&) {},
      [](Arguments& a) { a.rank = 1; },
      [](Arguments& a) { a.rank = 5; },
      [](Arguments& a) { a.sizes[1] = cuuint64_t{1} << 32; },
      [](Arguments& a) { a.strides[1] = (cuuint64_t{1} << 40) - 16; },
      [](Arguments& a) { a.boxes[1] = 256; },
      [](Arguments& a) { a.steps[1] = 8; },
      [](Arguments& a) { a.fill = CU_TENSOR_MAP_FLOAT_OOB_FILL_NAN_REQUEST_ZERO_FMA; },
      [](Arguments& a) {
        a.swizzle = CU_TENSOR_MAP_SWIZZLE_32B;
        a.boxes[0] = 16;
      },
      [](Arguments& a) {
        a.swizzle = CU_TENSOR_MAP_SWIZZLE_NONE;
        a.boxes[0] = 256;
      },
  };
  for (const auto& change : sound) {
    Arguments a;
    change(a);
    CHECK_OK(encode(&map, a));
  }
}

TEST_CASE("a tensor map is refused where a number is out of range") {
  Environment environment;
  REQUIRE_OK(cuInit(0));
  const std::function<void(Arguments&)> unsound[] = {
      [](Arguments& a) { a.rank = 0; },
      [](Arguments& a) { a.rank = 6; },
      [](Arguments& a) { a.address += 8; },
      [](Arguments& a) { a.sizes[2] = 0; },
      [](Arguments& a) { a.sizes[0] = (cuuint64_t{1} << 32) + 1; },
      [](Arguments& a) { a.strides[0] += 8; },
      [](Arguments& a) { a.strides[1] = cuuint64_t{1} << 40; },
      [](Arguments& a) { a.boxes[1] = 0; },
      [](Arguments& a) { a.boxes[1] = 257; },
      [](Arguments& a) { a.boxes[0] = 60; },
      [](Arguments& a) { a.boxes[0] = 72; },
      [](Arguments& a) { a.swizzle = CU_TENSOR_MAP_SWIZZLE_64B; },
      [](Arguments& a) { a.steps[1] = 0; },
      [](Arguments& a) { a.steps[2] = 9; },
      [](Arguments& a) { a.type = static_cast<CUtensorMapDataType>(99); },
      [](Arguments& a) { a.interleave = CU_TENSOR_MAP_INTERLEAVE_32B; },
      [](Arguments& a) { a.swizzle = static_cast<CUtensorMapSwizzle>(9); },
      [](Arguments& a) { a.promotion = static_cast<CUtensorMapL2promotion>(4); },
      [](Arguments& a) { a.fill = static_cast<CUtensorMapFloatOOBfill>(2); },
      [](Arguments& a) {
        a.type = CU_TENSOR_MAP_DATA_TYPE_UINT16;
        a.fill = CU_TENSOR_MAP_FLOAT_OOB_FILL_NAN_REQUEST_ZERO_FMA;
      },
  };
  std::array<CUtensorMap, 2> maps{};
  int number = 0;
  for (const auto& change : unsound) {
    CAPTURE(number++);
    Arguments a;
    change(a);
    CHECK_CODE(encode(maps.data(), a), CUDA_ERROR_INVALID_VALUE);
  }
  CHECK_CODE(encode(nullptr, {}), CUDA_ERROR_INVALID_VALUE);
  auto* const askew = reinterpret_cast<CUtensorMap*>(reinterpret_cast<char*>(maps.data()) + 32);
  CHECK_CODE(encode(askew, {}), CUDA_ERROR_INVALID_VALUE);
}

TEST_CASE("tensor maps need a device of compute capability 9.0") {
  Environment environment{{"PTXMILL_EMU_CC", "80"}};
  REQUIRE_OK(cuInit(0));
  CUtensorMap map{};
  CHECK_CODE(encode(&map, {}), CUDA_ERROR_NOT_SUPPORTED);
}

/// Fetches the box at (x, y) of 16 x 4 words, and stores it at (0, 0) of another tensor.
constexpr const char* transfer_ptx = R"(.version 8.0
.target sm_90a
.address_size 64
.visible .entry transfer(.param .align 64 .b8 from[128], .param .align 64 .b8 to[128],
                         .param .s32 x, .param .s32 y)
{
  .reg .b64 %m, %n;
  .reg .b32 %x, %y, %t;
  .reg .pred %p;
  .shared .align 128 .b8 tile[256];
  .shared .align 8 .b64 bar;
  mov.b64 %m, from;
  cvta.param.u64 %m, %m;
  mov.b64 %n, to;
  cvta.param.u64 %n, %n;
  ld.param.s32 %x, [x];
  ld.param.s32 %y, [y];
  prefetch.param.tensormap [from];
  prefetch.tensormap [%n];
  mbarrier.init.shared::cta.b64 [bar], 1;
  fence.mbarrier_init.release.cluster;
  mbarrier.arrive.expect_tx.shared::cta.b64 _, [bar], 256;
  cp.async.bulk.prefetch.tensor.2d.L2.global [%m, {%x, %y}];
  mov.u32 %t, tile;
  cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes
    [%t], [%m, {%x, %y}], [bar];
W:
  mbarrier.try_wait.parity.shared::cta.b64 %p, [bar], 0;
  @!%p bra W;
  cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%n, {0, 0}], [tile];
  cp.async.bulk.commit_group;
  cp.async.bulk.wait_group 0;
  ret;
}
)";

TEST_CASE("a kernel moves boxes by the maps that it is given") {
  Environment environment;
  REQUIRE_OK(cuInit(0));
  CUcontext context = nullptr;
  REQUIRE_OK(cuCtxCreate_v2(&context, 0, 0));
  CUmodule module = nullptr;
  CUfunction function = nullptr;
  REQUIRE_OK(cuModuleLoadData(&module, transfer_ptx));
  REQUIRE_OK(cuModuleGetFunction(&function, module, "transfer"));
  std::vector<std::uint32_t> words(20 * 10), got(16 * 4, 99);
  for (std::uint32_t i = 0; i < words.size(); ++i) words[i] = 1000 + i;
  CUdeviceptr from = 0, to = 0;
  REQUIRE_OK(cuMemAlloc_v2(&from, words.size() * 4));
  REQUIRE_OK(cuMemAlloc_v2(&to, got.size() * 4));
  REQUIRE_OK(cuMemcpyHtoD_v2(from, words.data(), words.size() * 4));
  std::array<CUtensorMap, 2> maps{};
  Arguments a;
  a.type = CU_TENSOR_MAP_DATA_TYPE_UINT32;
  a.rank = 2;
  a.address = from;
  a.sizes = {20, 10};
  a.strides = {80};
  a.boxes = {16, 4};
  a.swizzle = CU_TENSOR_MAP_SWIZZLE_64B;
  REQUIRE_OK(encode(&maps[0], a));
  a.address = to;
  a.sizes = {16, 4};
  a.strides = {64};
  REQUIRE_OK(encode(&maps[1], a));
  int x = 8, y = 7;
  void* params[] = {&maps[0], &maps[1], &x, &y};
  REQUIRE_OK(cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, nullptr, params, nullptr));
  REQUIRE_OK(cuCtxSynchronize());
  REQUIRE_OK(cuMemcpyDtoH_v2(got.data(), to, got.size() * 4));
  for (std::uint32_t row = 0; row < 4; ++row) {
    for (std::uint32_t column = 0; column < 16; ++column) {
      CAPTURE(row);
      CAPTURE(column);
      const bool inside = row + 7 < 10 && column + 8 < 20;
      CHECK(got[row * 16 + column] == (inside ? 1000 + (row + 7) * 20 + column + 8 : 0));
    }
  }
  CHECK_OK(cuCtxDestroy_v2(context));
}

}  // namespace
}  // namespace ptxmill::emu::driver_test
