// The factors and accumulators of a warpgroup's product, gathered into dense arrays. Internal to
// each translation unit, as lanes.hpp.
#pragma once

#include "emulator/lanes/lanes.hpp"
#include "emulator/lanes/tensor_arithmetic.hpp"
#include "emulator/lanes/warpgroup_product.hpp"

namespace ptxmill::emu {
namespace {

/// Elements of S along k.
template <class S>
inline constexpr int product_depth = product_depth_bytes / static_cast<int>(sizeof(S));

/// a by columns: [k][row].
template <class S>
using TensorRows = S[product_depth<S>][product_rows];
/// b by columns: [column][k].
template <class S>
using TensorColumns = S[most_product_columns][product_depth<S>];

/// Calls f(element, row or column, k) for the elements of a tile with `count` rows or columns.
template <class S, class F>
[[gnu::always_inline]] inline void for_tile(const WarpgroupProduct& p, const TensorTile& tile,
                                            int count, F f) {
  constexpr int each = chunk_bytes / static_cast<int>(sizeof(S));
  S chunk[each];
  const std::uint32_t* at = tile.chunks.data();
  if (tile.along_k) {
    for (int n = 0; n < count; ++n) {
      for (int k = 0; k < product_depth<S>; k += each) {
        std::memcpy(chunk, p.shared + *at++, chunk_bytes);
        for (int e = 0; e < each; ++e) f(chunk[e], n, k + e);
      }
    }
  } else {
    for (int k = 0; k < product_depth<S>; ++k) {
      for (int n = 0; n < count; n += each) {
        std::memcpy(chunk, p.shared + *at++, chunk_bytes);
        for (int e = 0; e < each; ++e) f(chunk[e], n + e, k);
      }
    }
  }
}

/// Calls f(warp, register, lane, row, first k) for what the four registers of a hold.
template <class S, class F>
[[gnu::always_inline]] inline void for_a_registers(F f) {
  constexpr int packed = 4 / static_cast<int>(sizeof(S));
  for (int w = 0; w < warpgroup_warps; ++w) {
    for (int r = 0; r < 4; ++r) {
      for (int l = 0; l < lane_count; ++l)
        f(w, r, l, 16 * w + l / 4 + r % 2 * 8, r / 2 * (product_depth<S> / 2) + l % 4 * packed);
    }
  }
}

[[gnu::always_inline]] inline std::uint32_t* product_register(const WarpgroupProduct& p, int warp,
                                                              Slot slot) {
  return reinterpret_cast<std::uint32_t*>(p.registers[static_cast<std::size_t>(warp)] +
                                          slot * slot_bytes);
}

template <class S>
void gather_a(const WarpgroupProduct& p, TensorRows<S>& to) {
  if (p.a == nullptr) {
    for_tile<S>(p, p.a_tile, product_rows, [&](S v, int row, int k) { to[k][row] = v; });
    return;
  }
  constexpr int packed = 4 / static_cast<int>(sizeof(S));
  for_a_registers<S>([&](int w, int r, int l, int row, int k) {
    const std::uint32_t word = product_register(p, w, p.a[r])[l];
    for (int e = 0; e < packed; ++e)
      to[k + e][row] = static_cast<S>(word >> (e * 8 * static_cast<int>(sizeof(S)) % 32));
  });
}

template <class S>
void gather_b(const WarpgroupProduct& p, TensorColumns<S>& to) {
  if (p.b_tile.along_k) {
    const std::uint32_t* at = p.b_tile.chunks.data();
    for (int n = 0; n < p.n; ++n) {
      auto* bytes = reinterpret_cast<std::byte*>(to[n]);
      std::memcpy(bytes, p.shared + at[2 * n], chunk_bytes);
      std::memcpy(bytes + chunk_bytes, p.shared + at[2 * n + 1], chunk_bytes);
    }
    return;
  }
  for_tile<S>(p, p.b_tile, p.n, [&](S v, int column, int k) { to[column][k] = v; });
}

/// Accumulators of eight columns: [column][row].
using EightColumns = std::uint32_t[side_by_side][product_rows];

using Words [[gnu::vector_size(4 * side_by_side)]] = std::uint32_t;

[[gnu::always_inline]] inline void load_words(Words& to, const std::uint32_t* from) {
  std::memcpy(&to, from, sizeof to);
}
[[gnu::always_inline]] inline void store_words(std::uint32_t* to, const Words& from) {
  std::memcpy(to, &from, sizeof from);
}

/// A register of 32-bit accumulators is eight rows of four columns, which lie two apart.
[[gnu::always_inline]] inline void take_register(const std::uint32_t* lanes, EightColumns& to,
                                                 int column, int row) {
  Words v[4];
  for (int k = 0; k < 4; ++k) load_words(v[k], lanes + k * side_by_side);
  const auto t0 = __builtin_shufflevector(v[0], v[1], 0, 4, 8, 12, 1, 5, 9, 13);
  const auto t1 = __builtin_shufflevector(v[2], v[3], 0, 4, 8, 12, 1, 5, 9, 13);
  const auto u0 = __builtin_shufflevector(v[0], v[1], 2, 6, 10, 14, 3, 7, 11, 15);
  const auto u1 = __builtin_shufflevector(v[2], v[3], 2, 6, 10, 14, 3, 7, 11, 15);
  store_words(&to[column][row], __builtin_shufflevector(t0, t1, 0, 1, 2, 3, 8, 9, 10, 11));
  store_words(&to[column + 2][row], __builtin_shufflevector(t0, t1, 4, 5, 6, 7, 12, 13, 14, 15));
  store_words(&to[column + 4][row], __builtin_shufflevector(u0, u1, 0, 1, 2, 3, 8, 9, 10, 11));
  store_words(&to[column + 6][row], __builtin_shufflevector(u0, u1, 4, 5, 6, 7, 12, 13, 14, 15));
}

[[gnu::always_inline]] inline void put_register(std::uint32_t* lanes, const EightColumns& from,
                                                int column, int row) {
  Words v[4];
  for (int k = 0; k < 4; ++k) load_words(v[k], &from[column + 2 * k][row]);
  const auto t0 = __builtin_shufflevector(v[0], v[1], 0, 8, 1, 9, 2, 10, 3, 11);
  const auto t1 = __builtin_shufflevector(v[0], v[1], 4, 12, 5, 13, 6, 14, 7, 15);
  const auto u0 = __builtin_shufflevector(v[2], v[3], 0, 8, 1, 9, 2, 10, 3, 11);
  const auto u1 = __builtin_shufflevector(v[2], v[3], 4, 12, 5, 13, 6, 14, 7, 15);
  store_words(lanes, __builtin_shufflevector(t0, u0, 0, 1, 8, 9, 2, 3, 10, 11));
  store_words(lanes + 8, __builtin_shufflevector(t0, u0, 4, 5, 12, 13, 6, 7, 14, 15));
  store_words(lanes + 16, __builtin_shufflevector(t1, u1, 0, 1, 8, 9, 2, 3, 10, 11));
  store_words(lanes + 24, __builtin_shufflevector(t1, u1, 4, 5, 12, 13, 6, 7, 14, 15));
}

/// Calls f(warp, register of d, row, part) for the registers of eight columns: of 32-bit ones, part
/// is the first of the four columns; 16-bit ones hold pairs of neighbours, and it is 0.
template <bool pairs, class F>
[[gnu::always_inline]] inline void for_d_registers(int eight, F f) {
  for (int w = 0; w < warpgroup_warps; ++w) {
    for (int half = 0; half < 2; ++half) {
      for (int part = 0; part < (pairs ? 1 : 2); ++part)
        f(w, pairs ? 2 * eight + half : 4 * eight + 2 * half + part, 16 * w + 8 * half, part);
    }
  }
}

template <bool pairs>
[[gnu::always_inline]] inline void take_columns(const WarpgroupProduct& p, int eight,
                                                EightColumns& to) {
  for_d_registers<pairs>(eight, [&](int w, int r, int row, int part) {
    const std::uint32_t* lanes = product_register(p, w, p.d[r]);
    if constexpr (pairs) {
      for (int l = 0; l < lane_count; ++l) {
        to[l % 4 * 2][row + l / 4] = lanes[l] & 0xffffu;
        to[l % 4 * 2 + 1][row + l / 4] = lanes[l] >> 16;
      }
    } else {
      take_register(lanes, to, part, row);
    }
  });
}

template <bool pairs>
[[gnu::always_inline]] inline void put_columns(const WarpgroupProduct& p, int eight,
                                               const EightColumns& from) {
  for_d_registers<pairs>(eight, [&](int w, int r, int row, int part) {
    std::uint32_t* lanes = product_register(p, w, p.d[r]);
    if constexpr (pairs) {
      for (int l = 0; l < lane_count; ++l)
        lanes[l] = from[l % 4 * 2][row + l / 4] | from[l % 4 * 2 + 1][row + l / 4] << 16;
    } else {
      put_register(lanes, from, part, row);
    }
  });
}

/// What is undefined of a product: its rows where a is, its columns where b is.
struct UndefinedParts {
  bool rows[product_rows] = {};
  bool columns[most_product_columns] = {};
  bool any = false;
};

/// The flags of a tile, looked at 16 at a time.
template <class S>
void find_unwritten(const WarpgroupProduct& p, const TensorTile& tile, bool* undefined, bool* any) {
  constexpr int each = chunk_bytes / static_cast<int>(sizeof(S));
  constexpr std::uint64_t all = 0x0101010101010101u;
  std::uint64_t every = all;
  for (const std::uint32_t c : tile.chunks) {
    std::uint64_t flags[2];
    std::memcpy(flags, p.written + c, sizeof flags);
    every &= flags[0] & flags[1];
  }
  if (every == all) return;
  *any = true;
  const std::size_t per_k = tile.chunks.size() / static_cast<std::size_t>(product_depth<S>);
  for (std::size_t c = 0; c < tile.chunks.size(); ++c) {
    for (int b = 0; b < chunk_bytes; ++b) {
      if (p.written[tile.chunks[c] + static_cast<std::uint32_t>(b)] != 0) continue;
      const std::size_t at =
          tile.along_k ? c / 2 : c % per_k * each + static_cast<std::size_t>(b) / sizeof(S);
      undefined[at] = true;
    }
  }
}

template <class S>
UndefinedParts undefined_parts(const WarpgroupProduct& p) {
  UndefinedParts u;
  find_unwritten<S>(p, p.b_tile, u.columns, &u.any);
  if (p.a == nullptr) {
    find_unwritten<S>(p, p.a_tile, u.rows, &u.any);
  } else {
    for_a_registers<S>([&](int w, int r, int l, int row, int) {
      if (has(p.defined[static_cast<std::size_t>(w)][p.a[r]], l)) return;
      u.rows[row] = u.any = true;
    });
  }
  return u;
}

/// Marks what came out undefined. An accumulator that was stays so where it is added to.
template <class S, bool pairs>
void define_result(const WarpgroupProduct& p) {
  const UndefinedParts u = undefined_parts<S>(p);
  for (int eight = 0; eight < p.n / 8; ++eight) {
    for_d_registers<pairs>(eight, [&](int w, int r, int row, int part) {
      LaneMask& defined = p.defined[static_cast<std::size_t>(w)][p.d[r]];
      if (!p.accumulate) defined = all_lanes;
      if (!u.any) return;
      for (int l = 0; l < lane_count; ++l) {
        const int column = 8 * eight + l % 4 * 2 + part;
        const bool second = pairs && u.columns[column + 1];
        if (u.rows[row + l / 4] || u.columns[column] || second) defined &= ~(LaneMask{1} << l);
      }
    });
  }
}

}  // namespace
}  // namespace ptxmill::emu
