#include "tests/isa/cases.hpp"

#include <bit>
#include <cmath>
#include <limits>

namespace ptxmill::test {
namespace {

using isa::Type;

std::vector<std::uint64_t> integer_edges(int bits) {
  const std::uint64_t all = bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
  const std::uint64_t top = std::uint64_t{1} << (bits - 1);
  std::vector<std::uint64_t> values{0,
                                    1,
                                    2,
                                    3,
                                    7,
                                    10,
                                    all,
                                    all - 1,
                                    all - 6,
                                    top,
                                    top - 1,
                                    top + 1,
                                    all >> 8,
                                    12345 & all,
                                    0x5555555555555555u & all,
                                    0xaaaaaaaaaaaaaaaau & all};
  // Shift counts and powers of two, on both sides.
  for (const std::uint64_t v : {15, 16, 17, 31, 32, 33, 63, 64, 65, 255, 256}) values.push_back(v);
  for (const int power : {15, 16, 31, 32, 33, 62})
    if (power < bits - 1) values.push_back(std::uint64_t{1} << power);
  return values;
}

template <class T, class Bits>
std::vector<std::uint64_t> real_edges() {
  using L = std::numeric_limits<T>;
  std::vector<std::uint64_t> values{std::bit_cast<Bits>(L::quiet_NaN())};
  const T magnitudes[] = {0,
                          L::denorm_min(),
                          L::min() - L::denorm_min(),
                          L::min(),
                          T(0.25),
                          T(0.5),
                          1,
                          1 + L::epsilon(),
                          1 - L::epsilon(),
                          T(1.5),
                          2,
                          T(2.5),
                          T(3.1415926),
                          T(6.2),
                          T(88.7),
                          T(126.5),
                          T(1e-20),
                          T(1e20),
                          65519,
                          65520,
                          T(0x1p23) + 1,
                          T(0x1p31),
                          T(0x1p31) - 128,
                          T(0x1p32),
                          T(0x1p63),
                          T(0x1p64),
                          T(0x1p127),
                          L::max(),
                          L::infinity()};
  for (const T m : magnitudes)
    for (const T v : {m, -m}) values.push_back(std::bit_cast<Bits>(v));
  return values;
}

std::vector<std::uint64_t> small_float_edges(int mantissa_bits) {
  const std::uint64_t infinity = 0x7fffu >> mantissa_bits << mantissa_bits;
  const std::uint64_t one = (infinity >> 1) & infinity;
  const std::uint64_t leading = std::uint64_t{1} << mantissa_bits;
  std::vector<std::uint64_t> values{infinity + 1};
  for (const std::uint64_t m :
       {std::uint64_t{0}, std::uint64_t{1}, leading - 1, leading, leading + 1, one, one + 1,
        one - 1, one + leading, one + 10 * leading, infinity - 1, infinity - leading, infinity})
    for (const std::uint64_t sign : {0x0000u, 0x8000u}) values.push_back(m | sign);
  return values;
}

std::vector<std::uint64_t> make_edges(Type type) {
  switch (type) {
    case Type::pred: return {0, 1};
    case Type::f32: return real_edges<float, std::uint32_t>();
    case Type::f64: return real_edges<double, std::uint64_t>();
    case Type::f16: return small_float_edges(10);
    case Type::bf16: return small_float_edges(7);
    case Type::f16x2:
    case Type::bf16x2: {
      const auto halves = small_float_edges(type == Type::f16x2 ? 10 : 7);
      std::vector<std::uint64_t> values;
      for (std::size_t i = 0; i < halves.size(); ++i)
        values.push_back(halves[i] << 16 | halves[(i * 7 + 3) % halves.size()]);
      return values;
    }
    default: return integer_edges(isa::bits(type));
  }
}

std::uint64_t random_bits(Type type, Random& random) {
  const int bits = isa::bits(type);
  const std::uint64_t drawn = random.next();
  return bits == 64 ? drawn : drawn & ((std::uint64_t{1} << bits) - 1);
}

}  // namespace

const std::vector<std::uint64_t>& edge_values(Type type) {
  static const auto all = [] {
    std::vector<std::vector<std::uint64_t>> by_type;
    for (int t = 0; t < isa::type_count; ++t) by_type.push_back(make_edges(static_cast<Type>(t)));
    return by_type;
  }();
  return all[static_cast<std::size_t>(type)];
}

std::vector<std::uint64_t> cases(const Instance& instance, Random& random, std::size_t most) {
  const std::vector<Type> types = sources(instance);
  std::vector<std::uint64_t> words;
  if (types.size() == 1 && isa::bits(types[0]) == 16) {
    for (std::uint64_t v = 0; v <= 0xffff; ++v) words.push_back(v);
    return words;
  }
  std::size_t combinations = 1;
  for (const Type t : types)
    combinations = std::min(most + 1, combinations * edge_values(t).size());
  if (combinations <= most)
    for (std::size_t i = 0; i < combinations; ++i) {
      std::size_t rest = i;
      for (const Type t : types) {
        words.push_back(edge_values(t)[rest % edge_values(t).size()]);
        rest /= edge_values(t).size();
      }
    }
  while (words.size() < most * types.size())
    for (const Type t : types) {
      const auto& edges = edge_values(t);
      const bool edge = random.integer(0, 3) != 0;
      words.push_back(edge ? edges[static_cast<std::size_t>(
                                 random.integer(0, static_cast<std::int64_t>(edges.size()) - 1))]
                           : random_bits(t, random));
    }
  return words;
}

}  // namespace ptxmill::test
