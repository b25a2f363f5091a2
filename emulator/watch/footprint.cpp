#include "emulator/watch/footprint.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "emulator/run/grid.hpp"

namespace ptxmill::emu {
namespace {

// Storage that is kept from block to block, and in each shard from launch to launch.
constexpr std::size_t most_kept_by_block = 1024, most_kept_by_shard = 256;

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

void PageBits::add(const PageBits& other) {
  first_ = std::min(first_, other.first_);
  last_ = std::max(last_, other.last_);
  for (std::size_t w = other.first_; w < other.last_; ++w) bits_[w] |= other.bits_[w];
}

bool PageBits::meets(const PageBits& other) const {
  const std::size_t last = std::min(last_, other.last_);
  for (std::size_t w = std::max(first_, other.first_); w < last; ++w)
    if ((bits_[w] & other.bits_[w]) != 0) return true;
  return false;
}

void PageBits::clear() {
  for (std::size_t w = first_; w < last_; ++w) bits_[w] = 0;
  first_ = words;
  last_ = 0;
}

template <class P>
std::size_t PageTable<P>::entry_of(std::uint64_t address) const {
  const std::uint64_t h = address * 0x9e3779b97f4a7c15u;
  std::size_t at = (h ^ h >> 32) & (table_.size() - 1);
  while (table_[at].stored != nullptr && table_[at].address != address)
    at = (at + 1) & (table_.size() - 1);
  return at;
}

template <class P>
void PageTable<P>::grow() {
  table_.assign(table_.size() * 2, Entry{});
  for (std::size_t k = 0; k < used_; ++k) {
    Stored& s = *pages_[k];
    s.entry = entry_of(s.page.place.address);
    table_[s.entry] = {s.page.place.address, &s};
  }
}

template <class P>
P& PageTable<P>::at(const PagePlace& place) {
  const std::size_t at = entry_of(place.address);
  if (table_[at].stored != nullptr) return table_[at].stored->page;
  if (used_ == pages_.size()) pages_.push_back(std::make_unique<Stored>());
  Stored& s = *pages_[used_++];
  s.page.place = place;
  s.entry = at;
  table_[at] = {place.address, &s};
  if (used_ * 2 > table_.size()) grow();
  return s.page;
}

template <class P>
void PageTable<P>::clear(std::size_t most) {
  for (std::size_t k = 0; k < used_; ++k) {
    pages_[k]->page.clear();
    table_[pages_[k]->entry] = {};
  }
  used_ = 0;
  if (pages_.size() > most) pages_.resize(most);
}

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
    const std::uint64_t start = first / PageBits::bytes * PageBits::bytes;
    const std::uint64_t end = std::min(last, start + PageBits::bytes);
    Page& p = pages_.at({t.base + start, t.bytes + start, t.written + start});
    if (writes && !p.kept) {
      launch_.keep(p.place);
      p.kept = true;
    }
    (writes ? p.written : p.read).add(first - start, end - start);
    first = end;
  }
}

bool BlockFootprint::close() {
  bool apart = true;
  pages_.for_each([&](const Page& p) { apart = launch_.add(p.place, p.read, p.written) && apart; });
  pages_.clear(most_kept_by_block);
  return apart;
}

void BlockFootprint::abandon() {
  pages_.for_each([&](const Page& p) {
    if (p.kept) launch_.add(p.place, PageBits(), p.written);
  });
  pages_.clear(most_kept_by_block);
}

void BlockFootprint::Page::clear() {
  kept = false;
  read.clear();
  written.clear();
}

void LaunchFootprint::Page::clear() {
  kept = kept_bytes = kept_written = false;
  read.clear();
  written.clear();
}

void LaunchFootprint::keep(const PagePlace& place) {
  Shard& shard = shard_of(place.address);
  const std::lock_guard lock(shard.mutex);
  Page& p = shard.pages.at(place);
  if (p.kept) return;
  p.kept = true;
  p.kept_bytes = !all_are(place.bytes, 0);
  if (p.kept_bytes) {
    if (!p.old_bytes) p.old_bytes = std::make_unique_for_overwrite<std::byte[]>(PageBits::bytes);
    std::memcpy(p.old_bytes.get(), place.bytes, PageBits::bytes);
  }
  p.old_flag = *place.written;
  p.kept_written = !all_are(place.written, p.old_flag);
  if (p.kept_written) {
    if (!p.old_written)
      p.old_written = std::make_unique_for_overwrite<std::uint8_t[]>(PageBits::bytes);
    std::memcpy(p.old_written.get(), place.written, PageBits::bytes);
  }
}

bool LaunchFootprint::add(const PagePlace& place, const PageBits& read, const PageBits& written) {
  Shard& shard = shard_of(place.address);
  const std::lock_guard lock(shard.mutex);
  Page& p = shard.pages.at(place);
  const bool apart = !p.written.meets(read) && !p.written.meets(written) && !p.read.meets(written);
  p.read.add(read);
  p.written.add(written);
  return apart;
}

void LaunchFootprint::undo() {
  for (Shard& shard : shards_) {
    shard.pages.for_each([](Page& p) {
      p.written.for_stretches(PageBits::bytes, [&](std::uint64_t first, std::uint64_t last) {
        const std::size_t size = last - first;
        if (p.kept_bytes) {
          std::memcpy(p.place.bytes + first, p.old_bytes.get() + first, size);
        } else {
          std::memset(p.place.bytes + first, 0, size);
        }
        if (p.kept_written) {
          std::memcpy(p.place.written + first, p.old_written.get() + first, size);
        } else {
          std::memset(p.place.written + first, p.old_flag, size);
        }
      });
    });
  }
}

void LaunchFootprint::clear() {
  for (Shard& shard : shards_) shard.pages.clear(most_kept_by_shard);
}

}  // namespace ptxmill::emu
