// Moves of 8 x 8 matrices of 16-bit elements (PTX ISA, "ldmatrix", "stmatrix", "movmatrix").
//
// In registers, lane l holds elements 2 * (l % 4) and the next of row l / 4. In memory, lane 8 * n
// + r holds the address of row r of matrix n.
#include "emulator/lanes/access.hpp"
#include "emulator/lanes/lanes.hpp"
#include "emulator/lanes/parts.hpp"

namespace ptxmill::emu::PTXMILL_HOST_ISA {
namespace {

using U16 = std::uint16_t;
using U32 = std::uint32_t;

constexpr int rows = 8, row_bytes = 16, pair_bytes = 4;

/// The rows that up to 32 lanes point to.
struct Rows {
  alignas(16) std::byte bytes[lane_count][row_bytes];
  alignas(16) std::byte written[lane_count][row_bytes];
};

/// The two elements of matrix `n` that lane `l` holds, in one array of rows.
template <bool transposed>
[[gnu::always_inline]] inline U32 pair_at(const std::byte (&from)[lane_count][row_bytes], int n,
                                          int l) {
  U32 v = 0;
  if constexpr (transposed) {
    U16 low = 0, high = 0;
    std::memcpy(&low, from[n * rows + l % 4 * 2] + l / 4 * 2, sizeof low);
    std::memcpy(&high, from[n * rows + l % 4 * 2 + 1] + l / 4 * 2, sizeof high);
    v = low | static_cast<U32>(high) << 16;
  } else {
    std::memcpy(&v, from[n * rows + l / 4] + l % 4 * pair_bytes, sizeof v);
  }
  return v;
}

template <bool transposed>
[[gnu::always_inline]] inline void put_pair(std::byte (&to)[lane_count][row_bytes], int n, int l,
                                            U32 v) {
  if constexpr (transposed) {
    const U16 low = static_cast<U16>(v), high = static_cast<U16>(v >> 16);
    std::memcpy(to[n * rows + l % 4 * 2] + l / 4 * 2, &low, sizeof low);
    std::memcpy(to[n * rows + l % 4 * 2 + 1] + l / 4 * 2, &high, sizeof high);
  } else {
    std::memcpy(to[n * rows + l / 4] + l % 4 * pair_bytes, &v, sizeof v);
  }
}

bool is_whole(Warp& w, const Instruction& i, LaneMask m) {
  if (m == all_lanes) return true;
  report_fault(w, i, Fault::incomplete_warp, std::countr_zero(m), 0, 0);
  return false;
}

/// The lanes whose addresses count.
constexpr LaneMask address_lanes(int count) {
  return count == 4 ? all_lanes : (LaneMask{1} << (count * rows)) - 1;
}

template <int count, bool transposed>
void load_matrices(Warp& w, const Instruction& i, LaneMask m) {
  if (!is_whole(w, i, m)) return;
  Rows r{};
  LaneMask lanes = address_lanes(count);
  if (w.checked) lanes = with_defined_address(w, i, lanes);
  for_targets<row_bytes, row_bytes>(w, i, lanes, [&](LaneMask some, const Target& t) {
    for (int l = 0; l < count * rows; ++l) {
      if (!has(some, l)) continue;
      std::memcpy(r.bytes[l], t.bytes + t.offset[l], row_bytes);
      if (t.written == nullptr) {
        std::memset(r.written[l], 1, row_bytes);
      } else {
        std::memcpy(r.written[l], t.written + t.offset[l], row_bytes);
      }
    }
  });
  for (int n = 0; n < count; ++n) {
    U32* d = w.lanes<U32>(i.d[n]);
    LaneMask defined = 0;
    for (int l = 0; l < lane_count; ++l) {
      d[l] = pair_at<transposed>(r.bytes, n, l);
      const bool whole = pair_at<transposed>(r.written, n, l) == all_written<U32>;
      defined |= static_cast<LaneMask>(whole) << l;
    }
    w.defined[i.d[n]] = defined;
    if (w.checked && defined != all_lanes) note_undefined(w, i, ~defined);
  }
}

template <int count, bool transposed>
void store_matrices(Warp& w, const Instruction& i, LaneMask m) {
  if (!is_whole(w, i, m)) return;
  Rows r;
  for (int n = 0; n < count; ++n) {
    const U32* v = w.lanes<U32>(i.d[n]);
    const LaneMask defined = w.checked ? w.defined[i.d[n]] : all_lanes;
    for (int l = 0; l < lane_count; ++l) {
      put_pair<transposed>(r.bytes, n, l, v[l]);
      put_pair<transposed>(r.written, n, l, has(defined, l) ? all_written<U32> : 0);
    }
  }
  LaneMask lanes = address_lanes(count);
  if (w.checked) lanes = with_defined_address(w, i, lanes);
  for_targets<row_bytes, row_bytes>(w, i, lanes, [&](LaneMask some, const Target& t) {
    for (int l = 0; l < count * rows; ++l) {
      if (!has(some, l)) continue;
      std::memcpy(t.bytes + t.offset[l], r.bytes[l], row_bytes);
      if (t.written != nullptr) std::memcpy(t.written + t.offset[l], r.written[l], row_bytes);
    }
  });
}

void transpose_matrix(Warp& w, const Instruction& i, LaneMask m) {
  if (!is_whole(w, i, m)) return;
  Rows r;
  const U32* v = w.lanes<U32>(i.s[0]);
  const LaneMask from = w.defined[i.s[0]];
  for (int l = 0; l < lane_count; ++l) {
    put_pair<false>(r.bytes, 0, l, v[l]);
    put_pair<false>(r.written, 0, l, has(from, l) ? all_written<U32> : 0);
  }
  U32* d = w.lanes<U32>(i.d[0]);
  LaneMask defined = 0;
  for (int l = 0; l < lane_count; ++l) {
    d[l] = pair_at<true>(r.bytes, 0, l);
    const bool whole = pair_at<true>(r.written, 0, l) == all_written<U32>;
    defined |= static_cast<LaneMask>(whole) << l;
  }
  w.defined[i.d[0]] = defined;
}

template <bool transposed>
Handler move_of(MatrixMove kind, int count) {
  const bool load = kind == MatrixMove::load;
  switch (count) {
    case 1: return load ? load_matrices<1, transposed> : store_matrices<1, transposed>;
    case 2: return load ? load_matrices<2, transposed> : store_matrices<2, transposed>;
    case 4: return load ? load_matrices<4, transposed> : store_matrices<4, transposed>;
    default: return nullptr;
  }
}

}  // namespace

Handler matrix_move(MatrixMove kind, int count, bool transposed) {
  if (kind == MatrixMove::transpose) return transpose_matrix;
  return transposed ? move_of<true>(kind, count) : move_of<false>(kind, count);
}

}  // namespace ptxmill::emu::PTXMILL_HOST_ISA
