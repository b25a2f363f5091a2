#include "emulator/async/mbarrier_operands.hpp"

#include <bit>

#include "emulator/lanes/handlers.hpp"
#include "emulator/run/grid.hpp"

namespace ptxmill::emu {
namespace {

constexpr std::uint32_t object_bytes = 8;

}  // namespace

std::uint64_t mbarrier_address(Warp& w, const Instruction& i, int lane) {
  const bool wide = (i.aux & AccessBits::address64) != 0;
  return address_in(w, {i.s[0], i.imm, wide, false}, lane);
}

SharedPlace mbarrier_place(Warp& w, const Instruction& i, int lane) {
  const std::uint64_t address = mbarrier_address(w, i, lane);
  Fault why = Fault::none;
  const SharedPlace at = resolve_cluster_address(w, address, &why);
  const bool generic =
      (i.aux & AccessBits::space_mask) == static_cast<std::uint32_t>(AddressSpace::generic);
  const bool outside = at.block == nullptr || (generic && address - shared_window >= window_bytes);
  if (!outside && at.offset % object_bytes == 0 &&
      at.offset + object_bytes <= at.block->shared.size())
    return at;
  const Fault fault = why != Fault::none            ? why
                      : address % object_bytes != 0 ? Fault::misaligned
                      : generic                     ? Fault::generic_bounds
                                                    : Fault::shared_bounds;
  report_fault(w, i, fault, lane, address, object_bytes);
  return {};
}

void watch_mbarriers(WarpState& w, const Instruction& i, LaneMask lanes) {
  if (w.shared.shadow == nullptr) return;
  while (lanes != 0 && !w.stop) {
    Cta* block = nullptr;
    LaneMask together = 0;
    Target t{};
    for (LaneMask left = lanes; left != 0; left &= left - 1) {
      const int lane = std::countr_zero(left);
      const SharedPlace at = mbarrier_place(w, i, lane);
      if (w.stop) return;
      if (block == nullptr) block = at.block;
      if (at.block != nullptr && at.block != block) continue;
      lanes &= ~(LaneMask{1} << lane);
      if (at.block == nullptr) continue;
      t.offset[lane] = at.offset;
      together |= LaneMask{1} << lane;
    }
    if (block == nullptr) return;
    t.bytes = block->shared.data();
    t.written = block->shared_written.data();
    t.shadow = block->shared_shadow.get();
    t.owner = block == w.cta ? nullptr : block;
    watch_access(static_cast<Warp&>(w), i, i.aux, together, t, object_bytes);
  }
}

LaneMask with_defined_operands(Warp& w, const Instruction& i, LaneMask m) {
  const LaneMask no_address = m & ~w.defined[i.s[0]];
  if (no_address != 0) {
    const int lane = std::countr_zero(no_address);
    report_fault(w, i, Fault::undefined_address, lane, mbarrier_address(w, i, lane), 0);
  }
  const LaneMask no_value = m & ~(w.defined[i.s[1]] & w.defined[i.s[2]]);
  if (no_value != 0 && !w.stop)
    report_fault(w, i, Fault::undefined_operand, std::countr_zero(no_value), 0, 0);
  return m & ~(no_address | no_value);
}

}  // namespace ptxmill::emu
