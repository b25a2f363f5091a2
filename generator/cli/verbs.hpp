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

struct DiffOptions {
  std::string before, after;
  std::string format = "text";
  bool ptxas = true;
};

int gen(const GenOptions& options);
int check(const GenOptions& options);
int diff(const DiffOptions& options);
/// `what` is SPEC#NAME.
int explain(const std::string& what);
int list(std::ostream& out);
int schema(std::ostream& out);

}  // namespace ptxmill::cli
