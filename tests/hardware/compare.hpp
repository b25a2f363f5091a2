// Runs a form on both drivers and says how far apart they are.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/hardware/driver.hpp"
#include "tests/hardware/form.hpp"

namespace ptxmill::test {

/// What a driver made of a form.
struct Outcome {
  std::string error;  ///< empty where it ran
  std::vector<std::uint64_t> results;
};

Outcome run_form(const DriverLibrary& driver, const Form& form,
                 const std::vector<std::uint64_t>& operands);
/// The operands of a form, the same in every run.
std::vector<std::uint64_t> operands_of(const Form& form);

/// A case whose results differ.
struct Difference {
  std::vector<std::uint64_t> operands;
  std::uint64_t hardware = 0, emulator = 0;
  std::size_t index = 0;  ///< of the case
  std::size_t result = 0;
};

struct Verdict {
  std::string hardware_error, emulator_error;
  std::size_t cases = 0;
  std::size_t differing = 0;      ///< not a bit less than equal
  std::size_t beyond = 0;         ///< farther apart than the form's bound
  double units = 0;               ///< the largest distance in units in the last place
  std::vector<Difference> worst;  ///< a few of those beyond the bound, or of the farthest

  bool good() const { return hardware_error.empty() && emulator_error.empty() && beyond == 0; }
};

Verdict compare(const Form& form, const std::vector<std::uint64_t>& operands,
                const Outcome& hardware, const Outcome& emulator);

/// A number that stands for all results of a form: a run on hardware leaves it behind, so that a
/// machine without a GPU can tell whether the emulator would have agreed.
std::uint64_t digest(const Form& form, const std::vector<std::uint64_t>& results);

/// Digests by the name of the form, as in recorded/*.txt: lines "digest cases name".
struct Recorded {
  std::string device;
  std::map<std::string, std::uint64_t> digests;
};
Recorded read_recorded(const std::string& path);
void write_recorded(const std::string& path, const Recorded& recorded);

}  // namespace ptxmill::test
