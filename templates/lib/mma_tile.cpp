#include "templates/lib/mma_tile.hpp"

#include <array>

namespace ptxmill::kernels {
namespace {

using ptx::B32;

/// A register of 32 bits as the f32 that it holds.
F32 as_f32(const B32& bits) { return {bits.recorder(), bits.id()}; }

/// The nearest tf32, and that of what is left: together 22 bits. An infinity leaves a NaN.
struct Split {
  std::vector<B32> high, low;
};
Split split(Emitter& k, const std::vector<B32>& fragment) {
  Split s;
  for (const B32& x : fragment) {
    s.high.push_back(k.cvt_rna_tf32(as_f32(x)));
    s.low.push_back(k.cvt_rna_tf32(as_f32(x) - as_f32(s.high.back())));
  }
  return s;
}

}  // namespace

WarpBlock::WarpBlock(Emitter& k, const MmaTile& tile, MmaMath math, Dtype dtype, const U32& tid,
                     const OperandRing& ring)
    : tile_(tile),
      math_(math),
      dtype_(dtype),
      lane_(k.let("lane", tid % 32)),
      warp_row_(k.let("warp_row", tid / (32 * tile.warps_across()) * tile.warp_rows)),
      warp_col_(k.let("warp_col", tid / 32 % tile.warps_across() * tile.warp_cols)),
      // Lane i names row i % 8 of matrix i / 8 (ldmatrix): of A's four, the lower rows come before
      // the second chunk; of W's, the second chunk before the next eight columns.
      a_lane_(ring.place(warp_row_ + lane_ % 16, lane_ / 16, 2).named(k, "a_lane")),
      w_lane_(ring.place(warp_col_ + (lane_ / 16 * 8 + lane_ % 8) + tile.rows, lane_ / 8 % 2, 2)
                  .named(k, "w_lane")) {
  const auto fragments = [&](const std::string& name, int count) {
    Fragments all;
    for (int i : unroll(count)) all.push_back(k.array<ptx::b32>(numbered(name, i) + "_", 4));
    return all;
  };
  for (int set : unroll(2)) {
    a_[set] = fragments(numbered("a", set) + "_", tile.warp_rows / 16);
    w_[set] = fragments(numbered("w", set) + "_", tile.warp_cols / 16);
  }
  for (int i : unroll(tile.warp_rows / 16)) {
    sums_.emplace_back();
    for (int j : unroll(tile.warp_cols / 8))
      sums_[i].push_back(k.array<ptx::f32>(numbered("c", i) + numbered("_", j) + "_", 4, 0));
  }
}

void WarpBlock::read(Emitter& k, int set, int step, const In<ptx::u32>& slot) {
  const auto fill = [&](Fragments& to, const ptx::TilePlace<ptx::b32>& lane) {
    const auto from = lane.later(slot).across(2 * step);
    for (int i : unroll(static_cast<int>(to.size()))) {
      auto matrices = k.ldmatrix<4>(from.down(16 * i).ptr());
      for (int part : unroll(4)) to[i][part] = std::move(matrices[part]);
    }
  };
  fill(a_[set], a_lane_);
  fill(w_[set], w_lane_);
}

void WarpBlock::multiply(Emitter& k, int set) {
  const auto present = [&](const Fragments& fragments) {
    Block all;
    for (const auto& fragment : fragments) {
      all.emplace_back();
      for (const Var<ptx::b32>& v : fragment) all.back().push_back(k.present(v));
    }
    return all;
  };
  const Block a = present(a_[set]), w = present(w_[set]);
  if (math_ == MmaMath::tf32_x3)
    multiply_split(k, a, w);
  else
    multiply_by(k, a, w);
}

/// The small products come first, so that they are not lost beside the large ones.
void WarpBlock::multiply_split(Emitter& k, const Block& a, const Block& w) {
  Block a_high, a_low, w_high, w_low;
  const auto split_all = [&](const Block& from, Block& high, Block& low) {
    for (const auto& fragment : from) {
      Split s = split(k, fragment);
      high.push_back(std::move(s.high));
      low.push_back(std::move(s.low));
    }
  };
  split_all(a, a_high, a_low);
  split_all(w, w_high, w_low);
  multiply_by(k, a_low, w_high);
  multiply_by(k, a_high, w_low);
  multiply_by(k, a_high, w_high);
}

void WarpBlock::multiply_by(Emitter& k, const Block& a, const Block& w) {
  for (int i : unroll(static_cast<int>(sums_.size())))
    for (int j : unroll(static_cast<int>(sums_[i].size()))) {
      const Kernel::Sums sums(sums_[i][j]);
      const std::array<B32, 4> rows{a[i][0], a[i][1], a[i][2], a[i][3]};
      const std::array<B32, 2> cols{w[j / 2][j % 2 * 2], w[j / 2][j % 2 * 2 + 1]};
      if (math_ != MmaMath::half)
        k.mma_m16n8k8<ptx::tf32>(sums, rows, cols);
      else if (dtype_ == Dtype::f16)
        k.mma_m16n8k16<ptx::f16>(sums, rows, cols);
      else
        k.mma_m16n8k16<ptx::bf16>(sums, rows, cols);
    }
}

// A lane has columns 2 (lane % 4) and the next of each eight, in row lane / 4 of each eight.
void WarpBlock::deposit(Emitter& k, const SharedPtr<ptx::f32>& to) const {
  const int pitch = tile_.result_pitch();
  const U32 row = warp_row_ + lane_ / 4;
  const U32 col = warp_col_ % tile_.piece_cols() + lane_ % 4 * 2;
  const SharedPtr<ptx::f32> corner = to + (row * pitch + col);
  for (int i : unroll(static_cast<int>(sums_.size())))
    for (int j : unroll(static_cast<int>(sums_[i].size())))
      for (int half : unroll(2)) {
        const std::array<F32, 2> pair{k.present(sums_[i][j][2 * half]),
                                      k.present(sums_[i][j][2 * half + 1])};
        k.store(corner + ((16 * i + 8 * half) * pitch + 8 * j), pair);
      }
}

}  // namespace ptxmill::kernels
