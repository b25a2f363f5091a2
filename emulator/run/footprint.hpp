// What blocks that run at the same time touch in global memory: whether any of them met, and how to
// undo what they did.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "emulator/run/warp.hpp"

namespace ptxmill::emu {

/// The bytes of one page that something was done to, a bit each.
class PageBits {
 public:
  static constexpr std::uint64_t bytes = 4096;
  static constexpr std::size_t words = bytes / 64;

  /// Adds the bytes [first, last).
  void add(std::uint64_t first, std::uint64_t last);
  /// Whether both have a byte; only `part` knows where its bytes begin and end.
  bool meets(const PageBits& part) const;
  void add(const PageBits& part);
  void clear();
  bool empty() const { return first_ >= last_; }
  /// Calls f(first, last) for each stretch of bytes, of at most `most` of them.
  template <class F>
  void for_stretches(std::uint64_t most, F f) const;

 private:
  std::array<std::uint64_t, words> bits_{};
  std::size_t first_ = words, last_ = 0;  ///< words that may have a bit
};

/// Where a page lies. Pages count from the start of an allocation, whose memory the host gives in
/// pages as well: all of the last one can be read.
struct PagePlace {
  std::uint64_t address = 0;
  std::byte* bytes = nullptr;
  std::uint8_t* written = nullptr;
};

class LaunchFootprint;

/// What one block touches. Owned by the thread that runs the block.
class BlockFootprint {
 public:
  explicit BlockFootprint(LaunchFootprint& launch);
  /// The lanes are about to access `size` bytes each.
  void note(LaneMask lanes, const Target& target, std::uint64_t size, bool writes);
  /// The block is over. False where another block that is over has written what this one touched,
  /// or has touched what it wrote.
  bool close();

 private:
  struct Page {
    PagePlace place;
    std::size_t entry = 0;  ///< in `table_`
    bool kept = false;
    PageBits read, written;
  };
  struct Entry {
    std::uint64_t address = 0;
    Page* page = nullptr;  ///< null: free
  };
  void touch(const Target& target, std::uint64_t first, std::uint64_t last, bool writes);
  Page& page(const Target& target, std::uint64_t number);
  std::size_t entry_of(std::uint64_t address) const;
  void grow();

  LaunchFootprint& launch_;
  std::vector<std::unique_ptr<Page>> pages_;  ///< the first `used_` are the block's
  std::size_t used_ = 0;
  std::vector<Entry> table_;  ///< by the addresses' hash, with linear probing
};

/// What all blocks of a launch touched. Every thread may use it.
class LaunchFootprint {
 public:
  /// Keeps what the page holds, unless it is kept already. Before the first write to it.
  void keep(const PagePlace& place);
  /// Adds what a block did to a page. False where it met another block there.
  bool add(const PagePlace& place, const PageBits& read, const PageBits& written);
  /// Puts back what was kept. Nothing may be running.
  void undo();
  /// Calls f(address, bytes, whether they were written) for stretches of all that was touched.
  template <class F>
  void for_each(F f) const;

 private:
  struct Page {
    PagePlace place;
    PageBits read, written;
    bool kept = false;
    std::unique_ptr<std::byte[]> old_bytes;       ///< null: zeros
    std::unique_ptr<std::uint8_t[]> old_written;  ///< null: all are `old_flag`
    std::uint8_t old_flag = 0;
  };
  struct Shard {
    std::mutex mutex;
    std::unordered_map<std::uint64_t, Page> pages;  ///< by address
  };
  static constexpr std::size_t shard_count = 64;
  Shard& shard_of(std::uint64_t address) {
    return shards_[address / PageBits::bytes % shard_count];
  }
  std::array<Shard, shard_count> shards_;
};

template <class F>
void PageBits::for_stretches(std::uint64_t most, F f) const {
  const auto has = [&](std::uint64_t byte) { return (bits_[byte / 64] >> byte % 64 & 1u) != 0; };
  for (std::uint64_t at = first_ * 64; at < last_ * 64;) {
    if (!has(at)) {
      at = bits_[at / 64] == 0 ? (at / 64 + 1) * 64 : at + 1;
      continue;
    }
    std::uint64_t end = at + 1;
    while (end < last_ * 64 && end - at < most && has(end)) ++end;
    f(at, end);
    at = end;
  }
}

template <class F>
void LaunchFootprint::for_each(F f) const {
  constexpr std::uint64_t most = PageBits::bytes / 2;
  for (const Shard& shard : shards_) {
    for (const auto& [address, page] : shard.pages) {
      const std::uint64_t base = address;
      for (const bool writes : {false, true}) {
        (writes ? page.written : page.read)
            .for_stretches(most, [&](std::uint64_t first, std::uint64_t last) {
              f(base + first, last - first, writes);
            });
      }
    }
  }
}

}  // namespace ptxmill::emu
