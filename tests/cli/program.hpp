// Runs the program `ptxmill`, as a user does.
#pragma once

#include <string>

#include "tests/spec/workplace.hpp"

namespace ptxmill::test {

struct Ran {
  int code = 0;
  std::string out, err;
};

/// Runs `ptxmill` with these arguments in the workplace's directory; `before` is put before it:
/// NAME=value, or a command that runs it.
Ran ptxmill(const Workplace& place, const std::string& arguments, const std::string& before = "");

/// A shell command in the workplace's directory.
Ran shell(const Workplace& place, const std::string& command);

/// The program's path.
std::string executable();

}  // namespace ptxmill::test
