// The shadow of a stretch of memory: for each word of four bytes, who accessed it last.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <unordered_map>

#include "emulator/lazy_bytes.hpp"
#include "emulator/watch/history.hpp"

namespace ptxmill::emu {

/// The accesses that a later one may race with: the last plain write, and what came since and need
/// not be ordered among itself, plain reads or strong operations (FastTrack, Flanagan and Freund
/// 2009, with sets in the place of vector clocks of readers).
struct Cell {
  static constexpr std::uint32_t is_set = 1u << 31;
  static constexpr int rotation_shift = 26;  ///< 5 bits above a set's number: the lane it starts at
  static constexpr std::uint32_t set_mask = (1u << rotation_shift) - 1;
  static constexpr std::uint16_t strong_write = 0x8000;  ///< among `others`

  Stamp write = 0;
  std::uint32_t others = 0;  ///< a stamp, or is_set, rotation and number of a set
  std::uint16_t write_access = 0;
  std::uint16_t others_access = 0;  ///< of the latest member; and strong_write
};
static_assert(sizeof(Cell) == 12);

/// The cells of a stretch. Bytes of a word that different threads access have cells of their own.
class Shadow {
 public:
  static constexpr std::uint64_t word = 4;
  explicit Shadow(std::uint64_t bytes) : cells_((bytes + word - 1) / word * sizeof(Cell)) {}

  Cell& operator[](std::uint64_t word_index) { return data()[word_index]; }
  Cell* data() { return reinterpret_cast<Cell*>(cells_.data()); }

  using Bytes = std::array<Cell, word>;
  /// What marks a cell whose bytes are apart: it stands in `write`.
  static constexpr Stamp apart = ~Stamp{0};
  /// The cells of a word's bytes, split off from the word's where they are not yet.
  Bytes& split(std::uint64_t word_index);
  /// Makes the word one cell again.
  void unite(std::uint64_t word_index, const Cell& cell);
  /// Forgets the accesses to the bytes [first, last).
  void forget(std::uint64_t first, std::uint64_t last);

 private:
  LazyBytes<std::byte> cells_;
  std::unordered_map<std::uint64_t, Bytes> bytes_;
};

}  // namespace ptxmill::emu
