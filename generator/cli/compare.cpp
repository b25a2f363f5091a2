#include "generator/cli/compare.hpp"

#include <algorithm>
#include <fstream>
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
    std::map<std::string, std::string> facts;
    std::string text;
  };
  std::map<std::string, File> files;
  std::map<std::string, std::string> plans;
};

/// What the manifest says of a form beside the PTX and its driver.
std::map<std::string, std::string> facts_of(const json& kernel, const json& form) {
  std::map<std::string, std::string> facts;
  for (const char* key : {"template", "dtypes", "dims", "options"})
    facts[key] = kernel.at(key).dump();
  for (const char* key : {"when", "requires"}) facts[key] = form.at(key).dump();
  for (const auto& [key, value] : form.at("launch").items())
    if (key != "shared_bytes") facts[key] = value.dump();
  for (std::size_t i = 0; i < form.at("params").size(); ++i) {
    json parameter = form["params"][i];
    const std::string name = parameter.at("name");
    parameter.erase("name");
    facts["parameter " + name] = fmt::format("{}: {}", i, parameter.dump());
  }
  return facts;
}

void read_library(const fs::path& directory, Contents& contents) {
  const fs::path path = directory / "manifest.json";
  const json manifest = json::parse(read_text(path), nullptr, false);
  try {
    const std::string library = manifest.at("library");
    for (const json& kernel : manifest.at("kernels"))
      for (const json& target : kernel.at("targets"))
        for (const json& form : target.at("forms")) {
          const std::string file = form.at("file");
          contents.files[library + "/" + file] = {kernel.at("name"), form, facts_of(kernel, form),
                                                  read_text(directory / file)};
        }
    for (const json& plan : manifest.at("plans"))
      for (const auto& [target, steps] : plan.at("targets").items()) {
        json whole = plan;
        whole["targets"] = steps;
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

Side side(const Contents& contents, const std::string& file) {
  Side s;
  const auto it = contents.files.find(file);
  if (it == contents.files.end()) return s;
  s.present = true;
  s.summary = summarize(it->second.text);
  s.driver = it->second.form.value("driver", 0);
  s.dynamic_shared_bytes = it->second.form["launch"].value("shared_bytes", "0");
  s.facts = it->second.facts;
  return s;
}

/// The code of each phase name: several phases may have one.
std::map<std::string, std::string> code_by_phase(const PtxSummary& s,
                                                 std::string PhaseSummary::*code) {
  std::map<std::string, std::string> all;
  for (const PhaseSummary& p : s.phases) all[p.name] += p.*code;
  return all;
}

std::vector<std::string> changed_phases(const PtxSummary& a, const PtxSummary& b,
                                        std::string PhaseSummary::*code) {
  const auto before = code_by_phase(a, code), after = code_by_phase(b, code);
  std::set<std::string> all;
  for (const auto& phase : before) all.insert(phase.first);
  for (const auto& phase : after) all.insert(phase.first);
  std::vector<std::string> names;
  for (const std::string& name : all) {
    const auto x = before.find(name), y = after.find(name);
    if (x == before.end() || y == after.end() || x->second != y->second)
      names.push_back(name.empty() ? "(outside phases)" : name);
  }
  return names;
}

/// Those whose own code differs; where none does, those whose registers come from elsewhere.
std::vector<std::string> changed_phases(const PtxSummary& a, const PtxSummary& b) {
  if (a.phases == b.phases) return {};
  const auto own = changed_phases(a, b, &PhaseSummary::own_code);
  return own.empty() ? changed_phases(a, b, &PhaseSummary::code) : own;
}

bool same(const Side& a, const Side& b) {
  const PtxSummary &x = a.summary, &y = b.summary;
  return a.present && b.present && a.driver == b.driver &&
         a.dynamic_shared_bytes == b.dynamic_shared_bytes && a.facts == b.facts &&
         x.phases == y.phases && x.version == y.version && x.target == y.target &&
         x.limits == y.limits && x.shared == y.shared;
}

std::vector<FileChange> changed_files(const Contents& a, const Contents& b) {
  std::map<std::string, std::string> files;
  for (const auto* side : {&a, &b})
    for (const auto& [name, file] : side->files) files[name] = file.kernel;
  std::vector<FileChange> changes;
  for (const auto& [name, kernel] : files) {
    const auto x = a.files.find(name), y = b.files.find(name);
    if (x != a.files.end() && y != b.files.end() && x->second.text == y->second.text &&
        x->second.form == y->second.form && x->second.facts == y->second.facts)
      continue;
    FileChange change{name, kernel, side(a, name), side(b, name), {}};
    if (same(change.before, change.after)) continue;
    if (change.before.present && change.after.present)
      change.phases = changed_phases(change.before.summary, change.after.summary);
    changes.push_back(std::move(change));
  }
  return changes;
}

}  // namespace

Comparison compare(const fs::path& before, const fs::path& after, bool use_ptxas) {
  const Contents a = read_directory(before), b = read_directory(after);
  Comparison result{changed_files(a, b), {}};
  if (use_ptxas && !result.files.empty() && have_ptxas()) {
    std::vector<CompileTask> tasks;
    for (FileChange& change : result.files) {
      for (auto [contents, side] : {std::pair(&a, &change.before), std::pair(&b, &change.after)})
        if (side->present)
          tasks.push_back(
              {&contents->files.at(change.file).text, side->summary.target, &side->compiled});
    }
    compile(tasks);
  }
  std::set<std::string> plans;
  for (const auto* side : {&a, &b})
    for (const auto& plan : side->plans) plans.insert(plan.first);
  for (const std::string& name : plans) {
    const auto text = [&](const Contents& c) {
      return c.plans.count(name) != 0 ? c.plans.at(name) : std::string();
    };
    if (text(a) != text(b)) result.plans.push_back({name, unified_diff(name, text(a), text(b))});
  }
  return result;
}

}  // namespace ptxmill::cli
