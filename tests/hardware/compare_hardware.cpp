// compare_hardware: runs every form of every instruction on a GPU and on the emulated driver, and
// compares the bits.
//
//   compare_hardware [--filter TEXT] [--table FILE] [--markdown FILE] [--record FILE] [--raw FILE]
//                    [--hardware LIBRARY] [--emulator LIBRARY] [--count CASES]
//   compare_hardware --recorded FILE [--filter TEXT] [--emulator LIBRARY] [--count CASES]
//
// --record leaves a number for the results of each form, with which --recorded compares the
// emulator where there is no GPU. --count bounds the cases of a form. Exits with 1 where something
// differs beyond its bound, 3 where there is no GPU.
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <string_view>

#include <fmt/format.h>

#include "tests/hardware/compare.hpp"

namespace {

using namespace ptxmill::test;

struct Options {
  std::string filter, table, markdown, record, recorded, raw, count;
  std::string hardware = "libcuda.so.1";
  std::string emulator = emulator_path();
};

/// Sums over the forms of a group.
struct Group {
  std::size_t forms = 0, exact = 0, bad = 0, unknown = 0, cases = 0;
  double units = 0;
};

Options parse(int count, char** words) {
  Options o;
  const std::pair<std::string_view, std::string*> named[] = {
      {"--filter", &o.filter}, {"--table", &o.table},       {"--markdown", &o.markdown},
      {"--record", &o.record}, {"--raw", &o.raw},           {"--recorded", &o.recorded},
      {"--count", &o.count},   {"--hardware", &o.hardware}, {"--emulator", &o.emulator}};
  for (int i = 1; i < count; i += 2) {
    std::string* to = nullptr;
    for (const auto& [name, value] : named)
      if (name == words[i]) to = value;
    if (to == nullptr || i + 1 == count) {
      std::cerr << "compare_hardware: unexpected '" << words[i] << "'\n";
      std::exit(2);
    }
    *to = words[i + 1];
  }
  return o;
}

std::string bound_text(const Bound& b) {
  if (b.exact()) return "0";
  std::string text;
  if (b.relative != 0) text += fmt::format("{:.3g} rel", b.relative);
  if (b.absolute != 0) text += fmt::format("{}{:.3g} abs", text.empty() ? "" : " + ", b.absolute);
  return text;
}

std::string line(const Form& f, const Verdict& v) {
  std::string text = fmt::format("{:<28} {:<52} {:>7} {:>7} {:>7} {:>9.4g}  {}", f.group, f.name,
                                 v.cases, v.differing, v.beyond, v.units, bound_text(f.bound));
  const auto first_line = [](const std::string& s) { return s.substr(0, s.find('\n')); };
  if (!v.hardware_error.empty()) text += "  hardware: " + first_line(v.hardware_error);
  if (!v.emulator_error.empty()) text += "  emulator: " + first_line(v.emulator_error);
  return text + "\n";
}

std::string samples(const Verdict& v) {
  std::string text;
  for (const Difference& d : v.worst) {
    text += fmt::format("    case {} result {}: hardware {:x}, emulator {:x}, of", d.index,
                        d.result, d.hardware, d.emulator);
    for (const std::uint64_t o : d.operands) text += fmt::format(" {:x}", o);
    text += "\n";
  }
  return text;
}

/// Results whole, for a look without the GPU: those of approximations and of matrix products.
void write_raw(std::ofstream& out, const Form& f, const Outcome& hardware) {
  if (f.bound.exact() && f.group != "matrix products") return;
  out << f.name << "\n" << f.count * f.to.size() << "\n";
  for (std::size_t i = 0; i < f.count * f.to.size(); ++i) {
    const std::uint64_t v = hardware.results[i];
    const auto bytes = ptxmill::isa::bits(f.to[i % f.to.size()]) / 8;
    out.write(reinterpret_cast<const char*>(&v), bytes);
  }
}

std::string markdown(const std::string& device, const std::map<std::string, Group>& groups) {
  std::string text = fmt::format(
      "Hardware: {}.\n\n| group | forms | cases | bit for bit | beyond the bound | unknown to the "
      "emulator | largest difference (ulp) |\n|---|---|---|---|---|---|---|\n",
      device);
  for (const auto& [name, g] : groups) {
    text += fmt::format("| {} | {} | {} | {} | {} | {} | {:.4g} |\n", name, g.forms, g.cases,
                        g.exact, g.bad, g.unknown, g.units);
  }
  return text;
}

std::vector<Form> chosen_forms(const Options& o) {
  std::vector<Form> chosen;
  const std::size_t most = o.count.empty() ? usual_count : std::stoul(o.count);
  for (Form& f : all_forms()) {
    if ((f.group + " " + f.name).find(o.filter) == std::string::npos) continue;
    f.count = std::min(f.count, most);
    chosen.push_back(std::move(f));
  }
  return chosen;
}

/// Holds the emulator against what hardware left behind.
int check_recorded(const Options& o) {
  const Recorded recorded = read_recorded(o.recorded);
  const DriverLibrary emulator(o.emulator);
  int bad = 0;
  for (const Form& f : chosen_forms(o)) {
    const auto it = recorded.digests.find(f.group + " " + f.name);
    if (!f.bound.exact() || it == recorded.digests.end()) continue;
    const Outcome e = run_form(emulator, f, operands_of(f));
    if (e.error.empty() && digest(f, e.results) == it->second) continue;
    ++bad;
    std::cout << f.group << ": " << f.name << " " << e.error << "\n";
  }
  std::cout << bad << " forms differ\n";
  return bad == 0 ? 0 : 1;
}

int run(const Options& o) {
  if (!o.recorded.empty()) return check_recorded(o);
  const DriverLibrary hardware(o.hardware), emulator(o.emulator);
  for (const auto* d : {&hardware, &emulator}) {
    if (d->ready()) continue;
    std::cerr << "compare_hardware: " << d->error() << "\n";
    return 3;
  }
  std::cout << hardware.describe() << "\n";
  std::ofstream table, raw;
  if (!o.table.empty()) table.open(o.table);
  table << std::unitbuf;  // what there is survives a crash
  if (!o.raw.empty()) raw.open(o.raw, std::ios::binary);
  Recorded recorded;
  recorded.device = hardware.describe();
  std::map<std::string, Group> groups;
  for (const Form& f : chosen_forms(o)) {
    const auto operands = operands_of(f);
    const Outcome h = run_form(hardware, f, operands), e = run_form(emulator, f, operands);
    const Verdict v = compare(f, operands, h, e);
    if (h.error.empty()) recorded.digests[f.group + " " + f.name] = digest(f, h.results);
    if (h.error.empty() && raw.is_open()) write_raw(raw, f, h);
    Group& g = groups[f.group];
    ++g.forms;
    g.exact += v.good() && v.differing == 0 ? 1 : 0;
    const bool unknown = v.emulator_error.starts_with("refused") && v.hardware_error.empty();
    g.unknown += unknown ? 1 : 0;
    g.bad += v.good() || unknown ? 0 : 1;
    g.cases += v.cases;
    g.units = std::max(g.units, v.units);
    if (table.is_open()) table << line(f, v) << samples(v);
    if (!v.good() || v.differing != 0) std::cout << line(f, v);
  }
  std::size_t bad = 0, unknown = 0;
  for (const auto& [name, g] : groups) {
    bad += g.bad;
    unknown += g.unknown;
  }
  const std::string summary = markdown(hardware.describe(), groups);
  std::cout << "\n"
            << summary << "\n"
            << unknown << " forms unknown to the emulator, " << bad << " beyond their bound\n";
  if (!o.markdown.empty()) std::ofstream(o.markdown) << summary;
  if (!o.record.empty()) write_recorded(o.record, recorded);
  return bad == 0 ? 0 : 1;
}

}  // namespace

int main(int count, char** words) { return run(parse(count, words)); }
