// Running a test case again in a process of its own: for what an environment variable decides when
// the device is opened, and for faults, after which a process has no device.
#pragma once

#include <doctest/doctest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace ptxmill::test {

struct ChildResult {
  int exit_code = -1;
  std::string output;  ///< stdout and stderr

  bool says(const std::string& words) const { return output.find(words) != std::string::npos; }
};

inline const char* child_marker() { return "PTXMILL_TEST_CHILD"; }

/// Whether this process is the one that run_again() started.
inline bool in_child() { return std::getenv(child_marker()) != nullptr; }

/// Runs the test case that is called `name`, which must hold no comma, in a new process with these
/// assignments ("A=1 B=2") in its environment. There, in_child() is true.
inline ChildResult run_again(const std::string& name, const std::string& environment) {
  std::array<char, 4096> self{};
  const ssize_t length = readlink("/proc/self/exe", self.data(), self.size() - 1);
  REQUIRE(length > 0);
  const std::string command = environment + " " + child_marker() + "=1 '" + self.data() +
                              "' --test-case='" + name + "' 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  ChildResult result;
  std::array<char, 4096> chunk{};
  while (const std::size_t got = fread(chunk.data(), 1, chunk.size(), pipe))
    result.output.append(chunk.data(), got);
  const int status = pclose(pipe);
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  return result;
}

}  // namespace ptxmill::test
