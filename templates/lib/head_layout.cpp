#include "templates/lib/head_layout.hpp"

#include "templates/lib/access.hpp"

namespace ptxmill::kernels {
namespace {

using ptx::b16;
using ptx::b32;
using ptx::u64;

constexpr int block = 256;

RowTile::Shape tile_of(const Form& form, Dtype dtype) {
  const bool many = form.vector == 1 && dtype == Dtype::f32;
  return {block, form.vector, many ? 8 : 4};
}

/// The thread's accesses to one tensor: the first, and the elements from one to the next.
struct Walk {
  ElementPtr first;
  Extent apart;
};

U64 widen(Emitter& k, const Extent& e) {
  return e.is_static() ? k.constant<u64>(e.get()) : k.cvt<u64>(e.value());
}

/// `words` words of type B an access.
template <class B>
void move(Emitter& k, int words, const Accesses& accesses, const Walk& from, const Walk& to) {
  auto v = k.array<B>("v", words * accesses.count());
  k.phase("load", [&] {
    accesses.each(from.first, from.apart, [&](int i, const ElementPtr& at) {
      auto next = v.begin() + i * words;
      if (words == 1)
        *next = k.load(at.as<B>());
      else if (words == 2)
        for (Val<B>& bits : k.load<2>(at.as<B>())) *next++ = std::move(bits);
      else
        for (Val<B>& bits : k.load<4>(at.as<B>())) *next++ = std::move(bits);
    });
  });
  k.phase("store", [&] {
    accesses.each(to.first, to.apart, [&](int i, const ElementPtr& at) {
      const auto bits = v.begin() + i * words;
      if (words == 1)
        k.store(at.as<B>(), *bits);
      else if (words == 2)
        k.store(at.as<B>(), std::array<Val<B>, 2>{k.present(bits[0]), k.present(bits[1])});
      else
        k.store(at.as<B>(), std::array<Val<B>, 4>{k.present(bits[0]), k.present(bits[1]),
                                                  k.present(bits[2]), k.present(bits[3])});
    });
  });
}

}  // namespace

Shape HeadLayout::shape(Order order) const {
  if (order == Order::joined) return {batch, seq_len, heads * head_dim};
  return {batch, heads, seq_len, head_dim};
}

std::vector<Form> HeadLayout::forms() const { return vector_forms(head_dim, dtype); }

Launch HeadLayout::launch(const Form& form) const {
  const RowTile::Shape tile = tile_of(form, dtype);
  const Expr width = heads * head_dim;
  return {.grid = {RowTile::grid_x(tile, width), RowTile::grid_y(tile, seq_len, width),
                   min(batch, Expr(65535))},
          .block = {block, 1, 1}};
}

// A thread's column is the same in all rows: it finds its head once, with one division.
void HeadLayout::copy(Emitter& k, const Form& form, Order source, const Tensor& from,
                      const Tensor& to) const {
  const Extent positions = k.dim(seq_len), h = k.dim(heads), d = k.dim(head_dim);
  const Extent width = k.let("width", h * d);
  const RowTile tile(k, tile_of(form, dtype), width);
  const U32 head = k.let("head", tile.col() / d);
  const U32 element = k.let("element", tile.col() - head * d);
  const Extent joined_apart = k.let("joined_apart", tile.rows_apart() * width);
  const Extent split_apart = k.let("split_apart", tile.rows_apart() * d);
  const ElementPtr joined = k.ptr(source == Order::joined ? from : to);
  const ElementPtr split = k.ptr(source == Order::joined ? to : from);

  k.for_range("sequence", k.ctaid_z(), k.dim(batch), k.nctaid_z(), [&](const U32& sequence) {
    const U64 head_index = k.let("head_index", k.mad_wide(sequence, h, k.cvt<u64>(head)));
    tile.each_group(positions, [&](const U32& position, const Accesses& accesses) {
      const U64 own = k.cvt<u64>(position);
      const U64 joined_row = k.mad_wide(sequence, positions, own);
      const U64 in_joined = k.fma(joined_row, widen(k, width), k.cvt<u64>(tile.col()));
      const U64 split_row = k.fma(head_index, widen(k, positions), own);
      const U64 in_split = k.fma(split_row, widen(k, d), k.cvt<u64>(element));
      const Walk through_joined{k.let("joined", joined + in_joined), joined_apart};
      const Walk through_split{k.let("split", split + in_split), split_apart};
      const bool splits = source == Order::joined;
      const Walk& source_walk = splits ? through_joined : through_split;
      const Walk& target_walk = splits ? through_split : through_joined;
      const int bytes = form.vector * spec::size_bytes(dtype);
      if (bytes == 2)
        move<b16>(k, 1, accesses, source_walk, target_walk);
      else
        move<b32>(k, bytes / 4, accesses, source_walk, target_walk);
    });
  });
}

}  // namespace ptxmill::kernels
