// Turns a library into the files that stand under generated/<library>/.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "generator/cli/spec_file.hpp"

namespace ptxmill::cli {

/// Paths below the output directory to their bytes, the manifest among them.
using Files = std::map<std::string, std::string>;

struct Work {
  int jobs = 1;  ///< kernels generated at a time; 0 is one for each core
  /// Called after each file, from any thread but never from two at once: files done, and how many
  /// there will be.
  std::function<void(std::size_t done, std::size_t all)> progress;
};

/// The same bytes for any number of jobs. Throws ptx::BuildError where a template refuses to
/// generate: of several, that of the first kernel in the manifest's order.
Files generate(const Library& library, const Work& work = {});

}  // namespace ptxmill::cli
