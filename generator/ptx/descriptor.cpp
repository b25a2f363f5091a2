#include "generator/ptx/descriptor.hpp"

namespace ptxmill::ptx {
namespace {

// Addresses and offsets are in units of 16 bytes.
constexpr int unit = 16;

/// The upper word: from one group of eight rows to the next, and the swizzle.
std::int64_t upper_word(const TileShape& shape) {
  const std::int64_t stride = std::int64_t{TileShape::period} * shape.span() / unit;
  const std::int64_t swizzle = shape.span() == 128 ? 1 : shape.span() == 64 ? 2 : 3;
  return stride | swizzle << 30;
}

U32 lower_word(Kernel& k, const SharedTile<b8>& ring, const In<u32>& first_row) {
  const TileShape& shape = ring.shape();
  const U32 start = k.mov_address(ring.panel()) / unit;
  const int rows_apart = shape.span() / unit;
  if (first_row.is_literal()) return start + first_row.operand.integer * rows_apart;
  return k.mad_lo(U32(*first_row.recorder, first_row.operand.reg).bound(), rows_apart, start);
}

}  // namespace

Descriptors::Descriptors(Kernel& k, const std::string& name, const SharedTile<b8>& ring,
                         const In<u32>& first_row)
    : k_(k),
      shape_(ring.shape()),
      low_(k.let(name, lower_word(k, ring, first_row), first_row.where)),
      high_(k.let(name + "_high", k.constant<u32>(upper_word(ring.shape())), first_row.where)) {}

U32 Descriptors::tile(const In<u32>& index, Where where) const {
  const int pitch = shape_.bytes() / unit;
  if (index.is_literal())
    return k_.add(low_, static_cast<std::uint32_t>(index.operand.integer * pitch), where);
  return k_.mad_lo(U32(*index.recorder, index.operand.reg).bound(), pitch, low_, where);
}

U64 Descriptors::step(const U32& tile, int step, Where where) const {
  constexpr int step_bytes = 32;
  const int steps = shape_.span() / step_bytes;
  const int panel = step / steps;
  const int offset = (panel * shape_.panel_bytes() + step % steps * step_bytes) / unit;
  if (offset == 0) return k_.mov_pack<u64>(tile, high_, where);
  return k_.mov_pack<u64>(k_.add(tile, offset, where), high_, where);
}

}  // namespace ptxmill::ptx
