// diff: what changed between two generated directories, for people and for machines.
#include <iostream>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "generator/cli/compare.hpp"
#include "generator/cli/verbs.hpp"

namespace ptxmill::cli {
namespace {

using nlohmann::json;

/// One property that differs: "registers 40 -> 48".
struct Row {
  std::string what, before, after;
};

std::vector<Row> rows(const FileChange& change) {
  std::vector<Row> all;
  const auto add = [&](const std::string& what, const auto& before, const auto& after) {
    if (before != after) all.push_back({what, fmt::format("{}", before), fmt::format("{}", after)});
  };
  const Side &a = change.before, &b = change.after;
  add(".version", a.summary.version, b.summary.version);
  add("lowest driver", a.driver, b.driver);
  add("block", a.summary.block, b.summary.block);
  add("launch", a.launch, b.launch);
  add("static shared bytes", a.summary.shared_bytes, b.summary.shared_bytes);
  add("dynamic shared bytes", a.dynamic_shared_bytes, b.dynamic_shared_bytes);
  add("registers", a.compiled.registers, b.compiled.registers);
  add("spilled bytes", a.compiled.spill_bytes, b.compiled.spill_bytes);
  std::set<std::string> opcodes;
  for (const auto& [opcode, n] : a.summary.mix) opcodes.insert(opcode);
  for (const auto& [opcode, n] : b.summary.mix) opcodes.insert(opcode);
  const auto count = [](const Side& s, const std::string& opcode) {
    const auto it = s.summary.mix.find(opcode);
    return it == s.summary.mix.end() ? 0 : it->second;
  };
  for (const std::string& opcode : opcodes) add(opcode, count(a, opcode), count(b, opcode));
  return all;
}

const char* state(const FileChange& change) {
  return !change.before.present ? "added" : !change.after.present ? "removed" : "changed";
}

std::string summary(const Side& side) {
  int instructions = 0;
  for (const auto& [opcode, n] : side.summary.mix) instructions += n;
  return fmt::format("{} instructions, shared {} B, .version {}", instructions,
                     side.summary.shared_bytes + side.dynamic_shared_bytes, side.summary.version);
}

void print_text(const Comparison& comparison) {
  for (const FileChange& change : comparison.files) {
    std::cout << fmt::format("{:<8} {}\n", state(change), change.file);
    if (!change.before.present || !change.after.present) {
      std::cout << fmt::format("    {}\n",
                               summary(change.before.present ? change.before : change.after));
      continue;
    }
    if (!change.phases.empty())
      std::cout << fmt::format("    phases: {}\n", fmt::join(change.phases, ", "));
    for (const Row& row : rows(change))
      std::cout << fmt::format("    {:<24} {} -> {}\n", row.what, row.before, row.after);
  }
  for (const PlanChange& plan : comparison.plans)
    std::cout << fmt::format("plan     {}\n{}", plan.name, plan.diff);
}

void print_markdown(const Comparison& comparison) {
  if (!comparison.files.empty())
    std::cout << "| kernel | | what | before | after |\n|---|---|---|---|---|\n";
  for (const FileChange& change : comparison.files) {
    const std::string head = fmt::format("| `{}` | {} |", change.file, state(change));
    if (!change.before.present || !change.after.present) {
      std::cout << fmt::format("{} {} | | |\n", head,
                               summary(change.before.present ? change.before : change.after));
      continue;
    }
    std::cout << fmt::format("{} phases: {} | | |\n", head, fmt::join(change.phases, ", "));
    for (const Row& row : rows(change))
      std::cout << fmt::format("| | | {} | {} | {} |\n", row.what, row.before, row.after);
  }
  for (const PlanChange& plan : comparison.plans)
    std::cout << fmt::format("\nPlan `{}`:\n\n```diff\n{}```\n", plan.name, plan.diff);
}

json to_json(const Side& side) {
  if (!side.present) return nullptr;
  return {{"version", side.summary.version},
          {"driver", side.driver},
          {"block", side.summary.block},
          {"launch", side.launch},
          {"static_shared_bytes", side.summary.shared_bytes},
          {"dynamic_shared_bytes", side.dynamic_shared_bytes},
          {"registers", side.compiled.registers},
          {"spill_bytes", side.compiled.spill_bytes},
          {"instructions", side.summary.mix}};
}

void print_json(const Comparison& comparison) {
  json files = json::array(), plans = json::array();
  for (const FileChange& change : comparison.files)
    files.push_back({{"file", change.file},
                     {"kernel", change.kernel},
                     {"state", state(change)},
                     {"phases", change.phases},
                     {"before", to_json(change.before)},
                     {"after", to_json(change.after)}});
  for (const PlanChange& plan : comparison.plans)
    plans.push_back({{"plan", plan.name}, {"diff", plan.diff}});
  std::cout << json{{"files", files}, {"plans", plans}}.dump(2) << "\n";
}

}  // namespace

int diff(const DiffOptions& options) {
  Comparison comparison;
  try {
    comparison = compare(options.before, options.after, options.ptxas);
  } catch (const std::runtime_error& e) {
    std::cerr << "error: " << e.what() << "\n";
    return 2;
  }
  if (options.format == "json")
    print_json(comparison);
  else if (options.format == "markdown")
    print_markdown(comparison);
  else
    print_text(comparison);
  return comparison.empty() ? 0 : 1;
}

}  // namespace ptxmill::cli
