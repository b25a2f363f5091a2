// ptxas accepts every row with each of its types, for the lowest target and version that the table
// gives it. Where there is no ptxas, this is skipped, and says so.
#include <doctest/doctest.h>

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tests/isa/expectations.hpp"
#include "tests/isa/instance.hpp"

namespace ptxmill::test {
namespace {

namespace fs = std::filesystem;

/// The assembler's path, or empty.
std::string find_ptxas() {
  std::istringstream path(std::getenv("PATH") != nullptr ? std::getenv("PATH") : "");
  for (std::string directory; std::getline(path, directory, ':');)
    if (fs::exists(fs::path(directory) / "ptxas")) return directory + "/ptxas";
  const std::string usual = "/usr/local/cuda/bin/ptxas";
  return fs::exists(usual) ? usual : "";
}

/// A module under construction, and which entry each of its lines belongs to.
struct Assembly {
  std::string text;
  std::vector<std::string> entry_of_line;

  void append(const std::string& part, const std::string& entry) {
    text += part;
    for (const char c : part)
      if (c == '\n') entry_of_line.push_back(entry);
  }
};

std::map<Header, Assembly> assemblies() {
  std::map<Header, Assembly> all;
  const auto module_for = [&](const Header& header) -> Assembly& {
    Assembly& module = all[header];
    if (module.text.empty()) module.append(test::text(header), "the head");
    return module;
  };
  for (const Instance& i : instances())
    module_for(lowest_header(i.row().target, i.row().ptx)).append(kernel_text(i), i.name());
  for (const isa::SpecialRegister& s : isa::special_registers())
    module_for(lowest_header(s.target, s.ptx)).append(kernel_text(s), name(s));
  return all;
}

/// Assembles the file; what the assembler said, empty where it accepted.
std::string assemble(const std::string& ptxas, const fs::path& file, const std::string& target) {
  const std::string command =
      "'" + ptxas + "' -arch=" + target + " -Werror -o /dev/null '" + file.string() + "' 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string said;
  for (char buffer[4096]; std::fgets(buffer, sizeof buffer, pipe) != nullptr;) said += buffer;
  const int status = pclose(pipe);
  if (status == 0) return {};
  return said.empty() ? "exit status " + std::to_string(status) : said;
}

/// "cvt_f32_u32: ptxas ...", a line for each complaint that names a line of the module.
std::string attributed(const std::string& said, const Assembly& module) {
  std::istringstream lines(said);
  std::string report;
  for (std::string line; std::getline(lines, line);) {
    const auto at = line.find("line ");
    const std::size_t number =
        at == line.npos ? 0 : std::strtoul(line.c_str() + at + 5, nullptr, 10);
    const bool known = number > 0 && number <= module.entry_of_line.size();
    report += (known ? module.entry_of_line[number - 1] + ": " : "") + line + "\n";
  }
  return report;
}

TEST_CASE("ptxas accepts every row and special register at its floors") {
  const std::string ptxas = find_ptxas();
  if (ptxas.empty()) {
    // CTest counts the test as skipped by this line.
    MESSAGE("SKIPPED: no ptxas on this machine; " << instances().size()
                                                  << " forms of instructions were not assembled");
    return;
  }
  const fs::path directory =
      fs::temp_directory_path() / ("ptxmill_isa_" + std::to_string(getpid()));
  fs::create_directories(directory);
  for (const auto& entry : assemblies()) {
    const Header& header = entry.first;
    const fs::path file = directory / (header.target + "_" + std::to_string(header.ptx) + ".ptx");
    std::ofstream(file) << entry.second.text;
    const std::string said = attributed(assemble(ptxas, file, header.target), entry.second);
    CHECK_MESSAGE(said.empty(), header.target << ", .version " << header.ptx << ":\n" << said);
  }
  fs::remove_all(directory);
}

// What no thread runs alone stands in the kernel that its expectation's call makes.
TEST_CASE("ptxas accepts the calls of rows that need company") {
  const std::string ptxas = find_ptxas();
  if (ptxas.empty()) {
    MESSAGE("SKIPPED: no ptxas on this machine");
    return;
  }
  const fs::path file =
      fs::temp_directory_path() / ("ptxmill_isa_call_" + std::to_string(getpid()) + ".ptx");
  for (const Expectation& e : row_expectations()) {
    const auto row = std::find_if(isa::rows.begin(), isa::rows.end(),
                                  [&](const isa::Row& r) { return r.method == e.row; });
    REQUIRE(row != isa::rows.end());
    if (isa::runs_alone(*row)) continue;
    const std::string target = lowest_header(row->target, row->ptx).target;
    Scratch k(*Target::parse(target));
    e.call(k);
    std::ofstream(file) << k.text();
    const std::string said = assemble(ptxas, file, target);
    CHECK_MESSAGE(said.empty(), "expectations.def:" << e.source_line << ": " << said);
  }
  fs::remove(file);
}

}  // namespace
}  // namespace ptxmill::test
