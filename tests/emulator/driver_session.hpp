// What the tests of the emulated driver share: a fresh driver with settings, a context, kernels.
#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "emulator/driver/entry_points.hpp"

namespace ptxmill::emu::driver_test {

using namespace api;

/// The code's name, so that a failed check says which code came.
inline std::string name_of(CUresult code) {
  const char* name = nullptr;
  return cuGetErrorName(code, &name) == CUDA_SUCCESS ? name : "no such code";
}

/// Checks that a call returns a code.
#define CHECK_CODE(call, code) CHECK(name_of(call) == name_of(code))
#define CHECK_OK(call) CHECK_CODE(call, CUDA_SUCCESS)
#define REQUIRE_OK(call) REQUIRE(name_of(call) == name_of(CUDA_SUCCESS))

/// Environment variables for the next cuInit; put back when it goes out of scope, with a driver
/// that has forgotten everything.
class Environment {
 public:
  explicit Environment(std::initializer_list<std::pair<const char*, const char*>> settings = {}) {
    ptxmill_emu_reset();
    for (const auto& [name, value] : settings) {
      const char* old = std::getenv(name);
      saved_.emplace_back(name, old == nullptr ? std::string() : std::string(old));
      setenv(name, value, 1);
    }
  }
  ~Environment() {
    ptxmill_emu_reset();
    for (const auto& [name, value] : saved_) {
      value.empty() ? unsetenv(name.c_str()) : setenv(name.c_str(), value.c_str(), 1);
    }
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  std::vector<std::pair<std::string, std::string>> saved_;
};

/// A file of this process's own for PTXMILL_EMU_REPORT and the like; removed when it goes out of
/// scope.
class ReportFile {
 public:
  explicit ReportFile(const char* suffix = "")
      : path_(std::filesystem::temp_directory_path() /
              ("ptxmill_driver_test." + std::to_string(getpid()) + suffix)) {
    std::filesystem::remove(path_);
  }
  ~ReportFile() { std::filesystem::remove(path_); }
  ReportFile(const ReportFile&) = delete;
  ReportFile& operator=(const ReportFile&) = delete;

  const char* path() const { return path_.c_str(); }
  std::string text() const {
    std::ifstream file(path_);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  bool mentions(const std::string& what) const { return text().find(what) != std::string::npos; }

 private:
  std::filesystem::path path_;
};

/// Kernels that the tests launch. `poke` stores a word, `increment` and `twice` change one in
/// place, `sum` adds two, `branch` stores 7 where a word is 0, `spin` never ends, `fail` traps,
/// `count` increments atomically.
inline constexpr const char* kernels_ptx = R"(.version 7.0
.target sm_80
.address_size 64

.visible .entry poke(.param .u64 p, .param .u32 value)
{
  .reg .u64 %p0;
  .reg .u32 %v0;
  ld.param.u64 %p0, [p];
  ld.param.u32 %v0, [value];
  st.global.u32 [%p0], %v0;
  ret;
}

.visible .entry increment(.param .u64 p)
{
  .reg .u64 %p0;
  .reg .u32 %v<2>;
  ld.param.u64 %p0, [p];
  ld.global.u32 %v0, [%p0];
  add.u32 %v1, %v0, 1;
  st.global.u32 [%p0], %v1;
  ret;
}

.visible .entry twice(.param .u64 p)
{
  .reg .u64 %p0;
  .reg .u32 %v<2>;
  ld.param.u64 %p0, [p];
  ld.global.u32 %v0, [%p0];
  add.u32 %v1, %v0, %v0;
  st.global.u32 [%p0], %v1;
  ret;
}

.visible .entry sum(.param .u64 result, .param .u64 a, .param .u64 b)
{
  .reg .u64 %p<3>;
  .reg .u32 %v<3>;
  ld.param.u64 %p0, [result];
  ld.param.u64 %p1, [a];
  ld.param.u64 %p2, [b];
  ld.global.u32 %v0, [%p1];
  ld.global.u32 %v1, [%p2];
  add.u32 %v2, %v0, %v1;
  st.global.u32 [%p0], %v2;
  ret;
}

.visible .entry branch(.param .u64 p)
{
  .reg .pred %q0;
  .reg .u64 %p0;
  .reg .u32 %v<2>;
  ld.param.u64 %p0, [p];
  ld.global.u32 %v0, [%p0];
  setp.ne.u32 %q0, %v0, 0;
  @%q0 bra done;
  mov.u32 %v1, 7;
  st.global.u32 [%p0], %v1;
done:
  ret;
}

.visible .entry spin()
{
again:
  bra again;
}

.visible .entry fail()
{
  trap;
  ret;
}

.visible .entry empty()
{
  ret;
}

.visible .entry narrow(.param .u64 p) .maxntid 128, 1, 1
{
  ret;
}

.visible .entry exact(.param .u64 p) .reqntid 64, 2
{
  ret;
}

.visible .entry shared_user(.param .u64 p)
{
  .shared .align 4 .b8 scratch[1000];
  .reg .u64 %p0;
  .reg .u32 %v<3>;
  ld.param.u64 %p0, [p];
  mov.u32 %v0, scratch;
  mov.u32 %v1, 7;
  st.shared.u32 [%v0], %v1;
  ld.shared.u32 %v2, [%v0];
  st.global.u32 [%p0], %v2;
  ret;
}

.visible .entry count(.param .u64 p)
{
  .reg .u64 %p0;
  ld.param.u64 %p0, [p];
  red.global.add.u32 [%p0], 1;
  ret;
}
)";

/// A driver with its primary context current, and the kernels loaded.
class Session {
 public:
  explicit Session(std::initializer_list<std::pair<const char*, const char*>> settings = {})
      : environment_(settings) {
    REQUIRE_OK(cuInit(0));
    REQUIRE_OK(cuDevicePrimaryCtxRetain(&context, 0));
    REQUIRE_OK(cuCtxSetCurrent(context));
  }

  /// The kernel of that name; loads the module on first use.
  CUfunction kernel(const char* name) {
    if (module == nullptr) REQUIRE_OK(cuModuleLoadData(&module, kernels_ptx));
    CUfunction function = nullptr;
    REQUIRE_OK(cuModuleGetFunction(&function, module, name));
    return function;
  }

  CUcontext context = nullptr;
  CUmodule module = nullptr;

 private:
  Environment environment_;
};

inline CUdeviceptr allocate(std::size_t bytes) {
  CUdeviceptr pointer = 0;
  REQUIRE_OK(cuMemAlloc_v2(&pointer, bytes));
  return pointer;
}

/// A word of device memory.
inline CUdeviceptr allocate_word(std::uint32_t value) {
  const CUdeviceptr pointer = allocate(sizeof(value));
  REQUIRE_OK(cuMemcpyHtoD_v2(pointer, &value, sizeof(value)));
  return pointer;
}

inline std::uint32_t read_word(CUdeviceptr pointer) {
  std::uint32_t value = 0;
  CHECK_OK(cuMemcpyDtoH_v2(&value, pointer, sizeof(value)));
  return value;
}

inline std::size_t free_memory() {
  std::size_t free = 0;
  CHECK_OK(cuMemGetInfo_v2(&free, nullptr));
  return free;
}

inline CUstream make_stream(unsigned flags = CU_STREAM_NON_BLOCKING) {
  CUstream stream = nullptr;
  REQUIRE_OK(cuStreamCreate(&stream, flags));
  return stream;
}

inline CUevent make_event(unsigned flags = CU_EVENT_DISABLE_TIMING) {
  CUevent event = nullptr;
  REQUIRE_OK(cuEventCreate(&event, flags));
  return event;
}

/// Launches one thread of a kernel.
template <class... Args>
CUresult launch_one(CUfunction function, CUstream stream, Args... args) {
  void* params[] = {static_cast<void*>(&args)..., nullptr};
  return cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, stream, params, nullptr);
}

inline CUstreamCaptureStatus capture_status(CUstream stream) {
  CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
  CHECK_OK(cuStreamIsCapturing(stream, &status));
  return status;
}

}  // namespace ptxmill::emu::driver_test
