#include "generator/cli/compare.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <stdexcept>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "generator/cli/unified_diff.hpp"

namespace ptxmill::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string read_text(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error(path.string() + ": cannot be read");
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// What one directory holds: PTX files by path, plans by name.
struct Contents {
  struct File {
    std::string kernel;
    json form;
    std::string text;
  };
  std::map<std::string, File> files;
  std::map<std::string, std::string> plans;
};

void read_library(const fs::path& directory, Contents& contents) {
  const fs::path path = directory / "manifest.json";
  const json manifest = json::parse(read_text(path), nullptr, false);
  try {
    const std::string library = manifest.at("library");
    for (const json& kernel : manifest.at("kernels"))
      for (const json& target : kernel.at("targets"))
        for (const json& form : target.at("forms")) {
          const std::string file = form.at("file");
          contents.files[library + "/" + file] = {kernel.at("name"), form,
                                                  read_text(directory / file)};
        }
    for (const json& plan : manifest.at("plans"))
      for (const auto& [target, steps] : plan.at("targets").items()) {
        json whole{{"steps", steps}, {"weights", plan.at("weights")}, {"dims", plan.at("dims")}};
        contents.plans[library + "/" + target + "/" + plan.at("name").get<std::string>()] =
            whole.dump(2) + "\n";
      }
  } catch (const json::exception&) {
    throw std::runtime_error(path.string() + ": is no manifest that this version reads");
  }
}

Contents read_directory(const fs::path& directory) {
  if (!fs::is_directory(directory))
    throw std::runtime_error(directory.string() + ": is no directory");
  Contents contents;
  if (fs::exists(directory / "manifest.json")) read_library(directory, contents);
  for (const fs::directory_entry& entry : fs::directory_iterator(directory))
    if (fs::exists(entry.path() / "manifest.json")) read_library(entry.path(), contents);
  if (contents.files.empty()) throw std::runtime_error(directory.string() + ": holds no library");
  return contents;
}

/// Asks ptxas through a temporary file, since it reads none from a pipe.
Compiled compile(const std::string& text, const std::string& target) {
  Compiled result;
  const fs::path path = fs::temp_directory_path() /
                        fmt::format("ptxmill-diff-{}.ptx", std::hash<std::string>{}(text));
  std::ofstream(path, std::ios::binary) << text;
  const std::string command =
      fmt::format("ptxas -v -arch={} -o /dev/null '{}' 2>&1", target, path.string());
  std::string output;
  if (const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose); pipe) {
    std::array<char, 4096> buffer{};
    while (std::fgets(buffer.data(), buffer.size(), pipe.get()) != nullptr) output += buffer.data();
  }
  std::error_code ignored;
  fs::remove(path, ignored);
  if (const auto used = output.find("Used "); used != output.npos)
    result.registers = std::atoi(output.c_str() + used + 5);
  if (const auto spill = output.find(" bytes spill stores"); spill != output.npos)
    result.spill_bytes = std::atoi(output.c_str() + output.rfind(' ', spill - 1));
  return result;
}

Side side(const Contents& contents, const std::string& file) {
  Side s;
  const auto it = contents.files.find(file);
  if (it == contents.files.end()) return s;
  const json& form = it->second.form;
  s.present = true;
  s.summary = summarize(it->second.text);
  s.driver = form.value("driver", 0);
  const json& launch = form.at("launch");
  s.dynamic_shared_bytes = std::atol(launch.value("shared_bytes", "0").c_str());
  s.launch = launch.at("grid").dump() + " x " + launch.at("block").dump();
  return s;
}

std::vector<std::string> changed_phases(const PtxSummary& a, const PtxSummary& b) {
  std::vector<std::string> names;
  const auto code = [](const PtxSummary& s) {
    std::map<std::string, std::string> all;
    for (const PhaseSummary& p : s.phases) all[p.name] += p.code;
    return all;
  };
  const std::map<std::string, std::string> before = code(a), after = code(b);
  std::set<std::string> all;
  for (const auto& [name, text] : before) all.insert(name);
  for (const auto& [name, text] : after) all.insert(name);
  for (const std::string& name : all) {
    const auto x = before.find(name), y = after.find(name);
    if (x == before.end() || y == after.end() || x->second != y->second)
      names.push_back(name.empty() ? "(outside phases)" : name);
  }
  return names;
}

bool same(const Side& a, const Side& b) {
  return a.present && b.present && a.driver == b.driver &&
         a.dynamic_shared_bytes == b.dynamic_shared_bytes && a.launch == b.launch &&
         changed_phases(a.summary, b.summary).empty();
}

}  // namespace

Comparison compare(const fs::path& before, const fs::path& after, bool use_ptxas) {
  const Contents a = read_directory(before), b = read_directory(after);
  const bool ptxas = use_ptxas && std::system("command -v ptxas >/dev/null 2>&1") ==
                                      0;  // NOLINT(cert-env33-c,concurrency-mt-unsafe)
  Comparison result;
  std::map<std::string, std::string> files;
  for (const auto& [name, file] : a.files) files[name] = file.kernel;
  for (const auto& [name, file] : b.files) files[name] = file.kernel;
  for (const auto& [name, kernel] : files) {
    FileChange change{name, kernel, side(a, name), side(b, name), {}};
    if (same(change.before, change.after)) continue;
    if (change.before.present && change.after.present)
      change.phases = changed_phases(change.before.summary, change.after.summary);
    if (ptxas && change.before.present)
      change.before.compiled = compile(a.files.at(name).text, change.before.summary.target);
    if (ptxas && change.after.present)
      change.after.compiled = compile(b.files.at(name).text, change.after.summary.target);
    result.files.push_back(std::move(change));
  }
  std::set<std::string> plans;
  for (const auto& [name, text] : a.plans) plans.insert(name);
  for (const auto& [name, text] : b.plans) plans.insert(name);
  for (const std::string& name : plans) {
    const auto text = [&](const Contents& c) {
      return c.plans.count(name) != 0 ? c.plans.at(name) : std::string();
    };
    if (text(a) != text(b)) result.plans.push_back({name, unified_diff(name, text(a), text(b))});
  }
  return result;
}

}  // namespace ptxmill::cli
