// The tuning files that were in specs/tuning when the generator was built.
#pragma once

#include <string>
#include <vector>

namespace ptxmill::cli {

struct ShippedTuning {
  std::string name;
  std::string text;
};

const std::vector<ShippedTuning>& shipped_tuning();

}  // namespace ptxmill::cli
