#include "runtime/driver/driver.hpp"

#include <dlfcn.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/error.hpp"
#include "runtime/text.hpp"

namespace ptxmill::rt::cu {
namespace {

namespace fs = std::filesystem;

constexpr const char* emulator_name = "libptxmill_emulator.so";

/// The directory of the binary that holds this code (an executable or a shared library), and the
/// directory of the executable.
std::vector<fs::path> own_directories() {
  std::vector<fs::path> result;
  std::error_code ignored;
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&own_directories), &info) != 0 &&
      info.dli_fname != nullptr && fs::exists(info.dli_fname, ignored))
    result.push_back(fs::canonical(info.dli_fname, ignored).parent_path());
  const fs::path executable = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  if (!executable.empty() && (result.empty() || result.front() != executable))
    result.push_back(executable);
  return result;
}

/// Where the emulated driver may lie: beside the binary, where an installation puts it, in the
/// build tree that the binary is part of (which may have been carried elsewhere), and last by its
/// bare name, for which the loader searches the run path and LD_LIBRARY_PATH.
std::vector<std::string> emulator_candidates() {
  constexpr int levels_up = 5;
  std::vector<std::string> result;
  std::error_code ignored;
  const auto offer = [&](const fs::path& path) {
    if (fs::exists(path, ignored)) result.push_back(path.string());
  };
  for (const fs::path& directory : own_directories()) {
    offer(directory / emulator_name);
    offer(directory.parent_path() / "lib" / emulator_name);
    fs::path ancestor = directory;
    for (int i = 0; i < levels_up && ancestor.has_relative_path(); ++i) {
      offer(ancestor / "emulator" / emulator_name);
      offer(ancestor / "emulator" / "driver" / emulator_name);
      ancestor = ancestor.parent_path();
    }
  }
  result.emplace_back(emulator_name);
  return result;
}

std::vector<std::string> candidates() {
  const char* choice = std::getenv("PTXMILL_DRIVER");
  if (choice == nullptr || *choice == '\0') return {"libcuda.so.1"};
  if (std::string_view(choice) == "emulator") return emulator_candidates();
  return {choice};
}

/// Binds every entry point; throws where a required one is missing.
void bind_all(Driver& driver, void* library) {
  enum class Need { required, optional };
  std::string missing;
  const auto bind = [&](auto& entry, Need need) {
    void* address = dlsym(library, entry.symbol());
    if (address == nullptr && need == Need::required)
      missing += concat(missing.empty() ? "" : ", ", entry.symbol());
    entry.bind(address);
  };
#define PTXMILL_ENTRY(need, name, symbol, parameters) bind(driver.name, Need::need);
#include "runtime/driver/entry_points.def"
#undef PTXMILL_ENTRY
  if (!missing.empty())
    throw Error(ErrorCode::no_driver,
                concat("the driver ", driver.path, " lacks entry points that are needed: ", missing,
                       "; a newer driver has them"));
}

std::unique_ptr<Driver> load() {
  std::string tried;
  for (const std::string& path : candidates()) {
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      const char* reason = dlerror();
      tried += concat("\n  ", path, ": ", reason == nullptr ? "unknown error" : reason);
      continue;
    }
    auto driver = std::make_unique<Driver>();
    driver->path = path;
    bind_all(*driver, library);
    driver->initialised = driver->init.raw(0);
    if (driver->driver_get_version.raw(&driver->version) != Result::success) driver->version = 0;
    return driver;
  }
  throw Error(ErrorCode::no_driver,
              concat("no CUDA driver could be loaded (PTXMILL_DRIVER=emulator picks the emulated "
                     "one); tried:",
                     tried));
}

}  // namespace

const Driver& driver() {
  // Never destroyed: objects with static storage may still free device memory at exit.
  static std::atomic<const Driver*> loaded{nullptr};
  static std::mutex mutex;
  if (const Driver* ready = loaded.load(std::memory_order_acquire)) return *ready;
  const std::lock_guard lock(mutex);
  if (loaded.load(std::memory_order_relaxed) == nullptr)
    loaded.store(load().release(), std::memory_order_release);
  return *loaded.load(std::memory_order_relaxed);
}

const Driver& ready_driver() {
  const Driver& result = driver();
  if (result.initialised != Result::success) fail(result.init.symbol(), result.initialised);
  return result;
}

void fail_missing(const char* call) {
  throw Error(ErrorCode::incompatible,
              concat("the driver ", driver().path, " (", dotted_driver(driver().version),
                     ") has no ", call, "; a newer driver has it"));
}

}  // namespace ptxmill::rt::cu
