// What kernels did, counted over the launches of a process (PTXMILL_EMU_COUNT).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "emulator/counts.hpp"
#include "emulator/program.hpp"

namespace ptxmill::emu::driver {

class Tally {
 public:
  /// Adds a launch. Kernels are told apart by name and module text, so that one which is loaded
  /// again goes on counting.
  void add(const std::shared_ptr<const Program>& program, const EntryInfo& entry,
           const LaunchCounts& counts);

  /// All kernels, in the order of their first launches.
  std::string table() const;
  std::string json() const;

 private:
  struct Row {
    std::shared_ptr<const Program> program;
    const EntryInfo* entry = nullptr;
    LaunchCounts counts;
    std::uint64_t launches = 0;
  };
  std::vector<Row> rows_;
};

}  // namespace ptxmill::emu::driver
