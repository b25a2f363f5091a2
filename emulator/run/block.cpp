// A block's storage, and what its registers and memory hold when it starts.
#include <algorithm>
#include <cstring>

#include "emulator/run/grid.hpp"

namespace ptxmill::emu {
namespace {

std::uint32_t special_value(const Grid& grid, const Cta& cta, std::uint32_t warp,
                            std::uint32_t lane, Special s) {
  const auto& block = grid.launch.block;
  const auto& cluster = grid.launch.cluster;
  const std::uint32_t linear = warp * lane_count + lane;
  switch (s) {
    case Special::tid_x: return linear % block[0];
    case Special::tid_y: return linear / block[0] % block[1];
    case Special::tid_z: return linear / block[0] / block[1];
    case Special::ntid_x: return block[0];
    case Special::ntid_y: return block[1];
    case Special::ntid_z: return block[2];
    case Special::ctaid_x: return cta.id[0];
    case Special::ctaid_y: return cta.id[1];
    case Special::ctaid_z: return cta.id[2];
    case Special::nctaid_x: return grid.launch.grid[0];
    case Special::nctaid_y: return grid.launch.grid[1];
    case Special::nctaid_z: return grid.launch.grid[2];
    case Special::laneid: return lane;
    case Special::warpid: return warp;
    case Special::nwarpid: return grid.block_warps;
    case Special::smid: return cta.slot % static_cast<std::uint32_t>(grid.machine.sm_count);
    case Special::nsmid: return static_cast<std::uint32_t>(grid.machine.sm_count);
    case Special::lanemask_eq: return 1u << lane;
    case Special::lanemask_lt: return (1u << lane) - 1;
    case Special::lanemask_le: return (2u << lane) - 1;
    case Special::lanemask_gt: return ~((2u << lane) - 1);
    case Special::lanemask_ge: return ~((1u << lane) - 1);
    case Special::cluster_ctaid_x: return cta.id[0] % cluster[0];
    case Special::cluster_ctaid_y: return cta.id[1] % cluster[1];
    case Special::cluster_ctaid_z: return cta.id[2] % cluster[2];
    case Special::cluster_nctaid_x: return cluster[0];
    case Special::cluster_nctaid_y: return cluster[1];
    case Special::cluster_nctaid_z: return cluster[2];
    case Special::cluster_ctarank: return cta.rank;
    case Special::cluster_nctarank: return cluster[0] * cluster[1] * cluster[2];
    case Special::clusterid_x: return cta.id[0] / cluster[0];
    case Special::clusterid_y: return cta.id[1] / cluster[1];
    case Special::clusterid_z: return cta.id[2] / cluster[2];
    case Special::nclusterid_x: return grid.launch.grid[0] / cluster[0];
    case Special::nclusterid_y: return grid.launch.grid[1] / cluster[1];
    case Special::nclusterid_z: return grid.launch.grid[2] / cluster[2];
    case Special::explicit_cluster: return grid.launch.explicit_cluster ? all_lanes : 0;
    case Special::dynamic_smem_size: return grid.launch.dynamic_shared_bytes;
    case Special::total_smem_size: return static_cast<std::uint32_t>(grid.shared_bytes);
    case Special::workspace_low: return static_cast<std::uint32_t>(grid.workspace);
    case Special::workspace_high: return static_cast<std::uint32_t>(grid.workspace >> 32);
    case Special::gridid:
    case Special::stack_frame:
    case Special::stack_top:
    case Special::zero64: return 0;
  }
  return 0;
}

void fill_constants(const Grid& grid, WarpState& w) {
  std::memset(w.registers + zero_slot * slot_bytes, 0, 2 * slot_bytes);
  for (const ConstantSlot& c : grid.kernel.constants) {
    const std::uint64_t value =
        c.value + (c.variable < 0 ? 0 : grid.variables[static_cast<std::size_t>(c.variable)]);
    if (c.bits == 1) {
      w.predicate(c.slot) = value != 0 ? all_lanes : 0;
    } else if (c.bits == 64) {
      std::fill_n(w.lanes<std::uint64_t>(c.slot), lane_count, value);
    } else {
      std::fill_n(w.lanes<std::uint32_t>(c.slot), lane_count, static_cast<std::uint32_t>(value));
    }
  }
}

void fill_special(const Grid& grid, const Cta& cta, WarpState& w, const SpecialSlot& s) {
  if (s.special == Special::gridid || s.special == Special::stack_frame ||
      s.special == Special::stack_top) {
    const bool top = s.special == Special::stack_top;
    std::fill_n(w.lanes<std::uint64_t>(s.slot), lane_count,
                top ? grid.kernel.entry_frame_bytes : 0);
    return;
  }
  std::uint32_t* d = w.lanes<std::uint32_t>(s.slot);
  for (std::uint32_t l = 0; l < lane_count; ++l)
    d[l] = special_value(grid, cta, w.index, l, s.special);
}

}  // namespace

std::uint64_t most_blocks(const Grid& grid) {
  constexpr std::uint64_t bytes = std::uint64_t{2} << 30;
  const std::uint64_t a_warp = grid.kernel.slots * (slot_bytes + sizeof(LaneMask)) +
                               2 * lane_count * grid.kernel.info.local_bytes;
  return std::max<std::uint64_t>(1, bytes / (a_warp * grid.block_warps + 2 * grid.shared_bytes));
}

void allocate_block(Grid& grid, Cta& cta) {
  const std::uint32_t warps = grid.block_warps;
  const std::size_t each = grid.kernel.slots * slot_bytes;
  constexpr std::size_t align = 64;
  cta.register_storage = std::make_unique<std::byte[]>(each * warps + align);
  const auto address = reinterpret_cast<std::uintptr_t>(cta.register_storage.get());
  cta.registers = cta.register_storage.get() + (align - address % align) % align;
  cta.defined.resize(std::size_t{grid.kernel.slots} * warps);
  cta.shared.resize(grid.shared_bytes);
  cta.shared_written.resize(grid.shared_bytes);
  if (grid.checked) cta.shared_shadow = std::make_unique<Shadow>(grid.shared_bytes);
  const std::size_t local = grid.kernel.info.local_bytes * lane_count;
  cta.local.resize(local * warps);
  cta.local_written.resize(local * warps);
  for (Barrier& b : cta.barriers) {
    b.lanes.resize(warps);
    b.pcs.resize(warps);
    b.warp_counted.resize(warps);
    b.warp_waits.resize(warps);
  }
  cta.warps.resize(warps);
  for (std::uint32_t k = 0; k < warps; ++k) {
    WarpState& w = cta.warps[k];
    w.registers = cta.registers + each * k;
    w.defined = cta.defined.data() + std::size_t{grid.kernel.slots} * k;
    w.operands = grid.kernel.operands.data();
    w.grid = &grid;
    w.cta = &cta;
    w.index = k;
    w.checked = grid.checked;
    w.footprint = grid.footprint;
    w.shared = {cta.shared.data(), cta.shared_written.data(), 0, cta.shared.size(),
                cta.shared_shadow.get()};
    w.local = {cta.local.data() + local * k, cta.local_written.data() + local * k, 0,
               grid.kernel.info.local_bytes};
    w.params = {const_cast<std::byte*>(grid.launch.params.data()), nullptr, 0,
                grid.launch.params.size()};
    fill_constants(grid, w);
  }
}

void start_block(Grid& grid, Cta& cta, std::uint64_t number) {
  const auto& g = grid.launch.grid;
  cta.id = {static_cast<std::uint32_t>(number % g[0]),
            static_cast<std::uint32_t>(number / g[0] % g[1]),
            static_cast<std::uint32_t>(number / g[0] / g[1])};
  // What nothing wrote reads as NaN where checks are off, as likely as anything on a device.
  std::fill(cta.shared.begin(), cta.shared.end(), std::byte{0xff});
  std::fill(cta.shared_written.begin(), cta.shared_written.end(), std::uint8_t{0});
  std::fill(cta.local.begin(), cta.local.end(), std::byte{0xff});
  std::fill(cta.local_written.begin(), cta.local_written.end(), std::uint8_t{0});
  cta.live_warps = grid.block_warps;
  cta.next_warp = 0;
  cta.has_waited_for_launches = !grid.launch.overlaps;
  cta.uniform.clear();
  cta.async.reset();
  if (cta.shared_shadow) cta.shared_shadow->forget(0, cta.shared.size());
  start_warpgroups(grid, cta);
  start_order(grid, cta);
  // Each block has a stream of its own, so that it takes one course whatever runs beside it.
  if (grid.options.schedule == Schedule::random)
    cta.random.seed(grid.options.seed + (cta.order.linear + 1) * 0x9e3779b97f4a7c15u);
  for (WarpState& w : cta.warps) {
    std::copy(grid.defined_at_start.begin(), grid.defined_at_start.end(), w.defined);
    for (const auto& [first, last] : grid.left_over)
      std::memset(w.registers + first * slot_bytes, 0, (last - first) * slot_bytes);
    for (const SpecialSlot& s : grid.kernel.specials) fill_special(grid, cta, w, s);
    const std::uint32_t threads =
        std::min(grid.block_threads - w.index * lane_count, std::uint32_t{lane_count});
    if (grid.kernel.top != 0) reset_stack(grid, cta, w);
    w.cluster_arrived = w.cluster_passed = 0;
    start_warp(w, threads == lane_count ? all_lanes : (LaneMask{1} << threads) - 1);
  }
}

}  // namespace ptxmill::emu
