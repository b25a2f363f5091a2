// What each pure row computes, written in C++ from the PTX manual: the other side of the comparison
// with an emulator or a GPU that runs the row.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "tests/isa/instance.hpp"

namespace ptxmill::test {

/// The sources of one case: raw bits, zero-extended.
class Sources {
 public:
  static constexpr std::size_t most = 5;
  explicit Sources(const std::uint64_t* first, std::size_t count) {
    for (std::size_t k = 0; k < count; ++k) bits_[k] = first[k];
  }
  template <class T>
  T as(std::size_t k) const {
    if constexpr (std::is_same_v<T, bool>) return bits_[k] != 0;
    T value;
    std::memcpy(&value, &bits_[k], sizeof value);  // the low bytes come first
    return value;
  }
  std::uint32_t u32(std::size_t k) const { return as<std::uint32_t>(k); }
  std::uint16_t u16(std::size_t k) const { return as<std::uint16_t>(k); }

 private:
  std::array<std::uint64_t, most> bits_{};
};
static_assert(std::endian::native == std::endian::little);

/// What a case must give.
struct Expected {
  enum class Kind : std::uint8_t {
    bits,    ///< these bits
    number,  ///< these bits, or any NaN where they are one
    near,    ///< within `bound` of `value`
    any,     ///< the manual leaves it open
  };
  Kind kind = Kind::any;
  std::array<std::uint64_t, 2> bits{};
  double value = 0, bound = 0;
};

inline Expected unspecified() { return {}; }
/// An approximation: within `bound` of `value`, an infinity or NaN where `value` is one.
Expected near(double value, double bound);
/// Within 2^exponent of `value`, relatively; subnormal results keep their last bit's error.
Expected near_relative(double value, double exponent);
/// Within `ulps` units in the last place of an f32.
Expected near_ulps(double value, double ulps);

template <class T>
Expected exactly(T value) {
  static_assert(std::is_arithmetic_v<T>);
  Expected e{.kind = std::is_floating_point_v<T> ? Expected::Kind::number : Expected::Kind::bits};
  std::memcpy(e.bits.data(), &value, sizeof value);
  return e;
}
inline Expected exactly(Expected e) { return e; }
template <class A, class B>
Expected exactly(const std::pair<A, B>& both) {
  return {.kind = Expected::Kind::bits,
          .bits = {exactly(both.first).bits[0], exactly(both.second).bits[0]}};
}

using Function = std::function<Expected(const Instance&, const Sources&)>;
struct Reference {
  isa::Op op;
  Function compute;
};

// The rows by chapter of the table.
const std::vector<Reference>& integer_references();
const std::vector<Reference>& float_references();
const std::vector<Reference>& half_references();
const std::vector<Reference>& comparison_references();
const std::vector<Reference>& logic_references();
const std::vector<Reference>& conversion_references();

// ---- how references are written: a generic lambda over the first `n` sources, each of the C++
// type that the row's suffix means, and on request the raw sources behind them.

template <int n, class T, class F>
Expected call(const F& f, const Sources& s) {
  return [&]<std::size_t... k>(std::index_sequence<k...>) {
    if constexpr (std::is_invocable_v<F, decltype((void)k, T())..., const Sources&>)
      return exactly(f(s.as<T>(k)..., s));
    else
      return exactly(f(s.as<T>(k)...));
  }
  (std::make_index_sequence<n>{});
}

[[noreturn]] inline void no_reference(const Instance& i) {
  throw std::logic_error("no reference for " + i.spelling());
}

/// For integers of either sign; untyped bits count as unsigned.
template <int n, class F>
Function integers(F f) {
  return [f](const Instance& i, const Sources& s) {
    switch (i.type) {
      case isa::Type::b16:
      case isa::Type::u16: return call<n, std::uint16_t>(f, s);
      case isa::Type::b32:
      case isa::Type::u32: return call<n, std::uint32_t>(f, s);
      case isa::Type::b64:
      case isa::Type::u64: return call<n, std::uint64_t>(f, s);
      case isa::Type::s16: return call<n, std::int16_t>(f, s);
      case isa::Type::s32: return call<n, std::int32_t>(f, s);
      case isa::Type::s64: return call<n, std::int64_t>(f, s);
      default: no_reference(i);
    }
  };
}

/// For f32 and f64.
template <int n, class F>
Function reals(F f) {
  return [f](const Instance& i, const Sources& s) {
    if (i.type == isa::Type::f32) return call<n, float>(f, s);
    if (i.type == isa::Type::f64) return call<n, double>(f, s);
    no_reference(i);
  };
}

/// For predicates, and for bits as unsigned integers.
template <int n, class F>
Function logic(F f) {
  return [f, words = integers<n>(f)](const Instance& i, const Sources& s) {
    return i.type == isa::Type::pred ? call<n, bool>(f, s) : words(i, s);
  };
}

/// One for integers, another for reals.
inline Function either(Function whole, Function real) {
  return [whole = std::move(whole), real = std::move(real)](const Instance& i, const Sources& s) {
    return isa::is_float(i.type) ? real(i, s) : whole(i, s);
  };
}

}  // namespace ptxmill::test
