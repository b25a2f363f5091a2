// What a build system asks of `gen` beside the files: names that it may rely on, C++ source that
// holds the libraries, and a stamp.
#pragma once

#include <string>
#include <vector>

#include "generator/cli/generate.hpp"
#include "generator/cli/verbs.hpp"

namespace ptxmill::cli {

/// C++ source that holds libraries as rt::Embedded, and the header that declares them.
struct EmbeddedSource {
  std::string header, source;
};

/// `name` is the namespace, and the header's name without .hpp. `files[i]` are those of
/// `libraries[i]`.
EmbeddedSource embed(const std::string& name, const std::vector<Library>& libraries,
                     const std::vector<Files>& files);

/// The library's name as C++ spells it: whisper-tiny is whisper_tiny, and default is default_.
std::string cpp_name(const std::string& library);

/// Whether the libraries are those that --library names, and can stand in the file that --embed
/// names; where not, says on stderr what was expected.
bool suits_build_step(const GenOptions& options, const std::vector<Library>& libraries);

/// Writes what --embed names, where its bytes change, and the stamp always. Throws
/// std::runtime_error naming the path.
void finish_build_step(const GenOptions& options, const std::vector<Library>& libraries,
                       const std::vector<Files>& files);

}  // namespace ptxmill::cli
