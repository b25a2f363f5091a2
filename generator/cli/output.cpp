#include "generator/cli/output.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "generator/cli/commit.hpp"
#include "generator/cli/unified_diff.hpp"

namespace ptxmill::cli {
namespace {

namespace fs = std::filesystem;

std::optional<std::string> read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  std::ostringstream text;
  text << in.rdbuf();
  return std::move(text).str();
}

/// target/name.ptx, as `gen` names its files.
bool is_library_file(std::string_view file) {
  const auto word = [](std::string_view s) {
    return !s.empty() && std::all_of(s.begin(), s.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    });
  };
  const std::size_t slash = file.find('/');
  constexpr std::string_view extension = ".ptx";
  return slash != file.npos && file.ends_with(extension) && word(file.substr(0, slash)) &&
         word(file.substr(slash + 1, file.size() - slash - 1 - extension.size()));
}

/// The files, relative to the library's directory, that a manifest in place names: those that a
/// library can have, and others in `strange`. None where it is no manifest.
std::set<std::string> files_named(const fs::path& manifest_path, const fs::path& library,
                                  std::set<std::string>& strange) {
  std::set<std::string> names;
  const std::optional<std::string> text = read_file(manifest_path);
  if (!text) return names;
  try {
    const nlohmann::json manifest = nlohmann::json::parse(*text);
    for (const auto& kernel : manifest.at("kernels"))
      for (const auto& target : kernel.at("targets"))
        for (const auto& form : target.at("forms")) {
          const std::string file = form.at("file");
          // A manifest that someone edited must not make us delete elsewhere.
          const bool ours =
              is_library_file(file) && !fs::is_symlink(library / file.substr(0, file.find('/')));
          (ours ? names : strange).insert(file);
        }
  } catch (const nlohmann::json::exception&) {
    return {};
  }
  return names;
}

/// The files' names without the library's.
std::map<std::string, const std::string*> below(const std::string& library, const Files& files) {
  std::map<std::string, const std::string*> all;
  for (const auto& [name, bytes] : files) all.emplace(name.substr(library.size() + 1), &bytes);
  return all;
}

std::set<std::string> files_in_place(const fs::path& library, std::set<std::string>& strange) {
  return files_named(library / "manifest.json", library, strange);
}

/// Removes what a killed run put beside the old library's files.
void recover(const fs::path& directory, const std::string& library) {
  std::set<std::string> strange;
  const fs::path place = directory / library;
  const auto old = files_in_place(place, strange);
  std::error_code ignored;
  for (const std::string& name : files_named(pending_manifest(directory, library), place, strange))
    if (old.count(name) == 0) fs::remove(place / name, ignored);
  clean_up(directory, library);
}

std::string printable(const std::string& path) {
  return nlohmann::json(path).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

}  // namespace

Written write(const fs::path& directory, const std::string& library, const Files& files) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) throw std::runtime_error(directory.string() + ": " + error.message());
  const OutputLock lock(directory);
  recover(directory, library);
  Written result;
  Change change{below(library, files), {}};
  std::set<std::string> strange;
  for (const std::string& name : files_in_place(directory / library, strange))
    if (change.put.count(name) == 0 && fs::exists(fs::symlink_status(directory / library / name)))
      change.remove.insert(name);
  for (auto it = change.put.begin(); it != change.put.end();)
    if (read_file(directory / library / it->first) == *it->second) {
      ++result.unchanged;
      it = change.put.erase(it);
    } else {
      ++it;
    }
  result.written = static_cast<int>(change.put.size());
  result.removed = static_cast<int>(change.remove.size());
  for (const std::string& file : strange)
    result.warnings.push_back(
        fmt::format("{} names {}, which is no file of the library: it is left alone",
                    (directory / library / "manifest.json").string(), printable(file)));
  if (!change.put.empty() || !change.remove.empty()) commit(directory, library, change);
  return result;
}

std::string difference(const fs::path& directory, const std::string& library, const Files& files) {
  std::string all;
  std::set<std::string> strange;
  const fs::path place = directory / library;
  std::set<std::string> old = files_in_place(place, strange);
  const auto expected = below(library, files);
  for (const auto& [name, bytes] : expected) {
    const std::optional<std::string> present = read_file(place / name);
    old.erase(name);
    if (present != *bytes) all += unified_diff(library + "/" + name, present.value_or(""), *bytes);
  }
  for (const std::string& name : old)
    if (const auto present = read_file(place / name))
      all += unified_diff(library + "/" + name, *present, "");
  return all;
}

}  // namespace ptxmill::cli
