// A PTX module loaded through whichever driver answers, without a manifest.
#pragma once

#include <cstdint>
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

  /// Runs an entry of instance.hpp's form over `count` cases, and returns `results` words a case.
  /// Unwritten bytes of the result are 0xff.
  std::vector<std::uint64_t> run(const rt::Stream& stream, const std::string& entry,
                                 const std::vector<std::uint64_t>& sources, std::size_t count,
                                 std::size_t results) const;

 private:
  const rt::Device& device_;
  rt::cu::Module module_ = nullptr;
};

}  // namespace ptxmill::test
