#include "generator/cli/load.hpp"

#include <algorithm>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "generator/cli/terminal.hpp"

namespace ptxmill::cli {
namespace {

/// The file's text; nullopt, with the reason on stderr, where it cannot be read.
std::optional<std::string> read_input(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  // Reading a directory opens, and then fails.
  if (in && in.peek() != std::ifstream::traits_type::eof()) text << in.rdbuf();
  if (!in.is_open() || in.bad() || (in.fail() && !in.eof())) {
    say_error(path + ": cannot be read");
    return std::nullopt;
  }
  return std::move(text).str();
}

std::optional<std::vector<ptx::Target>> parse_targets(const std::vector<std::string>& names) {
  std::vector<ptx::Target> targets;
  bool ok = true;
  for (const std::string& name : names) {
    const auto target = ptx::Target::parse(name);
    ok = ok && target.has_value();
    if (!target)
      say_error(fmt::format("--target {}: expected one of {}", name, ptx::Target::known()));
    else if (std::find(targets.begin(), targets.end(), *target) == targets.end())
      targets.push_back(*target);
  }
  return ok ? std::optional(targets) : std::nullopt;
}

std::optional<Tuning> read_tuning(const std::vector<std::string>& paths) {
  Tuning tuning = Tuning::shipped();
  bool ok = true;
  for (const std::string& path : paths) {
    const std::optional<std::string> text = read_input(path);
    spec::Problems problems(path);
    if (text) tuning.read(*text, problems);
    say_problems(problems.text());
    ok = ok && text && problems.empty();
  }
  return ok ? std::optional(std::move(tuning)) : std::nullopt;
}

}  // namespace

std::vector<Library> load(const GenOptions& options) {
  const auto targets = parse_targets(options.targets);
  const auto tuning = read_tuning(options.tuning);
  if (!targets || !tuning) return {};
  std::vector<Library> libraries;
  std::set<std::string> names;
  bool ok = true;
  for (const std::string& path : options.specs) {
    const std::optional<std::string> text = read_input(path);
    if (!text) {
      ok = false;
      continue;
    }
    spec::Problems problems(path);
    std::optional<Library> library = read_spec(*text, *targets, problems, *tuning);
    say_problems(problems.text());
    ok = ok && library.has_value();
    if (!library) continue;
    if (!names.insert(library->name).second) {
      say_error(fmt::format("{}: the library \"{}\" is in another of the given specs", path,
                            library->name));
      ok = false;
    }
    libraries.push_back(std::move(*library));
  }
  if (!ok) libraries.clear();
  return libraries;
}

}  // namespace ptxmill::cli
