// Matrix products of a warp (PTX ISA, "Warp-level Matrix Instructions": "mma").
//
// Fragments lie as the manual draws them for the shapes m16n8: lane l holds row l / 4 (and 8 rows
// below) of a, c and d, and column l / 4 of b; what a register packs lies along k, or along the
// columns of c and d.
#include "emulator/lanes/lanes.hpp"
#include "emulator/lanes/parts.hpp"
#include "emulator/lanes/tensor_arithmetic.hpp"

namespace ptxmill::emu::PTXMILL_HOST_ISA {
namespace {

using U32 = std::uint32_t;
using U64 = std::uint64_t;

constexpr int most_rows = 32;
constexpr int most_columns = 32;

/// How many bits an element takes in a register.
template <class T>
inline constexpr int element_bits = static_cast<int>(sizeof(T)) * 8;

/// The registers of the four operands.
struct Fragments {
  const Slot* d;
  const Slot* a;
  const Slot* b;
  const Slot* c;
};

Fragments fragments_of(const Warp& w, const Instruction& i, int d_count, int a_count, int b_count) {
  const Slot* d = w.operands + i.imm;
  return {d, d + d_count, d + d_count + a_count, d + d_count + a_count + b_count};
}

/// Registers of a fragment of `count` elements.
constexpr int registers_for(int count, int bits) {
  return count * bits / (lane_count * (bits > 32 ? bits : 32));
}

/// Spreads a over [m][k], elements of `bits` bits.
template <int bits, class E>
void gather_a(Warp& w, const Slot* slots, int m, int k, E* to) {
  constexpr int packed = bits >= 32 ? 1 : 32 / bits;
  constexpr U32 mask = bits >= 32 ? ~0u : (1u << (bits & 31)) - 1;
  const int eights = m / 8;
  for (int r = 0; r < registers_for(m * k, bits); ++r) {
    const E* v = w.lanes<E>(slots[r]);
    E* at = to + r % eights * 8 * k + r / eights * 4 * packed;
    for (int l = 0; l < lane_count; ++l) {
      for (int e = 0; e < packed; ++e) {
        at[l / 4 * k + l % 4 * packed + e] =
            packed == 1 ? v[l] : v[l] >> (bits * e % 32) & static_cast<E>(mask);
      }
    }
  }
}

/// Spreads b over [k][n].
template <int bits, class E>
void gather_b(Warp& w, const Slot* slots, int k, int n, E* to) {
  constexpr int packed = bits >= 32 ? 1 : 32 / bits;
  constexpr U32 mask = bits >= 32 ? ~0u : (1u << (bits & 31)) - 1;
  const int each = registers_for(k * 8, bits);  // for eight columns
  for (int r = 0; r < each * n / 8; ++r) {
    const E* v = w.lanes<E>(slots[r]);
    E* at = to + r % each * 4 * packed * n + r / each * 8;
    for (int l = 0; l < lane_count; ++l) {
      for (int e = 0; e < packed; ++e) {
        at[(l % 4 * packed + e) * n + l / 4] =
            packed == 1 ? v[l] : v[l] >> (bits * e % 32) & static_cast<E>(mask);
      }
    }
  }
}

/// Calls f(register, lane, part of the register, row, column) for the elements of c or d.
template <int bits, class F>
[[gnu::always_inline]] inline void for_accumulators(int m, int n, F f) {
  constexpr int packed = bits == 16 ? 2 : 1;  // a register holds one column of 16-bit pairs
  const int each = m / 4 / packed;            // for eight columns
  for (int r = 0; r < each * n / 8; ++r) {
    const int in_eight = r % each;
    const int row = packed == 2 ? in_eight * 8 : in_eight / 2 * 8;
    const int column = r / each * 8 + (packed == 2 ? 0 : in_eight % 2);
    for (int l = 0; l < lane_count; ++l) {
      for (int e = 0; e < packed; ++e) f(r, l, e, row + l / 4, column + l % 4 * 2 + e);
    }
  }
}

template <int bits, class E>
void gather_c(Warp& w, const Slot* slots, int m, int n, E* to) {
  for_accumulators<bits>(m, n, [&](int r, int l, int e, int row, int column) {
    const E v = w.lanes<E>(slots[r])[l];
    to[row * n + column] = bits == 16 ? v >> (16 * e) & 0xffffu : v;
  });
}

template <int bits, class E>
void scatter_d(Warp& w, const Slot* slots, int m, int n, const E* from) {
  for_accumulators<bits>(m, n, [&](int r, int l, int e, int row, int column) {
    E& v = w.lanes<E>(slots[r])[l];
    const E element = from[row * n + column];
    if (bits == 16 && e == 1) {
      v = static_cast<E>(v | element << 16);
    } else {
      v = element;
    }
  });
}

/// What is undefined of a product: its rows where a is, columns where b is, elements where c is.
struct Undefined {
  U32 rows = 0, columns = 0;
  U32 elements[most_rows] = {};  ///< of c, a bit a column
  bool any = false;
};

bool all_defined(const Warp& w, const Slot* slots, int count) {
  LaneMask defined = all_lanes;
  for (int r = 0; r < count; ++r) defined &= w.defined[slots[r]];
  return defined == all_lanes;
}

/// The eight bits that say which groups of four lanes have one of `lanes`.
U32 groups_of(LaneMask lanes) {
  U32 groups = 0;
  for (int g = 0; g < 8; ++g) groups |= (lanes >> (4 * g) & 15u) != 0 ? 1u << g : 0u;
  return groups;
}

template <int c_bits>
Undefined undefined_of(const Warp& w, const Fragments& f, const MatrixMultiply& p, int a_count,
                       int b_count, int c_count) {
  Undefined u;
  if (all_defined(w, f.a, a_count) && all_defined(w, f.b, b_count) && all_defined(w, f.c, c_count))
    return u;
  u.any = true;
  const int eights = p.m / 8;
  for (int r = 0; r < a_count; ++r) u.rows |= groups_of(~w.defined[f.a[r]]) << (r % eights * 8);
  const int each = b_count * 8 / p.n;
  for (int r = 0; r < b_count; ++r)
    u.columns |= groups_of(~w.defined[f.b[r]]) << (r / (each == 0 ? 1 : each) * 8);
  for_accumulators<c_bits>(p.m, p.n, [&](int r, int l, int, int row, int column) {
    if (!has(w.defined[f.c[r]], l)) u.elements[row] |= 1u << column;
  });
  return u;
}

template <int d_bits>
void define(Warp& w, const Fragments& f, const MatrixMultiply& p, int d_count, const Undefined& u) {
  for (int r = 0; r < d_count; ++r) w.defined[f.d[r]] = all_lanes;
  if (!u.any) return;
  for_accumulators<d_bits>(p.m, p.n, [&](int r, int l, int, int row, int column) {
    if (has(u.rows, row) || has(u.columns, column) || has(u.elements[row], column))
      w.defined[f.d[r]] &= ~(LaneMask{1} << l);
  });
}

/// False, after a report, where lanes are missing.
bool is_whole(Warp& w, const Instruction& i, LaneMask m) {
  if (m == all_lanes) return true;
  report_fault(w, i, Fault::incomplete_warp, std::countr_zero(m), 0, 0);
  return false;
}

/// The steps that all products share; `compute` has (m, n, k, a, b, c, d), all arrays by rows.
template <class E, int in_bits, int c_bits, int d_bits, int most_k, class F>
[[gnu::always_inline]] inline void multiply_with(Warp& w, const Instruction& i, LaneMask mask,
                                                 F compute) {
  if (!is_whole(w, i, mask)) return;
  const MatrixMultiply p = matrix_multiply(i.aux);
  const int a_count = registers_for(p.m * p.k, in_bits);
  const int b_count = registers_for(p.k * p.n, in_bits);
  const int c_count = registers_for(p.m * p.n, c_bits);
  const int d_count = registers_for(p.m * p.n, d_bits);
  const Fragments f = fragments_of(w, i, d_count, a_count, b_count);
  E a[most_rows * most_k], b[most_k * most_columns];
  E c[most_rows * most_columns], d[most_rows * most_columns];
  // Single bits are multiplied a register at a time.
  constexpr int bits = in_bits == 1 ? 32 : in_bits;
  const int k = in_bits == 1 ? p.k / 32 : p.k;
  gather_a<bits>(w, f.a, p.m, k, a);
  gather_b<bits>(w, f.b, k, p.n, b);
  gather_c<c_bits>(w, f.c, p.m, p.n, c);
  compute(p, k, a, b, c, d);
  Undefined u;
  if (w.checked) u = undefined_of<c_bits>(w, f, p, a_count, b_count, c_count);
  scatter_d<d_bits>(w, f.d, p.m, p.n, d);
  if (w.checked) define<d_bits>(w, f, p, d_count, u);
}

/// Eight columns of [k][n], taken apart.
template <class T>
[[gnu::always_inline]] inline void take_columns(const U32* from, int stride, int count,
                                                Columns* to) {
  for (int k = 0; k < count; ++k) {
    for (int n = 0; n < side_by_side; ++n) {
      const Parts p = take_apart<T>(from[k * stride + n]);
      to[k].significand[n] = p.significand;
      to[k].exponent[n] = p.exponent;
    }
  }
}

template <class T>
[[gnu::always_inline]] inline bool any_special(const U32* from, int count) {
  U32 special = 0;
  for (int k = 0; k < count; ++k) special |= is_special<T>(from[k]) ? 1u : 0u;
  return special != 0;
}

template <class T, class C, class D>
void multiply_floats(Warp& w, const Instruction& i, LaneMask mask) {
  multiply_with<U32, element_bits<T>, element_bits<C>, element_bits<D>, most_products>(
      w, i, mask,
      [](const MatrixMultiply& p, int count, const U32* a, const U32* b, const U32* c, U32* d) {
        const int n = p.n;
        Parts rows[most_rows][most_products];
        for (int row = 0; row < p.m; ++row) {
          for (int k = 0; k < count; ++k) rows[row][k] = take_apart<T>(a[row * count + k]);
        }
        for (int from = 0; from < n; from += side_by_side) {
          Columns columns[most_products], accumulators[most_rows];
          take_columns<T>(b + from, n, count, columns);
          take_columns<C>(c + from, n, p.m, accumulators);
          for (int row = 0; row < p.m; ++row) {
            multiply_row<T, C, D>(rows[row], columns, count, accumulators[row], d + row * n + from);
          }
        }
        if (!any_special<T>(a, p.m * count) && !any_special<T>(b, n * count) &&
            !any_special<C>(c, p.m * n)) {
          return;
        }
        for (int row = 0; row < p.m; ++row) {
          for (int column = 0; column < n; ++column) {
            const U32 r =
                special_sum<T, C, D>(a + row * count, b + column, n, count, c[row * n + column]);
            if (r != 0) d[row * n + column] = r;
          }
        }
      });
}

/// Doubles are multiplied and added one by one, rounded to nearest each time.
void multiply_doubles(Warp& w, const Instruction& i, LaneMask mask) {
  multiply_with<U64, 64, 64, 64, most_products>(
      w, i, mask,
      [](const MatrixMultiply& p, int count, const U64* a, const U64* b, const U64* c, U64* d) {
        for (int row = 0; row < p.m; ++row) {
          for (int column = 0; column < p.n; ++column) {
            double sum = unpack<double>(c[row * p.n + column]);
            for (int k = 0; k < count; ++k) {
              const auto x = unpack<double>(a[row * count + k]);
              const auto y = unpack<double>(b[k * p.n + column]);
              sum = with_last_nan(__builtin_fma(x, y, sum), x, y, sum);
            }
            d[row * p.n + column] = bits_of(sum);
          }
        }
      });
}

template <int bits, bool sign>
[[gnu::always_inline]] inline std::int32_t whole(U32 v) {
  return sign ? static_cast<std::int32_t>(v << (32 - bits)) >> (32 - bits)
              : static_cast<std::int32_t>(v);
}

[[gnu::always_inline]] inline U32 narrowed(std::int64_t sum, bool saturate) {
  if (saturate) sum = std::clamp<std::int64_t>(sum, INT32_MIN, INT32_MAX);
  return static_cast<U32>(sum);
}

template <int bits, bool a_sign, bool b_sign>
void multiply_integers(Warp& w, const Instruction& i, LaneMask mask) {
  multiply_with<U32, bits, 32, 32, 512 / bits>(
      w, i, mask,
      [](const MatrixMultiply& p, int count, const U32* a, const U32* b, const U32* c, U32* d) {
        for (int row = 0; row < p.m; ++row) {
          for (int column = 0; column < p.n; ++column) {
            std::int32_t products = 0;
            for (int k = 0; k < count; ++k) {
              products += whole<bits, a_sign>(a[row * count + k]) *
                          whole<bits, b_sign>(b[k * p.n + column]);
            }
            const std::int64_t sum =
                std::int64_t{static_cast<std::int32_t>(c[row * p.n + column])} + products;
            d[row * p.n + column] = narrowed(sum, p.saturate);
          }
        }
      });
}

void multiply_bits(Warp& w, const Instruction& i, LaneMask mask) {
  multiply_with<U32, 1, 32, 32, 8>(
      w, i, mask,
      [](const MatrixMultiply& p, int count, const U32* a, const U32* b, const U32* c, U32* d) {
        for (int row = 0; row < p.m; ++row) {
          for (int column = 0; column < p.n; ++column) {
            U32 sum = c[row * p.n + column];
            for (int k = 0; k < count; ++k) {
              const U32 x = a[row * count + k], y = b[k * p.n + column];
              sum += static_cast<U32>(std::popcount(p.bit_and ? x & y : x ^ y));
            }
            d[row * p.n + column] = sum;
          }
        }
      });
}

template <int bits>
Handler integers_of(bool a_sign, bool b_sign) {
  if (a_sign) {
    return b_sign ? multiply_integers<bits, true, true> : multiply_integers<bits, true, false>;
  }
  return b_sign ? multiply_integers<bits, false, true> : multiply_integers<bits, false, false>;
}

Handler halves_of(MatrixElement c, MatrixElement d) {
  if (c == MatrixElement::f32) {
    return d == MatrixElement::f32 ? multiply_floats<F16, float, float>
                                   : multiply_floats<F16, float, F16>;
  }
  return d == MatrixElement::f32 ? multiply_floats<F16, F16, float>
                                 : multiply_floats<F16, F16, F16>;
}

}  // namespace

Handler multiply(const MatrixMultiply& p) {
  using E = MatrixElement;
  switch (p.a) {
    case E::f16: return halves_of(p.c, p.d);
    case E::bf16: return multiply_floats<BF16, float, float>;
    case E::tf32: return multiply_floats<TF32, float, float>;
    case E::f64: return multiply_doubles;
    case E::s8:
    case E::u8: return integers_of<8>(p.a == E::s8, p.b == E::s8);
    case E::s4:
    case E::u4: return integers_of<4>(p.a == E::s4, p.b == E::s4);
    case E::b1: return multiply_bits;
    default: return nullptr;
  }
}

}  // namespace ptxmill::emu::PTXMILL_HOST_ISA
