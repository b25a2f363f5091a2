// Products of a warpgroup (PTX ISA, "wgmma.mma_async").
//
// Sums are those of tensor_arithmetic.hpp, computed in another way: a product of two elements is
// exact in f32 where its exponent is not extreme, as is its multiple by a power of two, and the
// host's conversion to an integer cuts toward zero. Rows lie side by side, since a is the smaller
// factor. Where exponents are extreme, multiply_row does it.
#include "emulator/lanes/lanes.hpp"
#include "emulator/lanes/parts.hpp"
#include "emulator/lanes/product_parts.hpp"
#include "emulator/lanes/tensor_arithmetic.hpp"

namespace ptxmill::emu::PTXMILL_HOST_ISA {
namespace {

using U32 = std::uint32_t;
using Floats [[gnu::vector_size(4 * side_by_side)]] = float;
using Shorts [[gnu::vector_size(32)]] = std::int16_t;
using EightShorts [[gnu::vector_size(2 * side_by_side)]] = std::int16_t;
using FourDoubles [[gnu::vector_size(32)]] = double;
using FourFloats [[gnu::vector_size(16)]] = float;
using FourLongs [[gnu::vector_size(32)]] = std::int64_t;

constexpr int shorts_each = 16;

/// Exponents of sums for which products and scales are normal numbers of f32.
constexpr std::int32_t least_exponent = -98, largest_exponent = 125;

/// An element as it lies in memory.
template <class T>
using Stored = std::conditional_t<std::is_same_v<T, TF32>, std::uint32_t, std::uint16_t>;

/// The value of a finite element; 0 of others.
template <class T>
[[gnu::always_inline]] inline float finite_value(U32 word) {
  if constexpr (std::is_same_v<T, F16>) {
    const Parts p = take_apart<F16>(word);
    const auto scale = static_cast<U32>((p.exponent < -14 ? -14 : p.exponent) + 127 - 10) << 23;
    return static_cast<float>(p.significand) * unpack<float>(scale);
  } else {
    const U32 bits = std::is_same_v<T, BF16> ? word << 16 : word & 0xffffe000u;
    return unpack<float>((bits & 0x7f800000u) == 0x7f800000u ? 0 : bits);
  }
}

/// Elements taken apart, `count` of them.
template <class T>
void take_elements(const Stored<T>* from, int count, float* values, std::int16_t* exponents) {
  for (int k = 0; k < count; ++k) {
    values[k] = finite_value<T>(from[k]);
    exponents[k] = static_cast<std::int16_t>(take_apart<T>(from[k]).exponent);
  }
}

template <class T, class S>
[[gnu::always_inline]] inline bool has_special(const S* from, int count) {
  U32 special = 0;
  for (int k = 0; k < count; ++k) special |= is_special<T>(from[k]) ? 1u : 0u;
  return special != 0;
}

/// Both factors, as they lie in memory and taken apart.
template <class T>
struct Factors {
  using S = Stored<T>;
  static constexpr int depth = product_depth<S>;
  alignas(64) TensorRows<S> a_words;
  alignas(64) TensorColumns<S> b_words;
  alignas(64) float a[depth][product_rows];
  alignas(64) std::int16_t a_exponent[depth][product_rows];
  alignas(64) float b[most_product_columns][depth];
  alignas(64) std::int16_t b_exponent[most_product_columns][depth];
  bool special_rows[product_rows] = {};
  bool special_columns[most_product_columns] = {};
  bool special = false;
};

template <class T>
void find_special(const WarpgroupProduct& p, Factors<T>& f) {
  constexpr int depth = Factors<T>::depth;
  if (!has_special<T>(f.a_words[0], depth * product_rows) &&
      !has_special<T>(f.b_words[0], depth * p.n))
    return;
  f.special = true;
  for (int k = 0; k < depth; ++k) {
    for (int row = 0; row < product_rows; ++row)
      f.special_rows[row] = f.special_rows[row] || is_special<T>(f.a_words[k][row]);
    for (int n = 0; n < p.n; ++n)
      f.special_columns[n] = f.special_columns[n] || is_special<T>(f.b_words[n][k]);
  }
}

template <class T>
void gather_factors(const WarpgroupProduct& p, Factors<T>& f) {
  using S = Stored<T>;
  constexpr int depth = Factors<T>::depth;
  gather_a<S>(p, f.a_words);
  gather_b<S>(p, f.b_words);
  if (p.negate) {
    constexpr auto sign = static_cast<S>(S{1} << (sizeof(S) * 8 - 1));
    for (auto& column : f.a_words)
      for (S& v : column) v = static_cast<S>(v ^ sign);
  }
  take_elements<T>(f.a_words[0], depth * product_rows, f.a[0], f.a_exponent[0]);
  take_elements<T>(f.b_words[0], depth * p.n, f.b[0], f.b_exponent[0]);
  find_special<T>(p, f);
}

/// The accumulators of one column.
struct Accumulators {
  alignas(64) float value[product_rows];
  alignas(64) std::int32_t exponent[product_rows];
};

template <class C>
[[gnu::always_inline]] inline void take_accumulators(const U32* words, Accumulators& to) {
  for (int row = 0; row < product_rows; ++row) {
    if constexpr (std::is_same_v<C, F16>) {
      to.value[row] = finite_value<F16>(words[row]);
    } else {
      to.value[row] = unpack<float>(is_special<float>(words[row]) ? 0 : words[row]);
    }
    to.exponent[row] = take_apart<C>(words[row]).exponent;
  }
}

template <class V, class E>
[[gnu::always_inline]] inline void load_vector(V& to, const E* from) {
  std::memcpy(&to, from, sizeof to);
}

/// The largest exponent of each row's terms. False where one is extreme.
template <class T>
[[gnu::always_inline]] inline bool largest_exponents(const Factors<T>& f, int column, int first,
                                                     int last, std::int32_t* exponents) {
  constexpr int parts = product_rows / shorts_each;
  Shorts most[parts];
  for (Shorts& m : most) m = Shorts{} + std::int16_t{-0x8000};
  for (int k = first; k < last; ++k) {
    for (int part = 0; part < parts; ++part) {
      Shorts e;
      load_vector(e, f.a_exponent[k] + part * shorts_each);
      e += f.b_exponent[column][k];
      most[part] = e > most[part] ? e : most[part];
    }
  }
  alignas(64) std::int16_t narrow[product_rows];
  std::memcpy(narrow, most, sizeof narrow);
  Eight extreme{};
  for (int row = 0; row < product_rows; row += side_by_side) {
    EightShorts products;
    Eight e;
    load_vector(products, narrow + row);
    load_vector(e, exponents + row);
    const auto wide = __builtin_convertvector(products, Eight);
    e = wide > e ? wide : e;
    extreme |= (e > largest_exponent) | ((e < least_exponent) & (e > zero_exponent / 2));
    e = e > least_exponent ? e : Eight{} + least_exponent;  // of nothing but zeros
    std::memcpy(exponents + row, &e, sizeof e);
  }
  std::uint64_t any[sizeof extreme / sizeof(std::uint64_t)];
  std::memcpy(any, &extreme, sizeof any);
  return (any[0] | any[1] | any[2] | any[3]) == 0;
}

/// Half of eight exact sums, as multiples of their last bit.
template <int half>
[[gnu::always_inline]] inline void exact_sums(const Eight& first, const Eight& second,
                                              FourDoubles& to) {
  const auto four = [](const Eight& v) {
    return __builtin_shufflevector(v, v, 4 * half, 4 * half + 1, 4 * half + 2, 4 * half + 3);
  };
  to = __builtin_convertvector(four(first), FourDoubles) +
       __builtin_convertvector(four(second), FourDoubles);
}

/// Cut to what an f32 holds.
[[gnu::always_inline]] inline FourFloats cut_sums(const FourDoubles& sums) {
  constexpr std::int64_t kept = ~((std::int64_t{1} << 29) - 1);
  const auto cut = reinterpret_cast<FourDoubles>(reinterpret_cast<FourLongs>(sums) & kept);
  return __builtin_convertvector(cut, FourFloats);
}

/// One column's sums of a block, as patterns of D.
template <class T, class D, class Sum>
[[gnu::always_inline]] inline void add_rows(const Factors<T>& f, int column, int from, int to,
                                            const Accumulators& c, U32* d) {
  for (int row = 0; row < product_rows; row += side_by_side) {
    Eight largest;
    Floats value;
    load_vector(largest, c.exponent + row);
    load_vector(value, c.value + row);
    const auto scale = reinterpret_cast<Floats>((Sum::fraction + 127 - largest) << 23);
    Eight first = __builtin_convertvector(value * scale, Eight), second{};
    for (int k = from; k < to; ++k) {
      Floats a;
      load_vector(a, f.a[k] + row);
      const auto term = __builtin_convertvector(a * f.b[column][k] * scale, Eight);
      if (k - from < 8) {
        first += term;
      } else {
        second += term;
      }
    }
    FourDoubles low, high;
    exact_sums<0>(first, second, low);
    exact_sums<1>(first, second, high);
    if constexpr (std::is_same_v<D, F16>) {
      for (int r = 0; r < 4; ++r) {
        d[row + r] = round_to_half<F16>(low[r] * power_of_two(largest[r] - Sum::fraction)).bits;
        d[row + 4 + r] =
            round_to_half<F16>(high[r] * power_of_two(largest[4 + r] - Sum::fraction)).bits;
      }
    } else {
      // No exponent is extreme: none of these is subnormal.
      const auto unit = reinterpret_cast<Floats>((largest + (127 - Sum::fraction)) << 23);
      const Floats sums =
          __builtin_shufflevector(cut_sums(low), cut_sums(high), 0, 1, 2, 3, 4, 5, 6, 7) * unit;
      std::memcpy(d + row, &sums, sizeof sums);
    }
  }
}

/// A column with extreme exponents.
template <class T, class D, class Sum>
void multiply_slowly(const Factors<T>& f, int column, U32* d) {
  constexpr int depth = Factors<T>::depth;
  Parts b[depth];
  for (int k = 0; k < depth; ++k) b[k] = take_apart<T>(f.b_words[column][k]);
  for (int row = 0; row < product_rows; row += side_by_side) {
    Columns a[depth], c;
    for (int r = 0; r < side_by_side; ++r) {
      for (int k = 0; k < depth; ++k) {
        const Parts p = take_apart<T>(f.a_words[k][row + r]);
        a[k].significand[r] = p.significand;
        a[k].exponent[r] = p.exponent;
      }
      const Parts p = take_apart<D>(d[row + r]);
      c.significand[r] = p.significand;
      c.exponent[r] = p.exponent;
    }
    multiply_row<T, D, D, Sum>(b, a, depth, c, d + row);
  }
}

/// One column of a * b + d, finite.
template <class T, class D, class Sum>
[[gnu::always_inline]] inline void multiply_column(const Factors<T>& f, int column, U32* d) {
  constexpr int depth = Factors<T>::depth;
  Accumulators c;
  take_accumulators<D>(d, c);
  alignas(64) U32 sums[product_rows];
  for (int k = 0; k < depth; k += Sum::block) {
    const int end = std::min(k + Sum::block, depth);
    if (!largest_exponents<T>(f, column, k, end, c.exponent))
      return multiply_slowly<T, D, Sum>(f, column, d);
    if (end == depth) return add_rows<T, D, Sum>(f, column, k, end, c, d);
    add_rows<T, float, Sum>(f, column, k, end, c, sums);
    take_accumulators<float>(sums, c);
  }
}

/// Puts infinities and NaN where a sum has some among its terms; `c` is what was added to.
template <class T, class D>
void put_special(const Factors<T>& f, int column, const U32* c, U32* d) {
  constexpr int depth = Factors<T>::depth;
  U32 b[depth];
  for (int k = 0; k < depth; ++k) b[k] = f.b_words[column][k];
  for (int row = 0; row < product_rows; ++row) {
    if (!f.special_rows[row] && !f.special_columns[column] && !is_special<D>(c[row])) continue;
    U32 a[depth];
    for (int k = 0; k < depth; ++k) a[k] = f.a_words[k][row];
    const U32 r = special_sum<T, D, D>(a, b, 1, depth, c[row]);
    if (r != 0) d[row] = r;
  }
}

template <class T, class D>
void multiply_floats(const WarpgroupProduct& p) {
  constexpr bool pairs = std::is_same_v<D, F16>;
  Factors<T> f;
  gather_factors<T>(p, f);
  for (int eight = 0; eight < p.n / 8; ++eight) {
    alignas(64) EightColumns d = {}, c;
    if (p.accumulate) take_columns<pairs>(p, eight, d);
    const bool special = f.special || has_special<D>(d[0], side_by_side * product_rows);
    if (special) std::memcpy(c, d, sizeof c);
    for (int n = 0; n < side_by_side; ++n) {
      const int column = eight * side_by_side + n;
      multiply_column<T, D, WarpgroupSum<T>>(f, column, d[n]);
      if (special) put_special<T, D>(f, column, c[n], d[n]);
    }
    put_columns<pairs>(p, eight, d);
  }
  if (p.checked) define_result<Stored<T>, pairs>(p);
}

template <bool sign>
[[gnu::always_inline]] inline std::int32_t whole(std::uint8_t v) {
  return sign ? static_cast<std::int8_t>(v) : v;
}

template <bool a_sign, bool b_sign>
void multiply_integers(const WarpgroupProduct& p) {
  using S = std::uint8_t;
  constexpr int depth = product_depth<S>;
  alignas(64) TensorRows<S> a_bytes;
  alignas(64) TensorColumns<S> b_bytes;
  alignas(64) std::int32_t a[depth][product_rows];
  gather_a<S>(p, a_bytes);
  gather_b<S>(p, b_bytes);
  for (int k = 0; k < depth; ++k)
    for (int row = 0; row < product_rows; ++row) a[k][row] = whole<a_sign>(a_bytes[k][row]);
  for (int eight = 0; eight < p.n / 8; ++eight) {
    alignas(64) EightColumns d = {};
    if (p.accumulate) take_columns<false>(p, eight, d);
    for (int n = 0; n < side_by_side; ++n) {
      alignas(64) std::int32_t products[product_rows] = {};
      for (int k = 0; k < depth; ++k) {
        const std::int32_t b = whole<b_sign>(b_bytes[eight * side_by_side + n][k]);
        for (int row = 0; row < product_rows; ++row) products[row] += a[k][row] * b;
      }
      for (int row = 0; row < product_rows; ++row) {
        std::int64_t sum = std::int64_t{static_cast<std::int32_t>(d[n][row])} + products[row];
        if (p.saturate) sum = std::clamp<std::int64_t>(sum, INT32_MIN, INT32_MAX);
        d[n][row] = static_cast<U32>(sum);
      }
    }
    put_columns<false>(p, eight, d);
  }
  if (p.checked) define_result<S, false>(p);
}

WarpgroupHandler integers_of(bool a_sign, bool b_sign) {
  if (a_sign) return b_sign ? multiply_integers<true, true> : multiply_integers<true, false>;
  return b_sign ? multiply_integers<false, true> : multiply_integers<false, false>;
}

}  // namespace

WarpgroupHandler warpgroup_multiply(MatrixElement a, MatrixElement b, MatrixElement d) {
  using E = MatrixElement;
  switch (a) {
    case E::f16: return d == E::f16 ? multiply_floats<F16, F16> : multiply_floats<F16, float>;
    case E::bf16: return multiply_floats<BF16, float>;
    case E::tf32: return multiply_floats<TF32, float>;
    case E::s8:
    case E::u8: return integers_of(a == E::s8, b == E::s8);
    default: return nullptr;
  }
}

}  // namespace ptxmill::emu::PTXMILL_HOST_ISA
