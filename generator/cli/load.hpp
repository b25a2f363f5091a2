// Reads the spec files that a verb was given, and says what is wrong with them.
#pragma once

#include <vector>

#include "generator/cli/spec_file.hpp"
#include "generator/cli/verbs.hpp"

namespace ptxmill::cli {

/// The libraries of all spec files; empty, with every problem on stderr, where one is wrong.
std::vector<Library> load(const GenOptions& options);

}  // namespace ptxmill::cli
