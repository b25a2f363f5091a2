// Integer arithmetic, logic and shifts against the manual's definitions, spelled out here.
#include <cstdint>
#include <limits>

#include "interpreter_fixture.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

__extension__ using Wide = __int128;
__extension__ using UnsignedWide = unsigned __int128;

template <class T>
std::vector<T> edges() {
  using L = std::numeric_limits<T>;
  return {T(0),
          T(1),
          T(2),
          T(3),
          T(7),
          T(31),
          T(100),
          L::max(),
          T(L::max() - 1),
          L::min(),
          T(L::min() + 1),
          T(L::max() / 2),
          T(L::max() / 2 + 1),
          T(0x5555),
          T(-1),
          T(-2),
          T(-3)};
}

template <class T>
std::string suffix() {
  return (std::is_signed_v<T> ? ".s" : ".u") + std::to_string(sizeof(T) * 8);
}

/// The low bits of a wide integer.
template <class T>
T low(Wide v) {
  return static_cast<T>(static_cast<std::make_unsigned_t<T>>(static_cast<UnsignedWide>(v)));
}

template <class D, class T, class F>
void check_binary(const std::string& op, F expected) {
  CAPTURE(op);
  const auto operands = pairs(edges<T>(), edges<T>());
  const auto& a = operands.first;
  const auto& b = operands.second;
  const auto d = evaluate<D>(op + " %d, %a, %b;", a, b);
  for (std::size_t i = 0; i < a.size(); ++i) {
    CAPTURE(+a[i]);
    CAPTURE(+b[i]);
    CHECK(d[i] == expected(a[i], b[i]));
  }
}

template <class D, class T, class F>
void check_unary(const std::string& op, F expected) {
  CAPTURE(op);
  const auto a = edges<T>();
  const auto d = evaluate<D>(op + " %d, %a;", a);
  for (std::size_t i = 0; i < a.size(); ++i) {
    CAPTURE(+a[i]);
    CHECK(d[i] == expected(a[i]));
  }
}

TEST_CASE_TEMPLATE("add, sub, mul, min, max, div, rem of every width", T, std::uint16_t,
                   std::int16_t, std::uint32_t, std::int32_t, std::uint64_t, std::int64_t) {
  const std::string t = suffix<T>();
  const auto bits = static_cast<int>(sizeof(T) * 8);
  check_binary<T, T>("add" + t, [](T a, T b) { return low<T>(Wide(a) + b); });
  check_binary<T, T>("sub" + t, [](T a, T b) { return low<T>(Wide(a) - b); });
  check_binary<T, T>("mul.lo" + t, [](T a, T b) {
    return low<T>(static_cast<Wide>(UnsignedWide(Wide(a)) * UnsignedWide(Wide(b))));
  });
  check_binary<T, T>("mul.hi" + t, [=](T a, T b) {
    if constexpr (std::is_signed_v<T>) return low<T>((Wide(a) * b) >> bits);
    return low<T>(static_cast<Wide>((UnsignedWide(a) * UnsignedWide(b)) >> bits));
  });
  check_binary<T, T>("min" + t, [](T a, T b) { return a < b ? a : b; });
  check_binary<T, T>("max" + t, [](T a, T b) { return a > b ? a : b; });
  check_binary<T, T>("div" + t, [](T a, T b) {
    return b == 0 ? low<T>(-1) : low<T>(Wide(a) / b);  // all ones: what devices give
  });
  check_binary<T, T>("rem" + t, [](T a, T b) { return b == 0 ? low<T>(-1) : low<T>(Wide(a) % b); });
}

TEST_CASE_TEMPLATE("abs and neg wrap", T, std::int16_t, std::int32_t, std::int64_t) {
  check_unary<T, T>("abs" + suffix<T>(), [](T a) { return low<T>(a < 0 ? -Wide(a) : Wide(a)); });
  check_unary<T, T>("neg" + suffix<T>(), [](T a) { return low<T>(-Wide(a)); });
}

TEST_CASE_TEMPLATE("mul.wide keeps the whole product", T, std::uint16_t, std::int16_t,
                   std::uint32_t, std::int32_t) {
  using D =
      std::conditional_t<sizeof(T) == 2,
                         std::conditional_t<std::is_signed_v<T>, std::int32_t, std::uint32_t>,
                         std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>>;
  check_binary<D, T>("mul.wide" + suffix<T>(),
                     [](T a, T b) { return static_cast<D>(Wide(a) * b); });
}

TEST_CASE("mad, mad.hi, mad.wide and sad add their third operand") {
  const auto operands = pairs(edges<std::int32_t>(), edges<std::int32_t>());
  const auto& a = operands.first;
  const auto& b = operands.second;
  std::vector<std::int32_t> c(a.size(), 1000);
  std::vector<std::int64_t> c64(a.size(), -5);
  const auto lo = evaluate<std::int32_t>("mad.lo.s32 %d, %a, %b, %c;", a, b, c);
  const auto hi = evaluate<std::int32_t>("mad.hi.s32 %d, %a, %b, %c;", a, b, c);
  const auto sat = evaluate<std::int32_t>("mad.hi.sat.s32 %d, %a, %b, %a;", a, b);
  const auto wide = evaluate<std::int64_t>("mad.wide.s32 %d, %a, %b, %c;", a, b, c64);
  const auto sad = evaluate<std::int32_t>("sad.s32 %d, %a, %b, %c;", a, b, c);
  for (std::size_t i = 0; i < a.size(); ++i) {
    const Wide product = Wide(a[i]) * b[i];
    CHECK(lo[i] == low<std::int32_t>(product + 1000));
    CHECK(hi[i] == low<std::int32_t>((product >> 32) + 1000));
    const Wide sum = (product >> 32) + a[i];
    const Wide clamped = sum > 0x7fffffff          ? Wide(0x7fffffff)
                         : sum < -Wide(0x80000000) ? -Wide(0x80000000)
                                                   : sum;
    CHECK(sat[i] == static_cast<std::int32_t>(clamped));
    CHECK(wide[i] == static_cast<std::int64_t>(product - 5));
    const Wide gap = Wide(a[i]) - b[i];
    CHECK(sad[i] == low<std::int32_t>((gap < 0 ? -gap : gap) + 1000));
  }
}

TEST_CASE("add.sat and sub.sat clamp to s32") {
  const auto clamp = [](Wide v) {
    return static_cast<std::int32_t>(v > 0x7fffffff          ? Wide(0x7fffffff)
                                     : v < -Wide(0x80000000) ? -Wide(0x80000000)
                                                             : v);
  };
  check_binary<std::int32_t, std::int32_t>("add.sat.s32",
                                           [&](int a, int b) { return clamp(Wide(a) + b); });
  check_binary<std::int32_t, std::int32_t>("sub.sat.s32",
                                           [&](int a, int b) { return clamp(Wide(a) - b); });
}

TEST_CASE("carries chain through a 128-bit sum, difference and product") {
  const auto operands = pairs(edges<std::uint64_t>(), edges<std::uint64_t>());
  const auto& a = operands.first;
  const auto& b = operands.second;
  const auto high_of = [&](const std::string& code) { return evaluate<std::uint64_t>(code, a, b); };
  // The upper halves of (a:b) + (b:a), (a:b) - (b:a), and a * b + (0:b).
  const auto sum = high_of(".reg .b64 %lo;\nadd.cc.u64 %lo, %b, %a;\naddc.u64 %d, %a, %b;");
  const auto difference = high_of(".reg .b64 %lo;\nsub.cc.u64 %lo, %b, %a;\nsubc.u64 %d, %a, %b;");
  const auto product =
      high_of(".reg .b64 %lo;\nmad.lo.cc.u64 %lo, %a, %b, %b;\nmadc.hi.u64 %d, %a, %b, 0;");
  using U = UnsignedWide;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const U ab = U(a[i]) << 64 | b[i], ba = U(b[i]) << 64 | a[i];
    CHECK(sum[i] == static_cast<std::uint64_t>((ab + ba) >> 64));
    CHECK(difference[i] == static_cast<std::uint64_t>((ab - ba) >> 64));
    CHECK(product[i] == static_cast<std::uint64_t>((U(a[i]) * b[i] + b[i]) >> 64));
  }
}

TEST_CASE_TEMPLATE("counts of bits", T, std::uint32_t, std::uint64_t) {
  const std::string t = ".b" + std::to_string(sizeof(T) * 8);
  constexpr int width = sizeof(T) * 8;
  const auto top = [](T v) {
    for (int i = width - 1; i >= 0; --i)
      if ((v >> i & 1) != 0) return i;
    return -1;
  };
  check_unary<std::uint32_t, T>("popc" + t, [](T a) {
    std::uint32_t n = 0;
    for (int i = 0; i < width; ++i) n += a >> i & 1;
    return n;
  });
  check_unary<std::uint32_t, T>(
      "clz" + t, [&](T a) { return static_cast<std::uint32_t>(width - 1 - top(a)); });
  check_unary<T, T>("brev" + t, [](T a) {
    T r = 0;
    for (int i = 0; i < width; ++i)
      if ((a >> i & 1) != 0) r |= T(1) << (width - 1 - i);
    return r;
  });
  using S = std::make_signed_t<T>;
  check_unary<std::uint32_t, S>("bfind" + suffix<S>(), [&](S a) {
    return static_cast<std::uint32_t>(top(a < 0 ? static_cast<T>(~a) : static_cast<T>(a)));
  });
  check_unary<std::uint32_t, T>("bfind.shiftamt" + suffix<T>(), [&](T a) {
    return a == 0 ? ~0u : static_cast<std::uint32_t>(width - 1 - top(a));
  });
}

/// What counts of a position or length: the lowest byte, but hardware takes 255 for what is larger
/// in the 64-bit forms.
template <class T>
int field_bound(std::uint32_t v) {
  return static_cast<int>(sizeof(T) == 8 ? std::min(v, 255u) : v & 0xff);
}

/// The manual's pseudo-code of bfe.
template <class T>
T bfe(T a, std::uint32_t b, std::uint32_t c) {
  using U = std::make_unsigned_t<T>;
  const int msb = sizeof(T) * 8 - 1, pos = field_bound<T>(b), len = field_bound<T>(c);
  const auto bit = [&](int i) { return (static_cast<U>(a) >> i & 1) != 0; };
  const bool sign = std::is_signed_v<T> && len != 0 && bit(std::min(pos + len - 1, msb));
  U d = 0;
  for (int i = 0; i <= msb; ++i) {
    const bool set = i < len && pos + i <= msb ? bit(pos + i) : sign;
    if (set) d |= U(1) << i;
  }
  return static_cast<T>(d);
}

TEST_CASE_TEMPLATE("bfe and bfi follow the manual's pseudo-code", T, std::uint32_t, std::int32_t,
                   std::uint64_t, std::int64_t) {
  using U = std::make_unsigned_t<T>;
  const std::vector<std::uint32_t> places{0, 1, 5, 31, 32, 33, 63, 64, 100, 255, 256 + 3};
  std::vector<T> a;
  std::vector<std::uint32_t> pos, len;
  for (const T v : edges<T>()) {
    const auto operands = pairs(places, places);
    const auto& p = operands.first;
    const auto& l = operands.second;
    for (std::size_t i = 0; i < p.size(); ++i)
      a.push_back(v), pos.push_back(p[i]), len.push_back(l[i]);
  }
  const auto extracted = evaluate<T>("bfe" + suffix<T>() + " %d, %a, %b, %c;", a, pos, len);
  const std::string bits = std::to_string(sizeof(T) * 8);
  const auto inserted = evaluate<U>(".reg .b" + bits + " %base;\nnot.b" + bits +
                                        " %base, %a;\nbfi.b" + bits + " %d, %a, %base, %b, %c;",
                                    a, pos, len);
  for (std::size_t i = 0; i < a.size(); ++i) {
    CAPTURE(+a[i]);
    CAPTURE(pos[i]);
    CAPTURE(len[i]);
    CHECK(extracted[i] == bfe(a[i], pos[i], len[i]));
    const int msb = sizeof(T) * 8 - 1, p = field_bound<T>(pos[i]), n = field_bound<T>(len[i]);
    U f = ~static_cast<U>(a[i]);
    for (int k = 0; k < n && p + k <= msb; ++k) {
      f = (f & ~(U(1) << (p + k))) | ((static_cast<U>(a[i]) >> k & 1) << (p + k));
    }
    CHECK(inserted[i] == f);
  }
}

TEST_CASE_TEMPLATE("shifts clamp their count", T, std::uint16_t, std::int16_t, std::uint32_t,
                   std::int32_t, std::uint64_t, std::int64_t) {
  const auto operands =
      pairs(edges<T>(), std::vector<std::uint32_t>{0, 1, 15, 16, 31, 32, 63, 64, 65, 0xffffffff});
  const auto& a = operands.first;
  const auto& n = operands.second;
  const std::string bits = std::to_string(sizeof(T) * 8);
  const auto left = evaluate<T>("shl.b" + bits + " %d, %a, %b;", a, n);
  const auto right = evaluate<T>("shr" + suffix<T>() + " %d, %a, %b;", a, n);
  for (std::size_t i = 0; i < a.size(); ++i) {
    CAPTURE(n[i]);
    const Wide count = n[i] > 100 ? 100 : n[i];
    CHECK(left[i] == low<T>(static_cast<Wide>(static_cast<UnsignedWide>(Wide(a[i]))
                                              << static_cast<int>(count))));
    CHECK(right[i] == low<T>(Wide(a[i]) >> static_cast<int>(count)));
  }
}

TEST_CASE("logic of every width") {
  check_binary<std::uint32_t, std::uint32_t>("and.b32", [](auto a, auto b) { return a & b; });
  check_binary<std::uint64_t, std::uint64_t>("or.b64", [](auto a, auto b) { return a | b; });
  check_binary<std::uint16_t, std::uint16_t>("xor.b16",
                                             [](auto a, auto b) { return std::uint16_t(a ^ b); });
  check_unary<std::uint16_t, std::uint16_t>("not.b16", [](auto a) { return std::uint16_t(~a); });
  check_unary<std::uint64_t, std::uint64_t>("cnot.b64",
                                            [](auto a) { return std::uint64_t(a == 0); });
}

TEST_CASE("lop3 evaluates its table bit by bit") {
  const auto operands = pairs(edges<std::uint32_t>(), edges<std::uint32_t>());
  const auto& a = operands.first;
  const auto& b = operands.second;
  std::vector<std::uint32_t> c(a.size());
  for (std::size_t i = 0; i < c.size(); ++i) c[i] = a[i] * 2654435761u + b[i];
  for (const int table : {0x00, 0x80, 0x96, 0xe8, 0xca, 0x1b, 0xff}) {
    const auto d =
        evaluate<std::uint32_t>("lop3.b32 %d, %a, %b, %c, " + std::to_string(table) + ";", a, b, c);
    for (std::size_t i = 0; i < a.size(); ++i) {
      std::uint32_t expected = 0;
      for (int k = 0; k < 32; ++k) {
        const auto row = (a[i] >> k & 1) << 2 | (b[i] >> k & 1) << 1 | (c[i] >> k & 1);
        expected |= static_cast<std::uint32_t>(table >> row & 1) << k;
      }
      CHECK(d[i] == expected);
    }
  }
}

TEST_CASE("funnel shifts wrap or clamp") {
  const auto operands =
      pairs(edges<std::uint32_t>(), std::vector<std::uint32_t>{0, 1, 8, 31, 32, 33, 63, 64});
  const auto& a = operands.first;
  const auto& n = operands.second;
  std::vector<std::uint32_t> b(a.size());
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = ~a[i] * 3;
  const auto lw = evaluate<std::uint32_t>("shf.l.wrap.b32 %d, %a, %b, %c;", a, b, n);
  const auto lc = evaluate<std::uint32_t>("shf.l.clamp.b32 %d, %a, %b, %c;", a, b, n);
  const auto rw = evaluate<std::uint32_t>("shf.r.wrap.b32 %d, %a, %b, %c;", a, b, n);
  const auto rc = evaluate<std::uint32_t>("shf.r.clamp.b32 %d, %a, %b, %c;", a, b, n);
  for (std::size_t i = 0; i < a.size(); ++i) {
    const std::uint64_t pair = static_cast<std::uint64_t>(b[i]) << 32 | a[i];
    const std::uint32_t wrap = n[i] % 32, clamp = n[i] > 32 ? 32 : n[i];
    CHECK(lw[i] == static_cast<std::uint32_t>(pair << wrap >> 32));
    CHECK(lc[i] == (clamp == 32 ? a[i] : static_cast<std::uint32_t>(pair << clamp >> 32)));
    CHECK(rw[i] == static_cast<std::uint32_t>(pair >> wrap));
    CHECK(rc[i] == static_cast<std::uint32_t>(pair >> clamp));
  }
}

TEST_CASE("prmt picks bytes, with signs, and in its modes") {
  const std::vector<std::uint32_t> a{0x44332211, 0x44332211, 0x44332211, 0x44332211};
  const std::vector<std::uint32_t> b{0x88776655, 0x88776655, 0x88776655, 0xff7f8001};
  const std::vector<std::uint32_t> c{0x3210, 0x7654, 0x0246, 0xfedc};
  const auto d = evaluate<std::uint32_t>("prmt.b32 %d, %a, %b, %c;", a, b, c);
  CHECK(d[0] == 0x44332211u);
  CHECK(d[1] == 0x88776655u);
  CHECK(d[2] == 0x11335577u);
  CHECK(d[3] == 0xff00ff00u);
  const std::vector<std::uint32_t> mode{0, 1, 2, 3};
  const auto f4e = evaluate<std::uint32_t>("prmt.b32.f4e %d, %a, %b, %c;", a,
                                           std::vector<std::uint32_t>(4, 0x88776655), mode);
  const auto b4e = evaluate<std::uint32_t>("prmt.b32.b4e %d, %a, %b, %c;", a,
                                           std::vector<std::uint32_t>(4, 0x88776655), mode);
  const auto rc8 = evaluate<std::uint32_t>("prmt.b32.rc8 %d, %a, %b, %c;", a, b, mode);
  const auto rc16 = evaluate<std::uint32_t>("prmt.b32.rc16 %d, %a, %b, %c;", a, b, mode);
  CHECK(f4e == std::vector<std::uint32_t>{0x44332211, 0x55443322, 0x66554433, 0x77665544});
  CHECK(b4e == std::vector<std::uint32_t>{0x66778811, 0x77881122, 0x88112233, 0x11223344});
  CHECK(rc8 == std::vector<std::uint32_t>{0x11111111, 0x22222222, 0x33333333, 0x44444444});
  CHECK(rc16 == std::vector<std::uint32_t>{0x22112211, 0x44334433, 0x22112211, 0x44334433});
}

TEST_CASE("dp4a multiplies bytes of either sign") {
  const std::vector<std::uint32_t> a{0x01020304, 0xff80017f, 0xffffffff};
  const std::vector<std::uint32_t> b{0x01010101, 0x02fe0380, 0xffffffff};
  const std::vector<std::uint32_t> c{10, 0, 5};
  const auto byte = [](std::uint32_t v, int i, bool sign) {
    const int u = static_cast<int>(v >> (8 * i) & 0xff);
    return sign && u > 127 ? u - 256 : u;
  };
  for (const auto& [name, as, bs] :
       {std::tuple{"u32.u32", false, false}, std::tuple{"s32.s32", true, true},
        std::tuple{"u32.s32", false, true}, std::tuple{"s32.u32", true, false}}) {
    const auto d =
        evaluate<std::int32_t>(std::string("dp4a.") + name + " %d, %a, %b, %c;", a, b, c);
    for (std::size_t i = 0; i < a.size(); ++i) {
      auto sum = static_cast<int>(c[i]);
      for (int k = 0; k < 4; ++k) sum += byte(a[i], k, as) * byte(b[i], k, bs);
      CHECK(d[i] == sum);
    }
  }
}

TEST_CASE("selp, setp with Boolean operators, set and slct") {
  const auto operands = pairs(edges<std::int32_t>(), edges<std::int32_t>());
  const auto& a = operands.first;
  const auto& b = operands.second;
  const auto selected =
      evaluate<std::int32_t>("setp.lt.s32 %p, %a, %b;\nselp.s32 %d, %a, %b, %p;", a, b);
  const auto combined = evaluate<std::uint32_t>(
      "setp.gt.s32 %p, %a, 0;\nsetp.lt.and.s32 %p|%q, %a, %b, %p;\n"
      "selp.u32 %d, 2, 0, %p;\nselp.u32 %t, 1, 0, %q;\nor.b32 %d, %d, %t;",
      a, b);
  const auto inverted = evaluate<std::uint32_t>(
      "setp.gt.s32 %q, %a, 0;\nsetp.lt.or.s32 %p, %a, %b, !%q;\nselp.u32 %d, 1, 0, %p;", a, b);
  const auto set = evaluate<std::uint32_t>("set.ge.u32.s32 %d, %a, %b;", a, b);
  const auto set_float = evaluate<float>("set.ge.f32.s32 %d, %a, %b;", a, b);
  const auto slct = evaluate<std::int32_t>("slct.s32.s32 %d, %a, %b, %a;", a, b);
  for (std::size_t i = 0; i < a.size(); ++i) {
    CHECK(selected[i] == (a[i] < b[i] ? a[i] : b[i]));
    const bool positive = a[i] > 0, less = a[i] < b[i];
    CHECK(combined[i] == (less && positive ? 2u : 0u) + (!less && positive ? 1u : 0u));
    CHECK(inverted[i] == (less || !positive ? 1u : 0u));
    CHECK(set[i] == (a[i] >= b[i] ? 0xffffffffu : 0u));
    CHECK(set_float[i] == (a[i] >= b[i] ? 1.f : 0.f));
    CHECK(slct[i] == (a[i] >= 0 ? a[i] : b[i]));
  }
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
