#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>

namespace ptxmill::test {

/// True where the emulated driver answers: PTXMILL_DRIVER is "emulator".
bool on_emulator();

/// Keeps a test's cases affordable on the emulator, which runs some 10^7 multiply-adds a second
/// where a GPU runs 10^13. On hardware every case runs. Cases that are passed over are counted and
/// named at the end of the run, and appended to the file that PTXMILL_LEFT_TO_HARDWARE names, one a
/// line.
class CaseBudget {
 public:
  /// At most `per_case` multiply-adds for one case, and `total` for all that ask this object.
  explicit CaseBudget(std::uint64_t per_case = 4'000'000, std::uint64_t total = 60'000'000)
      : per_case_(per_case), left_(total) {}

  /// Whether to run the case `name`, which takes `multiply_adds`. Hardware runs all, unless
  /// PTXMILL_CASE_CAPS is set, as it is for tools that slow it down.
  bool allows(const std::string& name, std::uint64_t multiply_adds);

 private:
  std::uint64_t per_case_;
  std::uint64_t left_;
};

/// "left to hardware: 2 cases: gemm 1500x384x384, ..."; nothing where no case was.
void report_left_to_hardware(std::ostream& out);

}  // namespace ptxmill::test
