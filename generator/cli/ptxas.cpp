#include "generator/cli/ptxas.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <system_error>
#include <thread>

#include <fmt/format.h>

namespace ptxmill::cli {
namespace {

namespace fs = std::filesystem;

/// A directory of our own: ptxas reads files only.
class Scratch {
 public:
  Scratch() {
    std::string name = (fs::temp_directory_path() / "ptxmill-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr)
      throw std::runtime_error(fmt::format("{}: {}", name, std::strerror(errno)));
    path_ = name;
  }
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

/// For the shell: between single quotes only a single quote means something.
std::string quoted_for_shell(const std::string& word) {
  std::string s = "'";
  for (const char c : word) s += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return s + "'";
}

/// The number before `what` in ptxas's report; -1 where it does not stand there.
int number_before(const std::string& report, const char* what) {
  const std::size_t end = report.find(what);
  if (end == report.npos || end == 0) return -1;
  std::size_t begin = end;
  while (begin > 0 && report[begin - 1] >= '0' && report[begin - 1] <= '9') --begin;
  return begin == end ? -1 : std::atoi(report.c_str() + begin);
}

Compiled ask(const fs::path& file, const std::string& target) {
  const std::string command =
      fmt::format("ptxas -v {} -o /dev/null {} 2>&1", quoted_for_shell("-arch=" + target),
                  quoted_for_shell(file.string()));
  std::string report;
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  std::array<char, 4096> buffer{};
  while (pipe && std::fgets(buffer.data(), buffer.size(), pipe.get()) != nullptr)
    report += buffer.data();
  const int stores = number_before(report, " bytes spill stores"),
            loads = number_before(report, " bytes spill loads");
  return {number_before(report, " registers"), stores < 0 || loads < 0 ? -1 : stores + loads};
}

}  // namespace

bool have_ptxas() {
  const char* path = std::getenv("PATH");
  for (std::string_view rest = path != nullptr ? path : ""; !rest.empty();) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    if (access((fs::path(rest.substr(0, end)) / "ptxas").c_str(), X_OK) == 0) return true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

void compile(const std::vector<CompileTask>& tasks) {
  if (tasks.empty()) return;
  const Scratch scratch;
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < tasks.size(); i = next++) {
      const fs::path file = scratch.path() / (std::to_string(i) + ".ptx");
      std::ofstream(file, std::ios::binary) << *tasks[i].ptx;
      *tasks[i].result = ask(file, tasks[i].target);
    }
  };
  std::vector<std::thread> threads;
  try {
    const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
    while (threads.size() + 1 < std::min(cores, tasks.size())) threads.emplace_back(work);
  } catch (const std::system_error&) {
    // Fewer threads do the same work.
  }
  work();
  for (std::thread& thread : threads) thread.join();
}

}  // namespace ptxmill::cli
