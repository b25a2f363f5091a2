// A directory or an embedded set of generated kernels.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "runtime/kernel.hpp"

namespace ptxmill::rt {

struct Manifest;

/// A file that was linked into the program. `path` is as the manifest names it.
struct EmbeddedFile {
  std::string_view path;
  std::string_view bytes;
};

/// A kernel library that was linked into the program; it must outlive what is opened from it.
struct Embedded {
  std::string_view manifest;
  std::span<const EmbeddedFile> files;
};

struct LibraryCounters {
  std::uint64_t hits = 0;    ///< launches that found their kernel loaded
  std::uint64_t misses = 0;  ///< launches and loads that had to load one
};

/// The kernels of one library on one device. A handle: copies share what is loaded. Safe to use
/// from any thread, except where a function says otherwise.
class KernelLibrary {
 public:
  /// Reads the manifest (`directory`/manifest.json) and chooses a variant for each kernel; loads
  /// nothing yet. Throws `not_found`, `corrupt`, or `incompatible` where no kernel of it has a
  /// variant for the device, naming versions and what would work.
  static KernelLibrary open(const Device& device, const std::string& directory);
  static KernelLibrary open(const Device& device, const Embedded& embedded);

  /// Throws `not_found` with the nearest names, or `incompatible` where it has no variant for the
  /// device.
  Kernel kernel(std::string_view name) const;
  /// As above, in the variant of that target rather than the best one.
  Kernel kernel(std::string_view name, std::string_view target) const;
  bool contains(std::string_view name) const;
  const Manifest& manifest() const;
  const DeviceInfo& device() const;
  const std::shared_ptr<Context>& context() const;

  /// Loads every kernel that has a variant for the device, several at a time.
  void preload() const;
  /// Waits for the device and unloads every kernel. No other thread may be launching, and no graph
  /// that holds one of them may be launched afterwards. The next launch loads anew.
  void clear() const;
  LibraryCounters counters() const;
  void reset_counters() const;

  const std::shared_ptr<LibraryState>& state() const { return state_; }

 private:
  explicit KernelLibrary(std::shared_ptr<LibraryState> state) : state_(std::move(state)) {}
  std::shared_ptr<LibraryState> state_;
};

}  // namespace ptxmill::rt
