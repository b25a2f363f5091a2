// PTX that is nearly right, by the thousand: each module is refused in words that say where, or
// runs to an end, within bounds of time and memory. PTXMILL_FUZZ_CASES sets their number,
// PTXMILL_TEST_SEED which they are.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "emulator/execute.hpp"
#include "emulator/program.hpp"
#include "tests/fuzz/ptx_mutator.hpp"
#include "tests/support/random.hpp"

namespace ptxmill::test {
namespace {

namespace fs = std::filesystem;
using namespace emu;

std::vector<std::string> seeds() {
  std::vector<fs::path> files;
  for (const char* directory : {"tests/nvcc/ptx", "generated/core", "generated/whisper-tiny"})
    for (const auto& file : fs::recursive_directory_iterator(directory))
      if (file.path().extension() == ".ptx") files.push_back(file.path());
  std::sort(files.begin(), files.end());
  std::vector<std::string> texts;
  for (const fs::path& path : files) {
    std::ifstream in(path, std::ios::binary);
    texts.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return texts;
}

long cases() {
  const char* given = std::getenv("PTXMILL_FUZZ_CASES");
  return given != nullptr ? std::atol(given) : 3000;
}

/// Parameters that a kernel may well take: pointers to memory, and small numbers.
std::vector<std::byte> parameters(const EntryInfo& entry, DeviceAddress memory) {
  std::vector<std::byte> bytes(entry.param_bytes);
  for (const ParamInfo& p : entry.params) {
    const std::uint64_t value = p.size == 8 ? memory : 40;
    if (p.size <= 8) std::memcpy(bytes.data() + p.offset, &value, p.size);
  }
  return bytes;
}

/// Runs an entry for a while; whatever comes of it, the process goes on.
Outcome run(const Program& program, const EntryInfo& entry, long number) {
  constexpr std::size_t arena = 1 << 18;
  GlobalMemory memory(std::size_t{16} << 20);
  const DeviceAddress at = memory.allocate(arena);
  const auto held = memory.find(at, arena);
  std::memset(held->written.data(), 1, arena);
  Launch launch;
  launch.grid = {2, 1, 1};
  launch.block = {40, 2, 1};
  for (std::size_t k = 0; k < 3 && entry.required_block[0] != 0; ++k)
    launch.block[k] = entry.required_block[k];
  launch.dynamic_shared_bytes = 2048;
  const auto bytes = parameters(entry, at);
  launch.params = bytes;
  ExecuteOptions options;
  options.check = number % 3 == 0 ? Check::off : number % 3 == 1 ? Check::warn : Check::fail;
  options.schedule = number % 2 == 0 ? Schedule::earliest : Schedule::random;
  options.instruction_budget = 20000;
  const ExecuteResult r = execute(program, entry, launch, memory, Machine{}, options);
  if (r.outcome != Outcome::ok) REQUIRE(!r.report.empty());
  return r.outcome;
}

TEST_CASE("PTX that is nearly right") {
  PtxMutator mutator(seeds(), run_seed());
  long accepted = 0, finished = 0;
  for (long i = 0; i < cases(); ++i) {
    const std::string text = mutator.next();
    if (const char* keep = std::getenv("PTXMILL_FUZZ_KEEP")) std::ofstream(keep) << text;
    std::string log;
    bool unsupported = false;
    const auto program = Program::parse(text, Machine{}, &log, &unsupported);
    if (program == nullptr) {
      REQUIRE_MESSAGE(log.find("line ") != std::string::npos, "case " << i << ": " << log << text);
      REQUIRE_MESSAGE(log.find("(column ") != std::string::npos,
                      "case " << i << ": " << log << text);
      continue;
    }
    ++accepted;
    for (const EntryInfo* entry : program->entries())
      if (run(*program, *entry, i) == Outcome::ok) ++finished;
  }
  std::cout << "[ptxmill] " << cases() << " modules, " << accepted << " accepted, " << finished
            << " runs without a fault\n";
  CHECK(accepted > cases() / 10);
  CHECK(accepted < cases() * 9 / 10);
  CHECK(finished > 0);
}

}  // namespace
}  // namespace ptxmill::test
