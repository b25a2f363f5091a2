// Specs that are nearly right, by the thousand: each is accepted or refused in words, and what is
// accepted can be generated. PTXMILL_FUZZ_CASES sets their number, PTXMILL_TEST_SEED which they
// are.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "generator/cli/generate.hpp"
#include "generator/cli/verbs.hpp"
#include "tests/fuzz/spec_input.hpp"
#include "tests/fuzz/spec_mutator.hpp"
#include "tests/spec/json_schema.hpp"
#include "tests/spec/schema_agreement.hpp"

namespace ptxmill::test {
namespace {

namespace fs = std::filesystem;

/// The shipped specs and those of tests/fuzz/seeds, which together have every field.
std::vector<std::string> seeds() {
  std::vector<std::string> texts;
  for (const char* directory : {"specs", "tests/fuzz/seeds"})
    for (const auto& file : fs::directory_iterator(directory))
      if (file.path().extension() == ".json") {
        std::ifstream in(file.path(), std::ios::binary);
        texts.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
      }
  return texts;
}

long cases() {
  const char* given = std::getenv("PTXMILL_FUZZ_CASES");
  return given != nullptr ? std::atol(given) : 2000;
}

/// Generates the kernels of an accepted spec that were not generated before: most specs share most.
class Generated {
 public:
  void add(cli::Library library) {
    std::erase_if(library.kernels, [&](const cli::KernelEntry& k) {
      return !seen_.insert(k.family + k.declared->normalised().dump()).second;
    });
    count_ += library.kernels.size();
    cli::generate(library);
  }
  std::size_t count() const { return count_; }

 private:
  std::set<std::string> seen_;
  std::size_t count_ = 0;
};

TEST_CASE("specs that are nearly right") {
  std::ostringstream text;
  cli::schema(text);
  const auto schema = nlohmann::json::parse(text.str());
  SpecMutator mutator(seeds(), run_seed());
  Generated generated;
  long accepted = 0;
  for (long i = 0; i < cases(); ++i) {
    const std::string spec = mutator.next();
    SpecVerdict verdict = judge_spec(spec);
    REQUIRE_MESSAGE(verdict.broken.empty(), "case " << i << ": " << verdict.broken << "\n" << spec);
    const std::string disagreement = schema_disagreement(schema, spec, verdict.complaints);
    REQUIRE_MESSAGE(disagreement.empty(), "case " << i << ": " << disagreement << "\n"
                                                  << verdict.complaints << spec);
    if (!verdict.library) continue;
    ++accepted;
    try {
      generated.add(std::move(*verdict.library));
    } catch (const std::exception& e) {
      FAIL("case " << i << ": accepted, and then: " << e.what() << "\n" << spec);
    }
  }
  std::cout << "[ptxmill] " << cases() << " specs, " << accepted << " accepted, "
            << generated.count() << " different kernels generated\n";
  CHECK(accepted > cases() / 10);
  CHECK(accepted < cases() * 9 / 10);
}

}  // namespace
}  // namespace ptxmill::test
