// The CUDA Driver API's types, declared here so that no toolkit is needed. Names and numbers are
// the binary interface's own; a test compares all of them with cuda.h where that is installed.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ptxmill::emu::api {

using CUdevice = int;
using CUdeviceptr = unsigned long long;
using cuuint64_t = std::uint64_t;

using CUcontext = struct CUctx_st*;
using CUmodule = struct CUmod_st*;
using CUfunction = struct CUfunc_st*;
using CUstream = struct CUstream_st*;
using CUevent = struct CUevent_st*;
using CUgraph = struct CUgraph_st*;
using CUgraphNode = struct CUgraphNode_st*;
using CUgraphExec = struct CUgraphExec_st*;
using CUmemoryPool = struct CUmemPoolHandle_st*;
using CUgreenCtx = struct CUgreenCtx_st*;
using CUhostFn = void (*)(void* user_data);

struct CUuuid {
  char bytes[16];
};

enum CUresult : unsigned {
#define CU_RESULT(name, number, description) name = number,
#include "emulator/driver/errors.def"
#undef CU_RESULT
};

enum CUdevice_attribute : unsigned {
#define CU_ATTRIBUTE(name, number, value) name = number,
#include "emulator/driver/device_attributes.def"
#undef CU_ATTRIBUTE
};

#define CU_ENUM(type) enum type : unsigned {
#define CU_VALUE(name, number) name = number,
#define CU_END(type) \
  }                  \
  ;
#include "emulator/driver/enums.def"
#undef CU_ENUM
#undef CU_VALUE
#undef CU_END

/// The highest attribute number that the API of this version has; up to here an attribute that
/// device_attributes.def does not list is 0, beyond it is an invalid value.
inline constexpr int last_device_attribute = 147;
/// The highest option number that the API of this version has.
inline constexpr unsigned last_jit_option = CU_JIT_SPLIT_COMPILE;

/// cuda.h has these as macros.
inline constexpr unsigned host_alloc_portable = 1, host_alloc_device_map = 2,
                          host_alloc_write_combined = 4;
inline constexpr std::uintptr_t stream_legacy = 1, stream_per_thread = 2;
inline constexpr std::uintptr_t launch_param_end = 0, launch_param_buffer_pointer = 1,
                                launch_param_buffer_size = 2;
inline constexpr unsigned context_flags_mask = 0xff, context_schedule_mask = 0x07;

union CUlaunchAttributeValue {
  char pad[64];
  int cooperative;
  struct {
    unsigned x, y, z;
  } clusterDim;
  int programmaticStreamSerializationAllowed;
  int priority;
  CUevent event;  // of an attribute that is not supported; it sets the alignment
};

struct CUlaunchAttribute {
  CUlaunchAttributeID id;
  char pad[8 - sizeof(CUlaunchAttributeID)];
  CUlaunchAttributeValue value;
};

struct CUlaunchConfig {
  unsigned gridDimX, gridDimY, gridDimZ;
  unsigned blockDimX, blockDimY, blockDimZ;
  unsigned sharedMemBytes;
  CUstream hStream;
  CUlaunchAttribute* attrs;
  unsigned numAttrs;
};

/// Drivers ask for 64; cuda.h gives it more from version 13 on.
struct alignas(64) CUtensorMap {
  cuuint64_t opaque[16];
};

struct CUexecAffinityParam;
struct CUctxCigParam;
struct CUgraphEdgeData;

struct CUctxCreateParams {
  CUexecAffinityParam* execAffinityParams;
  int numExecAffinityParams;
  CUctxCigParam* cigParams;
};

}  // namespace ptxmill::emu::api
