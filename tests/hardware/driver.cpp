#include "tests/hardware/driver.hpp"

#include <dlfcn.h>

#include <filesystem>

#include <fmt/format.h>

namespace ptxmill::test {

struct DriverLibrary::Calls {
  int (*init)(unsigned);
  int (*version)(int*);
  int (*device)(int*, int);
  int (*device_name)(char*, int, int);
  int (*retain)(void**, int);
  int (*reset)(int);
  int (*set_current)(void*);
  int (*synchronize)();
  int (*allocate)(std::uint64_t*, std::size_t);
  int (*release)(std::uint64_t);
  int (*to_device)(std::uint64_t, const void*, std::size_t);
  int (*to_host)(void*, std::uint64_t, std::size_t);
  int (*load)(void**, const void*, unsigned, int*, void**);
  int (*unload)(void*);
  int (*function)(void**, void*, const char*);
  int (*launch)(void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void*,
                void**, void**);
  int (*error_name)(int, const char**);
};

namespace {

/// Device memory that is freed with its scope.
class Memory {
 public:
  using Free = int (*)(std::uint64_t);
  explicit Memory(Free release) : release_(release) {}
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() {
    if (address != 0) release_(address);
  }
  std::uint64_t address = 0;

 private:
  Free release_;
};

template <class F>
void bind(void* library, const char* symbol, F& call, std::string& missing) {
  call = reinterpret_cast<F>(dlsym(library, symbol));
  if (call == nullptr) missing += fmt::format("{}{}", missing.empty() ? "" : ", ", symbol);
}

}  // namespace

DriverLibrary::DriverLibrary(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    error_ = dlerror();
    return;
  }
  auto* calls = new Calls{};  // never destroyed: nor is the library
  calls_ = calls;
  std::string missing;
  bind(library, "cuInit", calls->init, missing);
  bind(library, "cuDriverGetVersion", calls->version, missing);
  bind(library, "cuDeviceGet", calls->device, missing);
  bind(library, "cuDeviceGetName", calls->device_name, missing);
  bind(library, "cuDevicePrimaryCtxRetain", calls->retain, missing);
  bind(library, "cuDevicePrimaryCtxReset_v2", calls->reset, missing);
  bind(library, "cuCtxSetCurrent", calls->set_current, missing);
  bind(library, "cuCtxSynchronize", calls->synchronize, missing);
  bind(library, "cuMemAlloc_v2", calls->allocate, missing);
  bind(library, "cuMemFree_v2", calls->release, missing);
  bind(library, "cuMemcpyHtoD_v2", calls->to_device, missing);
  bind(library, "cuMemcpyDtoH_v2", calls->to_host, missing);
  bind(library, "cuModuleLoadDataEx", calls->load, missing);
  bind(library, "cuModuleUnload", calls->unload, missing);
  bind(library, "cuModuleGetFunction", calls->function, missing);
  bind(library, "cuLaunchKernel", calls->launch, missing);
  bind(library, "cuGetErrorName", calls->error_name, missing);
  if (!missing.empty()) {
    error_ = path + " lacks " + missing;
    return;
  }
  int device = 0;
  char name[128] = {};
  for (const int result : {calls->init(0), calls->version(&version_), calls->device(&device, 0),
                           calls->device_name(name, sizeof name, device),
                           calls->retain(&context_, device), calls->set_current(context_)}) {
    if (result != 0 && error_.empty()) error_ = fmt::format("{} fails with {}", path, result);
  }
  name_ = name;
}

std::string DriverLibrary::describe() const {
  return fmt::format("{}, driver {}.{}", name_, version_ / 1000, version_ % 1000 / 10);
}

std::string DriverLibrary::load(const std::string& ptx, void** module) const {
  enum : int { error_log = 5, error_log_bytes = 6 };
  std::string log(4096, '\0');
  int options[] = {error_log, error_log_bytes};
  void* values[] = {log.data(), reinterpret_cast<void*>(log.size())};
  const int result = calls_->load(module, ptx.c_str(), 2, options, values);
  return result == 0 ? "" : fmt::format("refused with {}: {}", result, log.c_str());
}

void DriverLibrary::renew() const {
  calls_->reset(0);
  calls_->retain(&context_, 0);
  calls_->set_current(context_);
}

std::string DriverLibrary::run(const Job& job) const {
  calls_->set_current(context_);
  void* module = nullptr;
  if (std::string words = load(*job.ptx, &module); !words.empty()) return words;
  Memory in(calls_->release), out(calls_->release);
  const std::size_t in_bytes = job.in.size_bytes() == 0 ? 8 : job.in.size_bytes();
  void* function = nullptr;
  int result = 0;
  const char* step = nullptr;
  const auto does = [&](const char* name, int value) {
    if (result == 0 && value != 0) {
      result = value;
      step = name;
    }
    return result == 0;
  };
  std::uint32_t count = job.count;
  alignas(16) unsigned char cell[16] = {1, 2, 3, 4, 5, 6, 7, 0x88, 9, 10, 11, 12, 13, 14, 15, 0xf0};
  void* parameters[] = {&in.address, &out.address, &count, cell};
  (void)(does("finding the entry", calls_->function(&function, module, job.entry.c_str())) &&
         does("allocating", calls_->allocate(&in.address, in_bytes)) &&
         does("allocating", calls_->allocate(&out.address, job.out.size_bytes())) &&
         does("copying", job.in.empty()
                             ? 0
                             : calls_->to_device(in.address, job.in.data(), job.in.size_bytes())) &&
         does("copying", calls_->to_device(out.address, job.out.data(), job.out.size_bytes())) &&
         does("launching", calls_->launch(function, job.blocks, 1, 1, job.threads, 1, 1, 0, nullptr,
                                          parameters, nullptr)) &&
         does("running", calls_->synchronize()) &&
         does("copying", calls_->to_host(job.out.data(), out.address, job.out.size_bytes())));
  calls_->unload(module);
  if (result == 0) return "";
  in.address = out.address = 0;
  renew();
  const char* name = nullptr;
  calls_->error_name(result, &name);
  return fmt::format("{} fails with {}", step, name == nullptr ? "an unknown error" : name);
}

std::string emulator_path() {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const fs::path here = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  for (fs::path at = here; at.has_relative_path(); at = at.parent_path()) {
    for (const fs::path& part : {fs::path("lib"), fs::path("emulator/driver"), fs::path(".")}) {
      const fs::path file = at / part / "libptxmill_emulator.so";
      if (fs::exists(file, ignored)) return file.string();
    }
  }
  return "libptxmill_emulator.so";
}

}  // namespace ptxmill::test
