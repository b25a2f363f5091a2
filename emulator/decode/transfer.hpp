// The decoded forms of instructions that move data asynchronously, and of those on barriers in
// shared memory.
#pragma once

#include <array>
#include <cstdint>

#include "emulator/decode/instruction.hpp"
#include "isa/types.hpp"

namespace ptxmill::emu {

/// What an mbarrier instruction does. Its address is s[0] + imm, counts and bytes are s[1], a state
/// or parity s[2]; results are d[0].
enum class MbarrierOp : std::uint8_t {
  init,
  inval,
  arrive,
  expect_tx,
  complete_tx,
  test,
  pending_count,
  arrive_copies,  ///< cp.async.mbarrier.arrive
};

/// `aux` of such an instruction, above AccessBits.
struct MbarrierBits {
  static constexpr int op_shift = 20;                  ///< an MbarrierOp, 3 bits
  static constexpr std::uint32_t expects = 1u << 23;   ///< an arrival that awaits s[1] bytes first
  static constexpr std::uint32_t drops = 1u << 24;     ///< arrive_drop
  static constexpr std::uint32_t parity = 1u << 25;    ///< a wait by parity, not by state
  static constexpr std::uint32_t suspends = 1u << 26;  ///< try_wait
  static constexpr std::uint32_t relaxed = 1u << 27;   ///< neither releases nor acquires
  static constexpr std::uint32_t cluster = 1u << 28;   ///< of cluster scope
  static constexpr std::uint32_t no_complete = 1u << 29;
  static constexpr std::uint32_t no_increment = 1u << 30;  ///< .noinc
};
constexpr MbarrierOp mbarrier_op(std::uint32_t aux) {
  return static_cast<MbarrierOp>(aux >> MbarrierBits::op_shift & 7u);
}

/// An address operand of a bulk copy.
struct TransferAddress {
  Slot base = zero_slot;
  std::int64_t offset = 0;
  bool wide = true;      ///< the base has 64 bits
  bool generic = false;  ///< in the generic address space; else in that which the copy names
};

enum class TransferWay : std::uint8_t {
  to_shared,       ///< from global memory
  to_global,       ///< from shared memory
  within_cluster,  ///< from shared memory to that of a block of the cluster
  from_registers,  ///< to shared memory of a block of the cluster (st.async)
  prefetch,
};

enum class TransferReduction : std::uint8_t { none, add, min, max, inc, dec, and_, or_, xor_ };

/// A bulk copy: cp.async.bulk, cp.async.bulk.tensor, and the reductions of both; or st.async.
struct TransferForm {
  TransferWay way = TransferWay::to_shared;
  TransferReduction reduction = TransferReduction::none;
  isa::Type type = isa::Type::b8;  ///< of a reduction's elements; tensor maps know their own
  int rank = 0;                    ///< of a tensor copy; 0: of plain bytes
  bool multicast = false;
  TransferAddress to, from;  ///< of a tensor copy the side in global memory is the map
  TransferAddress barrier;   ///< of copies into shared memory
  std::array<Slot, 5> coordinates{};
  Slot bytes = zero_slot;  ///< of plain copies
  /// Of stores: the values, each of `value_bytes`, and how many there are.
  std::array<Slot, 4> values{};
  int value_bytes = 0, value_count = 0;
  Slot mask = zero_slot;  ///< of multicasts: the blocks of the cluster
};

}  // namespace ptxmill::emu
