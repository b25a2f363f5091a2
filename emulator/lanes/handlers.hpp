// The handlers of plain, memory and warp instructions, found by what the decoder knows of an
// instruction. Null where there is none for the type.
#pragma once

#include <cstdint>

#include "emulator/decode/instruction.hpp"
#include "emulator/lanes/warpgroup_product.hpp"
#include "isa/types.hpp"

namespace ptxmill::emu {

enum class IntegerOp : std::uint8_t {
  add,
  sub,
  mul_lo,
  mul_hi,
  mul_wide,
  mad_lo,
  mad_hi,
  mad_wide,
  mul24_lo,
  mul24_hi,
  mad24_lo,
  mad24_hi,
  sad,
  div,
  rem,
  abs,
  neg,
  min,
  max,
  min_relu,
  max_relu,
  add_sat,
  sub_sat,
  mad_hi_sat,
  popc,
  clz,
  bfind,
  bfind_shift,
  brev,
  bfe,
  bfi,
  dp4a,
  dp4a_us,
  dp4a_su,
  add_carry,
  sub_borrow,
  mad_lo_carry,
  mad_hi_carry,
};

enum class BitOp : std::uint8_t {
  and_,
  or_,
  xor_,
  not_,
  cnot,
  shl,
  shr,
  lop3,
  shf_l_clamp,
  shf_l_wrap,
  shf_r_clamp,
  shf_r_wrap,
  prmt,
  prmt_f4e,
  prmt_b4e,
  prmt_rc8,
  prmt_ecl,
  prmt_ecr,
  prmt_rc16,
  fns,
  szext_wrap,
  szext_clamp,
  bmsk_wrap,
  bmsk_clamp,
};

enum class FloatOp : std::uint8_t {
  add,
  sub,
  mul,
  fma,
  div,
  div_full,
  div_approx,
  rcp,
  rcp_approx,
  sqrt,
  sqrt_approx,
  rsqrt_approx,
  sin,
  cos,
  lg2,
  ex2,
  tanh,
  min,
  max,
  min_nan,
  max_nan,
  min_abs,
  max_abs,
  min_nan_abs,
  max_nan_abs,
  abs,
  neg,
  copysign,
};

enum class Rounding : std::uint8_t { none, rn, rz, rm, rp, rna, rni, rzi, rmi, rpi };

struct FloatMode {
  FloatMode() = default;
  explicit FloatMode(Rounding r) : rounding(r) {}
  Rounding rounding = Rounding::rn;
  bool ftz = false;
  bool sat = false;
  bool relu = false;
};

enum class Comparison : std::uint8_t {
  eq,
  ne,
  lt,
  le,
  gt,
  ge,
  equ,
  neu,
  ltu,
  leu,
  gtu,
  geu,
  num,
  nan
};

enum class FloatClass : std::uint8_t { finite, infinite, number, notanumber, normal, subnormal };

/// A conversion. `imm` of the instruction masks what an integer result's register holds; bit 0 of
/// `aux` flushes subnormals.
struct Conversion {
  isa::Type to, from;
  FloatMode mode;
};

enum class Move : std::uint8_t { copy, pack, unpack, clock32, clock64, clock_hi, active_mask };

/// `cluster` is the shared memory of all blocks of a cluster.
enum class AddressSpace : std::uint8_t { global, constant, shared, local, param, generic, cluster };

/// A load, store or atomic of `count` elements of `type`. Where it goes stands in the
/// instruction's `aux` (AccessBits).
struct Access {
  isa::Type type;
  int count = 1;
};

enum class AtomicOp : std::uint8_t { add, min, max, inc, dec, exch, cas, and_, or_, xor_ };

enum class ShuffleMode : std::uint8_t { up, down, bfly, idx };
enum class WarpOp : std::uint8_t {
  vote_any,
  vote_all,
  vote_uni,
  vote_ballot,
  match_any,
  match_all,
  redux_add,
  redux_min,
  redux_max,
  redux_and,
  redux_or,
  redux_xor,
  elect,
  no_operation,
};

enum class VideoOp : std::uint8_t {
  add,
  sub,
  absdiff,
  min,
  max,
  average,
  compare,
  shl_wrap,
  shl_clamp,
  shr_wrap,
  shr_clamp,
  mad,
  dot2_low,
  dot2_high,
  pack,
};
enum class VideoSecond : std::uint8_t { none, add, min, max, merge };
enum class VideoCompare : std::uint8_t { eq, ne, lt, le, gt, ge };
enum class VideoPart : std::uint8_t { word, b0, b1, b2, b3, h0, h1 };

/// A video instruction, as it stands in `Instruction::imm`.
struct VideoForm {
  VideoOp op = VideoOp::add;
  VideoSecond second : 4 = VideoSecond::none;
  VideoCompare compare : 4 = VideoCompare::eq;
  VideoPart d_part : 4 = VideoPart::word;
  VideoPart a_part : 4 = VideoPart::word;
  VideoPart b_part : 4 = VideoPart::word;
  bool d_signed : 1 = false;
  bool a_signed : 1 = false;
  bool b_signed : 1 = false;
  bool sat : 1 = false;
  bool plus_one : 1 = false;
  bool negate_product : 1 = false;
  bool negate_addend : 1 = false;
  std::uint8_t scale = 0;     ///< of mad: bits to shift right by
  std::uint8_t elements = 1;  ///< 2 or 4 of the packed ones; bits of each of pack's
  std::uint8_t reserved = 0;
};
static_assert(sizeof(VideoForm) == 8);

enum class MatrixElement : std::uint8_t { f16, bf16, tf32, f32, f64, s8, u8, s4, u4, b1, s32 };

/// d = a * b + c with a of m x k and b of k x n elements.
struct MatrixMultiply {
  MatrixElement a{}, b{}, c{}, d{};
  int m = 0, n = 0, k = 0;
  bool saturate = false;  ///< integers stay within s32
  bool bit_and = false;   ///< single bits are combined by and, not by xor
};

/// mapa: s0, an address of the block's own shared memory, as one of the block whose rank s1 is.
/// getctarank: the rank of the block that s0 leads to. Of 64 bits, or of 32 ones.
enum class ClusterMove : std::uint8_t { map, rank };

enum class MatrixMove : std::uint8_t { load, store, transpose };

struct HandlerTable {
  Handler (*integer)(IntegerOp, isa::Type);
  /// `type` is that of the instruction; for moves and logic only its size matters.
  Handler (*bit)(BitOp, isa::Type);
  Handler (*floating)(FloatOp, isa::Type, FloatMode);
  Handler (*half)(FloatOp, isa::Type, FloatMode);
  Handler (*setp)(Comparison, isa::Type, bool ftz);
  Handler (*select)(isa::Type);
  Handler (*test)(FloatClass, isa::Type);
  Handler (*convert)(const Conversion&);
  /// From two f32 sources to a packed f16x2 or bf16x2.
  Handler (*convert_pair)(isa::Type, FloatMode);
  Handler (*move)(Move, int bits, int parts);
  Handler (*load)(const Access&);
  Handler (*store)(const Access&);
  Handler (*atomic)(AtomicOp, const Access&);
  /// The sides of an asynchronous copy of so many bytes a lane; s[2] says how many are read.
  Handler (*copy_source)(int bytes);
  Handler (*copy_destination)(int bytes);
  /// d = s0 + imm: the window's start, or its negative.
  Handler (*cvta)();
  /// Whether s0 lies in the window that starts at imm (0: global), in its first `aux` bytes where
  /// that is not 0.
  Handler (*is_space)();
  Handler (*shuffle)(ShuffleMode);
  Handler (*warp)(WarpOp, isa::Type);
  Handler (*video)();
  /// From f32 to tf32, in 32 bits.
  Handler (*convert_tf32)(FloatMode);
  /// The registers of d, a, b and c stand in Kernel::operands; `aux` is matrix_bits().
  Handler (*multiply)(const MatrixMultiply&);
  /// ldmatrix, stmatrix and movmatrix. The registers of the first two stand in d: stmatrix reads
  /// them, since s has no room for them beside the address and the member mask.
  Handler (*matrix_move)(MatrixMove, int count, bool transposed);
  Handler (*cluster_move)(ClusterMove, int bits);
  /// Of a warpgroup: a and b of these elements, d of that.
  WarpgroupHandler (*warpgroup_multiply)(MatrixElement a, MatrixElement b, MatrixElement d);
};

/// `aux` of a matrix product.
constexpr std::uint32_t matrix_bits(const MatrixMultiply& p) {
  const auto element = [](MatrixElement e) { return static_cast<std::uint32_t>(e); };
  const auto eighths = [](int n) { return static_cast<std::uint32_t>(n / 8); };
  return element(p.a) | element(p.b) << 4 | element(p.c) << 8 | element(p.d) << 12 |
         eighths(p.m) << 16 | eighths(p.n) << 19 | static_cast<std::uint32_t>(p.k / 4) << 22 |
         (p.saturate ? 1u : 0u) << 30 | (p.bit_and ? 1u : 0u) << 31;
}
constexpr MatrixMultiply matrix_multiply(std::uint32_t bits) {
  const auto element = [&](int at) { return static_cast<MatrixElement>(bits >> at & 15u); };
  MatrixMultiply p;
  p.a = element(0);
  p.b = element(4);
  p.c = element(8);
  p.d = element(12);
  p.m = static_cast<int>(bits >> 16 & 7u) * 8;
  p.n = static_cast<int>(bits >> 19 & 7u) * 8;
  p.k = static_cast<int>(bits >> 22 & 255u) * 4;
  p.saturate = (bits >> 30 & 1u) != 0;
  p.bit_and = (bits >> 31 & 1u) != 0;
  return p;
}

/// The table for the host's processor.
const HandlerTable& handlers();

}  // namespace ptxmill::emu
