// Addresses of shared memory, of the executing block and of others in its cluster.
#include "emulator/async/block.hpp"
#include "emulator/run/grid.hpp"
#include "emulator/text.hpp"

namespace ptxmill::emu {

AsyncBlock& async_of(Cta& cta) {
  if (!cta.async) cta.async = std::make_unique<AsyncBlock>();
  return *cta.async;
}

Cta* cluster_block(Warp& w, std::uint32_t rank) {
  const Cluster* const cluster = w.cta->cluster;
  if (cluster == nullptr) return rank == 0 ? w.cta : nullptr;
  return rank < cluster->blocks.size() ? cluster->blocks[rank] : nullptr;
}

SharedPlace resolve_cluster_address(Warp& w, std::uint64_t address, Fault* why) {
  if (address - shared_window < window_bytes) address -= shared_window;
  Region region;
  const Fault fault = locate_shared(w, address, region);
  if (why != nullptr) *why = fault;
  if (fault != Fault::none) return {};
  constexpr std::uint64_t offset_mask = (std::uint64_t{1} << cluster_rank_shift) - 1;
  return {region.owner != nullptr ? region.owner : w.cta,
          static_cast<std::uint32_t>(address & offset_mask)};
}

std::uint64_t address_in(Warp& w, const TransferAddress& a, int lane) {
  if (a.wide) return w.lanes<std::uint64_t>(a.base)[lane] + static_cast<std::uint64_t>(a.offset);
  return w.lanes<std::uint32_t>(a.base)[lane] + static_cast<std::uint32_t>(a.offset);
}

void async_finding(Warp& w, const Instruction& i, int lane, std::string_view what) {
  Grid& grid = *w.grid;
  const auto pc = static_cast<std::uint32_t>(&i - grid.kernel.code.data());
  add_finding(grid, text(what, "\n  ", where(grid, pc), "\n  ", who(grid, w, lane)),
              Outcome::launch_failed, Severity::finding);
  w.stop = grid.stopped;
}

}  // namespace ptxmill::emu
