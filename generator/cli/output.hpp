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
};

/// Puts `files` of `library` under `directory`, and removes files that the old manifest names and
/// the new one does not. Every new file is first written beside its place; only when all are there
/// are they renamed into it, the manifest last, so that a full disk leaves the old library whole.
/// Throws std::runtime_error naming the path and the system's reason.
Written write(const std::filesystem::path& directory, const std::string& library,
              const Files& files);

/// What differs between `directory` and what should stand there: one unified diff a file, empty
/// where nothing does.
std::string difference(const std::filesystem::path& directory, const std::string& library,
                       const Files& files);

}  // namespace ptxmill::cli
