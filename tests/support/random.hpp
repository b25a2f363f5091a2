#pragma once

#include <cstdint>
#include <string_view>

namespace ptxmill::test {

/// The seed of this run: PTXMILL_TEST_SEED (decimal), or 1. Printed at the head and on every
/// failure.
std::uint64_t run_seed();

/// A small generator (xoshiro256**, Blackman and Vigna 2018) whose numbers are the same with every
/// standard library, so that a seed names one case on every machine.
class Random {
 public:
  explicit Random(std::uint64_t seed);

  std::uint64_t next();

  /// Uniform in [low, high], both included.
  std::int64_t integer(std::int64_t low, std::int64_t high);

  /// Uniform in [0, 1), a multiple of 2^-53.
  double uniform();

  /// Standard normal (Box and Muller 1958).
  double normal();

 private:
  std::uint64_t state_[4];
};

/// A generator of its own for each named use, so that adding a case to one test does not shift
/// another's numbers: seeded with the run's seed and `name`.
Random random_for(std::string_view name);

}  // namespace ptxmill::test
