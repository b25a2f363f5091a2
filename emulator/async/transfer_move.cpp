// The bytes of bulk copies: rows of boxes, what lies outside of the tensor, permutations of shared
// memory.
#include <algorithm>
#include <cstring>

#include "emulator/async/block.hpp"
#include "emulator/async/reduction.hpp"
#include "emulator/run/grid.hpp"

namespace ptxmill::emu {
namespace {

constexpr std::uint64_t chunk = 16;

/// Calls f(place in the copy, place in shared memory, bytes) for stretches that stay together.
template <class F>
void for_chunks(const Transfer& t, std::uint32_t shared, F f) {
  const Swizzle s = t.form->rank == 0 ? Swizzle::none : t.map.swizzle;
  if (s == Swizzle::none) return f(std::uint64_t{0}, std::uint64_t{shared}, t.bytes);
  for (std::uint64_t at = 0; at < t.bytes; at += chunk)
    f(at, std::uint64_t{swizzled(shared + static_cast<std::uint32_t>(at), s)}, chunk);
}

/// A stretch of global memory. Where it was freed meanwhile, the report of its use stands already.
bool locate(const Transfer& t, std::uint64_t address, std::uint64_t bytes, Region& region) {
  if (address - region.base >= region.size && !locate_global(*t.warp, address, region))
    return false;
  return address - region.base + bytes <= region.size;
}

/// What an element outside of the tensor reads as.
std::uint64_t filling(const TensorMap& m) {
  if (!m.fill_nan) return 0;
  switch (bytes_of(m.element)) {
    case 2: return 0x7fff;
    case 4: return 0x7fffffff;
    default: return 0x7fffffffffffffff;
  }
}

void fill(Transfer& t, std::uint64_t at, std::uint64_t bytes) {
  const std::uint64_t value = filling(t.map);
  const auto each = static_cast<std::uint64_t>(bytes_of(t.map.element));
  for (std::uint64_t k = 0; k < bytes; k += each) std::memcpy(&t.data[at + k], &value, each);
  std::fill_n(t.written.begin() + static_cast<std::ptrdiff_t>(at), bytes, std::uint8_t{1});
}

void fetch(Transfer& t, std::uint64_t at, std::uint64_t address, std::uint64_t bytes,
           Region& region) {
  if (bytes == 0 || !locate(t, address, bytes, region)) return;
  std::memcpy(&t.data[at], region.bytes + (address - region.base), bytes);
  std::memcpy(&t.written[at], region.written + (address - region.base), bytes);
}

/// Subnormals become zeros where the map says so.
void flush(Transfer& t) {
  const TensorElement e = t.map.element;
  if (e != TensorElement::f32_ftz && e != TensorElement::tf32_ftz) return;
  for (std::size_t at = 0; at < t.data.size(); at += sizeof(std::uint32_t)) {
    std::uint32_t v = 0;
    std::memcpy(&v, &t.data[at], sizeof v);
    if ((v & 0x7f800000u) == 0) v &= 0x80000000u;
    std::memcpy(&t.data[at], &v, sizeof v);
  }
}

void read_global(Transfer& t) {
  Region region;
  if (t.form->rank == 0) return fetch(t, 0, t.global, t.bytes, region);
  for_rows(t.map, t.at, [&](const BoxRow& row) {
    fill(t, row.offset, row.before);
    fetch(t, row.offset + row.before, row.global, row.inside, region);
    fill(t, row.offset + row.before + row.inside, row.after);
  });
  flush(t);
}

void read_shared(Transfer& t) {
  const Cta& block = *t.from.block;
  for_chunks(t, t.from.offset, [&](std::uint64_t at, std::uint64_t from, std::uint64_t bytes) {
    std::memcpy(&t.data[at], &block.shared[from], bytes);
    std::memcpy(&t.written[at], &block.shared_written[from], bytes);
  });
}

void write_shared(Transfer& t) {
  Cta& block = *t.to.block;
  for_chunks(t, t.to.offset, [&](std::uint64_t at, std::uint64_t to, std::uint64_t bytes) {
    if (t.form->reduction != TransferReduction::none) {
      reduce(t.form->reduction, t.form->type, &block.shared[to], &t.data[at], bytes);
    } else {
      std::memcpy(&block.shared[to], &t.data[at], bytes);
    }
    std::memcpy(&block.shared_written[to], &t.written[at], bytes);
  });
}

void put(Transfer& t, std::uint64_t at, std::uint64_t address, std::uint64_t bytes,
         Region& region) {
  if (bytes == 0 || t.warp->stop || !locate(t, address, bytes, region)) return;
  const auto first = t.written.begin() + static_cast<std::ptrdiff_t>(at);
  const auto unwritten = std::find(first, first + static_cast<std::ptrdiff_t>(bytes), 0);
  if (t.warp->checked && unwritten != first + static_cast<std::ptrdiff_t>(bytes)) {
    report_fault(*t.warp, *t.instruction, Fault::undefined_store, t.lane,
                 address + static_cast<std::uint64_t>(unwritten - first), 0);
    if (t.warp->stop) return;
  }
  std::byte* const to = region.bytes + (address - region.base);
  if (t.form->reduction != TransferReduction::none) {
    const isa::Type type = t.form->rank == 0 ? t.form->type : type_of(t.map.element);
    reduce(t.form->reduction, type, to, &t.data[at], bytes);
  } else {
    std::memcpy(to, &t.data[at], bytes);
  }
  std::memset(region.written + (address - region.base), 1, bytes);
}

void write_global(Transfer& t) {
  Region region;
  if (t.form->rank == 0) return put(t, 0, t.global, t.bytes, region);
  for_rows(t.map, t.at, [&](const BoxRow& row) {
    put(t, row.offset + row.before, row.global, row.inside, region);
  });
}

}  // namespace

void read_source(Transfer& t) {
  if (t.has_read) return;
  t.has_read = true;
  t.data.assign(t.bytes, std::byte{0});
  t.written.assign(t.bytes, 0);
  if (t.bytes == 0) return;
  if (t.form->way == TransferWay::to_shared) {
    read_global(t);
  } else {
    read_shared(t);
  }
}

void write_destination(Transfer& t) {
  if (t.bytes == 0) return;
  if (t.form->way == TransferWay::to_global) {
    write_global(t);
  } else {
    write_shared(t);
  }
}

}  // namespace ptxmill::emu
