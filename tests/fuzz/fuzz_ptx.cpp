// PTX text into the emulator's parser and decoder; what they accept runs for a while.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tests/fuzz/ptx_run.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ptxmill::emu;
  std::string log;
  bool unsupported = false;
  const auto program =
      Program::parse({reinterpret_cast<const char*>(data), size}, Machine{}, &log, &unsupported);
  // A refusal says why.
  if (program == nullptr && log.empty()) std::abort();
  if (program != nullptr)
    for (const EntryInfo* entry : program->entries()) {
      if (program->find(entry->name) == nullptr) std::abort();
      const ExecuteResult r = ptxmill::test::run_for_a_while(*program, *entry, 1);
      if (r.outcome != Outcome::ok && r.report.empty()) std::abort();
    }
  return 0;
}
