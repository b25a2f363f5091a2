#include "runtime/counters.hpp"

#include "runtime/counting.hpp"

namespace ptxmill::rt {
namespace {

/// The one list that pairs each public number with its cell.
template <class Visit>
void for_each_counter(Counters& out, counting::Cells& cells, Visit visit) {
  visit(out.transfers_to_device, cells.transfers_to_device);
  visit(out.bytes_to_device, cells.bytes_to_device);
  visit(out.transfers_to_host, cells.transfers_to_host);
  visit(out.bytes_to_host, cells.bytes_to_host);
  visit(out.copies_on_device, cells.copies_on_device);
  visit(out.bytes_on_device, cells.bytes_on_device);
  visit(out.allocations, cells.allocations);
  visit(out.frees, cells.frees);
  visit(out.bytes_allocated, cells.bytes_allocated);
  visit(out.launches, cells.launches);
  visit(out.graph_launches, cells.graph_launches);
  visit(out.kernel_misses, cells.kernel_misses);
}

}  // namespace

counting::Cells& counting::cells() {
  static Cells cells;
  return cells;
}

Counters counters() {
  Counters result;
  for_each_counter(result, counting::cells(), [](std::uint64_t& value, counting::Counter& cell) {
    value = cell.load(std::memory_order_relaxed);
  });
  result.kernel_hits =
      counting::hits(counting::cells().launches, counting::cells().loading_launches);
  return result;
}

void reset_counters() {
  Counters unused;
  for_each_counter(unused, counting::cells(), [](std::uint64_t&, counting::Counter& cell) {
    cell.store(0, std::memory_order_relaxed);
  });
  counting::cells().loading_launches.store(0, std::memory_order_relaxed);
}

}  // namespace ptxmill::rt
