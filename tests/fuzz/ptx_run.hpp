// Runs an entry of whatever module, within bounds of time and memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "emulator/execute.hpp"
#include "emulator/program.hpp"

namespace ptxmill::test {

/// Parameters that a kernel may well take: pointers to memory, and small numbers.
inline std::vector<std::byte> parameters(const emu::EntryInfo& entry, emu::DeviceAddress memory) {
  std::vector<std::byte> bytes(entry.param_bytes);
  for (const emu::ParamInfo& p : entry.params) {
    const std::uint64_t value = p.size == 8 ? memory : 40;
    if (p.size <= 8) std::memcpy(bytes.data() + p.offset, &value, p.size);
  }
  return bytes;
}

/// Runs an entry for a while; whatever comes of it, the process goes on.
inline emu::ExecuteResult run_for_a_while(const emu::Program& program, const emu::EntryInfo& entry,
                                          long number) {
  constexpr std::size_t arena = 1 << 18;
  emu::GlobalMemory memory(std::size_t{16} << 20);
  const emu::DeviceAddress at = memory.allocate(arena);
  const auto held = memory.find(at, arena);
  std::memset(held->written.data(), 1, arena);
  emu::Launch launch;
  launch.grid = {2, 1, 1};
  launch.block = {40, 2, 1};
  for (std::size_t k = 0; k < 3 && entry.required_block[0] != 0; ++k)
    launch.block[k] = entry.required_block[k];
  launch.dynamic_shared_bytes = 2048;
  const auto bytes = parameters(entry, at);
  launch.params = bytes;
  emu::ExecuteOptions options;
  options.check = number % 3 == 0   ? emu::Check::off
                  : number % 3 == 1 ? emu::Check::warn
                                    : emu::Check::fail;
  options.schedule = number % 2 == 0 ? emu::Schedule::earliest : emu::Schedule::random;
  options.instruction_budget = 20000;
  return emu::execute(program, entry, launch, memory, emu::Machine{}, options);
}

}  // namespace ptxmill::test
