// Where the four warps of a warpgroup meet, and what they do there.
#include "emulator/run/warpgroup.hpp"

#include <algorithm>
#include <bit>

#include "emulator/run/grid.hpp"
#include "emulator/text.hpp"
#include "emulator/watch/order.hpp"
#include "emulator/watch/product.hpp"

namespace ptxmill::emu {
namespace {

constexpr std::uint32_t warpgroup_threads = warpgroup_warps * lane_count;

WarpgroupAction action_of(const Instruction& i) { return static_cast<WarpgroupAction>(i.aux & 7u); }

std::uint32_t pc_of(const Grid& grid, const Instruction& i) {
  return static_cast<std::uint32_t>(&i - grid.kernel.code.data());
}

/// A warpgroup at an instruction that it is to execute.
struct Assembly {
  Grid& grid;
  Cta& cta;
  std::uint32_t number;  ///< of the warpgroup in the block
  const Instruction& i;

  Warpgroup& group() const { return cta.warpgroups.groups[number]; }
  WarpState& warp(std::size_t k) const { return cta.warps[number * warpgroup_warps + k]; }
};

/// The finding, with the place. The launch ends where nothing could go on.
void finding(const Assembly& m, std::string_view what, Severity severity,
             Outcome outcome = Outcome::launch_failed) {
  add_finding(m.grid,
              text(what, "\n  ", where(m.grid, pc_of(m.grid, m.i)), "\n  block (", m.cta.id[0],
                   ", ", m.cta.id[1], ", ", m.cta.id[2], ") warpgroup ", m.number, " (warps ",
                   m.number * warpgroup_warps, " to ",
                   m.number * warpgroup_warps + warpgroup_warps - 1, ")"),
              outcome, severity);
}

/// Whether all lanes of the warp wait at the instruction.
bool is_whole_at(const WarpState& w, std::uint32_t pc) {
  LaneMask here = 0;
  for (const Split& s : w.splits)
    if (s.wait == Wait::warpgroup && s.pc == pc) here |= s.mask;
  return here == all_lanes;
}

/// A value that all threads of the warpgroup must agree on. False, and a finding, where they do
/// not.
template <class T>
bool read_uniform(const Assembly& m, Slot slot, std::string_view what, T* value) {
  *value = m.warp(0).lanes<T>(slot)[0];
  for (std::size_t k = 0; k < warpgroup_warps; ++k) {
    WarpState& w = m.warp(k);
    if (m.grid.checked && w.defined[slot] != all_lanes) {
      report_fault(w, m.i, Fault::undefined_operand, std::countr_one(w.defined[slot]), 0, 0);
      return false;
    }
    const T* lanes = w.lanes<T>(slot);
    for (int l = 0; l < lane_count; ++l) {
      if (lanes[l] == *value) continue;
      finding(m,
              text("the threads of the warpgroup give different values for ", what, ": 0x",
                   hex(*value), " in warp ", m.warp(0).index, " lane 0, 0x", hex(lanes[l]),
                   " in warp ", w.index, " lane ", l),
              Severity::finding);
      return !m.grid.stopped;
    }
  }
  return true;
}

bool read_scale(const Assembly& m, bool* accumulate) {
  const Slot slot = m.i.s[2];
  *accumulate = m.warp(0).predicate(slot) == all_lanes;
  for (std::size_t k = 0; k < warpgroup_warps; ++k) {
    WarpState& w = m.warp(k);
    if (m.grid.checked && w.defined[slot] != all_lanes) {
      report_fault(w, m.i, Fault::undefined_operand, std::countr_one(w.defined[slot]), 0, 0);
      return false;
    }
    if (w.predicate(slot) == (*accumulate ? all_lanes : 0)) continue;
    finding(m, "the threads of the warpgroup give different values for scale-d", Severity::finding);
    return !m.grid.stopped;
  }
  return true;
}

int element_bytes(MatrixElement e) {
  switch (e) {
    case MatrixElement::tf32: return 4;
    case MatrixElement::s8:
    case MatrixElement::u8: return 1;
    default: return 2;
  }
}

/// False, and a finding, where the tile leaves the block's memory.
bool is_inside(const Assembly& m, const TensorTile& tile, std::string_view name) {
  for (const std::uint32_t c : tile.chunks) {
    if (c + std::uint64_t{chunk_bytes} <= m.cta.shared.size()) continue;
    finding(m,
            text("out of bounds: matrix ", name, " has ", chunk_bytes,
                 " bytes of shared memory at 0x", hex(c), "; ", surroundings(m.grid, false, c)),
            Severity::fatal, Outcome::illegal_address);
    return false;
  }
  return true;
}

/// The product as it stands. False where it cannot be computed.
bool prepare(const Assembly& m, PendingProduct& p) {
  const ProductForm& form = m.grid.kernel.products[static_cast<std::size_t>(m.i.imm)];
  WarpgroupProduct& product = p.product;
  if (!read_scale(m, &product.accumulate)) return false;
  std::uint64_t a = 0, b = 0;
  if (!form.a_in_registers && !read_uniform(m, m.i.s[0], "the descriptor of matrix A", &a))
    return false;
  if (!read_uniform(m, m.i.s[1], "the descriptor of matrix B", &b)) return false;
  for (std::size_t k = 0; k < warpgroup_warps; ++k) {
    product.registers[k] = m.warp(k).registers;
    product.defined[k] = m.warp(k).defined;
  }
  const Slot* operands = m.grid.kernel.operands.data() + form.operands;
  product.d = operands;
  product.n = form.n;
  product.negate = form.negate;
  product.saturate = form.saturate;
  product.checked = m.grid.checked;
  product.shared = m.cta.shared.data();
  product.written = m.cta.shared_written.data();
  const int bytes = element_bytes(form.a);
  if (form.a_in_registers) {
    product.a = operands + form.d_count;
  } else {
    product.a_tile = tensor_tile(a, form.a_along_k, product_rows, bytes);
    if (!is_inside(m, product.a_tile, "A")) return false;
  }
  product.b_tile = tensor_tile(b, form.b_along_k, form.n, bytes);
  return is_inside(m, product.b_tile, "B");
}

void compute(const Grid& grid, PendingProduct& p) {
  const ProductForm& form =
      grid.kernel.products[static_cast<std::size_t>(grid.kernel.code[p.pc].imm)];
  handlers().warpgroup_multiply(form.a, form.b, form.d)(p.product);
  p.done = true;
}

/// Products are done in their order; when, is the schedule's choice.
bool does_at_once(const Grid& grid, Cta& cta, const Warpgroup& g) {
  switch (grid.options.schedule) {
    case Schedule::earliest: return true;
    case Schedule::latest: return false;
    case Schedule::random: break;
  }
  const bool earlier_waits = std::any_of(g.pending.begin(), g.pending.end(),
                                         [](const PendingProduct& p) { return !p.done; });
  return !earlier_waits && (cta.random() & 1) != 0;
}

void multiply(const Assembly& m) {
  Warpgroup& g = m.group();
  PendingProduct p;
  p.pc = pc_of(m.grid, m.i);
  p.group = g.committed;
  p.serial = ++g.issued;
  if (!prepare(m, p)) return;
  if (m.grid.checked) {
    watch_issue(m.grid, m.cta, m.number, p);
    if (!m.grid.stopped) watch_product_reads(m.grid, m.cta, m.number, p);
    if (m.grid.stopped) return;
  }
  if (does_at_once(m.grid, m.cta, g)) compute(m.grid, p);
  g.pending.push_back(std::move(p));
}

/// All but the latest groups are complete.
void wait(const Assembly& m) {
  Warpgroup& g = m.group();
  const std::int64_t end = std::int64_t{g.committed} - m.i.imm;
  std::size_t complete = 0;
  for (PendingProduct& p : g.pending) {
    if (p.group >= end) break;
    if (!p.done) compute(m.grid, p);
    const ProductForm& form =
        m.grid.kernel.products[static_cast<std::size_t>(m.grid.kernel.code[p.pc].imm)];
    const std::size_t slots = form.d_count + (form.a_in_registers ? 4u : 0u);
    for (std::size_t k = 0; k < slots && !g.uses.empty(); ++k) {
      FragmentUse& use = g.uses[p.product.d[k]];
      if (use.serial == p.serial) use.serial = 0;
    }
    ++complete;
  }
  g.pending.erase(g.pending.begin(), g.pending.begin() + static_cast<std::ptrdiff_t>(complete));
  if (m.grid.checked && end > 0)
    complete_product_reads(m.grid, m.cta, m.number, static_cast<std::uint32_t>(end));
}

/// False where the warpgroup must wait for registers.
bool adjust_registers(const Assembly& m) {
  Warpgroup& g = m.group();
  if (g.registers == 0) return true;  // the driver's compiler ignores the instruction
  const auto wanted = static_cast<std::uint32_t>(m.i.imm);
  const bool more = action_of(m.i) == WarpgroupAction::more_registers;
  if (m.grid.checked && (more ? wanted < g.registers : wanted > g.registers)) {
    finding(m,
            text("setmaxnreg.", more ? "inc" : "dec", " to ", wanted,
                 " registers a thread, which has ", g.registers),
            Severity::finding);
    return true;
  }
  std::uint32_t& spare = m.cta.warpgroups.spare_registers;
  if (wanted > g.registers) {
    const std::uint32_t lacking = (wanted - g.registers) * warpgroup_threads;
    if (lacking > spare) return false;
    spare -= lacking;
  } else {
    spare += (g.registers - wanted) * warpgroup_threads;
  }
  g.registers = wanted;
  return true;
}

/// False where the warpgroup must go on waiting.
bool run(const Assembly& m) {
  Warpgroup& g = m.group();
  switch (action_of(m.i)) {
    case WarpgroupAction::fence: ++g.fences; return true;
    case WarpgroupAction::commit: ++g.committed; return true;
    case WarpgroupAction::wait: wait(m); return true;
    case WarpgroupAction::multiply: multiply(m); return true;
    case WarpgroupAction::more_registers:
    case WarpgroupAction::fewer_registers: return adjust_registers(m);
  }
  return true;
}

/// Runs the instruction where all four warps wait at it. False where they do not, or still wait.
bool try_meeting(const Assembly& m) {
  const std::uint32_t pc = pc_of(m.grid, m.i);
  for (std::size_t k = 0; k < warpgroup_warps; ++k)
    if (!is_whole_at(m.warp(k), pc)) return false;
  if (!run(m)) return false;
  for (std::size_t k = 0; k < warpgroup_warps; ++k) {
    WarpState& w = m.warp(k);
    for (Split& s : w.splits) {
      s.wait = Wait::none;
      ++s.pc;
    }
    unite(w);
    w.stop = w.stop || m.grid.stopped;
  }
  return true;
}

/// Warpgroups that wait for registers may have them now.
void retry_registers(Grid& grid, Cta& cta, std::uint32_t but) {
  for (std::uint32_t g = 0; g < cta.warpgroups.groups.size(); ++g) {
    const std::size_t first = std::size_t{g} * warpgroup_warps;
    if (g == but || first >= cta.warps.size()) continue;
    for (const Split& s : cta.warps[first].splits) {
      if (s.wait != Wait::warpgroup) continue;
      const Instruction& i = grid.kernel.code[s.pc];
      if (action_of(i) == WarpgroupAction::more_registers) {
        try_meeting({grid, cta, g, i});
        break;
      }
    }
  }
}

}  // namespace

void start_warpgroups(Grid& grid, Cta& cta) {
  if (!grid.kernel.has_warpgroups) return;
  cta.warpgroups.groups.assign((grid.block_warps + warpgroup_warps - 1) / warpgroup_warps, {});
  cta.warpgroups.spare_registers = 0;
  for (Warpgroup& g : cta.warpgroups.groups) {
    g.registers = grid.kernel.start_registers;
    if (grid.checked && !grid.kernel.products.empty()) g.uses.resize(grid.kernel.slots);
  }
}

void arrive_at_warpgroup(Grid& grid, Cta& cta, WarpState& w, const Instruction& i, LaneMask m) {
  if (m == 0) {
    ++w.splits[w.current].pc;
    return;
  }
  const Assembly here{grid, cta, w.index / warpgroup_warps, i};
  const std::size_t first = std::size_t{here.number} * warpgroup_warps;
  if (first + warpgroup_warps > cta.warps.size()) {
    finding(here,
            text("an instruction of a whole warpgroup, of which the block has ",
                 cta.warps.size() - first, " of 4 warps"),
            Severity::fatal);
    w.stop = true;
    return;
  }
  if (w.alive != all_lanes) {
    finding(here,
            text("an instruction of a whole warpgroup, of which lanes 0x", hex(~w.alive, 8),
                 " of warp ", w.index, " have exited or do not exist"),
            Severity::fatal);
    w.stop = true;
    return;
  }
  separate(w, m);
  w.splits[w.current].wait = Wait::warpgroup;
  if (try_meeting(here) && action_of(i) == WarpgroupAction::fewer_registers)
    retry_registers(grid, cta, here.number);
}

std::string waiting_for_warpgroup(const Cta& cta, const Instruction& i) {
  if (action_of(i) == WarpgroupAction::more_registers)
    return text("waits for its warpgroup, and for registers, of which ",
                cta.warpgroups.spare_registers, " are free");
  return "waits for the other warps of its warpgroup";
}

bool report_stuck_warpgroup(Grid& grid, Cta& cta) {
  for (const WarpState& w : cta.warps) {
    for (const Split& s : w.splits) {
      if (s.wait != Wait::warpgroup) continue;
      const Assembly here{grid, cta, w.index / warpgroup_warps, grid.kernel.code[s.pc]};
      bool together = true;
      for (std::size_t k = 0; k < warpgroup_warps; ++k)
        together = together && is_whole_at(here.warp(k), s.pc);
      const Warpgroup& g = here.group();
      const std::string what =
          together
              ? text("deadlock: setmaxnreg.inc from ", g.registers, " to ", here.i.imm,
                     " registers a thread needs ",
                     (static_cast<std::uint32_t>(here.i.imm) - g.registers) * warpgroup_threads,
                     ", of which others have released ", cta.warpgroups.spare_registers)
              : std::string(
                    "warpgroup divergence: not all threads of the four warps execute "
                    "this instruction together");
      finding(here, text(what, "\n", standing(grid, {&cta})), Severity::fatal,
              together ? Outcome::launch_timeout : Outcome::launch_failed);
      return true;
    }
  }
  return false;
}

}  // namespace ptxmill::emu
