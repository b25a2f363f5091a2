// Our declarations of the Driver API against the toolkit's, where a toolkit is installed.
#include <doctest/doctest.h>

#if __has_include(<cuda.h>)
#include <cuda.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "runtime/driver/driver.hpp"

namespace {

namespace cu = ptxmill::rt::cu;

/// A type as the calling convention sees it: enums and 4-byte integers alike, 8-byte integers
/// alike, our structs as the toolkit's.
template <class T>
struct Canonical {
  static constexpr bool word = std::is_enum_v<T> || std::is_integral_v<T>;
  using type = std::conditional_t<word && sizeof(T) == 4, std::int32_t,
                                  std::conditional_t<word && sizeof(T) == 8, std::int64_t, T>>;
};
template <>
struct Canonical<void> {
  using type = void;
};
template <>
struct Canonical<cu::LaunchConfig> {
  using type = CUlaunchConfig;
};
template <>
struct Canonical<cu::TensorMap> {
  using type = CUtensorMap;
};
// Opaque tags are not complete, so their size cannot be asked for.
#define PTXMILL_OPAQUE(tag) \
  template <>               \
  struct Canonical<tag> {   \
    using type = tag;       \
  };
PTXMILL_OPAQUE(CUctx_st)
PTXMILL_OPAQUE(CUmod_st)
PTXMILL_OPAQUE(CUfunc_st)
PTXMILL_OPAQUE(CUstream_st)
PTXMILL_OPAQUE(CUevent_st)
PTXMILL_OPAQUE(CUgraph_st)
PTXMILL_OPAQUE(CUgraphNode_st)
PTXMILL_OPAQUE(CUgraphExec_st)
PTXMILL_OPAQUE(CUmemPoolHandle_st)
#undef PTXMILL_OPAQUE

template <class T>
struct Canonical<const T> {
  using type = const typename Canonical<T>::type;
};
template <class T>
struct Canonical<T*> {
  using type = typename Canonical<T>::type*;
};
template <class R, class... A>
struct Canonical<R(A...)> {
  using type = typename Canonical<R>::type(typename Canonical<A>::type...);
};

template <class Ours, class Theirs>
constexpr bool same_signature =
    std::is_same_v<typename Canonical<Ours>::type,
                   typename Canonical<std::remove_pointer_t<Theirs>>::type>;

using namespace ptxmill::rt::cu;
#define PTXMILL_ENTRY(need, name, symbol, parameters)                       \
  static_assert(same_signature<cu::Result parameters, decltype(&::symbol)>, \
                #symbol " is declared otherwise in cuda.h");
#include "runtime/driver/entry_points.def"
#undef PTXMILL_ENTRY

#define PTXMILL_SAME(ours, theirs) static_assert(static_cast<int>(ours) == static_cast<int>(theirs))
PTXMILL_SAME(cu::Result::success, CUDA_SUCCESS);
PTXMILL_SAME(cu::Result::invalid_value, CUDA_ERROR_INVALID_VALUE);
PTXMILL_SAME(cu::Result::out_of_memory, CUDA_ERROR_OUT_OF_MEMORY);
PTXMILL_SAME(cu::Result::stub_library, CUDA_ERROR_STUB_LIBRARY);
PTXMILL_SAME(cu::Result::no_device, CUDA_ERROR_NO_DEVICE);
PTXMILL_SAME(cu::Result::invalid_device, CUDA_ERROR_INVALID_DEVICE);
PTXMILL_SAME(cu::Result::no_binary_for_gpu, CUDA_ERROR_NO_BINARY_FOR_GPU);
PTXMILL_SAME(cu::Result::invalid_ptx, CUDA_ERROR_INVALID_PTX);
PTXMILL_SAME(cu::Result::unsupported_ptx_version, CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
PTXMILL_SAME(cu::Result::not_found, CUDA_ERROR_NOT_FOUND);
PTXMILL_SAME(cu::Result::not_ready, CUDA_ERROR_NOT_READY);
PTXMILL_SAME(cu::Result::illegal_address, CUDA_ERROR_ILLEGAL_ADDRESS);
PTXMILL_SAME(cu::Result::launch_timeout, CUDA_ERROR_LAUNCH_TIMEOUT);
PTXMILL_SAME(cu::Result::context_is_destroyed, CUDA_ERROR_CONTEXT_IS_DESTROYED);
PTXMILL_SAME(cu::Result::assert_failed, CUDA_ERROR_ASSERT);
PTXMILL_SAME(cu::Result::hardware_stack_error, CUDA_ERROR_HARDWARE_STACK_ERROR);
PTXMILL_SAME(cu::Result::illegal_instruction, CUDA_ERROR_ILLEGAL_INSTRUCTION);
PTXMILL_SAME(cu::Result::misaligned_address, CUDA_ERROR_MISALIGNED_ADDRESS);
PTXMILL_SAME(cu::Result::invalid_address_space, CUDA_ERROR_INVALID_ADDRESS_SPACE);
PTXMILL_SAME(cu::Result::invalid_pc, CUDA_ERROR_INVALID_PC);
PTXMILL_SAME(cu::Result::launch_failed, CUDA_ERROR_LAUNCH_FAILED);
PTXMILL_SAME(cu::Result::cooperative_launch_too_large, CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE);
PTXMILL_SAME(cu::Result::not_supported, CUDA_ERROR_NOT_SUPPORTED);
PTXMILL_SAME(cu::Result::stream_capture_unsupported, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
PTXMILL_SAME(cu::Result::stream_capture_invalidated, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
PTXMILL_SAME(cu::Result::stream_capture_implicit, CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);

#define PTXMILL_SAME_DEVICE(ours, theirs) \
  PTXMILL_SAME(cu::DeviceAttribute::ours, CU_DEVICE_ATTRIBUTE_##theirs)
PTXMILL_SAME_DEVICE(max_threads_per_block, MAX_THREADS_PER_BLOCK);
PTXMILL_SAME_DEVICE(max_grid_dim_x, MAX_GRID_DIM_X);
PTXMILL_SAME_DEVICE(max_grid_dim_y, MAX_GRID_DIM_Y);
PTXMILL_SAME_DEVICE(max_grid_dim_z, MAX_GRID_DIM_Z);
PTXMILL_SAME_DEVICE(multiprocessor_count, MULTIPROCESSOR_COUNT);
PTXMILL_SAME_DEVICE(compute_capability_major, COMPUTE_CAPABILITY_MAJOR);
PTXMILL_SAME_DEVICE(compute_capability_minor, COMPUTE_CAPABILITY_MINOR);
PTXMILL_SAME_DEVICE(cooperative_launch, COOPERATIVE_LAUNCH);
PTXMILL_SAME_DEVICE(max_shared_memory_per_block_optin, MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
PTXMILL_SAME_DEVICE(memory_pools_supported, MEMORY_POOLS_SUPPORTED);

#define PTXMILL_SAME_FUNCTION(ours, theirs) \
  PTXMILL_SAME(cu::FunctionAttribute::ours, CU_FUNC_ATTRIBUTE_##theirs)
PTXMILL_SAME_FUNCTION(max_threads_per_block, MAX_THREADS_PER_BLOCK);
PTXMILL_SAME_FUNCTION(shared_size_bytes, SHARED_SIZE_BYTES);
PTXMILL_SAME_FUNCTION(local_size_bytes, LOCAL_SIZE_BYTES);
PTXMILL_SAME_FUNCTION(num_regs, NUM_REGS);
PTXMILL_SAME_FUNCTION(max_dynamic_shared_size_bytes, MAX_DYNAMIC_SHARED_SIZE_BYTES);
PTXMILL_SAME_FUNCTION(non_portable_cluster_size_allowed, NON_PORTABLE_CLUSTER_SIZE_ALLOWED);

PTXMILL_SAME(cu::JitOption::info_log_buffer, CU_JIT_INFO_LOG_BUFFER);
PTXMILL_SAME(cu::JitOption::info_log_buffer_size_bytes, CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES);
PTXMILL_SAME(cu::JitOption::error_log_buffer, CU_JIT_ERROR_LOG_BUFFER);
PTXMILL_SAME(cu::JitOption::error_log_buffer_size_bytes, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES);
PTXMILL_SAME(cu::JitOption::log_verbose, CU_JIT_LOG_VERBOSE);
PTXMILL_SAME(cu::CaptureMode::global, CU_STREAM_CAPTURE_MODE_GLOBAL);
PTXMILL_SAME(cu::CaptureMode::thread_local_, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
PTXMILL_SAME(cu::CaptureMode::relaxed, CU_STREAM_CAPTURE_MODE_RELAXED);
PTXMILL_SAME(cu::CaptureStatus::none, CU_STREAM_CAPTURE_STATUS_NONE);
PTXMILL_SAME(cu::CaptureStatus::active, CU_STREAM_CAPTURE_STATUS_ACTIVE);
PTXMILL_SAME(cu::CaptureStatus::invalidated, CU_STREAM_CAPTURE_STATUS_INVALIDATED);
PTXMILL_SAME(cu::stream_non_blocking, CU_STREAM_NON_BLOCKING);
PTXMILL_SAME(cu::event_default, CU_EVENT_DEFAULT);
PTXMILL_SAME(cu::event_disable_timing, CU_EVENT_DISABLE_TIMING);
PTXMILL_SAME(cu::MemoryPoolAttribute::release_threshold, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD);
PTXMILL_SAME(cu::LaunchAttributeId::cooperative, CU_LAUNCH_ATTRIBUTE_COOPERATIVE);
PTXMILL_SAME(cu::LaunchAttributeId::cluster_dimension, CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION);
PTXMILL_SAME(cu::LaunchAttributeId::programmatic_stream_serialization,
             CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION);
PTXMILL_SAME(cu::TensorMapDataType::u8, CU_TENSOR_MAP_DATA_TYPE_UINT8);
PTXMILL_SAME(cu::TensorMapDataType::u16, CU_TENSOR_MAP_DATA_TYPE_UINT16);
PTXMILL_SAME(cu::TensorMapDataType::u32, CU_TENSOR_MAP_DATA_TYPE_UINT32);
PTXMILL_SAME(cu::TensorMapDataType::s32, CU_TENSOR_MAP_DATA_TYPE_INT32);
PTXMILL_SAME(cu::TensorMapDataType::u64, CU_TENSOR_MAP_DATA_TYPE_UINT64);
PTXMILL_SAME(cu::TensorMapDataType::s64, CU_TENSOR_MAP_DATA_TYPE_INT64);
PTXMILL_SAME(cu::TensorMapDataType::f16, CU_TENSOR_MAP_DATA_TYPE_FLOAT16);
PTXMILL_SAME(cu::TensorMapDataType::f32, CU_TENSOR_MAP_DATA_TYPE_FLOAT32);
PTXMILL_SAME(cu::TensorMapDataType::f64, CU_TENSOR_MAP_DATA_TYPE_FLOAT64);
PTXMILL_SAME(cu::TensorMapDataType::bf16, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16);
PTXMILL_SAME(cu::TensorMapInterleave::none, CU_TENSOR_MAP_INTERLEAVE_NONE);
PTXMILL_SAME(cu::TensorMapSwizzle::none, CU_TENSOR_MAP_SWIZZLE_NONE);
PTXMILL_SAME(cu::TensorMapSwizzle::bytes_32, CU_TENSOR_MAP_SWIZZLE_32B);
PTXMILL_SAME(cu::TensorMapSwizzle::bytes_64, CU_TENSOR_MAP_SWIZZLE_64B);
PTXMILL_SAME(cu::TensorMapSwizzle::bytes_128, CU_TENSOR_MAP_SWIZZLE_128B);
PTXMILL_SAME(cu::TensorMapL2Promotion::none, CU_TENSOR_MAP_L2_PROMOTION_NONE);
PTXMILL_SAME(cu::TensorMapL2Promotion::bytes_64, CU_TENSOR_MAP_L2_PROMOTION_L2_64B);
PTXMILL_SAME(cu::TensorMapL2Promotion::bytes_128, CU_TENSOR_MAP_L2_PROMOTION_L2_128B);
PTXMILL_SAME(cu::TensorMapL2Promotion::bytes_256, CU_TENSOR_MAP_L2_PROMOTION_L2_256B);
PTXMILL_SAME(cu::TensorMapFill::zeros, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
PTXMILL_SAME(cu::TensorMapFill::nan, CU_TENSOR_MAP_FLOAT_OOB_FILL_NAN_REQUEST_ZERO_FMA);

static_assert(sizeof(cu::LaunchConfig) == sizeof(CUlaunchConfig));
static_assert(offsetof(cu::LaunchConfig, grid_x) == offsetof(CUlaunchConfig, gridDimX));
static_assert(offsetof(cu::LaunchConfig, block_z) == offsetof(CUlaunchConfig, blockDimZ));
static_assert(offsetof(cu::LaunchConfig, shared_bytes) == offsetof(CUlaunchConfig, sharedMemBytes));
static_assert(offsetof(cu::LaunchConfig, stream) == offsetof(CUlaunchConfig, hStream));
static_assert(offsetof(cu::LaunchConfig, attributes) == offsetof(CUlaunchConfig, attrs));
static_assert(offsetof(cu::LaunchConfig, attribute_count) == offsetof(CUlaunchConfig, numAttrs));
static_assert(sizeof(cu::LaunchAttribute) == sizeof(CUlaunchAttribute));
static_assert(alignof(cu::LaunchAttribute) == alignof(CUlaunchAttribute));
static_assert(offsetof(cu::LaunchAttribute, id) == offsetof(CUlaunchAttribute, id));
static_assert(offsetof(cu::LaunchAttribute, value) == offsetof(CUlaunchAttribute, value));
static_assert(sizeof(cu::TensorMap) == sizeof(CUtensorMap));
static_assert(alignof(cu::TensorMap) >= alignof(CUtensorMap));
static_assert(sizeof(cu::DevicePointer) == sizeof(CUdeviceptr));
static_assert(std::is_same_v<cu::Stream, CUstream>);
static_assert(std::is_same_v<cu::Context, CUcontext>);

}  // namespace

TEST_CASE("driver: our declarations agree with cuda.h") {
  // The comparison was the compilation of this file.
  CHECK(CUDA_VERSION >= 11000);
}
#else
TEST_CASE(
    "driver: our declarations agree with cuda.h (no toolkit here: left to a machine with one)") {
  MESSAGE("cuda.h is not installed; nothing was compared");
}
#endif
