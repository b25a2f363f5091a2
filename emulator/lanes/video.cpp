// Video instructions, scalar and SIMD (PTX ISA, "Video Instructions"), dot products of halves, and
// packing with saturation. Rare in programs: one handler reads the form from the instruction.
#include <algorithm>

#include "emulator/lanes/lanes.hpp"
#include "emulator/lanes/parts.hpp"

namespace ptxmill::emu::PTXMILL_HOST_ISA {
namespace {

std::int64_t clamp_to(std::int64_t v, int bits, bool is_signed) {
  const std::int64_t lo = is_signed ? -(std::int64_t{1} << (bits - 1)) : 0;
  const std::int64_t hi = (std::int64_t{1} << (is_signed ? bits - 1 : bits)) - 1;
  return std::clamp(v, lo, hi);
}

/// `bits` bits of v from `at`, extended by their sign or zeros.
std::int64_t part(std::uint64_t v, int at, int bits, bool is_signed) {
  const std::uint64_t kept = v >> at & ((std::uint64_t{1} << bits) - 1);
  const bool negative = is_signed && (kept >> (bits - 1) & 1) != 0;
  return static_cast<std::int64_t>(kept) - (negative ? std::int64_t{1} << bits : 0);
}

std::int64_t selected(std::uint32_t v, VideoPart p, bool is_signed) {
  if (p == VideoPart::word) return part(v, 0, 32, is_signed);
  const int k = static_cast<int>(p);
  if (p >= VideoPart::h0) return part(v, 16 * (k - static_cast<int>(VideoPart::h0)), 16, is_signed);
  return part(v, 8 * (k - static_cast<int>(VideoPart::b0)), 8, is_signed);
}

bool holds(VideoCompare c, std::int64_t a, std::int64_t b) {
  switch (c) {
    case VideoCompare::eq: return a == b;
    case VideoCompare::ne: return a != b;
    case VideoCompare::lt: return a < b;
    case VideoCompare::le: return a <= b;
    case VideoCompare::gt: return a > b;
    case VideoCompare::ge: return a >= b;
  }
  return false;
}

std::int64_t combine(const VideoForm& f, std::int64_t a, std::int64_t b) {
  switch (f.op) {
    case VideoOp::add: return a + b;
    case VideoOp::sub: return a - b;
    case VideoOp::absdiff: return a < b ? b - a : a - b;
    case VideoOp::min: return std::min(a, b);
    case VideoOp::max: return std::max(a, b);
    case VideoOp::average: return (a + b + 1) >> 1;
    case VideoOp::compare: return holds(f.compare, a, b) ? 1 : 0;
    case VideoOp::shl_wrap:
    case VideoOp::shl_clamp:
    case VideoOp::shr_wrap:
    case VideoOp::shr_clamp: {
      const bool wrap = f.op == VideoOp::shl_wrap || f.op == VideoOp::shr_wrap;
      const auto amount = static_cast<std::uint64_t>(b);
      const int n = static_cast<int>(wrap ? amount & 31 : std::min<std::uint64_t>(amount, 32));
      const bool left = f.op == VideoOp::shl_wrap || f.op == VideoOp::shl_clamp;
      return left ? static_cast<std::int64_t>(static_cast<std::uint64_t>(a) << n) : a >> n;
    }
    default: return 0;
  }
}

int part_bits(VideoPart p) { return p == VideoPart::word ? 32 : p >= VideoPart::h0 ? 16 : 8; }

std::uint32_t scalar(const VideoForm& f, std::uint32_t a, std::uint32_t b, std::uint32_t c) {
  const std::int64_t x = selected(a, f.a_part, f.a_signed), y = selected(b, f.b_part, f.b_signed);
  std::int64_t r = 0;
  if (f.op == VideoOp::mad) {
    const std::int64_t addend = f.d_signed ? static_cast<std::int32_t>(c) : std::int64_t{c};
    r = (f.negate_product ? -(x * y) : x * y) + (f.negate_addend ? -addend : addend) +
        (f.plus_one ? 1 : 0);
    r >>= f.scale;
    return static_cast<std::uint32_t>(f.sat ? clamp_to(r, 32, f.d_signed) : r);
  }
  r = combine(f, x, y);
  if (f.sat) r = clamp_to(r, part_bits(f.d_part), f.d_signed);
  const auto as_d = [&](std::uint32_t v) { return part(v, 0, 32, f.d_signed); };
  const auto low = static_cast<std::uint32_t>(r);
  switch (f.second) {
    case VideoSecond::none: return low;
    case VideoSecond::add: return low + c;
    case VideoSecond::min: return as_d(low) < as_d(c) ? low : c;
    case VideoSecond::max: return as_d(low) > as_d(c) ? low : c;
    case VideoSecond::merge: break;
  }
  const int bits = part_bits(f.d_part);
  const int k = static_cast<int>(f.d_part);
  const int at = f.d_part >= VideoPart::h0     ? 16 * (k - static_cast<int>(VideoPart::h0))
                 : f.d_part == VideoPart::word ? 0
                                               : 8 * (k - static_cast<int>(VideoPart::b0));
  const std::uint32_t mask = (bits == 32 ? 0xffffffffu : (1u << bits) - 1) << at;
  return (c & ~mask) | (low << at & mask);
}

/// Two halves or four bytes at once. `selects`: which element of {b, a} each one is, four bits
/// each, of a then of b; then the mask of those that are written.
std::uint32_t packed(const VideoForm& f, std::uint32_t selects, std::uint32_t a, std::uint32_t b,
                     std::uint32_t c) {
  const int n = f.elements, bits = 32 / n;
  const std::uint64_t both = std::uint64_t{b} << 32 | a;
  std::uint32_t r = c;
  std::int64_t sum = 0;
  for (int k = 0; k < n; ++k) {
    if ((selects >> (24 + k) & 1) == 0) continue;
    const int from_a = static_cast<int>(selects >> (3 * k) & 7);
    const int from_b = static_cast<int>(selects >> (12 + 3 * k) & 7);
    std::int64_t v = combine(f, part(both, from_a * bits, bits, f.a_signed),
                             part(both, from_b * bits, bits, f.b_signed));
    if (f.sat) v = clamp_to(v, bits, f.d_signed);
    sum += v;
    const std::uint32_t mask = ((1u << bits) - 1) << (k * bits);
    r = (r & ~mask) | (static_cast<std::uint32_t>(v) << (k * bits) & mask);
  }
  return f.second == VideoSecond::add ? c + static_cast<std::uint32_t>(sum) : r;
}

std::uint32_t dot2(const VideoForm& f, std::uint32_t a, std::uint32_t b, std::uint32_t c) {
  const int first = f.op == VideoOp::dot2_high ? 16 : 0;
  std::uint32_t r = c;
  for (int k = 0; k < 2; ++k) {
    r += static_cast<std::uint32_t>(part(a, 16 * k, 16, f.a_signed) *
                                    part(b, first + 8 * k, 8, f.b_signed));
  }
  return r;
}

/// cvt.pack: two saturated numbers, with what is left of c above them.
std::uint32_t pack_two(const VideoForm& f, std::uint32_t a, std::uint32_t b, std::uint32_t c) {
  const int bits = f.elements;
  const std::uint32_t mask = (1u << bits) - 1;
  const auto one = [&](std::uint32_t v) {
    return static_cast<std::uint32_t>(clamp_to(part(v, 0, 32, f.a_signed), bits, f.d_signed)) &
           mask;
  };
  const std::uint32_t low = one(a) << bits | one(b);
  return bits == 16 ? low : low | c << (2 * bits);
}

void run(Warp& w, const Instruction& i, LaneMask m) {
  const auto f = std::bit_cast<VideoForm>(i.imm);
  map3<std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t>(
      w, i, m, [&](std::uint32_t a, std::uint32_t b, std::uint32_t c) {
        switch (f.op) {
          case VideoOp::dot2_low:
          case VideoOp::dot2_high: return dot2(f, a, b, c);
          case VideoOp::pack: return pack_two(f, a, b, c);
          default: return f.elements == 1 ? scalar(f, a, b, c) : packed(f, i.aux, a, b, c);
        }
      });
}

}  // namespace

Handler video() { return run; }

}  // namespace ptxmill::emu::PTXMILL_HOST_ISA
