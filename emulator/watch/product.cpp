#include "emulator/watch/product.hpp"

#include <algorithm>
#include <bit>

#include "emulator/run/grid.hpp"
#include "emulator/text.hpp"
#include "emulator/watch/race.hpp"

namespace ptxmill::emu {
namespace {

std::string name_of(const Grid& grid, Slot slot) {
  const auto found = grid.kernel.fragments.find(slot);
  return found == grid.kernel.fragments.end() ? std::string("?") : found->second;
}

/// A finding about a register, once for each pair of instructions.
void report(Grid& grid, std::uint32_t pc, std::uint32_t other, std::string_view what,
            std::string_view who_does, std::string_view earlier, std::string_view remedy) {
  if (!grid.reported_races.emplace(pc, other).second) return;
  add_finding(grid,
              text(what, "\n  ", where(grid, pc), "\n  ", who_does, "\n  ", earlier, ", ",
                   where(grid, other), "\n  ", remedy),
              Outcome::launch_failed, Severity::finding);
}

/// What a warp's instruction does to a register.
void touch(Grid& grid, Warp& w, Warpgroup& g, std::uint32_t pc, Slot slot, bool writes) {
  FragmentUse& use = g.uses[slot];
  if (use.serial != 0 && !w.stop) {
    report(
        grid, pc, use.pc,
        text("register ", name_of(grid, slot), " is ", writes ? "written" : "read",
             " while a product in flight ",
             use.accumulator ? "accumulates in it" : "reads matrix A from it"),
        text("block (", w.cta->id[0], ", ", w.cta->id[1], ", ", w.cta->id[2], ") warp ", w.index),
        "issued by",
        "wgmma.wait_group, after the wgmma.commit_group of that product, would wait for it");
    w.stop = grid.stopped;
  }
  use.touched = g.fences + 1;
  use.touched_pc = pc;
}

bool is_fragment(const Grid& grid, Slot slot) { return grid.kernel.fragments.count(slot) != 0; }

/// stmatrix keeps the registers that it reads among the results.
bool stores_matrix(const Grid& grid, std::uint32_t pc) {
  const Instruction& i = grid.kernel.code[pc];
  return i.kind == Kind::warp_sync && grid.kernel.access_numbers[pc] != 0 &&
         (i.aux & AccessBits::writes) != 0;
}

std::string group_name(const Cta& cta, std::uint32_t group) {
  return text("block (", cta.id[0], ", ", cta.id[1], ", ", cta.id[2], ") warpgroup ", group);
}

/// A register that the product needs, as an accumulator or of a.
void check_register(Grid& grid, Cta& cta, std::uint32_t group, const PendingProduct& p, Slot slot,
                    bool accumulator) {
  Warpgroup& g = cta.warpgroups.groups[group];
  FragmentUse& use = g.uses[slot];
  const auto& code = grid.kernel.code;
  const auto form_at = [&](std::uint32_t pc) {
    return grid.kernel.products[static_cast<std::size_t>(code[pc].imm)];
  };
  if (use.touched > g.fences) {
    report(grid, p.pc, use.touched_pc,
           text("register ", name_of(grid, slot), " has been used since the last wgmma.fence"),
           group_name(cta, group), "last by", "a wgmma.fence between the two would order them");
  } else if (use.serial != 0 && use.accumulator != accumulator) {
    report(grid, p.pc, use.pc,
           text("register ", name_of(grid, slot), " of ", accumulator ? "the result" : "matrix A",
                " is ", use.accumulator ? "the result" : "matrix A", " of a product in flight"),
           group_name(cta, group), "issued by", "wgmma.wait_group would wait for it");
  } else if (use.serial != 0 && accumulator) {
    const ProductForm mine = form_at(p.pc), theirs = form_at(use.pc);
    if (mine.n != theirs.n || mine.d != theirs.d)
      report(grid, p.pc, use.pc,
             text("register ", name_of(grid, slot),
                  " is the result of a product in flight that has another shape"),
             group_name(cta, group), "issued by", "wgmma.wait_group would wait for it");
  }
  use.serial = p.serial;
  use.pc = p.pc;
  use.accumulator = accumulator;
}

/// The segment of what products of that group read: that of an agent of the block, which is no
/// warp.
std::uint32_t segment_of_group(Grid& grid, Cta& cta, std::uint32_t group, std::uint32_t number) {
  Warpgroup& g = cta.warpgroups.groups[group];
  for (const Warpgroup::Reads& r : g.reads)
    if (r.group == number) return r.segment;
  const std::uint32_t segment =
      grid.history().add({.launch = grid.launch_number,
                          .cta = cta.order.linear,
                          .time = cta.order.time,
                          .warp = static_cast<std::uint16_t>(cta.warps.size() + group),
                          .pending = all_lanes,
                          .async = true});
  g.reads.push_back({number, segment});
  return segment;
}

void watch_tile(Cta& cta, std::uint32_t group, const Instruction& i, const TensorTile& tile,
                std::uint32_t segment) {
  Target t;
  t.bytes = cta.shared.data();
  t.written = cta.shared_written.data();
  t.shadow = cta.shared_shadow.get();
  for (std::size_t from = 0; from < tile.chunks.size(); from += lane_count) {
    const std::size_t count = std::min<std::size_t>(lane_count, tile.chunks.size() - from);
    const LaneMask lanes = count == lane_count ? all_lanes : (LaneMask{1} << count) - 1;
    for (std::size_t k = 0; k < lane_count; ++k)
      t.offset[k] = k < count ? tile.chunks[from + k] : 0;
    // Whoever wrote there must be ordered before each of the four warps.
    WarpState& first = cta.warps[group * warpgroup_warps];
    watch_async_proxy(first, i, std::countr_zero(first.alive), lanes, t, chunk_bytes, false);
    for (std::size_t k = 0; k < warpgroup_warps; ++k)
      watch_access(cta.warps[group * warpgroup_warps + k], i, AccessBits::reads, lanes, t,
                   chunk_bytes, segment);
  }
}

}  // namespace

void watch_fragments(Grid& grid, Warp& w, std::uint32_t pc) {
  Warpgroup& g = w.cta->warpgroups.groups[w.index / warpgroup_warps];
  const Instruction& i = grid.kernel.code[pc];
  const bool stores = stores_matrix(grid, pc);
  for (const Slot s : i.s)
    if (is_fragment(grid, s)) touch(grid, w, g, pc, s, false);
  for (const Slot s : i.d)
    if (is_fragment(grid, s)) touch(grid, w, g, pc, s, !stores);
  const auto& lists = grid.kernel.operand_lists;
  const auto list =
      std::lower_bound(lists.begin(), lists.end(), pc,
                       [](const OperandList& l, std::uint32_t at) { return l.pc < at; });
  if (list == lists.end() || list->pc != pc) return;
  for (std::uint32_t k = 0; k < list->total; ++k) {
    const Slot s = grid.kernel.operands[list->first + k];
    if (is_fragment(grid, s)) touch(grid, w, g, pc, s, k < list->results);
  }
}

void watch_issue(Grid& grid, Cta& cta, std::uint32_t group, const PendingProduct& p) {
  const ProductForm& form =
      grid.kernel.products[static_cast<std::size_t>(grid.kernel.code[p.pc].imm)];
  if (cta.warpgroups.groups[group].fences == 0) {
    report(grid, p.pc, p.pc, "a product of a warpgroup that has executed no wgmma.fence",
           group_name(cta, group), "the product is",
           "a wgmma.fence must come before the first of them");
  }
  for (std::uint32_t k = 0; k < form.d_count && !grid.stopped; ++k)
    check_register(grid, cta, group, p, p.product.d[k], true);
  for (std::uint32_t k = 0; k < 4 && form.a_in_registers && !grid.stopped; ++k)
    check_register(grid, cta, group, p, p.product.a[k], false);
}

void watch_product_reads(Grid& grid, Cta& cta, std::uint32_t group, const PendingProduct& p) {
  const Instruction& i = grid.kernel.code[p.pc];
  const std::uint32_t segment = segment_of_group(grid, cta, group, p.group);
  if (p.product.a == nullptr) watch_tile(cta, group, i, p.product.a_tile, segment);
  watch_tile(cta, group, i, p.product.b_tile, segment);
}

void complete_product_reads(Grid& grid, Cta& cta, std::uint32_t group, std::uint32_t end) {
  Warpgroup& g = cta.warpgroups.groups[group];
  bool any = false;
  for (const Warpgroup::Reads& r : g.reads) {
    if (r.group >= end) continue;
    Segment& s = grid.history()[r.segment];
    s.pending = 0;
    s.time = cta.order.time;
    any = true;
  }
  if (!any) return;
  std::erase_if(g.reads, [&](const Warpgroup::Reads& r) { return r.group < end; });
  const std::size_t agent = cta.warps.size() + group;
  const Time now = cta.order.time;
  for (std::size_t k = 0; k < warpgroup_warps; ++k) {
    WarpState& w = cta.warps[group * warpgroup_warps + k];
    w.order.known.resize(known_agents(cta));
    w.order.known[agent] = now;
    end_segment(w);
  }
}

}  // namespace ptxmill::emu
