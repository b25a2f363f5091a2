// Types and constants of the CUDA Driver API, declared here so that no toolkit is needed to build.
//
// The opaque handles use the driver's own tag names, so that a `CUstream` of a caller that includes
// cuda.h is the same type as `cu::Stream` and can be wrapped without a cast. Everything else is
// named apart from cuda.h, so that both can be included in one file. A test compares the values and
// layouts with cuda.h where that is present.
#pragma once

#include <cstddef>
#include <cstdint>

struct CUctx_st;
struct CUmod_st;
struct CUfunc_st;
struct CUstream_st;
struct CUevent_st;
struct CUgraph_st;
struct CUgraphNode_st;
struct CUgraphExec_st;
struct CUmemPoolHandle_st;

namespace ptxmill::rt::cu {

using Device = int;
using DevicePointer = unsigned long long;
using Context = CUctx_st*;
using Module = CUmod_st*;
using Function = CUfunc_st*;
using Stream = CUstream_st*;
using Event = CUevent_st*;
using Graph = CUgraph_st*;
using GraphNode = CUgraphNode_st*;
using GraphExec = CUgraphExec_st*;
using MemoryPool = CUmemPoolHandle_st*;

/// What every call returns (CUresult); only the codes that the runtime tells apart are named.
enum class Result : int {
  success = 0,
  invalid_value = 1,
  out_of_memory = 2,
  stub_library = 34,
  no_device = 100,
  invalid_device = 101,
  no_binary_for_gpu = 209,
  invalid_ptx = 218,
  unsupported_ptx_version = 222,
  not_found = 500,
  not_ready = 600,
  illegal_address = 700,
  launch_timeout = 702,
  context_is_destroyed = 709,
  assert_failed = 710,
  hardware_stack_error = 714,
  illegal_instruction = 715,
  misaligned_address = 716,
  invalid_address_space = 717,
  invalid_pc = 718,
  launch_failed = 719,
  cooperative_launch_too_large = 720,
  not_supported = 801,
  stream_capture_unsupported = 900,
  stream_capture_invalidated = 901,
  stream_capture_implicit = 906,
};

/// CUdevice_attribute
enum class DeviceAttribute : int {
  max_threads_per_block = 1,
  max_grid_dim_x = 5,
  max_grid_dim_y = 6,
  max_grid_dim_z = 7,
  multiprocessor_count = 16,
  compute_capability_major = 75,
  compute_capability_minor = 76,
  cooperative_launch = 95,
  max_shared_memory_per_block_optin = 97,
  memory_pools_supported = 115,
};

/// CUfunction_attribute
enum class FunctionAttribute : int {
  max_threads_per_block = 0,
  shared_size_bytes = 1,
  local_size_bytes = 3,
  num_regs = 4,
  max_dynamic_shared_size_bytes = 8,
  non_portable_cluster_size_allowed = 14,
};

/// CUjit_option
enum class JitOption : int {
  info_log_buffer = 3,
  info_log_buffer_size_bytes = 4,
  error_log_buffer = 5,
  error_log_buffer_size_bytes = 6,
  log_verbose = 12,
};

/// CUstreamCaptureMode
enum class CaptureMode : int { global = 0, thread_local_ = 1, relaxed = 2 };
/// CUstreamCaptureStatus
enum class CaptureStatus : int { none = 0, active = 1, invalidated = 2 };

/// CU_STREAM_NON_BLOCKING, CU_EVENT_*, CU_MEMHOSTALLOC_DEVICEMAP
inline constexpr unsigned stream_non_blocking = 1;
inline constexpr unsigned event_default = 0;
inline constexpr unsigned event_disable_timing = 2;
inline constexpr unsigned memhostalloc_devicemap = 2;

/// CUlaunchAttributeID
enum class LaunchAttributeId : int {
  cooperative = 2,
  cluster_dimension = 4,
  programmatic_stream_serialization = 6,
};

/// CUlaunchAttribute: an id, and a 64-byte union of which these members are used.
struct LaunchAttribute {
  LaunchAttributeId id;
  char pad[4];
  union Value {
    char bytes[64];
    int cooperative;
    struct {
      unsigned x, y, z;
    } cluster;
    int programmatic_stream_serialization;
    std::uint64_t align;
  } value;
};

/// CUlaunchConfig
struct LaunchConfig {
  unsigned grid_x, grid_y, grid_z;
  unsigned block_x, block_y, block_z;
  unsigned shared_bytes;
  Stream stream;
  LaunchAttribute* attributes;
  unsigned attribute_count;
};

/// CUmemPool_attribute
enum class MemoryPoolAttribute : int { release_threshold = 4 };

/// CUtensorMap: opaque, passed to a kernel by value. cuda.h aligned it to 64 bytes before version
/// 13, and to 128 since.
struct alignas(128) TensorMap {
  std::uint64_t opaque[16];
};
/// CUtensorMapDataType
enum class TensorMapDataType : int {
  u8 = 0,
  u16 = 1,
  u32 = 2,
  s32 = 3,
  u64 = 4,
  s64 = 5,
  f16 = 6,
  f32 = 7,
  f64 = 8,
  bf16 = 9,
};
/// CUtensorMapInterleave
enum class TensorMapInterleave : int { none = 0 };
/// CUtensorMapSwizzle
enum class TensorMapSwizzle : int { none = 0, bytes_32 = 1, bytes_64 = 2, bytes_128 = 3 };
/// CUtensorMapL2promotion
enum class TensorMapL2Promotion : int { none = 0, bytes_64 = 1, bytes_128 = 2, bytes_256 = 3 };
/// CUtensorMapFloatOOBfill
enum class TensorMapFill : int { zeros = 0, nan = 1 };

}  // namespace ptxmill::rt::cu
