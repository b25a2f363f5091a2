// The verbs of the command line, one file each. They return the exit code.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace ptxmill::cli {

struct GenOptions {
  std::vector<std::string> specs;
  std::string output;
  std::vector<std::string> targets;
  std::string depfile;
};

int gen(const GenOptions& options);
int check(const GenOptions& options);
int list(std::ostream& out);
int schema(std::ostream& out);

}  // namespace ptxmill::cli
