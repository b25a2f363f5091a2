// PTX that is nearly right, by the thousand: each module is refused in words that say where, or
// runs to an end, within bounds of time and memory. PTXMILL_FUZZ_CASES sets their number,
// PTXMILL_TEST_SEED which they are.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/fuzz/ptx_mutator.hpp"
#include "tests/fuzz/ptx_run.hpp"
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
    for (const EntryInfo* entry : program->entries()) {
      const ExecuteResult r = run_for_a_while(*program, *entry, i);
      if (r.outcome == Outcome::ok) ++finished;
      REQUIRE_MESSAGE((r.outcome == Outcome::ok || !r.report.empty()), "case " << i << "\n"
                                                                               << text);
    }
  }
  std::cout << "[ptxmill] " << cases() << " modules, " << accepted << " accepted, " << finished
            << " runs without a fault\n";
  CHECK(accepted > cases() / 10);
  CHECK(accepted < cases() * 9 / 10);
  CHECK(finished > 0);
}

}  // namespace
}  // namespace ptxmill::test
