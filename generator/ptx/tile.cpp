#include "generator/ptx/tile.hpp"

#include <bit>

namespace ptxmill::ptx {
namespace {

U32 combined(Recorder& recorder, Op op, const Operand& a, std::int64_t b, Where where) {
  return record<u32>(recorder, op, {a, Operand::literal(b, isa::Type::u32)}, where);
}

/// What the chunks of a row in a register are permuted with.
U32 swizzle_of(Recorder& recorder, const TileShape& shape, const Operand& row, Where where) {
  const auto masked = [&](const Operand& bits) {
    return combined(recorder, Op::and_, bits, shape.span_chunks() - 1, where);
  };
  if (shape.rows_alike() == 1) return masked(row);
  const int shift = std::countr_zero(static_cast<unsigned>(shape.rows_alike()));
  return masked(Operand::of(combined(recorder, Op::shr, row, shift, where).id()));
}

void check_inside(const char* what, const In<u32>& index, int count) {
  if (index.is_literal() && index.operand.integer >= count)
    throw BuildError(index.where, std::string(what) + " " + std::to_string(index.operand.integer) +
                                      " of a tile that has " + std::to_string(count));
}

}  // namespace

void TileShape::check(const std::string& name, Where where) const {
  const int bytes = row_bytes();
  if (bytes != 32 && bytes != 64 && (bytes <= 0 || bytes % 128 != 0))
    throw BuildError(where, "the tile '" + name + "' has rows of " + std::to_string(bytes) +
                                " bytes; expected 32, 64 or a multiple of 128");
  if (rows <= 0 || panel_bytes() % align != 0)
    throw BuildError(where, "the tile '" + name + "' has " + std::to_string(rows) +
                                " rows; expected a multiple of " + std::to_string(align / span()));
}

TileAddress tile_address(Recorder& recorder, const TileShape& shape, const Operand& start,
                         const In<u32>& row, const In<u32>& chunk, int below) {
  check_inside("row", row, shape.rows);
  check_inside("chunk", chunk, below);
  const Where where = row.where;
  if (row.is_literal() && chunk.is_literal())
    return {no_reg, start.integer + shape.offset(static_cast<int>(row.operand.integer),
                                                 static_cast<int>(chunk.operand.integer))};
  recorder.settle_order({row.operand, chunk.operand});
  const auto scaled = [&](const Operand& a, int bytes, const Operand& on) {
    return Operand::of(record<u32>(recorder, Op::mad_lo,
                                   {a, Operand::literal(std::int64_t{bytes}, isa::Type::u32), on},
                                   where)
                           .id());
  };
  std::int64_t constant = 0;
  Operand base = Operand::of(record<u32>(recorder, Op::mov_address, {start}, where).id());
  Operand within = chunk.operand;
  if (below > shape.span_chunks()) {
    const int per_panel = shape.span_chunks();
    if (chunk.is_literal()) {
      constant = chunk.operand.integer / per_panel * shape.panel_bytes();
      within.integer %= per_panel;
    } else {
      const U32 panel = combined(recorder, Op::shr, chunk.operand,
                                 std::countr_zero(static_cast<unsigned>(per_panel)), where);
      base = scaled(Operand::of(panel.id()), shape.panel_bytes(), base);
      within = Operand::of(combined(recorder, Op::and_, within, per_panel - 1, where).id());
    }
  }
  if (row.is_literal()) {
    const int at = static_cast<int>(row.operand.integer);
    if (const int permuted = shape.swizzle(at); permuted != 0)
      within = Operand::of(combined(recorder, Op::xor_, within, permuted, where).id());
    return {scaled(within, TileShape::chunk_bytes, base).reg,
            constant + std::int64_t{at} * shape.span()};
  }
  Operand permuted = Operand::of(swizzle_of(recorder, shape, row.operand, where).id());
  if (!chunk.is_literal() || within.integer != 0)
    permuted = Operand::of(record<u32>(recorder, Op::xor_, {permuted, within}, where).id());
  base = scaled(row.operand, shape.span(), base);
  return {scaled(permuted, TileShape::chunk_bytes, base).reg, constant};
}

// A panel starts at a multiple of 1024, so that the bits of the chunk are those of the address.
TileAddress tile_across(Recorder& recorder, const TileAddress& from, int chunks, Where where) {
  const std::int64_t bytes = std::int64_t{chunks} * TileShape::chunk_bytes;
  if (bytes == 0) return from;
  if (from.base == no_reg) return {no_reg, from.offset ^ bytes};
  return {combined(recorder, Op::xor_, Operand::of(from.base), bytes, where).id(), from.offset};
}

TileAddress tile_later(Recorder& recorder, const TileShape& shape, const Operand& from,
                       const In<u32>& tiles) {
  if (tiles.is_literal()) return {from.reg, from.integer + tiles.operand.integer * shape.bytes()};
  const Operand bytes = Operand::literal(std::int64_t{shape.bytes()}, isa::Type::u32);
  if (from.reg != no_reg) {
    const Operand base = Operand::of(from.reg);
    return {record<u32>(recorder, Op::mad_lo, {tiles.operand, bytes, base}, tiles.where).id(),
            from.integer};
  }
  const U32 base = record<u32>(recorder, Op::mov_address, {from}, tiles.where);
  return {
      record<u32>(recorder, Op::mad_lo, {tiles.operand, bytes, Operand::of(base.id())}, tiles.where)
          .id(),
      0};
}

}  // namespace ptxmill::ptx
