// A Driver API library by its path: two of them, a real one and the emulated one, side by side in
// one process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace ptxmill::test {

/// A launch of an entry (p_in, p_out, p_count, p_cell[16]): `out` is what memory holds before, and
/// after.
struct Job {
  const std::string* ptx = nullptr;
  std::string entry;
  std::span<const std::uint64_t> in;
  std::span<std::uint64_t> out;
  std::uint32_t count = 0;  ///< what p_count says
  std::uint32_t blocks = 1;
  std::uint32_t threads = 128;
};

class DriverLibrary {
 public:
  /// Opens the library and the first device. `error()` says why it is of no use.
  explicit DriverLibrary(const std::string& path);
  DriverLibrary(const DriverLibrary&) = delete;
  DriverLibrary& operator=(const DriverLibrary&) = delete;

  const std::string& error() const { return error_; }
  bool ready() const { return error_.empty(); }
  /// As "NVIDIA H200, driver 13.0".
  std::string describe() const;

  /// Runs the job; the words of what went wrong, or none.
  std::string run(const Job& job) const;

 private:
  struct Calls;
  std::string load(const std::string& ptx, void** module) const;
  /// After a fault, which a context does not survive.
  void renew() const;

  const Calls* calls_ = nullptr;
  std::string error_, name_;
  int version_ = 0;
  mutable void* context_ = nullptr;
};

/// Where the emulated driver lies: in the build tree, or carried in lib/ beside this program's
/// bin/.
std::string emulator_path();

}  // namespace ptxmill::test
