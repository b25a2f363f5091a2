#include "tests/support/case_budget.hpp"

#include <cstdlib>
#include <fstream>
#include <ostream>
#include <string_view>
#include <vector>

namespace ptxmill::test {

namespace {

std::vector<std::string>& left_to_hardware() {
  static std::vector<std::string> names;
  return names;
}

}  // namespace

bool on_emulator() {
  const char* driver = std::getenv("PTXMILL_DRIVER");
  return driver != nullptr && std::string_view(driver) == "emulator";
}

bool CaseBudget::allows(const std::string& name, std::uint64_t multiply_adds) {
  if (!on_emulator() && std::getenv("PTXMILL_CASE_CAPS") == nullptr) return true;
  if (multiply_adds <= per_case_ && multiply_adds <= left_) {
    left_ -= multiply_adds;
    return true;
  }
  left_to_hardware().push_back(name);
  if (const char* path = std::getenv("PTXMILL_LEFT_TO_HARDWARE")) {
    std::ofstream(path, std::ios::app) << name + "\n";
  }
  return false;
}

void report_left_to_hardware(std::ostream& out) {
  const auto& names = left_to_hardware();
  if (names.empty()) return;
  out << "[ptxmill] left to hardware: " << names.size()
      << (names.size() == 1 ? " case: " : " cases: ");
  for (std::size_t i = 0; i < names.size(); ++i) out << (i != 0 ? ", " : "") << names[i];
  out << "\n";
}

}  // namespace ptxmill::test
