// The PTX instruction table as data: one row an instruction, read by the builder and the emulator.
// The rows stand in isa.def; this file says what their columns mean.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "isa/types.hpp"

namespace ptxmill::isa {

/// What an operand of a shape is.
enum class Role : std::uint8_t {
  result,     ///< a register that the instruction writes
  source,     ///< a register or an immediate
  immediate,  ///< an integer constant
  address,    ///< [register+offset] or [symbol+offset]
  pair,       ///< {a, b}: a vector of two registers
  quad,       ///< {a, b, c, d}
  list,       ///< {a, b, ...}: registers that the instruction's suffix counts
  tensor,     ///< [map, {x, y}]: a place in a tensor
  sink,       ///< _: a result that nobody wants
  elected,    ///< _|p: the predicate alone of two results
  one,        ///< {a}: a vector of one register
  label,
  symbol,  ///< the name of a variable
};

/// The type of an operand, relative to the type suffix T of the instruction.
enum class Is : std::uint8_t { T, from, wide, half, u16, u32, u64, f32, pred, none };

struct OperandRule {
  Role role;
  Is type;
};

/// Operand shapes. The name reads as the operands do, the result first:
/// `t_t_u32` is `d, a, b` with d and a of the suffix's type and b a u32.
enum class Shape : std::uint8_t {
#define PTX_SHAPE(name, ...) name,
#include "isa/shapes.def"
#undef PTX_SHAPE
};

/// The operands of a shape in the order in which they are written.
std::span<const OperandRule> operands(Shape shape);
std::string_view name(Shape shape);

/// What an instruction does besides computing its result.
enum class Effect : std::uint8_t { pure, load, store, atomic, sync, fence, control, timer, tensor };

/// Sets of threads. As a property of a value: all threads of such a set hold the same one. As a
/// need of an instruction: all threads of such a set must execute it together.
enum class Level : std::uint8_t { thread, warp, warpgroup, cta, cluster, grid };
std::string_view name(Level level);

/// Which targets have an instruction. Targets are not a line: an `a` feature exists on exactly one.
struct TargetRule {
  enum class Kind : std::uint8_t { at_least, exactly };
  Kind kind;
  int sm;  ///< as in sm_80; with `exactly`, the `a` target sm_<sm>a
  constexpr bool allows(int target_sm, bool arch_specific) const {
    return kind == Kind::at_least ? target_sm >= sm : arch_specific && target_sm == sm;
  }
};
constexpr TargetRule sm(int n) { return {TargetRule::Kind::at_least, n}; }
constexpr TargetRule only_sm_a(int n) { return {TargetRule::Kind::exactly, n}; }
inline constexpr TargetRule any = sm(0);

/// Whether no overload takes the operands as they are: the builder has a typed wrapper for each row
/// of the shape.
bool is_wrapped(Shape shape);

/// Every row of the table, by its method name.
enum class Op : std::uint16_t {
#define PTX(method, ...) method,
#include "isa/isa.def"
#undef PTX
};

/// One row of isa.def.
struct Row {
  Op op;
  std::string_view method;    ///< the builder's C++ name
  std::string_view spelling;  ///< without the type suffix
  Shape shape;
  TypeSet types;  ///< legal type suffixes; empty: the spelling is whole
  TypeSet from;   ///< legal source types of a conversion, spelled after the result's
  int ptx;        ///< lowest PTX version, 70 for 7.0
  TargetRule target;
  Effect effect;
  Level needs;
};

namespace detail {
// The columns of isa.def are written with bare names; this namespace lends them their meaning.
inline constexpr TypeSet none{};
inline constexpr TypeSet pred = Type::pred, b8 = Type::b8, b16 = Type::b16, b32 = Type::b32,
                         b64 = Type::b64, u8 = Type::u8, u16 = Type::u16, u32 = Type::u32,
                         u64 = Type::u64, s8 = Type::s8, s16 = Type::s16, s32 = Type::s32,
                         s64 = Type::s64, f16 = Type::f16, bf16 = Type::bf16, f32 = Type::f32,
                         f64 = Type::f64, f16x2 = Type::f16x2, bf16x2 = Type::bf16x2;
inline constexpr TypeSet bits = b16 | b32 | b64;
inline constexpr TypeSet ints = u16 | s16 | u32 | s32 | u64 | s64;
inline constexpr TypeSet words = u32 | s32 | u64 | s64;
inline constexpr TypeSet memory = u8 | s8 | ints | bits | b8 | f32 | f64;

inline constexpr Row rows[] = {
#define PTX(method, spelled, shape, types, from, ptx, target, effect, needs) \
  {Op::method, #method, spelled, Shape::shape,   types,                      \
   from,       ptx,     target,  Effect::effect, Level::needs},
#include "isa/isa.def"
#undef PTX
};
}  // namespace detail

inline constexpr std::span<const Row> rows{detail::rows};

constexpr const Row& row(Op op) { return detail::rows[static_cast<int>(op)]; }

/// Whether any one thread can execute the row, with any values in its registers. Others need
/// company or objects: a warpgroup, a cluster, a tensor map, an initialised mbarrier.
bool runs_alone(const Row& row);

/// The type that a row is spelled with when its operands are of type `t`: `t` itself, or the
/// untyped type of its size. Floats are not compared as bits: -0 equals 0, and a NaN nothing.
constexpr std::optional<Type> suffix_for(const Row& row, Type t) {
  if (row.types.contains(t)) return t;
  const bool comparison = row.shape == Shape::pred_t_t;
  if (!row.types.contains(bits_type(t)) || (comparison && is_float(t))) return std::nullopt;
  return bits_type(t);
}

/// Whether a conversion row has the form `to` <- `from`. Floating-point rounding (.rn) is mandatory
/// where a float loses precision or comes from an integer, integer rounding (.rni, ...) where a
/// float becomes an integer or a whole number of its own type, and neither may stand elsewhere
/// (PTX ISA, "cvt").
constexpr bool converts(const Row& row, Type to, Type from) {
  if (!row.types.contains(to) || !row.from.contains(from)) return false;
  const int to_bits = to == Type::f16x2 || to == Type::bf16x2 ? 16 : bits(to);
  if (row.spelling == "cvt.rn") return is_float(to) && (!is_float(from) || to_bits < bits(from));
  const bool integer_rounding = row.spelling != "cvt";
  if (integer_rounding) return is_float(from) && (!is_float(to) || to == from);
  return is_float(to) == is_float(from) && (!is_float(to) || to_bits > bits(from));
}

/// A special register (PTX ISA, "Special Registers").
struct SpecialRegister {
  std::string_view method;    ///< the builder's C++ name
  std::string_view spelling;  ///< as %tid.x
  Type type;
  Level uniform;  ///< which threads see the same value
  int ptx;
  TargetRule target;
};
std::span<const SpecialRegister> special_registers();

/// The lowest `cuDriverGetVersion` whose compiler reads PTX version `ptx` (70 for 7.0): the CUDA
/// release that introduced it (PTX ISA, "Release Notes"). 0 where the version is unknown.
int driver_for_ptx(int ptx);

/// The lowest PTX version that knows the target (PTX ISA, "Release Notes"); 0 where unknown.
int ptx_for_target(int sm, bool arch_specific);

}  // namespace ptxmill::isa
