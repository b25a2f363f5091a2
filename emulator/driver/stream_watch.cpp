#include "emulator/driver/stream_watch.hpp"

#include <algorithm>
#include <bit>

#include "emulator/text.hpp"

namespace ptxmill::emu::driver {
namespace {

// Where there is more to remember, the oldest operation is forgotten: then a finding is missed.
constexpr std::size_t most_uses = 256, most_pages = 65536;

bool conflict(AccessKind a, AccessKind b) {
  return a != b || (a != AccessKind::read && a != AccessKind::atomic);
}

std::string_view verb(AccessKind kind) {
  switch (kind) {
    case AccessKind::read: return "reads";
    case AccessKind::write: return "writes";
    case AccessKind::atomic: return "updates";
    case AccessKind::allocate: return "allocates";
    case AccessKind::free: return "frees";
  }
  return "";
}

/// The bits from `first` to `last`, both in the same word.
std::uint64_t bits_between(std::size_t first, std::size_t last) {
  const std::uint64_t up_to = ~std::uint64_t{0} >> (63 - last % 64);
  return up_to & (~std::uint64_t{0} << first % 64);
}

/// Calls f(word, mask) for the words that hold the bits of [begin, end), until it returns true.
template <class F>
bool for_words(std::size_t begin, std::size_t end, F f) {
  for (std::size_t at = begin; at < end;) {
    const std::size_t stop = std::min(end, (at / 64 + 1) * 64);
    if (f(at / 64, bits_between(at, stop - 1))) return true;
    at = stop;
  }
  return false;
}

}  // namespace

void StreamWatch::begin(OperationId id, std::string who, Start start) {
  forget_old();
  rivals_.clear();
  overlapped_.clear();
  last_page_ = nullptr;
  for (Use& use : uses_) {
    use.reported = false;
    if (!order_.ordered_before(use.id, id)) rivals_.push_back(&use);
  }
  Start latest = start;
  for (auto use = uses_.rbegin(); use != uses_.rend() && latest == Start::overlapping_launch;
       ++use) {
    if (!order_.same_chain(use->id, id)) continue;
    latest = use->start;
    if (latest != Start::after_all) overlapped_.push_back(&*use);
  }
  uses_.push_back({id, std::move(who), start, {}, {}, false});
}

void StreamWatch::clear() {
  uses_.clear();
  rivals_.clear();
  overlapped_.clear();
  page_count_ = 0;
}

void StreamWatch::forget_old() {
  while (!uses_.empty() && (uses_.size() >= most_uses || page_count_ > most_pages)) {
    page_count_ -= uses_.front().pages.size();
    uses_.pop_front();
  }
}

StreamWatch::Overlap StreamWatch::overlap_in_pages(const Use& use, DeviceAddress begin,
                                                   DeviceAddress end, AccessKind kind) {
  Overlap result;
  const auto look = [&](std::uint64_t number, const Page& page) {
    const DeviceAddress base = number * page_bytes;
    const std::size_t first = begin > base ? begin - base : 0;
    const std::size_t last = std::min<std::uint64_t>(page_bytes, end - base);
    for (std::size_t k = 0; k < kinds && !result.found; ++k) {
      const auto other = static_cast<AccessKind>(k);
      if (!page[k] || !conflict(kind, other)) continue;
      const Bits& bits = *page[k];
      for_words(first, last, [&](std::size_t word, std::uint64_t mask) {
        const std::uint64_t both = bits[word] & mask;
        if (both == 0) return false;
        result = {base + word * 64 + static_cast<std::size_t>(std::countr_zero(both)), other, true};
        return true;
      });
    }
  };
  const std::uint64_t first_page = begin / page_bytes, last_page = (end - 1) / page_bytes;
  if (last_page - first_page < use.pages.size()) {
    for (std::uint64_t n = first_page; n <= last_page && !result.found; ++n)
      if (const auto it = use.pages.find(n); it != use.pages.end()) look(n, it->second);
  } else {
    for (const auto& [n, page] : use.pages)
      if (!result.found && n >= first_page && n <= last_page) look(n, page);
  }
  return result;
}

StreamWatch::Overlap StreamWatch::overlap(const Use& use, DeviceAddress begin, DeviceAddress end,
                                          AccessKind kind) {
  for (const Range& r : use.ranges) {
    if (conflict(kind, r.kind) && begin < r.end && r.begin < end)
      return {std::max(begin, r.begin), r.kind, true};
  }
  return overlap_in_pages(use, begin, end, kind);
}

void StreamWatch::record(DeviceAddress begin, DeviceAddress end, AccessKind kind) {
  Use& use = uses_.back();
  if (end - begin >= page_bytes) {
    use.ranges.push_back({begin, end, kind});
    return;
  }
  for (DeviceAddress at = begin; at < end;) {
    const std::uint64_t number = at / page_bytes;
    const DeviceAddress stop = std::min(end, (number + 1) * page_bytes);
    if (last_page_ == nullptr || last_number_ != number) {
      const auto [it, inserted] = use.pages.try_emplace(number);
      if (inserted) ++page_count_;
      last_number_ = number;
      last_page_ = &it->second;
    }
    auto& bits = (*last_page_)[static_cast<std::size_t>(kind)];
    if (!bits) bits = std::make_unique<Bits>();
    for_words(at % page_bytes, stop - number * page_bytes,
              [&](std::size_t word, std::uint64_t mask) {
                (*bits)[word] |= mask;
                return false;
              });
    at = stop;
  }
}

bool StreamWatch::objects(DeviceAddress address, std::size_t bytes, AccessKind kind) {
  const std::lock_guard lock(mutex_);
  if (bytes == 0) return false;
  return std::any_of(rivals_.begin(), rivals_.end(), [&](const Use* rival) {
    return !rival->reported && overlap(*rival, address, address + bytes, kind).found;
  });
}

std::string StreamWatch::conflict_with(const std::vector<Use*>& others, DeviceAddress begin,
                                       DeviceAddress end, AccessKind kind, std::string_view what,
                                       std::string_view why) {
  for (Use* other : others) {
    if (other->reported) continue;
    const Overlap o = overlap(*other, begin, end, kind);
    if (!o.found) continue;
    other->reported = true;
    return text(what, ": ", uses_.back().who, " ", verb(kind), " the byte at 0x", hex(o.at),
                ", which ", other->who, " ", verb(o.kind), "; ", why);
  }
  return {};
}

std::string StreamWatch::touch(DeviceAddress address, std::size_t bytes, AccessKind kind,
                               bool early) {
  const std::lock_guard lock(mutex_);
  if (bytes == 0 || uses_.empty()) return {};
  const DeviceAddress end = address + bytes;
  record(address, end, kind);
  std::string found =
      conflict_with(rivals_, address, end, kind, "memory used by two streams at once",
                    "no event, graph edge or wait of the host orders the two");
  if (found.empty() && early)
    found = conflict_with(overlapped_, address, end, kind, "memory used before griddepcontrol.wait",
                          "the launch overlaps those ahead of it in the stream");
  return found;
}

}  // namespace ptxmill::emu::driver
