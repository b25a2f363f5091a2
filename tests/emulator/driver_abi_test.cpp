// Compares every type, constant and signature of emulator/driver/api.hpp with cuda.h. Where no
// cuda.h is installed there is nothing to compare with.
#include <cstddef>
#include <type_traits>

#include "emulator/driver/api.hpp"

// Before cuda.h, whose macros rename functions.
namespace ptxmill::emu::api::signatures {
#define CU_ENTRY(base, name, since, params) using of_##name = CUresult params;
#include "emulator/driver/entry_points.def"
#undef CU_ENTRY
}  // namespace ptxmill::emu::api::signatures

#if __has_include(<cuda.h>)

#define __CUDA_API_VERSION_INTERNAL 1  // declares the functions by their exported names
#include <cuda.h>

#if CUDA_VERSION >= 13000  // older headers lack some of the functions

namespace ptxmill::emu::abi_test {

/// Types that the binary interface cannot tell apart become one: enumerations and integers by size
/// and sign, pointers to structures, whatever their names.
template <class T, class = void>
struct Canonical {
  using type = T;
};
template <class T>
using canonical = typename Canonical<T>::type;

template <std::size_t size, bool is_signed>
struct Integer;
template <class T>
struct Canonical<T, std::enable_if_t<!std::is_const_v<T> && std::is_enum_v<T>>> {
  using type = Integer<sizeof(T), false>;
};
template <class T>
struct Canonical<T, std::enable_if_t<!std::is_const_v<T> && std::is_integral_v<T>>> {
  using type = Integer<sizeof(T), std::is_signed_v<T>>;
};
template <class T>
struct Canonical<
    T, std::enable_if_t<!std::is_const_v<T> && (std::is_class_v<T> || std::is_union_v<T>)>> {
  using type = void;
};
template <class T>
struct Canonical<const T> {
  using type = const canonical<T>;
};
template <class T>
struct Canonical<T*> {
  using type = canonical<T>*;
};
template <class R, class... Args>
struct Canonical<R(Args...)> {
  using type = void(canonical<R>*, canonical<Args>*...);
};

#define CU_ENTRY(base, name, since, params)                                          \
  static_assert(std::is_same_v<canonical<api::signatures::of_##name>,                \
                               canonical<std::remove_pointer_t<decltype(&::name)>>>, \
                #name);
#include "emulator/driver/entry_points.def"
#undef CU_ENTRY

#define CU_RESULT(name, number, description) static_assert(::name == (number), #name);
#include "emulator/driver/errors.def"
#undef CU_RESULT

#define CU_ATTRIBUTE(name, number, value) static_assert(::name == (number), #name);
#include "emulator/driver/device_attributes.def"
#undef CU_ATTRIBUTE
static_assert(api::last_device_attribute + 1 == ::CU_DEVICE_ATTRIBUTE_MAX);
static_assert(api::last_jit_option + 1 == ::CU_JIT_NUM_OPTIONS);

#define CU_ENUM(type) static_assert(sizeof(::type) == sizeof(api::type), #type);
#define CU_VALUE(name, number) static_assert(::name == (number), #name);
#define CU_END(type)
#include "emulator/driver/enums.def"
#undef CU_ENUM
#undef CU_VALUE
#undef CU_END

static_assert(api::host_alloc_portable == CU_MEMHOSTALLOC_PORTABLE);
static_assert(api::host_alloc_device_map == CU_MEMHOSTALLOC_DEVICEMAP);
static_assert(api::host_alloc_write_combined == CU_MEMHOSTALLOC_WRITECOMBINED);
static_assert(api::launch_param_end == CU_LAUNCH_PARAM_END_AS_INT);
static_assert(api::launch_param_buffer_pointer == CU_LAUNCH_PARAM_BUFFER_POINTER_AS_INT);
static_assert(api::launch_param_buffer_size == CU_LAUNCH_PARAM_BUFFER_SIZE_AS_INT);
static_assert(api::context_flags_mask == ::CU_CTX_FLAGS_MASK);
static_assert(api::context_schedule_mask == ::CU_CTX_SCHED_MASK);

#define SAME_SIZE(type) \
  static_assert(sizeof(::type) == sizeof(api::type) && alignof(::type) == alignof(api::type), #type)
#define SAME_OFFSET(type, member) \
  static_assert(offsetof(::type, member) == offsetof(api::type, member), #type "." #member)
SAME_SIZE(CUdevice);
SAME_SIZE(CUdeviceptr);
SAME_SIZE(CUuuid);
SAME_SIZE(CUlaunchAttributeValue);
SAME_OFFSET(CUlaunchAttributeValue, clusterDim);
SAME_SIZE(CUlaunchAttribute);
SAME_OFFSET(CUlaunchAttribute, value);
SAME_SIZE(CUlaunchConfig);
SAME_OFFSET(CUlaunchConfig, gridDimX);
SAME_OFFSET(CUlaunchConfig, blockDimX);
SAME_OFFSET(CUlaunchConfig, sharedMemBytes);
SAME_OFFSET(CUlaunchConfig, hStream);
SAME_OFFSET(CUlaunchConfig, attrs);
SAME_OFFSET(CUlaunchConfig, numAttrs);
static_assert(sizeof(::CUtensorMap) == sizeof(api::CUtensorMap));
static_assert(alignof(::CUtensorMap) % alignof(api::CUtensorMap) == 0);
SAME_OFFSET(CUtensorMap, opaque);
SAME_SIZE(CUctxCreateParams);
SAME_OFFSET(CUctxCreateParams, execAffinityParams);
SAME_OFFSET(CUctxCreateParams, numExecAffinityParams);
SAME_OFFSET(CUctxCreateParams, cigParams);
#undef SAME_SIZE
#undef SAME_OFFSET

}  // namespace ptxmill::emu::abi_test

// doctest last: what it includes may not meet cuda.h's macros.
#include <doctest/doctest.h>

TEST_CASE("the stream handles with a meaning are the header's") {
  namespace api = ptxmill::emu::api;
  CHECK(reinterpret_cast<std::uintptr_t>(CU_STREAM_LEGACY) == api::stream_legacy);
  CHECK(reinterpret_cast<std::uintptr_t>(CU_STREAM_PER_THREAD) == api::stream_per_thread);
}

#endif
#endif
