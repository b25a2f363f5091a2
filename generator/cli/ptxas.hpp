// What ptxas makes of a PTX file: registers and spills, for `ptxmill diff`.
#pragma once

#include <string>
#include <vector>

namespace ptxmill::cli {

/// As ptxas counts them; -1 where it was not asked, or did not answer.
struct Compiled {
  int registers = -1;
  int spill_bytes = -1;  ///< stored and loaded
};

/// Whether there is a `ptxas` on PATH.
bool have_ptxas();

struct CompileTask {
  const std::string* ptx;
  std::string target;
  Compiled* result;
};

/// Asks ptxas about each, several at a time.
void compile(const std::vector<CompileTask>& tasks);

}  // namespace ptxmill::cli
