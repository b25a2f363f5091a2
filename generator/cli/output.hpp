// Writes a library's files: only those whose bytes change, and all of them or none.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "generator/cli/generate.hpp"

namespace ptxmill::cli {

/// What `write` did.
struct Written {
  int written = 0, unchanged = 0, removed = 0;
  std::vector<std::string> warnings;
};

/// Puts `files` of `library` under `directory`, and removes files that the old manifest names and
/// the new one does not: see commit(). A file that the old manifest names and no library has (with
/// `..` in its path, say, or behind a symbolic link) is left alone, with a warning.
Written write(const std::filesystem::path& directory, const std::string& library,
              const Files& files);

/// What differs between `directory` and what should stand there: one unified diff a file, empty
/// where nothing does.
std::string difference(const std::filesystem::path& directory, const std::string& library,
                       const Files& files);

}  // namespace ptxmill::cli
