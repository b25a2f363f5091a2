#include "generator/cli/load.hpp"

#include <fstream>
#include <iostream>
#include <set>
#include <sstream>

namespace ptxmill::cli {

std::vector<Library> load(const GenOptions& options) {
  std::vector<ptx::Target> targets;
  for (const std::string& name : options.targets) {
    const auto target = ptx::Target::parse(name);
    if (!target) {
      std::cerr << "error: --target " << name << ": expected one of " << ptx::Target::known()
                << "\n";
      return {};
    }
    targets.push_back(*target);
  }
  std::vector<Library> libraries;
  std::set<std::string> names;
  bool ok = true;
  for (const std::string& path : options.specs) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    if (!in) {
      std::cerr << "error: " << path << ": cannot be read\n";
      ok = false;
      continue;
    }
    spec::Problems problems(path);
    std::optional<Library> library = read_spec(text.str(), targets, problems);
    std::cerr << problems.text();
    ok = ok && library.has_value();
    if (!library) continue;
    if (!names.insert(library->name).second) {
      std::cerr << "error: " << path << ": the library \"" << library->name
                << "\" is in another of the given specs\n";
      ok = false;
    }
    libraries.push_back(std::move(*library));
  }
  if (!ok) libraries.clear();
  return libraries;
}

}  // namespace ptxmill::cli
