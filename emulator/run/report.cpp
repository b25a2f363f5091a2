// Words for what went wrong, and where.
#include <bit>
#include <map>

#include "emulator/lanes/handlers.hpp"
#include "emulator/run/grid.hpp"
#include "emulator/text.hpp"

namespace ptxmill::emu {
namespace {

// A reader needs the first few findings; a kernel that is wrong everywhere makes millions.
constexpr int most_findings = 100;

std::uint32_t pc_of(const Grid& grid, const Instruction& i) {
  return static_cast<std::uint32_t>(&i - grid.kernel.code.data());
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::string_view source_line(const Grid& grid, int line) {
  const auto n = static_cast<std::size_t>(line);
  return line >= 1 && n <= grid.module.lines.size() ? trimmed(grid.module.lines[n - 1]) : "";
}

std::array<std::uint32_t, 3> thread_of(const Grid& grid, std::uint32_t linear) {
  const auto& b = grid.launch.block;
  return {linear % b[0], linear / b[0] % b[1], linear / b[0] / b[1]};
}

/// The allocation that `address` missed.
std::string global_surroundings(const Grid& grid, std::uint64_t address) {
  const FreedRange freed = grid.memory.freed(address);
  if (freed.size != 0) {
    return text("it lies ", address - freed.base, " bytes into the ", freed.size,
                "-byte allocation at 0x", hex(freed.base), ", which was freed");
  }
  const auto a = grid.memory.nearest(address);
  if (!a) return "no live allocation lies at or below it";
  const std::uint64_t offset = address - a->base;
  if (offset < a->bytes.size()) {
    return text("it starts ", offset, " bytes into the ", a->bytes.size(), "-byte allocation at 0x",
                hex(a->base));
  }
  return text("it lies ", offset - a->bytes.size(), " bytes past the end of the ", a->bytes.size(),
              "-byte allocation at 0x", hex(a->base));
}

std::string named_surroundings(const std::vector<NamedRange>& names, std::uint64_t offset) {
  const NamedRange* nearest = nullptr;
  for (const NamedRange& n : names) {
    if (n.offset <= offset && (nearest == nullptr || n.offset >= nearest->offset)) nearest = &n;
  }
  if (nearest == nullptr) return {};
  const std::uint64_t in = offset - nearest->offset;
  if (in < nearest->size) return text("; it starts ", in, " bytes into '", nearest->name, "'");
  return text("; it lies ", in - nearest->size, " bytes past the end of '", nearest->name, "' (",
              nearest->size, " bytes)");
}

std::string shared_surroundings(const Grid& grid, std::uint64_t offset) {
  const std::uint64_t fixed = grid.kernel.info.static_shared_bytes;
  return text("the block has ", grid.shared_bytes, " bytes of shared memory (", fixed, " static, ",
              grid.launch.dynamic_shared_bytes, " dynamic)",
              named_surroundings(grid.kernel.shared, offset));
}

std::string local_surroundings(const Grid& grid, std::uint64_t offset) {
  return text("a thread has ", grid.kernel.info.local_bytes, " bytes of local memory",
              named_surroundings(grid.kernel.local, offset));
}

std::string generic_surroundings(const Grid& grid, std::uint64_t address) {
  if (address - shared_window < window_bytes)
    return shared_surroundings(grid, address - shared_window);
  if (address - local_window < window_bytes)
    return local_surroundings(grid, address - local_window);
  return global_surroundings(grid, address);
}

std::string alignment_note(const Instruction& i, std::uint64_t address, std::uint32_t size) {
  (void)i;
  return text("0x", hex(address), " is not a multiple of ", size);
}

std::string describe(const Grid& grid, const Instruction& i, Fault fault, std::uint64_t address,
                     std::uint32_t size) {
  const auto access = [&](std::string_view space, const std::string& around) {
    return text("out of bounds: ", size, " bytes of ", space, " memory at 0x", hex(address), "; ",
                around);
  };
  switch (fault) {
    case Fault::global_bounds: {
      const bool freed = grid.memory.freed(address).size != 0;
      return text(freed ? "use after free" : "out of bounds", ": ", size,
                  " bytes of global memory at 0x", hex(address), "; ",
                  global_surroundings(grid, address));
    }
    case Fault::shared_bounds: return access("shared", shared_surroundings(grid, address));
    case Fault::local_bounds: return access("local", local_surroundings(grid, address));
    case Fault::param_bounds:
      return access("parameter",
                    text("the entry has ", grid.kernel.info.param_bytes, " bytes of parameters"));
    case Fault::generic_bounds: return access("generic", generic_surroundings(grid, address));
    case Fault::cluster_rank:
      return text("an address of shared memory, 0x", hex(address),
                  ", that leads to no block of the ", "cluster");
    case Fault::cluster_exited:
      return text("access to the shared memory of another block, at 0x", hex(address),
                  ", after that block has exited");
    case Fault::misaligned:
      return text("misaligned: ", size, " bytes at ", alignment_note(i, address, size));
    case Fault::read_only: return text("store to read-only memory at 0x", hex(address));
    case Fault::incomplete_warp:
      return "not all 32 lanes of the warp execute an instruction that needs them all";
    case Fault::undefined_address:
      return text("undefined value used as an address (0x", hex(address), ")");
    case Fault::undefined_store:
      return text("undefined value stored to global memory at 0x", hex(address), "; ",
                  global_surroundings(grid, address));
    case Fault::undefined_branch: return "undefined value decides a branch";
    case Fault::undefined_guard: return "undefined value guards an instruction";
    case Fault::undefined_operand:
      return address == 0 ? std::string("undefined value used")
                          : text("atomic on memory that nothing wrote, at 0x", hex(address), "; ",
                                 generic_surroundings(grid, address));
    case Fault::not_uniform:
    case Fault::none: break;
  }
  return {};
}

Outcome outcome_of(Fault fault) {
  switch (fault) {
    case Fault::misaligned: return Outcome::misaligned_address;
    case Fault::global_bounds:
    case Fault::shared_bounds:
    case Fault::local_bounds:
    case Fault::param_bounds:
    case Fault::generic_bounds:
    case Fault::cluster_rank:
    case Fault::read_only: return Outcome::illegal_address;
    default: return Outcome::launch_failed;
  }
}

bool is_undefined_use(Fault fault) { return fault >= Fault::undefined_address; }

/// How the lane came by the undefined value that it uses, as far as is known.
std::string origin_of_undefined(const Warp& warp, int lane) {
  const UndefinedOrigin& o =
      static_cast<const WarpState&>(warp).undefined[static_cast<std::size_t>(lane)];
  if (o.instruction == nullptr) return {};
  const std::string there = where(*warp.grid, pc_of(*warp.grid, *o.instruction));
  if (o.instruction->kind == Kind::warp_sync)
    return text("\n  the lane last read lane ", o.from,
                ", which takes no part in the shuffle: ", there);
  return text("\n  the lane last loaded what nothing had written: ", there);
}

std::string waiting_for(const Grid& grid, const WarpState& w, const Split& s) {
  switch (s.wait) {
    case Wait::barrier: return text("waits at barrier ", s.barrier);
    case Wait::warp: {
      const Instruction& i = grid.kernel.code[s.pc];
      const auto* masks = reinterpret_cast<const std::uint32_t*>(w.registers + i.s[4] * slot_bytes);
      return text("waits for lanes 0x", hex(masks[std::countr_zero(s.mask)] & w.alive & ~s.mask, 8),
                  " of its warp");
    }
    case Wait::warpgroup: return waiting_for_warpgroup(*w.cta, grid.kernel.code[s.pc]);
    case Wait::cluster: return "waits at the barrier of its cluster";
    case Wait::sleep: return "sleeps";
    case Wait::mbarrier: {
      if (!w.cta->async) return "waits at an mbarrier";
      const auto found = w.cta->async->barriers.find(s.barrier);
      if (found == w.cta->async->barriers.end()) return "waits at several mbarriers";
      return text("waits at ", describe(s.barrier, found->second));
    }
    case Wait::none: return "runs";
  }
  return {};
}

std::string triple(const std::array<std::uint32_t, 3>& v) {
  return text("(", v[0], ", ", v[1], ", ", v[2], ")");
}

/// The barriers in shared memory whose phase has begun, of the first block that has any.
std::string barriers_in_use(const std::vector<Cta*>& blocks) {
  constexpr std::size_t most_lines = 16;
  std::string out;
  for (const Cta* cta : blocks) {
    if (!cta->async || !out.empty()) continue;
    std::size_t lines = 0;
    for (const auto& [offset, barrier] : cta->async->barriers) {
      if (barrier.counts.is_fresh() || ++lines > most_lines) continue;
      out += text("  block ", triple(cta->id), ": ", describe(offset, barrier), "\n");
    }
  }
  return out;
}

}  // namespace

std::string where(const Grid& grid, std::uint32_t pc) {
  const Origin& o = grid.kernel.origins[pc];
  std::string words =
      text("kernel ", grid.kernel.info.name, ", line ", o.line, ": ", source_line(grid, o.line));
  if (o.phase != 0) words += text("\n  phase: ", grid.module.phases[o.phase]);
  return words;
}

std::string who(const Grid& grid, const Warp& warp, int lane) {
  const std::uint32_t linear = warp.index * lane_count + static_cast<std::uint32_t>(lane);
  return text("block ", triple(warp.cta->id), " thread ", triple(thread_of(grid, linear)),
              " (warp ", warp.index, " lane ", lane, ")");
}

std::array<std::uint32_t, 3> block_of_linear(const Grid& grid, std::uint32_t linear) {
  const auto& g = grid.launch.grid;
  return {linear % g[0], linear / g[0] % g[1], linear / g[0] / g[1]};
}

std::string surroundings(const Grid& grid, bool global, std::uint64_t address) {
  return global ? global_surroundings(grid, address) : shared_surroundings(grid, address);
}

void add_finding(Grid& grid, std::string_view what, Outcome outcome, Severity severity) {
  const bool fatal = severity == Severity::fatal || grid.options.check == Check::fail;
  ++grid.findings;
  if (grid.findings <= most_findings || fatal) {
    if (!grid.result.report.empty()) grid.result.report += "\n";
    grid.result.report += text("ptxmill emulator: ", fatal ? "error" : "warning", ": ", what, "\n");
  } else if (grid.findings == most_findings + 1) {
    grid.result.report += "\nptxmill emulator: warning: further findings are not listed\n";
  }
  if (!fatal) return;
  grid.stopped = true;
  if (grid.result.outcome == Outcome::ok) grid.result.outcome = outcome;
}

void note_undefined(Warp& warp, const Instruction& i, LaneMask lanes, const int* from) {
  auto& undefined = static_cast<WarpState&>(warp).undefined;
  for (LaneMask left = lanes; left != 0; left &= left - 1) {
    const auto lane = static_cast<std::size_t>(std::countr_zero(left));
    undefined[lane] = {&i, from == nullptr ? 0 : from[lane]};
  }
}

void report_fault(Warp& warp, const Instruction& i, Fault fault, int lane, std::uint64_t address,
                  std::uint32_t size) {
  Grid& grid = *warp.grid;
  const std::uint32_t pc = pc_of(grid, i);
  const Severity severity = is_undefined_use(fault) ? Severity::finding : Severity::fatal;
  // One instruction is reported once, however many threads and rounds it fails in.
  if (severity == Severity::finding && !grid.reported.emplace(pc, fault).second) return;
  std::string words = text(describe(grid, i, fault, address, size), "\n  ", where(grid, pc), "\n  ",
                           who(grid, warp, lane));
  if (is_undefined_use(fault)) words += origin_of_undefined(warp, lane);
  add_finding(grid, words, outcome_of(fault), severity);
  warp.stop = grid.stopped;
}

std::string standing(const Grid& grid, const std::vector<Cta*>& blocks) {
  // Warps at one place and in one state share a line.
  constexpr std::size_t most_lines = 40, most_names = 4;
  struct Place {
    std::vector<std::string> names;
    std::size_t count = 0;
  };
  std::map<std::string, Place> places;
  for (const Cta* cta : blocks) {
    for (const WarpState& w : cta->warps) {
      const auto stands = [&](LaneMask lanes, const std::string& how, std::uint32_t pc) {
        Place& p = places[text(how, "; ", where(grid, pc))];
        ++p.count;
        if (p.names.size() < most_names) {
          p.names.push_back(
              text("block ", triple(cta->id), " warp ", w.index, " lanes 0x", hex(lanes, 8)));
        }
      };
      for (const Split& s : w.splits) stands(s.mask, waiting_for(grid, w, s), s.pc);
      for (const Meeting& m : w.meetings) {
        if (!m.in_use || m.arrived == 0 || (m.pc == nowhere && m.resume == nowhere)) continue;
        stands(m.arrived,
               text("waits for lanes 0x", hex(m.expected & ~m.arrived, 8),
                    " of its warp where they parted and meet again"),
               m.resume != nowhere ? m.resume : m.pc);
      }
    }
  }
  std::string out = barriers_in_use(blocks);
  std::size_t lines = 0;
  for (const auto& [place, who_is_there] : places) {
    if (++lines > most_lines) return out + "  ...\n";
    std::string names;
    for (const std::string& n : who_is_there.names) names += (names.empty() ? "" : "; ") + n;
    if (who_is_there.count > who_is_there.names.size()) {
      names += text("; and ", who_is_there.count - who_is_there.names.size(), " more");
    }
    out += text("  ", place, "\n    ", names, "\n");
  }
  return out;
}

std::uint64_t virtual_time(const Warp& warp) { return warp.grid->now(); }

bool locate_noted(Warp& warp, std::uint64_t address, Region& region) {
  Grid& grid = *warp.grid;
  const auto use = [&](const Grid::Held& h) {
    Allocation& a = *h.allocation;
    region = {a.bytes.data(), a.written.data(), a.base, a.bytes.size(), h.shadow};
  };
  for (const Grid::Held& h : grid.held) {
    if (address - h.allocation->base < h.allocation->bytes.size()) {
      use(h);
      return true;
    }
  }
  const auto a = grid.memory.find(address, 1);
  if (!a) return false;
  grid.held.push_back({a, warp.checked ? grid.memory.shadow_of(*a, grid.number) : nullptr});
  use(grid.held.back());
  return true;
}

bool locate_global(Warp& warp, std::uint64_t address, Region& region) {
  if (warp.footprint == nullptr) return locate_noted(warp, address, region);
  warp.grid->needs_order = true;
  warp.stop = true;
  return false;
}

}  // namespace ptxmill::emu
