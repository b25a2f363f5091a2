#include "emulator/run/footprint.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "emulator/run/grid.hpp"

namespace ptxmill::emu {
namespace {

constexpr std::size_t first_table = 256;

bool all_are(const void* bytes, std::uint8_t value) {
  const auto* p = static_cast<const std::uint8_t*>(bytes);
  return *p == value && std::memcmp(p, p + 1, PageBits::bytes - 1) == 0;
}

}  // namespace

void PageBits::add(std::uint64_t first, std::uint64_t last) {
  const std::size_t from = first / 64, to = (last - 1) / 64;
  first_ = std::min(first_, from);
  last_ = std::max(last_, to + 1);
  const std::uint64_t head = ~std::uint64_t{0} << first % 64;
  const std::uint64_t tail = ~std::uint64_t{0} >> (63 - (last - 1) % 64);
  if (from == to) {
    bits_[from] |= head & tail;
    return;
  }
  bits_[from] |= head;
  for (std::size_t w = from + 1; w < to; ++w) bits_[w] = ~std::uint64_t{0};
  bits_[to] |= tail;
}

bool PageBits::meets(const PageBits& part) const {
  for (std::size_t w = part.first_; w < part.last_; ++w)
    if ((bits_[w] & part.bits_[w]) != 0) return true;
  return false;
}

void PageBits::add(const PageBits& part) {
  first_ = std::min(first_, part.first_);
  last_ = std::max(last_, part.last_);
  for (std::size_t w = part.first_; w < part.last_; ++w) bits_[w] |= part.bits_[w];
}

void PageBits::clear() {
  for (std::size_t w = first_; w < last_; ++w) bits_[w] = 0;
  first_ = words;
  last_ = 0;
}

BlockFootprint::BlockFootprint(LaunchFootprint& launch) : launch_(launch), table_(first_table) {}

void note_global(Warp& w, std::uint32_t access, LaneMask lanes, const Target& t, int bytes) {
  const bool strong = static_cast<Scope>(access >> AccessBits::scope_shift & 3u) != Scope::weak;
  if (strong) {
    w.grid->needs_order = true;
    w.stop = true;
    return;
  }
  w.footprint->note(lanes, t, static_cast<std::uint64_t>(bytes),
                    (access & AccessBits::writes) != 0);
}

void BlockFootprint::note(LaneMask lanes, const Target& t, std::uint64_t size, bool writes) {
  if (lanes == all_lanes && t.pattern != Pattern::scattered) {
    const std::uint64_t accesses = t.pattern == Pattern::uniform ? 1 : lane_count;
    return touch(t, t.offset[0], t.offset[0] + accesses * size, writes);
  }
  std::uint64_t first = 0, last = 0;
  for (LaneMask left = lanes; left != 0; left &= left - 1) {
    const std::uint64_t at = t.offset[std::countr_zero(left)];
    if (at != last || first == last) {
      if (first != last) touch(t, first, last, writes);
      first = at;
    }
    last = at + size;
  }
  if (first != last) touch(t, first, last, writes);
}

void BlockFootprint::touch(const Target& t, std::uint64_t first, std::uint64_t last, bool writes) {
  while (first < last) {
    const std::uint64_t number = first / PageBits::bytes;
    const std::uint64_t start = number * PageBits::bytes;
    const std::uint64_t end = std::min(last, start + PageBits::bytes);
    Page& p = page(t, number);
    if (writes && !p.kept) {
      launch_.keep(p.place);
      p.kept = true;
    }
    (writes ? p.written : p.read).add(first - start, end - start);
    first = end;
  }
}

std::size_t BlockFootprint::entry_of(std::uint64_t address) const {
  const std::uint64_t h = address * 0x9e3779b97f4a7c15u;
  std::size_t at = (h ^ h >> 32) & (table_.size() - 1);
  while (table_[at].page != nullptr && table_[at].address != address)
    at = (at + 1) & (table_.size() - 1);
  return at;
}

void BlockFootprint::grow() {
  table_.assign(table_.size() * 2, Entry{});
  for (std::size_t k = 0; k < used_; ++k) {
    Page& p = *pages_[k];
    p.entry = entry_of(p.place.address);
    table_[p.entry] = {p.place.address, &p};
  }
}

BlockFootprint::Page& BlockFootprint::page(const Target& t, std::uint64_t number) {
  const std::uint64_t offset = number * PageBits::bytes;
  const std::size_t at = entry_of(t.base + offset);
  if (table_[at].page != nullptr) return *table_[at].page;
  if (used_ == pages_.size()) pages_.push_back(std::make_unique<Page>());
  Page& p = *pages_[used_++];
  p.place = {t.base + offset, t.bytes + offset, t.written + offset};
  p.entry = at;
  p.kept = false;
  table_[at] = {p.place.address, &p};
  if (used_ * 2 > table_.size()) grow();
  return p;
}

bool BlockFootprint::close() {
  bool apart = true;
  for (std::size_t k = 0; k < used_; ++k) {
    Page& p = *pages_[k];
    apart = launch_.add(p.place, p.read, p.written) && apart;
    p.read.clear();
    p.written.clear();
    table_[p.entry] = {};
  }
  used_ = 0;
  return apart;
}

void LaunchFootprint::keep(const PagePlace& place) {
  Shard& shard = shard_of(place.address);
  const std::lock_guard lock(shard.mutex);
  Page& p = shard.pages[place.address];
  if (p.kept) return;
  p.place = place;
  if (!all_are(place.bytes, 0)) {
    p.old_bytes = std::make_unique_for_overwrite<std::byte[]>(PageBits::bytes);
    std::memcpy(p.old_bytes.get(), place.bytes, PageBits::bytes);
  }
  p.old_flag = *place.written;
  if (!all_are(place.written, p.old_flag)) {
    p.old_written = std::make_unique_for_overwrite<std::uint8_t[]>(PageBits::bytes);
    std::memcpy(p.old_written.get(), place.written, PageBits::bytes);
  }
  p.kept = true;
}

bool LaunchFootprint::add(const PagePlace& place, const PageBits& read, const PageBits& written) {
  Shard& shard = shard_of(place.address);
  const std::lock_guard lock(shard.mutex);
  Page& p = shard.pages[place.address];
  const bool apart = !p.written.meets(read) && !p.written.meets(written) && !p.read.meets(written);
  p.read.add(read);
  p.written.add(written);
  return apart;
}

void LaunchFootprint::undo() {
  for (Shard& shard : shards_) {
    for (auto& [address, p] : shard.pages) {
      if (!p.kept) continue;
      if (p.old_bytes) {
        std::memcpy(p.place.bytes, p.old_bytes.get(), PageBits::bytes);
      } else {
        std::memset(p.place.bytes, 0, PageBits::bytes);
      }
      if (p.old_written) {
        std::memcpy(p.place.written, p.old_written.get(), PageBits::bytes);
      } else {
        std::memset(p.place.written, p.old_flag, PageBits::bytes);
      }
    }
  }
}

}  // namespace ptxmill::emu
