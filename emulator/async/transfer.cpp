// Bulk copies and asynchronous stores are started: operands are read and checked (PTX ISA,
// "cp.async.bulk", "cp.async.bulk.tensor", "cp.reduce.async.bulk", "st.async").
#include <bit>
#include <cstring>

#include "emulator/async/block.hpp"
#include "emulator/run/grid.hpp"
#include "emulator/text.hpp"

namespace ptxmill::emu {
namespace {

constexpr std::uint32_t plain_align = 16, tensor_align = 128, map_align = 64;

/// One lane's copy, as its operands have it.
class Start {
 public:
  Start(WarpState& w, const Instruction& i, int lane)
      : w_(w),
        i_(i),
        lane_(lane),
        form_(w.grid->kernel.transfers[static_cast<std::size_t>(i.imm)]) {}

  /// False where there is nothing to copy, or a fault.
  bool read_operands() {
    if (w_.checked && !are_defined()) return false;
    t_->instruction = &i_;
    t_->form = &form_;
    t_->warp = &w_;
    t_->lane = lane_;
    if (form_.rank > 0 && !read_map()) return false;
    if (stores()) {
      read_values();
    } else if (form_.rank == 0) {
      t_->bytes = w_.lanes<std::uint32_t>(form_.bytes)[lane_];
      if (t_->bytes % plain_align != 0)
        return wrong(text("a bulk copy of ", t_->bytes, " bytes, which is no multiple of 16"));
    }
    return read_sides() && (form_.way == TransferWay::to_global || read_barrier());
  }

  /// Starts the copy; of a multicast one for each block.
  void launch() {
    if (form_.way == TransferWay::prefetch) return;
    if (!form_.multicast) return launch_one(std::move(t_));
    const std::uint32_t mask = w_.lanes<std::uint32_t>(form_.mask)[lane_] & 0xffffu;
    if (mask == 0) {
      wrong("the mask of a multicast names no block");
      return;
    }
    for (std::uint32_t left = mask; left != 0 && !w_.stop; left &= left - 1) {
      const auto rank = static_cast<std::uint32_t>(std::countr_zero(left));
      Cta* const block = cluster_block(w_, rank);
      if (block == nullptr) {
        wrong(text("the mask 0x", hex(mask), " of a multicast names block ", rank,
                   " of the cluster, which has none of that rank"));
        continue;
      }
      if (has_exited(*block)) {
        wrong(text("block ", rank, " of the cluster, to which the multicast goes, has exited"));
        continue;
      }
      auto copy = std::make_unique<Transfer>(*t_);
      copy->to.block = copy->barrier.block = block;
      if (!barrier_is_ready(copy->barrier)) continue;
      launch_one(std::move(copy));
    }
  }

 private:
  bool stores() const { return form_.way == TransferWay::from_registers; }

  /// The values are read at once, whenever they arrive.
  void read_values() {
    const auto each = static_cast<std::size_t>(form_.value_bytes);
    t_->bytes = each * static_cast<std::size_t>(form_.value_count);
    t_->data.resize(t_->bytes);
    t_->written.resize(t_->bytes);
    t_->has_read = true;
    for (std::size_t k = 0; k < static_cast<std::size_t>(form_.value_count); ++k) {
      const Slot slot = form_.values[k];
      if (each == 4)
        std::memcpy(&t_->data[k * each], &w_.lanes<std::uint32_t>(slot)[lane_], each);
      else
        std::memcpy(&t_->data[k * each], &w_.lanes<std::uint64_t>(slot)[lane_], each);
      const bool known = !w_.checked || has_lane(w_.defined[slot], lane_);
      std::memset(&t_->written[k * each], known ? 1 : 0, each);
    }
  }

  void launch_one(std::unique_ptr<Transfer> t) {
    Cta& cta = *w_.cta;
    if (form_.way == TransferWay::to_global)
      t->group = async_of(cta).groups[thread_number()].committed;
    watch_transfer(*t);
    if (!w_.stop) schedule_transfer(*w_.grid, cta, std::move(t));
  }

  std::uint32_t thread_number() const {
    return w_.index * std::uint32_t{lane_count} + static_cast<std::uint32_t>(lane_);
  }

  bool wrong(std::string_view what) {
    async_finding(w_, i_, lane_, what);
    return false;
  }

  bool are_defined() {
    const auto defined = [&](Slot s) { return has_lane(w_.defined[s], lane_); };
    bool values = defined(form_.bytes) && defined(form_.mask);
    for (int d = 0; d < form_.rank; ++d)
      values = values && defined(form_.coordinates[static_cast<std::size_t>(d)]);
    Fault fault = values ? Fault::none : Fault::undefined_operand;
    for (const TransferAddress* a : {&form_.to, &form_.from, &form_.barrier})
      if (!defined(a->base)) fault = Fault::undefined_address;
    if (fault != Fault::none) report_fault(w_, i_, fault, lane_, 0, 0);
    return fault == Fault::none;
  }

  bool read_map() {
    const TransferAddress& operand = form_.way == TransferWay::to_global ? form_.to : form_.from;
    const std::uint64_t address = address_in(w_, operand, lane_);
    EncodedTensorMap bytes{};
    if (!fetch(address, bytes)) return false;
    const auto map = decode(bytes);
    if (!map) {
      return wrong(text("what lies at 0x", hex(address),
                        " is no tensor map: cuTensorMapEncodeTiled did not write it"));
    }
    if (map->rank != form_.rank) {
      return wrong(text("a copy of ", form_.rank, " dimensions by a tensor map of ", map->rank));
    }
    t_->map = *map;
    t_->bytes = map->box_bytes();
    for (std::size_t d = 0; d < static_cast<std::size_t>(form_.rank); ++d)
      t_->at[d] = w_.lanes<std::int32_t>(form_.coordinates[d])[lane_];
    return true;
  }

  /// The map's bytes, from parameters, constant or global memory.
  bool fetch(std::uint64_t address, EncodedTensorMap& bytes) {
    if (address % map_align != 0 && address - param_window >= window_bytes)
      return wrong(text("the tensor map's address 0x", hex(address), " is no multiple of 64"));
    if (address - param_window < window_bytes) {
      const std::uint64_t offset = address - param_window;
      if (offset % map_align != 0)
        return wrong(text("the tensor map lies at parameter offset ", offset,
                          ", which is no multiple of 64: its .param needs .align 64"));
      if (offset + sizeof bytes > w_.params.size)
        return wrong(text("the tensor map at parameter offset ", offset, " passes their end"));
      std::memcpy(bytes.data(), w_.params.bytes + offset, sizeof bytes);
      return true;
    }
    Region region;
    if (!locate_global(w_, address, region) || address - region.base + sizeof bytes > region.size) {
      const bool offset = address < w_.grid->kernel.info.param_bytes;
      return wrong(text("the tensor map's address 0x", hex(address), " is not mapped",
                        offset ? ": of a parameter, cvta.param makes it generic" : ""));
    }
    std::memcpy(bytes.data(), region.bytes + (address - region.base), sizeof bytes);
    return true;
  }

  bool read_sides() {
    switch (form_.way) {
      case TransferWay::to_shared:
        return read_global(form_.from) && read_shared(form_.to, true, t_->to);
      case TransferWay::to_global:
        return read_shared(form_.from, false, t_->from) && read_global(form_.to);
      case TransferWay::within_cluster:
        return read_shared(form_.from, false, t_->from) && read_shared(form_.to, true, t_->to);
      case TransferWay::from_registers: return read_shared(form_.to, true, t_->to);
      case TransferWay::prefetch: break;
    }
    return false;
  }

  bool read_global(const TransferAddress& a) {
    if (form_.rank > 0) return true;
    t_->global = address_in(w_, a, lane_);
    if (t_->global % plain_align == 0) return true;
    report_fault(w_, i_, Fault::misaligned, lane_, t_->global, plain_align);
    return false;
  }

  bool read_shared(const TransferAddress& a, bool cluster, SharedPlace& place) {
    const std::uint64_t address = address_in(w_, a, lane_);
    Fault why = Fault::none;
    place = resolve_cluster_address(w_, address, &why);
    if (!cluster && place.block != w_.cta) place.block = nullptr;
    const std::uint32_t align = form_.rank > 0 ? tensor_align
                                : stores()     ? static_cast<std::uint32_t>(t_->bytes)
                                               : plain_align;
    // A permutation may move bytes to the end of the last span.
    const std::uint64_t span = form_.rank > 0 ? swizzle_span(t_->map.swizzle) : 1;
    const std::uint64_t end = (place.offset + t_->bytes + span - 1) / span * span;
    if (place.block == nullptr || end > place.block->shared.size()) {
      report_fault(w_, i_, why == Fault::none ? Fault::shared_bounds : why, lane_, address,
                   static_cast<std::uint32_t>(t_->bytes));
      return false;
    }
    if (place.offset % align == 0) return true;
    report_fault(w_, i_, Fault::misaligned, lane_, address, align);
    return false;
  }

  bool read_barrier() {
    const std::uint64_t address = address_in(w_, form_.barrier, lane_);
    Fault why = Fault::none;
    t_->barrier = resolve_cluster_address(w_, address, &why);
    if (t_->barrier.block == nullptr ||
        t_->barrier.offset + sizeof(std::uint64_t) > t_->barrier.block->shared.size()) {
      report_fault(w_, i_, why == Fault::none ? Fault::shared_bounds : why, lane_, address,
                   sizeof(std::uint64_t));
      return false;
    }
    if (form_.multicast) return true;
    if (t_->barrier.block != t_->to.block)
      return wrong("the mbarrier lies in another block than what the copy writes");
    return barrier_is_ready(t_->barrier);
  }

  bool barrier_is_ready(SharedPlace at) {
    const BlockBarrier* const b = barrier_at(w_, i_, lane_, at);
    if (b == nullptr) return false;
    if (!w_.checked || b->fenced || at.block != w_.cta) return true;
    return wrong(text("nothing makes the initialisation of the mbarrier at 0x", hex(at.offset),
                      " visible to the async proxy: fence.mbarrier_init or fence.proxy.async does"
                      "\n  initialised at ",
                      where(*w_.grid, b->initialised_at)));
  }

  WarpState& w_;
  const Instruction& i_;
  int lane_;
  const TransferForm& form_;
  std::unique_ptr<Transfer> t_ = std::make_unique<Transfer>();
};

}  // namespace

void start_transfers(Warp& warp, const Instruction& i, LaneMask lanes) {
  auto& w = static_cast<WarpState&>(warp);
  for (LaneMask left = lanes; left != 0 && !w.stop; left &= left - 1) {
    Start start(w, i, std::countr_zero(left));
    if (start.read_operands()) start.launch();
  }
}

}  // namespace ptxmill::emu
