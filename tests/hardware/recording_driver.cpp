// libptxmill_recorder.so: stands before another driver, hands every call on, and writes down what
// the process reads back from the device. Two such records, one of a GPU and one of the emulated
// driver, are compared by compare_records.
//
//   PTXMILL_DRIVER=/path/libptxmill_recorder.so PTXMILL_RECORDED_DRIVER=libcuda.so.1
//   PTXMILL_RECORD=FILE PTXMILL_CASE_CAPS=1 test_templates
//
// A record is a list of "copy BYTES exact|approx KERNELS\n" and the bytes. KERNELS were launched
// since the copy before; "approx" says that one of them has approximate instructions.
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include "runtime/driver/types.hpp"

#ifndef __x86_64__
#error "the recorder hands calls on by x86-64 code"
#endif

// For each entry point a function that jumps to where `forward_<name>` says.
extern "C" {
#define PTXMILL_ENTRY(need, name, symbol, parameters)                     \
  __attribute__((visibility("hidden"))) void* forward_##name;             \
  asm(".text\n.globl " #symbol "\n.type " #symbol ", @function\n" #symbol \
      ":\n  jmp *forward_" #name "(%rip)\n.size " #symbol ", . - " #symbol "\n");
#include "runtime/driver/entry_points.def"
#undef PTXMILL_ENTRY
}

namespace {

using namespace ptxmill::rt::cu;

// The types of the calls that are looked into.
namespace call {
#define PTXMILL_ENTRY(need, name, symbol, parameters) using name = Result(*) parameters;
#include "runtime/driver/entry_points.def"
#undef PTXMILL_ENTRY
}  // namespace call

/// The driver's own functions.
struct Behind {
#define PTXMILL_ENTRY(need, name, symbol, parameters) call::name name = nullptr;
#include "runtime/driver/entry_points.def"
#undef PTXMILL_ENTRY
};

Behind behind;
std::FILE* record = nullptr;
std::mutex mutex;
std::map<Module, bool> approximate_modules;
std::map<Function, std::pair<std::string, bool>> functions;
std::set<std::string> launched;
bool launched_approximate = false;

Result load(Module* module, const void* image, unsigned count, JitOption* options, void** values) {
  const Result result = behind.module_load_data_ex(module, image, count, options, values);
  if (result != Result::success) return result;
  const std::lock_guard lock(mutex);
  const std::string text(static_cast<const char*>(image));
  approximate_modules[*module] = text.find(".approx") != text.npos;
  return result;
}

Result get_function(Function* function, Module module, const char* name) {
  const Result result = behind.module_get_function(function, module, name);
  const std::lock_guard lock(mutex);
  if (result == Result::success) functions[*function] = {name, approximate_modules[module]};
  return result;
}

void note_launch(Function function) {
  const std::lock_guard lock(mutex);
  const auto& [name, approximate] = functions[function];
  launched.insert(name);
  launched_approximate = launched_approximate || approximate;
}

Result launch(Function function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
              unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,
              Stream stream, void** parameters, void** extra) {
  note_launch(function);
  return behind.launch_kernel(function, grid_x, grid_y, grid_z, block_x, block_y, block_z,
                              shared_bytes, stream, parameters, extra);
}

Result launch_cooperative(Function function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                          unsigned block_x, unsigned block_y, unsigned block_z,
                          unsigned shared_bytes, Stream stream, void** parameters) {
  note_launch(function);
  return behind.launch_cooperative_kernel(function, grid_x, grid_y, grid_z, block_x, block_y,
                                          block_z, shared_bytes, stream, parameters);
}

Result to_host(void* to, DevicePointer from, std::size_t bytes, Stream stream) {
  const Result result = behind.memcpy_dtoh_async(to, from, bytes, stream);
  CaptureStatus status{};
  if (result != Result::success || behind.stream_is_capturing(stream, &status) != Result::success ||
      status != CaptureStatus{} || behind.stream_synchronize(stream) != Result::success) {
    return result;
  }
  const std::lock_guard lock(mutex);
  std::string names;
  for (const std::string& name : launched) names += " " + name;
  std::fprintf(record, "copy %zu %s%s\n", bytes, launched_approximate ? "approx" : "exact",
               names.c_str());
  std::fwrite(to, 1, bytes, record);
  launched.clear();
  launched_approximate = false;
  return result;
}

[[gnu::constructor]] void open_driver() {
  const char* path = std::getenv("PTXMILL_RECORDED_DRIVER");
  const char* file = std::getenv("PTXMILL_RECORD");
  if (path == nullptr || file == nullptr) return;
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  record = std::fopen(file, "wb");
  if (library == nullptr || record == nullptr) {
    std::fprintf(stderr, "recorder: cannot open %s or %s\n", path, file);
    std::abort();
  }
#define PTXMILL_ENTRY(need, name, symbol, parameters) \
  forward_##name = dlsym(library, #symbol);           \
  behind.name = reinterpret_cast<call::name>(forward_##name);
#include "runtime/driver/entry_points.def"
#undef PTXMILL_ENTRY
  forward_module_load_data_ex = reinterpret_cast<void*>(&load);
  forward_module_get_function = reinterpret_cast<void*>(&get_function);
  forward_launch_kernel = reinterpret_cast<void*>(&launch);
  forward_launch_cooperative_kernel = reinterpret_cast<void*>(&launch_cooperative);
  forward_memcpy_dtoh_async = reinterpret_cast<void*>(&to_host);
}

[[gnu::destructor]] void close_record() {
  if (record != nullptr) std::fclose(record);
}

}  // namespace
