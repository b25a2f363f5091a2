// Tensor maps. Encoding one is host work, which needs no context.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "emulator/async/tensor_map.hpp"
#include "emulator/driver/entry.hpp"

namespace ptxmill::emu::driver {
namespace {

using namespace api;

constexpr std::uintptr_t map_align = 64;

/// What the call's arguments say, but for the rules of fault_of. Nothing where they are no such
/// words.
struct Arguments {
  CUtensorMapDataType type;
  unsigned rank;
  void* address;
  const cuuint64_t* sizes;
  const cuuint64_t* strides;
  const unsigned* boxes;
  const unsigned* steps;
  CUtensorMapInterleave interleave;
  CUtensorMapSwizzle swizzle;
  CUtensorMapL2promotion promotion;
  CUtensorMapFloatOOBfill fill;
};

bool is_known(const Arguments& a) {
  return a.type <= CU_TENSOR_MAP_DATA_TYPE_TFLOAT32_FTZ && a.rank >= 1 &&
         a.rank <= unsigned{max_tensor_rank} && a.interleave == CU_TENSOR_MAP_INTERLEAVE_NONE &&
         a.swizzle <= CU_TENSOR_MAP_SWIZZLE_128B &&
         a.promotion <= CU_TENSOR_MAP_L2_PROMOTION_L2_256B &&
         a.fill <= CU_TENSOR_MAP_FLOAT_OOB_FILL_NAN_REQUEST_ZERO_FMA && a.sizes != nullptr &&
         a.boxes != nullptr && a.steps != nullptr && (a.rank == 1 || a.strides != nullptr);
}

TensorMap map_of(const Arguments& a) {
  TensorMap m;
  m.element = static_cast<TensorElement>(a.type);
  m.swizzle = static_cast<Swizzle>(a.swizzle);
  m.fill_nan = a.fill == CU_TENSOR_MAP_FLOAT_OOB_FILL_NAN_REQUEST_ZERO_FMA;
  m.rank = static_cast<int>(a.rank);
  m.address = reinterpret_cast<std::uintptr_t>(a.address);
  m.stride[0] = static_cast<std::uint64_t>(bytes_of(m.element));
  for (std::size_t d = 0; d < a.rank; ++d) {
    m.size[d] = a.sizes[d];
    if (d > 0) m.stride[d] = a.strides[d - 1];
    m.box[d] = a.boxes[d];
    m.step[d] = a.steps[d];
  }
  return m;
}

CUresult encode_tiled(CUtensorMap* map, const Arguments& a) {
  if (map == nullptr || reinterpret_cast<std::uintptr_t>(map) % map_align != 0 || !is_known(a))
    return CUDA_ERROR_INVALID_VALUE;
  TensorMap m = map_of(a);
  if (fault_of(m) != nullptr) return CUDA_ERROR_INVALID_VALUE;
  m.step[0] = 1;  // the device knows no steps along rows
  const EncodedTensorMap bytes = encode(m);
  static_assert(sizeof bytes == sizeof map->opaque);
  std::memcpy(map->opaque, bytes.data(), sizeof bytes);
  return CUDA_SUCCESS;
}

}  // namespace
}  // namespace ptxmill::emu::driver

namespace ptxmill::emu::api {

using namespace driver;

CUresult cuTensorMapEncodeTiled(CUtensorMap* map, CUtensorMapDataType type, unsigned rank,
                                void* address, const cuuint64_t* sizes, const cuuint64_t* strides,
                                const unsigned* boxes, const unsigned* steps,
                                CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
                                CUtensorMapL2promotion promotion, CUtensorMapFloatOOBfill fill) {
  return enter(Call::cuTensorMapEncodeTiled, Needs::initialised, [&](Session& s) -> CUresult {
    if (s.driver.machine().compute_capability < 90) return CUDA_ERROR_NOT_SUPPORTED;
    return encode_tiled(map, {type, rank, address, sizes, strides, boxes, steps, interleave,
                              swizzle, promotion, fill});
  });
}

}  // namespace ptxmill::emu::api
