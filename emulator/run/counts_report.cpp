// Counts summed up, as a table and as JSON.
#include <algorithm>
#include <cstdio>

#include "emulator/counts.hpp"
#include "emulator/decode/module.hpp"
#include "emulator/text.hpp"

namespace ptxmill::emu {
namespace {

constexpr std::size_t most_wasteful = 5;  // lines of each list

const Kernel& kernel_of(const Program& program, const EntryInfo& entry) {
  const auto& kernels = program.module().kernels;
  return *std::find_if(kernels.begin(), kernels.end(),
                       [&](const Kernel& k) { return k.info.name == entry.name; });
}

std::string decimal(double value, int digits) {
  char out[40];
  std::snprintf(out, sizeof out, "%.*f", digits, value);
  return out;
}

double ratio(std::uint64_t a, std::uint64_t b) {
  return b == 0 ? 1 : static_cast<double>(a) / static_cast<double>(b);
}

std::string_view trimmed(std::string_view line) {
  const std::size_t first = line.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(" \t\r") - first + 1);
}

std::string_view source_line(const Module& module, int line) {
  const auto n = static_cast<std::size_t>(line);
  return line >= 1 && n <= module.lines.size() ? trimmed(module.lines[n - 1]) : "";
}

/// A place in the code that wastes something.
struct Waste {
  std::size_t pc;
  std::uint64_t extra;  ///< beyond the least
  std::uint64_t least;
};

/// The places that waste the most, by extra(counts of the place) and least(...).
template <class Extra, class Least>
std::vector<Waste> worst(const LaunchCounts& counts, Extra extra, Least least) {
  std::vector<Waste> all;
  for (std::size_t pc = 0; pc < counts.at.size(); ++pc)
    if (const std::uint64_t n = extra(counts.at[pc]); n != 0)
      all.push_back({pc, n, least(counts.at[pc])});
  std::stable_sort(all.begin(), all.end(),
                   [](const Waste& a, const Waste& b) { return a.extra > b.extra; });
  if (all.size() > most_wasteful) all.resize(most_wasteful);
  return all;
}

struct WasteList {
  const char* key;    ///< in JSON
  const char* title;  ///< in the table
  std::vector<Waste> places;
};

std::vector<WasteList> waste_lists(const LaunchCounts& counts) {
  using C = InstructionCounts;
  return {{"sectors", "sectors beyond the least",
           worst(
               counts, [](const C& c) { return c.global.sectors - c.global.least_sectors; },
               [](const C& c) { return c.global.least_sectors; })},
          {"bank_conflicts", "wavefronts beyond the least",
           worst(
               counts, [](const C& c) { return c.shared.wavefronts - c.shared.least_wavefronts; },
               [](const C& c) { return c.shared.least_wavefronts; })},
          {"divergence", "divergent branches",
           worst(
               counts, [](const C& c) { return c.divergent; },
               [](const C& c) { return c.executions; })}};
}

bool writes(InstructionClass c) {
  return c == InstructionClass::global_store || c == InstructionClass::generic_store ||
         c == InstructionClass::atomic;
}

std::string traffic_line(std::string_view what, const GlobalTraffic& t) {
  return text("  global ", what, "  ", t.bytes, " bytes, ", t.sectors, " sectors, ",
              decimal(ratio(t.sectors, t.least_sectors), 2), " x the least\n");
}

std::string quoted(std::string_view s) {
  std::string out = "\"";
  for (const char c : s) {
    if (c == '"' || c == '\\') {
      out += text("\\", std::string_view(&c, 1));
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += text("\\u", hex(static_cast<unsigned char>(c), 4));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string traffic_json(const GlobalTraffic& t) {
  return text("{\"bytes\": ", t.bytes, ", \"sectors\": ", t.sectors,
              ", \"least_sectors\": ", t.least_sectors, "}");
}

}  // namespace

std::string_view name(InstructionClass c) {
  constexpr std::string_view names[] = {
      "none",          "integer",     "f32",          "f64",         "half",         "special",
      "tensor",        "conversion",  "move",         "predicate",   "branch",       "barrier",
      "warp",          "global load", "global store", "shared load", "shared store", "generic load",
      "generic store", "local",       "param",        "atomic",      "async copy",   "other"};
  static_assert(std::size(names) == instruction_classes);
  return names[static_cast<std::size_t>(c)];
}

GlobalTraffic& GlobalTraffic::operator+=(const GlobalTraffic& o) {
  bytes += o.bytes;
  sectors += o.sectors;
  least_sectors += o.least_sectors;
  return *this;
}

SharedTraffic& SharedTraffic::operator+=(const SharedTraffic& o) {
  bytes += o.bytes;
  wavefronts += o.wavefronts;
  least_wavefronts += o.least_wavefronts;
  return *this;
}

InstructionCounts& InstructionCounts::operator+=(const InstructionCounts& o) {
  executions += o.executions;
  lanes += o.lanes;
  divergent += o.divergent;
  global += o.global;
  shared += o.shared;
  return *this;
}

LaunchCounts& LaunchCounts::operator+=(const LaunchCounts& o) {
  at.resize(std::max(at.size(), o.at.size()));
  for (std::size_t pc = 0; pc < o.at.size(); ++pc) at[pc] += o.at[pc];
  return *this;
}

CountTotals total(const Program& program, const EntryInfo& entry, const LaunchCounts& counts) {
  const Kernel& kernel = kernel_of(program, entry);
  CountTotals t;
  for (std::size_t pc = 0; pc < std::min(counts.at.size(), kernel.traits.size()); ++pc) {
    const InstructionCounts& c = counts.at[pc];
    const InstructionClass what = kernel.traits[pc].what;
    t.divergent_branches += c.divergent;
    (writes(what) ? t.written : t.read) += c.global;
    t.shared += c.shared;
    if (what == InstructionClass::none) continue;
    t.by_class[static_cast<std::size_t>(what)] += c.executions;
    t.warp_instructions += c.executions;
    t.thread_instructions += c.lanes;
  }
  return t;
}

std::string counts_table(const Program& program, const EntryInfo& entry, const LaunchCounts& counts,
                         std::uint64_t launches) {
  const Module& module = program.module();
  const Kernel& kernel = kernel_of(program, entry);
  const CountTotals t = total(program, entry, counts);
  std::string out = text(
      "kernel ", entry.name, ": ", launches, launches == 1 ? " launch, " : " launches, ",
      t.warp_instructions, " warp instructions, ", t.thread_instructions, " thread instructions (",
      decimal(ratio(t.thread_instructions, t.warp_instructions), 1), " lanes of 32)\n");
  std::vector<InstructionClass> order;
  for (std::size_t k = 0; k < instruction_classes; ++k)
    if (t.by_class[k] != 0) order.push_back(static_cast<InstructionClass>(k));
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return t.of(a) > t.of(b); });
  for (const InstructionClass c : order) {
    const std::string_view label = name(c);
    out += text("  ", label, std::string(16 - label.size(), ' '), t.of(c), "  ",
                decimal(100 * ratio(t.of(c), t.warp_instructions), 1), " %\n");
  }
  if (t.divergent_branches != 0) out += text("  divergent branches  ", t.divergent_branches, "\n");
  if (t.read.bytes != 0) out += traffic_line("read ", t.read);
  if (t.written.bytes != 0) out += traffic_line("write", t.written);
  if (t.shared.bytes != 0) {
    out +=
        text("  shared        ", t.shared.bytes, " bytes, ", t.shared.wavefronts, " wavefronts, ",
             decimal(ratio(t.shared.wavefronts, t.shared.least_wavefronts), 2), " x the least\n");
  }
  for (const WasteList& list : waste_lists(counts)) {
    if (list.places.empty()) continue;
    out += text("  most ", list.title, ":\n");
    for (const Waste& w : list.places) {
      const Origin& o = kernel.origins[w.pc];
      out += text("    ", w.extra, " (of ", w.least, ") line ", o.line, ": ",
                  source_line(module, o.line));
      out += o.phase != 0 ? text("  phase: ", module.phases[o.phase], "\n") : "\n";
    }
  }
  return out;
}

std::string counts_json(const Program& program, const EntryInfo& entry, const LaunchCounts& counts,
                        std::uint64_t launches) {
  const Module& module = program.module();
  const Kernel& kernel = kernel_of(program, entry);
  const CountTotals t = total(program, entry, counts);
  std::string out = text("{\"kernel\": ", quoted(entry.name), ", \"launches\": ", launches,
                         ", \"warp_instructions\": ", t.warp_instructions,
                         ", \"thread_instructions\": ", t.thread_instructions,
                         ", \"divergent_branches\": ", t.divergent_branches, ", \"classes\": {");
  const char* separator = "";
  for (std::size_t k = 0; k < instruction_classes; ++k) {
    if (t.by_class[k] == 0) continue;
    out += text(separator, quoted(name(static_cast<InstructionClass>(k))), ": ", t.by_class[k]);
    separator = ", ";
  }
  out += text(
      "}, \"global_read\": ", traffic_json(t.read), ", \"global_write\": ", traffic_json(t.written),
      ", \"shared\": {\"bytes\": ", t.shared.bytes, ", \"wavefronts\": ", t.shared.wavefronts,
      ", \"least_wavefronts\": ", t.shared.least_wavefronts, "}");
  for (const WasteList& list : waste_lists(counts)) {
    out += text(", ", quoted(text("worst_", list.key)), ": [");
    separator = "";
    for (const Waste& w : list.places) {
      const Origin& o = kernel.origins[w.pc];
      out += text(separator, "{\"line\": ", o.line,
                  ", \"instruction\": ", quoted(source_line(module, o.line)),
                  ", \"phase\": ", quoted(o.phase != 0 ? module.phases[o.phase] : ""),
                  ", \"extra\": ", w.extra, ", \"of\": ", w.least, "}");
      separator = ", ";
    }
    out += "]";
  }
  return out + "}";
}

}  // namespace ptxmill::emu
