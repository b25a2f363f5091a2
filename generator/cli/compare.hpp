// What changed between two generated directories, as data: `ptxmill diff` prints it.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "generator/cli/ptx_summary.hpp"
#include "generator/cli/ptxas.hpp"

namespace ptxmill::cli {

/// One PTX file on one side; absent where `present` is not set.
struct Side {
  bool present = false;
  PtxSummary summary;
  int driver = 0;
  std::string dynamic_shared_bytes;  ///< an expression over the dimensions
  /// What else the manifest says of the kernel and its form: launch, parameters, conditions.
  std::map<std::string, std::string> facts;
  Compiled compiled;
};

/// A file that differs in more than comments, declarations and register names.
struct FileChange {
  std::string file;    ///< library/target/name.ptx
  std::string kernel;  ///< the manifest's name of it
  Side before, after;
  std::vector<std::string> phases;  ///< names of the phases whose code differs
};

struct PlanChange {
  std::string name;  ///< library, target and block
  std::string diff;  ///< unified, of the plan's JSON
};

struct Comparison {
  std::vector<FileChange> files;
  std::vector<PlanChange> plans;
  bool empty() const { return files.empty() && plans.empty(); }
};

/// Compares every library (directory with a manifest.json) below the two. Asks `ptxas` on PATH for
/// registers and spills of changed files, where `use_ptxas` is set and there is one. Throws
/// std::runtime_error naming a manifest that cannot be read.
Comparison compare(const std::filesystem::path& before, const std::filesystem::path& after,
                   bool use_ptxas);

}  // namespace ptxmill::cli
