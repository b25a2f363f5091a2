// The calls of the CUDA Driver API that the tests here make, found in a library at run time. This
// is all that these tests know of the driver, whichever it is.
#pragma once

#include <dlfcn.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace ptxmill::nvcc_test {

using CUresult = int;
using CUdevice = int;
using CUdeviceptr = std::uint64_t;
using CUcontext = struct ContextHandle*;
using CUmodule = struct ModuleHandle*;
using CUfunction = struct FunctionHandle*;
using CUstream = struct StreamHandle*;

inline constexpr CUresult success = 0;
inline constexpr CUresult error_assert = 710;
inline constexpr CUresult error_launch_failed = 719;
inline constexpr CUresult error_illegal_instruction = 715;

struct DriverApi {
  CUresult (*init)(unsigned);
  CUresult (*driver_version)(int*);
  CUresult (*device_get)(CUdevice*, int);
  CUresult (*context_create)(CUcontext*, unsigned, CUdevice);
  CUresult (*context_destroy)(CUcontext);
  CUresult (*synchronize)();
  CUresult (*set_limit)(int, std::size_t);
  CUresult (*module_load)(CUmodule*, const void*, unsigned, int*, void**);
  CUresult (*module_unload)(CUmodule);
  CUresult (*get_function)(CUfunction*, CUmodule, const char*);
  CUresult (*get_global)(CUdeviceptr*, std::size_t*, CUmodule, const char*);
  CUresult (*allocate)(CUdeviceptr*, std::size_t);
  CUresult (*free)(CUdeviceptr);
  CUresult (*to_device)(CUdeviceptr, const void*, std::size_t);
  CUresult (*to_host)(void*, CUdeviceptr, std::size_t);
  CUresult (*fill)(CUdeviceptr, unsigned char, std::size_t);
  CUresult (*launch)(CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                     unsigned, CUstream, void**, void**);
  CUresult (*launch_cooperative)(CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned,
                                 unsigned, unsigned, CUstream, void**);
  CUresult (*error_name)(CUresult, const char**);
};

/// PTXMILL_DRIVER as the runtime reads it: unset, "emulator" (of the build tree that the program
/// is part of), or a path.
inline std::string driver_path() {
  const char* choice = std::getenv("PTXMILL_DRIVER");
  if (choice == nullptr || *choice == '\0') return "libcuda.so.1";
  if (std::string(choice) != "emulator") return choice;
  namespace fs = std::filesystem;
  const std::string name = "libptxmill_emulator.so";
  std::error_code ignored;
  fs::path directory = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  for (int i = 0; i < 5 && directory.has_relative_path(); ++i) {
    for (const fs::path& p : {directory / "emulator" / "driver" / name, directory / name})
      if (fs::exists(p, ignored)) return p.string();
    directory = directory.parent_path();
  }
  return name;
}

inline const DriverApi& api() {
  static const DriverApi loaded = [] {
    void* library = dlopen(driver_path().c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) throw std::runtime_error(dlerror());
    DriverApi a{};
    const auto find = [&](auto& entry, const char* symbol) {
      void* address = dlsym(library, symbol);
      if (address == nullptr) throw std::runtime_error(std::string("no ") + symbol);
      entry = reinterpret_cast<std::remove_reference_t<decltype(entry)>>(address);
    };
    find(a.init, "cuInit");
    find(a.driver_version, "cuDriverGetVersion");
    find(a.device_get, "cuDeviceGet");
    find(a.context_create, "cuCtxCreate_v2");
    find(a.context_destroy, "cuCtxDestroy_v2");
    find(a.synchronize, "cuCtxSynchronize");
    find(a.set_limit, "cuCtxSetLimit");
    find(a.module_load, "cuModuleLoadDataEx");
    find(a.module_unload, "cuModuleUnload");
    find(a.get_function, "cuModuleGetFunction");
    find(a.get_global, "cuModuleGetGlobal_v2");
    find(a.allocate, "cuMemAlloc_v2");
    find(a.free, "cuMemFree_v2");
    find(a.to_device, "cuMemcpyHtoD_v2");
    find(a.to_host, "cuMemcpyDtoH_v2");
    find(a.fill, "cuMemsetD8_v2");
    find(a.launch, "cuLaunchKernel");
    find(a.launch_cooperative, "cuLaunchCooperativeKernel");
    find(a.error_name, "cuGetErrorName");
    return a;
  }();
  return loaded;
}

inline void check(CUresult code, const char* what) {
  if (code == success) return;
  const char* name = nullptr;
  api().error_name(code, &name);
  throw std::runtime_error(std::string(what) + ": " + (name == nullptr ? "?" : name));
}

}  // namespace ptxmill::nvcc_test
