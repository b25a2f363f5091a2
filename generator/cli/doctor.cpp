// doctor: the runtime's ptxmill-doctor, found and run. The tool itself knows no driver.
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "generator/cli/terminal.hpp"
#include "generator/cli/verbs.hpp"

namespace ptxmill::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* program = "ptxmill-doctor";

/// Where the doctor may be, the likeliest first: beside the tool (installed), where the build tree
/// has it, and on PATH.
std::vector<fs::path> candidates(const std::string& tool) {
  std::error_code error;
  fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (error) self = fs::absolute(tool, error);
  const fs::path here = self.parent_path();
  std::vector<fs::path> all{here / program, (here / "../../runtime" / program).lexically_normal()};
  if (const char* path = std::getenv("PATH"))
    for (std::string_view rest = path; !rest.empty();) {
      const std::size_t end = std::min(rest.find(':'), rest.size());
      if (end > 0) all.push_back(fs::path(rest.substr(0, end)) / program);
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  return all;
}

}  // namespace

int doctor(const std::string& tool, const std::vector<std::string>& arguments) {
  std::vector<std::string> looked;
  for (const fs::path& path : candidates(tool)) {
    looked.push_back(path.string());
    if (access(path.c_str(), X_OK) != 0 || fs::is_directory(path)) continue;
    std::vector<std::string> words{path.string()};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    execv(path.c_str(), argv.data());
    say_error(fmt::format("{}: {}", path.string(), std::strerror(errno)));
    return exit_environment;
  }
  say_error(fmt::format("there is no {}, a part of the runtime; looked for {}", program,
                        fmt::join(looked, ", ")));
  return exit_environment;
}

}  // namespace ptxmill::cli
