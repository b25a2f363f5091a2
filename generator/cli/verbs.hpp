// The verbs of the command line. They return the exit code.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace ptxmill::cli {

/// 0 ok, and what each other code says.
enum ExitCode : int {
  exit_ok = 0,
  exit_differs = 1,
  exit_usage = 2,
  exit_environment = 3,
  exit_internal = 4
};

struct GenOptions {
  std::vector<std::string> specs;
  std::string output;
  std::vector<std::string> targets;
  std::string depfile;
  /// What the depfile says depends on the inputs: the stamp or the manifests where empty.
  std::string depfile_target;
  // For build systems; see build_step.hpp.
  std::vector<std::string> expected;  ///< the libraries' names that the build relies on
  std::string embed;                  ///< a C++ file to hold the libraries
  std::string stamp;                  ///< a file to write at the end
  std::vector<std::string> tuning;
  int jobs = 0;  ///< 0: one for each core
};

struct DiffOptions {
  std::string before, after;
  std::string format = "text";
  bool ptxas = true;
};

int gen(const GenOptions& options);
int check(const GenOptions& options);
int diff(const DiffOptions& options);
/// `what` is SPEC#NAME; of the options, `targets` and `tuning` count.
int explain(const std::string& what, const GenOptions& options = {});
/// The families; or, where `options` names specs, what those ask for.
int list(std::ostream& out, const GenOptions& options = {});
int schema(std::ostream& out);
/// Becomes ptxmill-doctor with these arguments; returns where there is none. `tool` is argv[0].
int doctor(const std::string& tool, const std::vector<std::string>& arguments);

}  // namespace ptxmill::cli
