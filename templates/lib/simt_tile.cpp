#include "templates/lib/simt_tile.hpp"

#include <array>
#include <utility>

namespace ptxmill::kernels {
namespace {

using Shared = SharedPtr<ptx::f32>;

/// A variable as an operand of instructions that come before its next assignment.
F32 present(const Var<ptx::f32>& v) { return {v.recorder(), v.id()}; }

/// The names of a block's elements: name0_0, name0_1, ...
std::string element_name(const std::string& name, int row, int col) {
  return name + std::to_string(row) + "_" + std::to_string(col);
}

std::string numbered(const std::string& name, int i) { return name + std::to_string(i); }

U32 register_of(Emitter& k, const Extent& e) {
  return e.is_static() ? k.constant<ptx::u32>(e.get()) : e.value();
}

/// The pointer a * b elements after p.
ElementPtr advance(Emitter& k, const ElementPtr& p, const Extent& a, const Extent& b) {
  constexpr std::int64_t most = 1 << 28;  // elements of a constant offset
  const int bytes = spec::size_bytes(p.dtype());
  if (a.is(0)) return p;
  if (a.is_static() && (b.is(1) || (b.is_static() && b.get() <= most / a.get()))) return p + a * b;
  if (b.is(1)) return p + a;
  if (a.is_static() && a.get() < 16)
    return {p.dtype(), k.mad_wide(register_of(k, b), a.get() * bytes, p.base()), p.offset()};
  return p + k.mul_wide(register_of(k, b), a);
}

/// The pointer a * b elements before p.
ElementPtr back(Emitter& k, const ElementPtr& p, const Extent& a, const Extent& b) {
  if (a.is(0)) return p;
  const int size = spec::size_bytes(p.dtype());
  const U64 bytes = b.is(1) ? k.mul_wide(register_of(k, a), size)
                            : k.mul_wide(register_of(k, b), a) * size;
  return {p.dtype(), p.base() - bytes, p.offset()};
}

}  // namespace

// ---- Stages and Panel

Stages::Stages(Emitter& k, const SimtTile& t, const Extent& d, int v)
    : tile(t),
      depth(d),
      vector(v),
      end(k.let("k_end", ceil_div(depth, tile.depth) * tile.depth)),
      padding(k.let("padding", end - depth)),
      tid(k.let("tid", k.tid_x())),
      // Eight neighbouring lanes stand along a panel's extent, so that together they write 128
      // bytes of a slice; the next bits of the thread's number run along k.
      corner(k.let("corner", tid / (2 * tile.depth) * 32 + tid % 8 * 4)),
      corner_depth(k.let("corner_depth", tid / 8 % (tile.depth / 4) * 4)) {
  // Where k is a multiple of 4, so is the padding: a block has it as a whole or not at all.
  for (int j : unroll(padding.is(0) ? 0 : vector == 4 ? 1 : 4)) {
    const U32 at = j == 0 ? corner_depth : corner_depth + j;
    valid.push_back(k.let("valid" + std::to_string(j), at >= padding));
  }
}

Panel::Panel(Emitter& k, const Stages& stages, const PanelSource& source, int extent,
             const Shared& to)
    : stages_(stages),
      source_(source),
      blocks_(extent * stages.tile.depth / 16 / stages.tile.threads()),
      stride_(extent / blocks_),
      clamped_(!source.extent.is_static() || source.extent.get() % extent != 0),
      to_(k.let(source.name + "_to",
                to + (stages.corner_depth * stages.tile.slice() + stages.corner))) {
  find_blocks(k);
  for (int line : unroll(blocks_ * 4))
    for (int i : unroll(4))
      staged_.push_back(k.var<ptx::f32>(element_name(source.name + "_next", line, i)));
}

void Panel::find_blocks(Emitter& k) {
  const bool rows = source_.depth_contiguous;
  const Extent pitch = rows ? stages_.depth : source_.extent;
  const ElementPtr start =
      back(k, source_.base, stages_.padding, rows ? Extent(1) : source_.extent);
  const U32 along = k.let(source_.name + "_along", source_.first + stages_.corner);
  for (int b : unroll(blocks_)) {
    U32 at = b == 0 ? along : along + b * stride_;
    if (clamped_) {
      // Beyond the matrix, its last row or columns are read again: those products are not stored.
      const Extent last = source_.extent - (rows ? 1 : stages_.vector);
      at = k.min(at, last);
      if (rows || stages_.vector == 1) {
        const U32 more = k.min(last - Extent(at), 3);
        const int unit = rows ? spec::size_bytes(source_.base.dtype()) : 1;
        reach_.push_back(
            k.let(numbered(source_.name + "_reach", b), unit == 1 ? more : more * unit));
      }
    }
    const U64 element = rows ? k.mad_wide(at, pitch, k.cvt<ptx::u64>(stages_.corner_depth))
                             : k.mad_wide(stages_.corner_depth, pitch, k.cvt<ptx::u64>(at));
    first_.push_back(k.let(numbered(source_.name + "_block", b), start + element));
  }
}

void Panel::fetch(Emitter& k, const Extent& at) { load(k, at, false); }

void Panel::fetch_first(Emitter& k) {
  const bool masked = !stages_.valid.empty();
  if (masked)
    for (Var<ptx::f32>& v : staged_) v = 0;
  load(k, 0, masked);
}

void Panel::load(Emitter& k, const Extent& at, bool masked) {
  for (int b : unroll(blocks_)) {
    const ElementPtr block =
        advance(k, first_[b], at, source_.depth_contiguous ? Extent(1) : source_.extent);
    for (int i : unroll(4)) load_line(k, line(k, block, b, i), b, i, masked);
  }
}

ElementPtr Panel::line(Emitter& k, const ElementPtr& block, int b, int i) const {
  if (!source_.depth_contiguous) return advance(k, block, i, source_.extent);
  if (!clamped_ || i == 0) return advance(k, block, i, stages_.depth);
  const int bytes = spec::size_bytes(block.dtype());
  const U64 to = k.mad_wide(k.min(reach_[b], i * bytes), stages_.depth, block.base());
  return {block.dtype(), to, block.offset()};
}

void Panel::load_line(Emitter& k, const ElementPtr& from, int b, int i, bool masked) {
  const int vector = stages_.vector;
  const bool single_columns = !source_.depth_contiguous && vector == 1 && clamped_;
  for (int j = 0; j < 4; j += vector) {
    const ElementPtr at = single_columns && j > 0 ? from + k.min(reach_[b], j) : from + j;
    const auto load = [&] {
      std::vector<F32> v = k.load_vector(at, vector);
      for (int x : unroll(vector)) staged_[index(b, i, j + x)] = std::move(v[x]);
    };
    const int depth = source_.depth_contiguous ? j : i;
    if (masked)
      k.guard(stages_.valid[stages_.valid.size() == 1 ? 0 : depth], load);
    else
      load();
  }
}

void Panel::deposit(Emitter& k, const Extent& offset) const {
  const Shared at = to_ + offset;
  for (int b : unroll(blocks_))
    for (int depth : unroll(4)) {
      const auto element = [&](int i) {
        return present(staged_[source_.depth_contiguous ? index(b, i, depth) : index(b, depth, i)]);
      };
      k.store(at + (depth * stages_.tile.slice() + b * stride_),
              std::array<F32, 4>{element(0), element(1), element(2), element(3)});
    }
}

// ---- Accumulators

namespace {

Var<ptx::u32> cursor(Emitter& k, const std::string& name) {
  Var<ptx::u32> at = k.var<ptx::u32>(name);
  k.assume_multiple(U32(at.recorder(), at.id()), 16);
  return at;
}

}  // namespace

// The two lanes of a pair share their rows, and those two apart their columns: the hardware then
// serves a 16-byte read of half a warp at once.
Accumulators::Accumulators(Emitter& k, const Stages& stages, const Shared& ring)
    : tile_(stages.tile),
      warp_row_(k.let("warp_row", stages.tid / (32 * tile_.warps_across()))),
      thread_row_(k.let("thread_row", warp_row_ * (SimtTile::lanes_down * tile_.thread_rows) +
                                          stages.tid / 2 % SimtTile::lanes_down * 4)),
      thread_col_(k.let("thread_col", stages.tid / 32 % tile_.warps_across() *
                                              (SimtTile::lanes_across * tile_.thread_cols) +
                                          (stages.tid % 32 / 16 * 2 + stages.tid % 2) * 4)),
      a_lane_(k.let("a_lane", ring + thread_row_)),
      w_lane_(k.let("w_lane", ring + (thread_col_ + tile_.rows))),
      a_at_(cursor(k, "a_at")),
      w_at_(cursor(k, "w_at")) {
  for (int set : unroll(2)) {
    a_[set] = k.array<ptx::f32>("a" + std::to_string(set) + "_", tile_.thread_rows);
    w_[set] = k.array<ptx::f32>("w" + std::to_string(set) + "_", tile_.thread_cols);
  }
  for (int i : unroll(tile_.thread_rows))
    for (int j : unroll(tile_.thread_cols))
      sums_.push_back(k.var<ptx::f32>(element_name("c", i, j), 0));
}

void Accumulators::turn_to(const Extent& offset) {
  const auto point = [&](Var<ptx::u32>& at, const Shared& lane) {
    const Shared p = lane + offset;
    at.set(U32(p.recorder(), p.base()));
  };
  point(a_at_, a_lane_);
  point(w_at_, w_lane_);
}

void Accumulators::read(Emitter& k, int set, int step) {
  const auto fill = [&](std::vector<Var<ptx::f32>>& to, const Var<ptx::u32>& at, int apart) {
    const Shared from = Shared(at.recorder(), a_lane_.array(), at.id(), 0) + step * tile_.slice();
    for (int g : unroll(static_cast<int>(to.size()) / 4)) {
      auto v = k.load<4>(from + g * apart);
      for (int i : unroll(4)) to[g * 4 + i] = std::move(v[i]);
    }
  };
  fill(a_[set], a_at_, 4 * SimtTile::lanes_down);
  fill(w_[set], w_at_, 4 * SimtTile::lanes_across);
}

void Accumulators::multiply(Emitter& k, int set) {
  for (int i : unroll(tile_.thread_rows))
    for (int j : unroll(tile_.thread_cols)) {
      Var<ptx::f32>& sum = sums_[i * tile_.thread_cols + j];
      sum = k.fma(a_[set][i], w_[set][j], sum);
    }
}

void Accumulators::deposit(Emitter& k, const Shared& to, int pitch, const Extent& first_row) const {
  const U32 top = first_row.is(0) ? thread_row_ : thread_row_ - first_row;
  const Shared corner = to + (top * pitch + thread_col_);
  for (int i : unroll(tile_.thread_rows)) {
    const int row = i / 4 * 4 * SimtTile::lanes_down + i % 4;
    for (int g : unroll(tile_.thread_cols / 4)) {
      const auto* v = &sums_[i * tile_.thread_cols + g * 4];
      k.store(corner + (row * pitch + g * 4 * SimtTile::lanes_across),
              std::array<F32, 4>{present(v[0]), present(v[1]), present(v[2]), present(v[3])});
    }
  }
}

}  // namespace ptxmill::kernels
