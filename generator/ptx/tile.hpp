// A tile of a matrix in shared memory, swizzled as TMA writes it and wgmma reads it, so that the
// same tile serves ldmatrix, cp.async, tensor maps and wgmma descriptors without bank conflicts.
#pragma once

#include <string>

#include "generator/ptx/kernel.hpp"

namespace ptxmill::ptx {

/// How a tile lies in memory. A row is cut into panels of 128 bytes, each a column of all rows (a
/// narrower tile is one panel of 32 or 64 bytes); in a panel the 16-byte chunks of a row are
/// permuted by an exclusive or with some bits of the row's number (PTX ISA, "Tensor Swizzling
/// Modes"), which are those that the address has from bit 7 on.
struct TileShape {
  static constexpr int chunk_bytes = 16;
  /// Rows after which the permutation repeats.
  static constexpr int period = 8;
  /// What the swizzle asks a panel's start to be a multiple of.
  static constexpr int align = 1024;

  int rows, cols, element_bytes;

  constexpr int row_bytes() const { return cols * element_bytes; }
  /// Bytes of a row in one panel: 32, 64 or 128, which also names the swizzle.
  constexpr int span() const { return row_bytes() < 128 ? row_bytes() : 128; }
  constexpr int panels() const { return row_bytes() / span(); }
  constexpr int panel_cols() const { return span() / element_bytes; }
  constexpr int panel_bytes() const { return rows * span(); }
  constexpr int bytes() const { return panels() * panel_bytes(); }
  constexpr int chunk_elements() const { return chunk_bytes / element_bytes; }
  /// Chunks of a row in one panel, and in all.
  constexpr int span_chunks() const { return span() / chunk_bytes; }
  constexpr int row_chunks() const { return row_bytes() / chunk_bytes; }
  /// Rows that share one value of the permutation: 1, 2 or 4.
  constexpr int rows_alike() const { return 128 / span(); }
  /// What the row's chunks are permuted with.
  constexpr int swizzle(int row) const { return row / rows_alike() % span_chunks(); }
  /// Bytes from the tile's start to a chunk.
  constexpr int offset(int row, int chunk) const {
    return chunk / span_chunks() * panel_bytes() + row * span() +
           (chunk % span_chunks() ^ swizzle(row)) * chunk_bytes;
  }
  /// Refuses a shape that cannot be swizzled: rows of 32, 64 or a multiple of 128 bytes, panels
  /// of a multiple of 1024.
  void check(const std::string& name, Where where) const;
};

/// The untyped part of SharedTile: the register (or none) and the constant that make an address.
/// A chunk in a register is less than `below`.
struct TileAddress {
  RegId base;
  std::int64_t offset;
};
TileAddress tile_address(Recorder& recorder, const TileShape& shape, const Operand& start,
                         const In<u32>& row, const In<u32>& chunk, int below);
/// The chunk `chunks` further on in the same panel, a number that shares no bit with the chunk's.
TileAddress tile_across(Recorder& recorder, const TileAddress& from, int chunks, Where where);
/// The same place of the tile `tiles` further on.
TileAddress tile_later(Recorder& recorder, const TileShape& shape, const Operand& from,
                       const In<u32>& tiles);

/// The kernel's name for an array of T: 16-bit floats are declared by their bits.
template <class T>
struct stored {
  using type = T;
};
template <>
struct stored<f16> {
  using type = b16;
};
template <>
struct stored<bf16> {
  using type = b16;
};

/// A chunk whose row and column differ between threads, from which others are reached.
template <class T>
class TilePlace {
 public:
  TilePlace(SharedPtr<T> at, const TileShape& shape, int width)
      : at_(std::move(at)), shape_(shape), width_(width) {}

  const SharedPtr<T>& ptr() const { return at_; }
  /// Keeps the address in a register of that name.
  TilePlace named(Kernel& k, const std::string& name, Where where = Where::here()) const {
    return {k.let(name, at_, where), shape_, width_};
  }
  /// The same chunk `rows` further down, a multiple of the swizzle's period.
  TilePlace down(int rows, Where where = Where::here()) const {
    if (rows % TileShape::period != 0)
      throw BuildError(where, std::to_string(rows) +
                                  " rows down: the swizzle repeats after multiples of " +
                                  std::to_string(TileShape::period));
    return moved(std::int64_t{rows} * shape_.span());
  }
  /// The chunk `chunks` further on in the same row, a multiple of the width. From there, only other
  /// rows and other tiles are reached.
  TilePlace across(int chunks, Where where = Where::here()) const {
    if (width_ == 0) throw BuildError(where, "a place that moved across its row moves no further");
    if (chunks < 0 || chunks % width_ != 0)
      throw BuildError(where, std::to_string(chunks) + " chunks across: expected a multiple of " +
                                  std::to_string(width_) +
                                  ", below which the place's own chunk lies");
    const int panel = chunks / shape_.span_chunks();
    const TileAddress to = tile_across(at_.recorder(), {at_.base(), at_.offset()},
                                       chunks % shape_.span_chunks(), where);
    return {{at_.recorder(), at_.array(), to.base,
             to.offset + std::int64_t{panel} * shape_.panel_bytes(), true},
            shape_,
            0};
  }
  /// The same chunk of the tile `tiles` further on in the ring.
  TilePlace later(const In<u32>& tiles) const {
    const TileAddress to = tile_later(at_.recorder(), shape_, at_.operand(), tiles);
    return {{at_.recorder(), at_.array(), to.base, to.offset, true}, shape_, width_};
  }

 private:
  TilePlace moved(std::int64_t bytes) const {
    return {{at_.recorder(), at_.array(), at_.base(), at_.offset() + bytes, true}, shape_, width_};
  }

  SharedPtr<T> at_;
  TileShape shape_;
  int width_;
};

/// A ring of `count` equal tiles of elements T, one after another in the kernel's shared memory.
template <class T>
class SharedTile {
 public:
  SharedTile(Kernel& k, const std::string& name, int rows, int cols, int count = 1,
             Where where = Where::here())
      : shape_{rows, cols, isa::bits(T::type) / 8},
        count_(count),
        start_(declared(k, name, shape_, count, where)) {}

  const TileShape& shape() const { return shape_; }
  int count() const { return count_; }
  /// Elements from one tile of the ring to the next.
  int pitch() const { return shape_.rows * shape_.cols; }
  /// Where a panel of the first tile begins, a multiple of 1024 bytes: what a tensor map's box is
  /// copied to, and what a descriptor is made of.
  SharedPtr<T> panel(int panel = 0) const {
    return start_ + panel * shape_.rows * shape_.panel_cols();
  }
  /// Where the tile `index` of the ring begins.
  SharedPtr<T> tile(const In<u32>& index) const {
    const TileAddress to = tile_later(start_.recorder(), shape_, start_.operand(), index);
    return {start_.recorder(), start_.array(), to.base, to.offset};
  }
  /// The first element of a chunk of the first tile. Constants fold.
  SharedPtr<T> at(const In<u32>& row, const In<u32>& chunk) const {
    return at(row, chunk, shape_.row_chunks());
  }
  /// The same as a place to reach others from. Its chunk is less than `width`, a power of two.
  TilePlace<T> place(const In<u32>& row, const In<u32>& chunk, int width) const {
    if (width <= 0 || (width & (width - 1)) != 0 || width > shape_.span_chunks())
      throw BuildError(chunk.where, "a place's width is a power of two up to the panel's " +
                                        std::to_string(shape_.span_chunks()) + " chunks, not " +
                                        std::to_string(width));
    return {at(row, chunk, width), shape_, width};
  }

 private:
  SharedPtr<T> at(const In<u32>& row, const In<u32>& chunk, int below) const {
    const TileAddress a =
        tile_address(start_.recorder(), shape_, start_.operand(), row, chunk, below);
    return {start_.recorder(), start_.array(), a.base, a.offset};
  }
  static SharedPtr<T> declared(Kernel& k, const std::string& name, const TileShape& shape,
                               int count, Where where) {
    shape.check(name, where);
    return k
        .shared<typename stored<T>::type>(name, std::int64_t{count} * shape.rows * shape.cols,
                                          TileShape::align, where)
        .template as<T>();
  }

  TileShape shape_;
  int count_;
  SharedPtr<T> start_;
};

}  // namespace ptxmill::ptx
