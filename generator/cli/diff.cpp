// diff: what changed between two generated directories, for people and for machines.
#include <iostream>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "generator/cli/compare.hpp"
#include "generator/cli/terminal.hpp"
#include "generator/cli/verbs.hpp"

namespace ptxmill::cli {
namespace {

using nlohmann::json;

/// One property that differs: "registers 40 -> 48".
struct Row {
  std::string what, before, after;
};

std::string counted(int number) { return number < 0 ? "?" : std::to_string(number); }

std::vector<Row> rows(const FileChange& change) {
  std::vector<Row> all;
  const auto add = [&](const std::string& what, const auto& before, const auto& after) {
    if (before != after) all.push_back({what, fmt::format("{}", before), fmt::format("{}", after)});
  };
  const Side &a = change.before, &b = change.after;
  add(".version", a.summary.version, b.summary.version);
  add("lowest driver", a.driver, b.driver);
  add("limits", fmt::format("{}", fmt::join(a.summary.limits, " ")),
      fmt::format("{}", fmt::join(b.summary.limits, " ")));
  add("static shared bytes", a.summary.shared_bytes, b.summary.shared_bytes);
  add("dynamic shared bytes", a.dynamic_shared_bytes, b.dynamic_shared_bytes);
  add("registers", counted(a.compiled.registers), counted(b.compiled.registers));
  add("spilled bytes", counted(a.compiled.spill_bytes), counted(b.compiled.spill_bytes));
  const auto value = [](const auto& map, const std::string& key) {
    using Value = typename std::decay_t<decltype(map)>::mapped_type;
    const auto it = map.find(key);
    return it == map.end() ? Value() : it->second;
  };
  std::set<std::string> facts, opcodes;
  for (const Side* side : {&a, &b}) {
    for (const auto& fact : side->facts) facts.insert(fact.first);
    for (const auto& opcode : side->summary.mix) opcodes.insert(opcode.first);
  }
  for (const std::string& fact : facts) add(fact, value(a.facts, fact), value(b.facts, fact));
  if (a.summary.shared != b.summary.shared)
    add("shared arrays", fmt::format("{}", fmt::join(a.summary.shared, " ")),
        fmt::format("{}", fmt::join(b.summary.shared, " ")));
  for (const std::string& opcode : opcodes)
    add(opcode, value(a.summary.mix, opcode), value(b.summary.mix, opcode));
  return all;
}

const char* state(const FileChange& change) {
  return !change.before.present ? "added" : !change.after.present ? "removed" : "changed";
}

std::string summary(const Side& side) {
  int instructions = 0;
  for (const auto& [opcode, n] : side.summary.mix) instructions += n;
  std::string text = fmt::format("{} instructions, .version {}, driver {}", instructions,
                                 side.summary.version, side.driver);
  if (side.summary.shared_bytes > 0)
    text += fmt::format(", shared {} B", side.summary.shared_bytes);
  if (side.dynamic_shared_bytes != "0")
    text += fmt::format(", dynamic shared {} B", side.dynamic_shared_bytes);
  if (side.compiled.registers >= 0)
    text += fmt::format(", {} registers, {} B spilled", side.compiled.registers,
                        counted(side.compiled.spill_bytes));
  return text;
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
    std::cout << fmt::format("plan     {}\n{}", plan.name, colored_diff(plan.diff));
}

/// A bar would end the table's cell.
std::string in_cell(const std::string& text) {
  std::string s;
  for (const char c : text) s += c == '|' ? std::string("\\|") : std::string(1, c);
  return s;
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
    std::cout << fmt::format("{} phases: {} | | |\n", head,
                             change.phases.empty()
                                 ? "none"
                                 : in_cell(fmt::format("{}", fmt::join(change.phases, ", "))));
    for (const Row& row : rows(change))
      std::cout << fmt::format("| | | {} | {} | {} |\n", row.what, in_cell(row.before),
                               in_cell(row.after));
  }
  for (const PlanChange& plan : comparison.plans)
    std::cout << fmt::format("\nPlan `{}`:\n\n```diff\n{}```\n", plan.name, plan.diff);
}

json to_json(const Side& side) {
  if (!side.present) return nullptr;
  const auto number = [](int n) { return n < 0 ? json() : json(n); };
  return {{"version", side.summary.version},
          {"driver", side.driver},
          {"limits", side.summary.limits},
          {"facts", side.facts},
          {"shared", side.summary.shared},
          {"static_shared_bytes", side.summary.shared_bytes},
          {"dynamic_shared_bytes", side.dynamic_shared_bytes},
          {"registers", number(side.compiled.registers)},
          {"spill_bytes", number(side.compiled.spill_bytes)},
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
    say_error(e.what());
    return exit_usage;
  }
  if (options.format == "json")
    print_json(comparison);
  else if (options.format == "markdown")
    print_markdown(comparison);
  else
    print_text(comparison);
  return comparison.empty() ? exit_ok : exit_differs;
}

}  // namespace ptxmill::cli
