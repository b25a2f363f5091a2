#include "templates/lib/chunk_copy.hpp"

#include <array>
#include <utility>

#include "templates/lib/access.hpp"

namespace ptxmill::kernels {
namespace {

constexpr int chunk_bytes = ptx::TileShape::chunk_bytes;

/// The thread's first row in a stage.
U32 ring_row(const MmaStages& stages, const ChunkSource& source) {
  const U32 row = stages.tid / stages.tile.chunks;
  return source.first_in_ring == 0 ? row : row + source.first_in_ring;
}

/// Where that row's first chunk of the thread goes.
auto place_of(const MmaStages& stages, const ChunkSource& source, const OperandRing& ring) {
  const U32 row = ring_row(stages, source);
  const U32 chunk = stages.tid % stages.tile.chunks;
  return ring.place(row, chunk, stages.tile.chunks);
}

/// The thread's first chunk in the first row of the operand that it copies.
ElementPtr line_of(Emitter& k, const MmaStages& stages, const ChunkSource& source,
                   const U32& depth) {
  const U32 row = k.let(source.name + "_row", stages.tid / stages.tile.chunks + source.first);
  const ElementPtr start = go_back(k, source.base, stages.padding, 1);
  return k.let(source.name + "_line",
               start + k.mad_wide(row, stages.depth, k.cvt<ptx::u64>(depth)));
}

}  // namespace

MmaStages::MmaStages(Emitter& k, const MmaTile& t, Dtype dtype, const Extent& d)
    : tile(t),
      chunk_elements(chunk_bytes / spec::size_bytes(dtype)),
      stage_depth(t.chunks * chunk_elements),
      depth(d),
      count(k.let("stage_count", ceil_div(depth, stage_depth))),
      padding(k.let("padding", count * stage_depth - depth)),
      tid(k.let("tid", k.tid_x())) {}

ChunkCopy::ChunkCopy(Emitter& k, const MmaStages& stages, const ChunkSource& source,
                     const OperandRing& ring)
    : stages_(stages),
      source_(source),
      apart_(stages.tile.threads() / stages.tile.chunks),
      depth_(
          k.let(source.name + "_depth", stages.tid % stages.tile.chunks * stages.chunk_elements)),
      to_(place_of(stages, source, ring).named(k, source.name + "_to")),
      line_(line_of(k, stages, source, depth_)) {
  const Extent& extent = source.extent;
  if (extent.is_static() && extent.get() % source.rows == 0) return;
  const U32 row = stages.tid / stages.tile.chunks + source.first;
  left_ = k.let(source.name + "_left", k.max(row, extent) - row);
}

void ChunkCopy::copy(Emitter& k, const Extent& at, const In<ptx::u32>& slot, int begin, int end,
                     const Pred* when) const {
  const auto to = to_.later(slot);
  const ElementPtr line = at.is(0) ? line_ : line_ + at;
  const Extent& depth = stages_.depth;
  // Rows beyond the operand's last are not copied: their products are not stored.
  std::optional<U32> rows = left_;
  if (left_ && when != nullptr) rows = k.selp(*left_, 0u, *when);
  for (int i = begin; i < end; ++i) {
    const int down = i * apart_;
    const int bytes = down * spec::size_bytes(line.dtype());
    const ElementPtr from =
        down == 0 || depth.is_static()
            ? advance(k, line, down, depth)
            : ElementPtr(line.dtype(), k.mad_wide(depth.value(), bytes, line.base()),
                         line.offset());
    const auto copy = [&] { k.cp_async_cg(to.down(down).ptr(), from.as<ptx::b32>(), chunk_bytes); };
    if (rows)
      k.guard(*rows > down, copy);
    else if (when != nullptr)
      k.guard(*when, copy);
    else
      copy();
  }
}

void ChunkCopy::copy_first(Emitter& k) const {
  if (stages_.padding.is(0)) return copy(k, 0, 0, 0, count(), nullptr);
  const Pred inside = depth_ >= stages_.padding;
  copy(k, 0, 0, 0, count(), &inside);
  const ptx::B32 zero = k.constant<ptx::b32>(0);
  k.guard_not(inside, [&] {
    for (int i : unroll(count()))
      k.store(to_.down(i * apart_).ptr(), std::array<ptx::B32, 4>{zero, zero, zero, zero});
  });
}

}  // namespace ptxmill::kernels
