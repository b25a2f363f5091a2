// Bulk copies under watch: which bytes they touch, from their start to the wait that joins them.
#include <algorithm>

#include "emulator/async/block.hpp"
#include "emulator/run/grid.hpp"
#include "emulator/text.hpp"
#include "emulator/watch/race.hpp"

namespace ptxmill::emu {
namespace {

/// st.async is asynchronous, and yet of the generic proxy.
bool is_of_async_proxy(const Transfer& t) { return t.form->way != TransferWay::from_registers; }

/// One side of a copy: shows bytes of one stretch of memory to the watches.
class Side {
 public:
  Side(Transfer& t, std::uint32_t access, std::uint32_t segment)
      : t_(t), w_(*t.warp), access_(access), segment_(segment) {
    target_.pattern = Pattern::scattered;
  }

  void shared(SharedPlace at) {
    Region& region = at.block->warps[0].shared;
    if (region.shadow == nullptr) return;
    use(region, false);
    target_.owner = at.block == w_.cta ? nullptr : at.block;
    if (target_.owner != nullptr && segment_ != 0) {
      const auto pc = static_cast<std::uint32_t>(t_.instruction - w_.grid->kernel.code.data());
      note_remote_access(w_, *at.block, segment_, pc, LaneMask{1} << t_.lane);
    }
    bytes(at.offset, t_.bytes);
  }

  void global(std::uint64_t address, std::uint64_t length) {
    if (length == 0 || w_.stop) return;
    const bool known = address - region_.base < region_.size;
    if ((!known && !locate_global(w_, address, region_)) ||
        address - region_.base + length > region_.size) {
      report_fault(w_, *t_.instruction, Fault::global_bounds, t_.lane, address,
                   static_cast<std::uint32_t>(length));
      return;
    }
    show_operation(address, length);
    if (w_.stop || region_.shadow == nullptr || segment_ == 0) return;
    use(region_, true);
    bytes(address - region_.base, length);
  }

 private:
  void use(const Region& r, bool global) {
    target_.bytes = r.bytes;
    target_.written = r.written;
    target_.shadow = r.shadow;
    target_.base = r.base;
    target_.global = global;
  }

  /// Whole words at once, what is left at the ends byte by byte.
  void bytes(std::uint64_t first, std::uint64_t length) {
    if (segment_ == 0) return;
    const std::uint64_t last = first + length;
    target_.offset[t_.lane] = first;
    if (is_of_async_proxy(t_))
      watch_async_proxy(w_, *t_.instruction, t_.lane, LaneMask{1} << t_.lane, target_, length,
                        (access_ & AccessBits::writes) != 0);
    const std::uint64_t words = (first + Shadow::word - 1) / Shadow::word * Shadow::word;
    const std::uint64_t words_end = std::max(words, last / Shadow::word * Shadow::word);
    for (std::uint64_t b = first; b < std::min(words, last); ++b) piece(b, 1);
    if (words < words_end) piece(words, words_end - words);
    for (std::uint64_t b = std::max(words_end, first); b < last && b >= words; ++b) piece(b, 1);
  }

  void piece(std::uint64_t first, std::uint64_t length) {
    if (w_.stop) return;
    target_.offset[t_.lane] = first;
    watch_access(w_, *t_.instruction, access_, LaneMask{1} << t_.lane, target_,
                 static_cast<int>(length), segment_);
  }

  void show_operation(std::uint64_t address, std::uint64_t length) {
    Grid& grid = *w_.grid;
    if (grid.watch == nullptr) return;
    const bool reduces = t_.form->reduction != TransferReduction::none;
    const AccessKind kind = (access_ & AccessBits::writes) == 0 ? AccessKind::read
                            : reduces                           ? AccessKind::atomic
                                                                : AccessKind::write;
    const std::string what =
        grid.watch->touch(address, length, kind, !w_.cta->has_waited_for_launches);
    if (!what.empty()) async_finding(w_, *t_.instruction, t_.lane, what);
  }

  Transfer& t_;
  WarpState& w_;
  std::uint32_t access_, segment_;
  Region region_{};
  Target target_{};
};

std::uint32_t new_segment(const Transfer& t) {
  WarpState& w = *t.warp;
  Grid& grid = *w.grid;
  const LaneMask lane = LaneMask{1} << t.lane;
  Segment s{.launch = grid.launch_number,
            .cta = w.cta->order.linear,
            .time = w.order.time,
            .warp = static_cast<std::uint16_t>(w.index),
            .lanes = lane,
            .pending = lane,
            .async = true,
            .async_proxy = is_of_async_proxy(t)};
  if (t.barrier.block != nullptr) {
    s.agent = async_of(*t.barrier.block).barriers.at(t.barrier.offset).agent;
    s.agent_time = ~Time{0};  // nobody knows of it before it is done
  }
  return grid.history().add(s);
}

void watch_global(Transfer& t, std::uint32_t access, std::uint32_t segment) {
  Side side(t, access, segment);
  if (t.form->rank == 0) return side.global(t.global, t.bytes);
  for_rows(t.map, t.at, [&](const BoxRow& row) { side.global(row.global, row.inside); });
}

}  // namespace

void watch_transfer(Transfer& t) {
  WarpState& w = *t.warp;
  History& history = w.grid->history();
  if (w.checked && !history.full()) {
    t.source_segment = new_segment(t);
    t.destination_segment = new_segment(t);
  }
  const TransferWay way = t.form->way;
  std::uint32_t writes = AccessBits::writes;
  if (t.form->reduction != TransferReduction::none)
    writes |= AccessBits::reads | static_cast<std::uint32_t>(Scope::gpu) << AccessBits::scope_shift;
  if (way == TransferWay::to_shared) {
    watch_global(t, AccessBits::reads, t.source_segment);
  } else if (w.checked && way != TransferWay::from_registers) {
    Side(t, AccessBits::reads, t.source_segment).shared(t.from);
  }
  if (w.stop) return;
  if (way == TransferWay::to_global) {
    watch_global(t, writes, t.destination_segment);
    async_of(*w.cta)
        .groups[w.index * std::uint32_t{lane_count} + static_cast<std::uint32_t>(t.lane)]
        .segments.push_back({t.group, t.source_segment, t.destination_segment, t.instruction});
  } else if (w.checked) {
    Side(t, writes, t.destination_segment).shared(t.to);
  }
}

}  // namespace ptxmill::emu
