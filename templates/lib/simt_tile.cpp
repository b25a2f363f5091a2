#include "templates/lib/simt_tile.hpp"

#include <array>
#include <utility>

namespace ptxmill::kernels {
namespace {

using Shared = SharedPtr<ptx::f32>;

/// A variable as an operand of instructions that come before its next assignment.
F32 present(const Var<ptx::f32>& v) { return {v.recorder(), v.id()}; }

std::array<F32, 4> quad(const Var<ptx::f32>& v0, const Var<ptx::f32>& v1, const Var<ptx::f32>& v2,
                        const Var<ptx::f32>& v3) {
  return {present(v0), present(v1), present(v2), present(v3)};
}

/// The names of a block's elements: name0_0, name0_1, ...
std::string name_of(const std::string& name, int row, int col) {
  return name + std::to_string(row) + "_" + std::to_string(col);
}

/// The pointer `rows` rows of `pitch` elements before p.
ElementPtr before(Emitter& k, const ElementPtr& p, const Extent& rows, const Extent& pitch) {
  const int bytes = spec::size_bytes(p.dtype());
  if (rows.is(0)) return p;
  if (pitch.is_static()) {
    const Extent elements = rows * pitch;
    if (elements.is_static())
      return {p.dtype(), p.base(), p.offset() - elements.get() * bytes};
  }
  const U64 elements = k.mul_wide(rows, pitch);
  return {p.dtype(), p.base() - elements * bytes, p.offset()};
}

}  // namespace

// ---- Panel

Panel::Panel(Emitter& k, const std::string& name, const PanelSource& source, const SimtTile& tile,
             int extent, const Shared& ring, int column)
    : name_(name),
      source_(source),
      blocks_(extent * tile.depth / 16 / tile.threads()),
      block_stride_(extent / blocks_),
      slice_(tile.slice()) {
  const Extent depth = source_.depth;
  const Extent padding =
      k.let(name + "_padding", ceil_div(depth, tile.depth) * Extent(tile.depth) - depth);
  // Eight neighbouring lanes stand along the extent, so that together they write 128 bytes of a
  // slice; the next bits of the thread's number run along k.
  const int quads = tile.depth / 4;
  const U32 tid = k.let(name + "_tid", k.tid_x());
  const U32 corner = k.let(name + "_corner", tid / (8 * quads) * 32 + tid % 8 * 4);
  const U32 corner_depth = k.let(name + "_depth", tid / 8 % quads * 4);
  if (source_.depth_contiguous)
    point_to_rows(k, corner, corner_depth, padding);
  else
    point_to_slices(k, corner, corner_depth, padding);
  const bool whole_quads = source_.depth_contiguous && source_.vector == 4;
  for (int j : unroll(padding.is(0) ? 0 : whole_quads ? 1 : 4))
    valid_.push_back(k.let(name + "_valid" + std::to_string(j), corner_depth + j >= padding));
  to_.push_back(k.let(name + "_to", ring + (corner_depth * slice_ + corner + column)));
  for (int row : unroll(blocks_ * 4))
    for (int j : unroll(4)) staged_.push_back(k.var<ptx::f32>(name_of(name + "_next", row, j), 0));
}

void Panel::point_to_rows(Emitter& k, const U32& corner, const U32& corner_depth,
                          const Extent& padding) {
  const ElementPtr start = before(k, source_.base, padding, 1);
  const U32 first = source_.first + corner;
  const Extent last = source_.extent - 1;
  const U64 along = k.cvt<ptx::u64>(corner_depth);
  for (int line : unroll(blocks_ * 4)) {
    // Beyond the last row, the last is read again: its products are not stored.
    const U32 row = k.min(first + (line / 4 * block_stride_ + line % 4), last);
    lines_.push_back(k.let(name_ + "_line" + std::to_string(line),
                           start + k.mad_wide(row, source_.depth, along)));
  }
}

void Panel::point_to_slices(Emitter& k, const U32& corner, const U32& corner_depth,
                            const Extent& padding) {
  const ElementPtr start = before(k, source_.base, padding, source_.extent);
  const U32 first = source_.first + corner;
  // Beyond the last column, the last ones are read again: their products are not stored.
  const Extent last = source_.extent - source_.vector;
  for (int b : unroll(blocks_)) {
    for (int i = 0; i < 4; i += source_.vector)
      columns_.push_back(k.let(name_ + "_column" + std::to_string(b * 4 + i),
                               k.min(first + (b * block_stride_ + i), last)));
  }
  for (int j : unroll(4))
    lines_.push_back(k.let(name_ + "_line" + std::to_string(j),
                           start + k.mul_wide(corner_depth + j, source_.extent)));
}

void Panel::fetch(Emitter& k, const Extent& at) { load(k, at, false); }

void Panel::fetch_first(Emitter& k) { load(k, 0, !valid_.empty()); }

void Panel::load(Emitter& k, const Extent& at, bool masked) {
  const int vector = source_.vector;
  // Loads `vector` elements of a block, from element (row, j) along the contiguous dimension.
  const auto load_quad = [&](const ElementPtr& from, int row, int j) {
    const auto elements = [&] {
      std::vector<F32> v = k.load_vector(from, vector);
      for (int x : unroll(vector))
        source_.depth_contiguous ? staged(row, j + x) = std::move(v[x])
                                 : staged(row + x, j) = std::move(v[x]);
    };
    if (masked)
      k.guard(valid_[valid_.size() == 1 ? 0 : j], elements);
    else
      elements();
  };
  ...
}
