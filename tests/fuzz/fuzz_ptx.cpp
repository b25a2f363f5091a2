// PTX text into the emulator's parser and decoder.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "emulator/program.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ptxmill::emu;
  std::string log;
  bool unsupported = false;
  const auto program =
      Program::parse({reinterpret_cast<const char*>(data), size}, Machine{}, &log, &unsupported);
  // A refusal says why.
  if (program == nullptr && log.empty()) std::abort();
  if (program != nullptr)
    for (const EntryInfo* entry : program->entries())
      if (program->find(entry->name) == nullptr) std::abort();
  return 0;
}
