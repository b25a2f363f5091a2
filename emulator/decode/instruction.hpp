// The decoded form of an instruction: what the interpreter's inner loop reads.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ptxmill::emu {

/// One bit a lane of a warp.
using LaneMask = std::uint32_t;
inline constexpr int lane_count = 32;
inline constexpr LaneMask all_lanes = 0xffffffffu;
constexpr bool has_lane(LaneMask m, int lane) { return (m >> lane & 1u) != 0; }

/// A place in a warp's register storage, counted in units of `slot_bytes`. A register of up to 32
/// bits takes one slot, 32 bits a lane; one of 64 bits takes two; a predicate takes one, whose
/// first word holds a bit a lane. Constants and special registers live in slots as well.
using Slot = std::uint32_t;
inline constexpr std::size_t slot_bytes = 128;
inline constexpr Slot zero_slot = 0;  ///< 64-bit zeros, always defined: what an unused source names
inline constexpr Slot sink_slot = 2;  ///< 64 bits a lane: what an unused destination names
inline constexpr Slot first_free_slot = 4;

struct Warp;
struct Instruction;

/// Computes the instruction for the lanes of the mask.
using Handler = void (*)(Warp&, const Instruction&, LaneMask);

/// How the inner loop treats an instruction.
enum class Kind : std::uint8_t {
  plain,         ///< run the handler, go on
  memory,        ///< as plain, but it may end the launch
  copy,          ///< as memory: either side of an asynchronous copy
  branch,        ///< to `aux`; lanes meet again at `imm` (no_pc: nowhere before the exit)
  branch_table,  ///< indexed: targets in Kernel::tables[aux]
  exit,
  trap,
  warp_sync,     ///< all lanes named by the mask in s[4] execute it together; then as plain
  warp_barrier,  ///< bar.warp.sync: as warp_sync, but anywhere in the code
  warpgroup,     ///< all threads of four warps execute it together; `aux` holds a WarpgroupAction
  cluster_barrier,  ///< of a cluster; `aux` is a ClusterAction, `imm` whether it is .aligned
  barrier,          ///< of a CTA: id in s[0], thread count in s[1]; `aux` is a BarrierAction
  sleep,            ///< nanosleep: s[0] nanoseconds
  mbarrier_wait,    ///< mbarrier.try_wait: suspends while the phase is not complete
  uniform,          ///< checks that s[0], of `imm` bits, is the same in the threads of level `aux`
  call,             ///< Kernel::calls[aux]; the function that s[0] points to where that names none
  ret,              ///< from a function
  allocate,         ///< d[0] = s[0] bytes of the thread's stack, aligned to `imm`
};

/// How the defined lanes of the results follow from those of the sources.
enum class Definedness : std::uint8_t {
  all,       ///< defined where every source is
  bits_and,  ///< d = s0 & s1: also where one is a defined zero
  bits_or,   ///< d = s0 | s1: also where one is all defined ones
  same,      ///< d = s0 op s0 does not depend on s0: defined
  select,    ///< d = s2 ? s0 : s1: needs only what it selects
  own,       ///< the handler sets it
};

enum class BarrierAction : std::uint8_t { sync, arrive, reduce_popc, reduce_and, reduce_or };

/// What a warpgroup does. The multiply's operands are Kernel::products[imm]; of the others, imm is
/// the number of groups that may be in flight still, or of registers.
enum class WarpgroupAction : std::uint8_t {
  fence,
  commit,
  wait,
  multiply,
  more_registers,
  fewer_registers
};

/// Arriving at the barrier of a cluster, with or without a release, and waiting for it.
enum class ClusterAction : std::uint8_t { arrive, arrive_relaxed, wait };

/// How far a strong operation or a fence reaches; `weak` is not strong. A cluster counts as the
/// whole device.
enum class Scope : std::uint8_t { weak, cta, gpu };

/// `aux` of a memory instruction.
struct AccessBits {
  static constexpr std::uint32_t space_mask = 7;  ///< an AddressSpace
  static constexpr std::uint32_t address64 = 8;   ///< the address register has 64 bits
  static constexpr std::uint32_t into16 = 16;     ///< a load extends its sign to 16 bits, not 32
  static constexpr int hint_shift = 8;            ///< index into Warp::global, 3 bits
  static constexpr std::uint32_t reads = 1u << 11, writes = 1u << 12;  ///< an atomic does both
  static constexpr int scope_shift = 13;                               ///< a Scope, 2 bits
  static constexpr std::uint32_t acquires = 1u << 15, releases = 1u << 16;
  static constexpr int element_shift = 17;             ///< log2 of the bytes of an element, 2 bits
  static constexpr std::uint32_t compares = 1u << 19;  ///< writes where d[0] comes out as s[1]
};

inline constexpr std::int64_t no_pc = 0x7fffffff;

struct alignas(64) Instruction {
  Handler run = nullptr;
  std::int64_t imm = 0;
  Slot d[4] = {sink_slot, sink_slot, sink_slot, sink_slot};
  Slot s[5] = {zero_slot, zero_slot, zero_slot, zero_slot, zero_slot};
  Slot guard = zero_slot;
  std::uint32_t aux = 0;
  Kind kind = Kind::plain;
  Definedness definedness = Definedness::all;
  bool guarded = false;
  bool guard_negated = false;
};
static_assert(sizeof(Instruction) == 64);

}  // namespace ptxmill::emu
