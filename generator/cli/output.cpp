#include "generator/cli/output.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "generator/cli/unified_diff.hpp"

namespace ptxmill::cli {
namespace {

namespace fs = std::filesystem;

std::optional<std::string> read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// The files, relative to the output directory, that the manifest in place names. None where it is
/// no manifest.
std::set<std::string> files_in_place(const fs::path& directory, const std::string& library) {
  std::set<std::string> names;
  const std::optional<std::string> text = read_file(directory / library / "manifest.json");
  if (!text) return names;
  try {
    const nlohmann::json manifest = nlohmann::json::parse(*text);
    for (const auto& kernel : manifest.at("kernels"))
      for (const auto& target : kernel.at("targets"))
        for (const auto& form : target.at("forms")) {
          const std::string file = form.at("file");
          // A manifest that someone edited must not make us delete outside the library.
          if (!file.empty() && file.find("..") == file.npos && file[0] != '/')
            names.insert(library + "/" + file);
        }
  } catch (const nlohmann::json::exception&) {
    return {};
  }
  return names;
}

void put(const fs::path& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) throw std::runtime_error(fmt::format("{}: {}", path.string(), std::strerror(errno)));
}

}  // namespace

Written write(const fs::path& directory, const std::string& library, const Files& files) {
  Written result;
  std::vector<std::pair<fs::path, fs::path>> moves;
  const auto discard = [&] {
    std::error_code ignored;
    for (const auto& [temporary, final] : moves) fs::remove(temporary, ignored);
  };
  try {
    for (const auto& [name, bytes] : files) {
      const fs::path path = directory / name;
      if (read_file(path) == bytes) {
        ++result.unchanged;
        continue;
      }
      fs::create_directories(path.parent_path());
      const fs::path temporary = path.string() + ".new";
      moves.emplace_back(temporary, path);
      put(temporary, bytes);
    }
  } catch (...) {
    discard();
    throw;
  }
  const std::set<std::string> old = files_in_place(directory, library);
  // The manifest is renamed last: until then the old one names only files that are still whole.
  std::stable_partition(moves.begin(), moves.end(),
                        [](const auto& move) { return move.second.filename() != "manifest.json"; });
  for (const auto& [temporary, final] : moves) fs::rename(temporary, final);
  result.written = static_cast<int>(moves.size());
  for (const std::string& name : old)
    if (files.count(name) == 0 && fs::remove(directory / name)) ++result.removed;
  return result;
}

std::string difference(const fs::path& directory, const std::string& library, const Files& files) {
  std::string all;
  std::set<std::string> old = files_in_place(directory, library);
  for (const auto& [name, bytes] : files) {
    const std::optional<std::string> present = read_file(directory / name);
    old.erase(name);
    if (present != bytes) all += unified_diff(name, present.value_or(""), bytes);
  }
  for (const std::string& name : old)
    if (const auto present = read_file(directory / name)) all += unified_diff(name, *present, "");
  return all;
}

}  // namespace ptxmill::cli
