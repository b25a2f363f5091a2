// Promises that threads hold the same value ("//@ uniform <level> <register>"), checked.
#include <bit>

#include "emulator/run/grid.hpp"
#include "emulator/text.hpp"
#include "isa/isa.hpp"

namespace ptxmill::emu {
namespace {

// Beyond so many passes of one note the comparison between warps ends: it would only fill memory.
constexpr std::uint32_t most_passes = 4096;
constexpr std::uint32_t warps_in_group = 4;

std::uint64_t value_in(WarpState& w, const Instruction& i, int lane) {
  if (i.imm == 1) return w.predicate(i.s[0]) >> lane & 1u;
  return i.imm == 64 ? w.lanes<std::uint64_t>(i.s[0])[lane] : w.lanes<std::uint32_t>(i.s[0])[lane];
}

void broken(Grid& grid, WarpState& w, std::uint32_t pc, isa::Level level, int lane,
            std::uint64_t value, std::uint64_t other, std::string_view others) {
  if (!grid.reported.emplace(pc, Fault::not_uniform).second) return;
  add_finding(grid,
              text("broken promise: the value is 0x", hex(value), " here and 0x", hex(other),
                   " in ", others, ", and was said to be uniform across the ", isa::name(level),
                   "\n  ", where(grid, pc), "\n  ", who(grid, w, lane)),
              Outcome::launch_failed, Severity::finding);
  w.stop = grid.stopped;
}

}  // namespace

void check_uniform(Grid& grid, Cta& cta, WarpState& w, const Instruction& i, LaneMask m) {
  const auto level = static_cast<isa::Level>(i.aux);
  m &= w.defined[i.s[0]];  // an undefined value is reported where it matters
  if (level == isa::Level::thread || m == 0) return;
  const auto pc = static_cast<std::uint32_t>(&i - grid.kernel.code.data());
  const int first = std::countr_zero(m);
  const std::uint64_t value = value_in(w, i, first);
  for (int l = first + 1; l < lane_count; ++l) {
    if ((m >> l & 1u) == 0 || value_in(w, i, l) == value) continue;
    return broken(grid, w, pc, level, l, value_in(w, i, l), value, "another lane of its warp");
  }
  if (level == isa::Level::warp) return;
  const std::uint32_t pass = w.notes_passed[pc]++;
  if (pass >= most_passes) return;
  const std::uint32_t set = level == isa::Level::warpgroup ? w.index / warps_in_group : 0;
  const bool of_cluster = level == isa::Level::cluster && cta.cluster != nullptr;
  UniformValues& seen = level == isa::Level::grid ? grid.uniform
                        : of_cluster              ? cta.cluster->uniform
                                                  : cta.uniform;
  const auto [it, inserted] = seen.emplace(std::make_tuple(pc, pass, set), value);
  if (!inserted && it->second != value) {
    broken(grid, w, pc, level, first, value, it->second, "another warp");
  }
}

}  // namespace ptxmill::emu
