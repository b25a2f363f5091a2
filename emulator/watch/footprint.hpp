// What blocks that run at the same time touch in global memory: whether any of them met, and how to
// undo what they did.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "emulator/decode/instruction.hpp"

namespace ptxmill::emu {

struct Target;

/// The bytes of one page that something was done to, a bit each.
class PageBits {
 public:
  static constexpr std::uint64_t bytes = 4096;
  static constexpr std::size_t words = bytes / 64;

  /// Adds the bytes [first, last).
  void add(std::uint64_t first, std::uint64_t last);
  void add(const PageBits& other);
  /// Whether both have a byte.
  bool meets(const PageBits& other) const;
  void clear();
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

/// Pages by their addresses. `P` has a member `place` and a function clear(); one that is not used
/// any more keeps its storage for the next.
template <class P>
class PageTable {
 public:
  /// The page there; a new one is clear but for its place.
  P& at(const PagePlace& place);
  /// Calls f(page) for each page.
  template <class F>
  void for_each(F f) {
    for (std::size_t k = 0; k < used_; ++k) f(pages_[k]->page);
  }
  /// Forgets the pages, and gives back the storage of those beyond `most`.
  void clear(std::size_t most);

 private:
  struct Stored {
    P page;
    std::size_t entry = 0;  ///< in `table_`
  };
  struct Entry {
    std::uint64_t address = 0;
    Stored* stored = nullptr;  ///< null: free
  };
  std::size_t entry_of(std::uint64_t address) const;
  void grow();

  std::vector<std::unique_ptr<Stored>> pages_;  ///< the first `used_` are in the table
  std::size_t used_ = 0;
  std::vector<Entry> table_ = std::vector<Entry>(64);  ///< by hash, with linear probing
};

/// What all blocks of a launch touched. Every thread may use it.
class LaunchFootprint {
 public:
  /// Keeps what the page holds, unless it is kept already. Before the first write to it.
  void keep(const PagePlace& place);
  /// Adds what a block did to a page. False where it met another block there.
  bool add(const PagePlace& place, const PageBits& read, const PageBits& written);
  /// Puts back what the bytes held that blocks wrote. Nothing may be running. Others are left
  /// alone: the host may be writing to those that it shares.
  void undo();
  /// Forgets all. Nothing may be running.
  void clear();
  /// Calls f(address, bytes, whether they were written) for stretches of all that was touched.
  template <class F>
  void for_each(F f);

 private:
  struct Page {
    PagePlace place;
    PageBits read, written;
    bool kept = false, kept_bytes = false, kept_written = false;  ///< else zeros, and `old_flag`
    std::uint8_t old_flag = 0;
    std::unique_ptr<std::byte[]> old_bytes;
    std::unique_ptr<std::uint8_t[]> old_written;
    void clear();
  };
  struct Shard {
    std::mutex mutex;
    PageTable<Page> pages;
  };
  static constexpr std::size_t shard_count = 64;
  Shard& shard_of(std::uint64_t address) {
    return shards_[address / PageBits::bytes % shard_count];
  }
  std::array<Shard, shard_count> shards_;
};

/// What one block touches. Owned by the thread that runs the block.
class BlockFootprint {
 public:
  explicit BlockFootprint(LaunchFootprint& launch) : launch_(launch) {}
  /// The lanes are about to access `size` bytes each.
  void note(LaneMask lanes, const Target& target, std::uint64_t size, bool writes);
  /// The block is over. False where another block that is over has written what this one touched,
  /// or has touched what it wrote.
  bool close();
  /// The block will not end: what it wrote is there to be undone. Does not throw.
  void abandon();

 private:
  struct Page {
    PagePlace place;
    bool kept = false;
    PageBits read, written;
    void clear();
  };
  void touch(const Target& target, std::uint64_t first, std::uint64_t last, bool writes);

  LaunchFootprint& launch_;
  PageTable<Page> pages_;
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
    while (end < last_ * 64 && end - at < most && has(end))
      end += end % 64 == 0 && ~bits_[end / 64] == 0 && end - at + 64 <= most ? 64 : 1;
    f(at, end);
    at = end;
  }
}

template <class F>
void LaunchFootprint::for_each(F f) {
  constexpr std::uint64_t most = PageBits::bytes / 2;
  for (Shard& shard : shards_) {
    shard.pages.for_each([&](const Page& page) {
      const std::uint64_t base = page.place.address;
      page.read.for_stretches(most, [&](std::uint64_t first, std::uint64_t last) {
        f(base + first, last - first, false);
      });
      page.written.for_stretches(most, [&](std::uint64_t first, std::uint64_t last) {
        f(base + first, last - first, true);
      });
    });
  }
}

}  // namespace ptxmill::emu
