// The barrier that lies in shared memory: its counts and phases (PTX ISA, "Parallel
// Synchronization and Communication Instructions: mbarrier").
#pragma once

#include <cstdint>

namespace ptxmill::emu {

/// What an operation on a barrier does that the manual does not allow.
enum class MbarrierMisuse : std::uint8_t {
  none,
  count_range,     ///< a count of 0, or beyond 2^20 - 1
  too_many,        ///< more arrivals than the phase lacks
  bytes_overflow,  ///< the tx-count leaves its range
  completes,       ///< .noComplete, but the phase would complete
};

/// One barrier. A phase is complete once no arrival and no byte is missing; the next one then
/// begins by itself.
class Mbarrier {
 public:
  static constexpr std::uint32_t most = (1u << 20) - 1;  ///< arrivals, and bytes either way

  /// Sets up phase 0 for so many arrivals.
  MbarrierMisuse start(std::uint32_t count);
  /// More bytes are awaited in the current phase.
  MbarrierMisuse expect(std::uint32_t bytes);
  /// Bytes have come.
  MbarrierMisuse complete(std::uint64_t bytes);
  /// Arrivals; `drops` takes them out of the phases that follow as well.
  MbarrierMisuse arrive(std::uint32_t count, bool drops, bool may_complete);
  /// One more arrival is awaited in the current phase (cp.async.mbarrier.arrive).
  MbarrierMisuse await_one();
  /// Goes on to the next phase where the current one is complete. False where it is not.
  bool advance();

  std::uint64_t phase() const { return phase_; }  ///< how many have been completed
  std::uint32_t pending() const { return pending_; }
  std::uint32_t expected() const { return expected_; }
  std::int64_t bytes() const { return bytes_; }
  /// True where nothing of the current phase has happened yet.
  bool is_fresh() const { return pending_ == expected_ && bytes_ == 0; }

  /// The 64-bit value that an arrival returns: the phase, and the arrivals that it lacks.
  std::uint64_t state() const { return valid_bit | phase_ << count_bits | pending_; }
  static bool is_state(std::uint64_t state) { return (state & valid_bit) != 0; }
  static std::uint64_t phase_of(std::uint64_t state) { return (state & ~valid_bit) >> count_bits; }
  static std::uint32_t pending_of(std::uint64_t state) {
    return static_cast<std::uint32_t>(state) & most;
  }

 private:
  static constexpr int count_bits = 20;
  static constexpr std::uint64_t valid_bit = std::uint64_t{1} << 63;

  std::uint64_t phase_ = 0;
  std::uint32_t expected_ = 0, pending_ = 0;
  std::int64_t bytes_ = 0;  ///< awaited and not come; below 0: come and not awaited yet
};

}  // namespace ptxmill::emu
