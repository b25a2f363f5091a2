// Turns a library into the files that stand under generated/<library>/.
#pragma once

#include <map>
#include <string>

#include "generator/cli/spec_file.hpp"

namespace ptxmill::cli {

/// Paths below the output directory to their bytes, the manifest among them. Throws ptx::BuildError
/// where a template refuses to generate.
using Files = std::map<std::string, std::string>;
Files generate(const Library& library);

}  // namespace ptxmill::cli
