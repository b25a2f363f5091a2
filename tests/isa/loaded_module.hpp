// A PTX module loaded through whichever driver answers, without a manifest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/device.hpp"
#include "runtime/stream.hpp"

namespace ptxmill::test {

class LoadedModule {
 public:
  /// Throws std::runtime_error with the compiler's log where the driver refuses the text.
  LoadedModule(const rt::Device& device, const std::string& ptx);
  ~LoadedModule();
  LoadedModule(const LoadedModule&) = delete;
  LoadedModule& operator=(const LoadedModule&) = delete;

  /// Runs an entry whose first parameters are .u64 p_in, .u64 p_out, .u32 p_count, in blocks of 128
  /// threads, at least `count` of them. What it does not write of `out` comes back as 0xff.
  void launch(const rt::Stream& stream, const std::string& entry, std::span<const std::byte> in,
              std::span<std::byte> out, std::size_t count) const;
  /// Runs an entry of instance.hpp's form over `count` cases; `results` words a case.
  std::vector<std::uint64_t> run(const rt::Stream& stream, const std::string& entry,
                                 const std::vector<std::uint64_t>& sources, std::size_t count,
                                 std::size_t results) const;

 private:
  const rt::Device& device_;
  rt::cu::Module module_ = nullptr;
};

}  // namespace ptxmill::test
