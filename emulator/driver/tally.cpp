#include "emulator/driver/tally.hpp"

#include <algorithm>

#include "emulator/decode/module.hpp"

namespace ptxmill::emu::driver {

void Tally::add(const std::shared_ptr<const Program>& program, const EntryInfo& entry,
                const LaunchCounts& counts) {
  const auto same = [&](const Row& r) {
    return r.entry == &entry ||
           (r.entry->name == entry.name && r.program->module().source == program->module().source);
  };
  auto row = std::find_if(rows_.begin(), rows_.end(), same);
  if (row == rows_.end()) row = rows_.insert(rows_.end(), Row{program, &entry, {}, 0});
  row->counts += counts;
  ++row->launches;
}

std::string Tally::table() const {
  std::string out;
  for (const Row& r : rows_)
    out += (out.empty() ? "" : "\n") + counts_table(*r.program, *r.entry, r.counts, r.launches);
  return out;
}

std::string Tally::json() const {
  std::string out = "{\"kernels\": [";
  for (const Row& r : rows_) {
    out += (&r == rows_.data() ? "\n  " : ",\n  ") +
           counts_json(*r.program, *r.entry, r.counts, r.launches);
  }
  return out + "\n]}\n";
}

}  // namespace ptxmill::emu::driver
