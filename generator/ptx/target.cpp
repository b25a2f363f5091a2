#include "generator/ptx/target.hpp"

#include <array>

namespace ptxmill::ptx {
namespace {

struct Known {
  Target target;
  int max_shared_bytes;
};
constexpr int kib = 1024;
constexpr std::array<Known, 6> known_targets{{{{80, false}, 163 * kib},
                                              {{86, false}, 99 * kib},
                                              {{87, false}, 163 * kib},
                                              {{89, false}, 99 * kib},
                                              {{90, false}, 227 * kib},
                                              {{90, true}, 227 * kib}}};

}  // namespace

std::string Target::name() const { return "sm_" + std::to_string(sm) + (arch_specific ? "a" : ""); }

std::optional<Target> Target::parse(std::string_view name) {
  for (const Known& k : known_targets)
    if (k.target.name() == name) return k.target;
  return std::nullopt;
}

std::vector<Target> Target::all() {
  std::vector<Target> targets;
  for (const Known& k : known_targets) targets.push_back(k.target);
  return targets;
}

std::string Target::known() {
  std::string names;
  for (const Target& t : all()) names += (names.empty() ? "" : ", ") + t.name();
  return names;
}

int Target::max_shared_bytes() const {
  for (const Known& k : known_targets)
    if (k.target == *this) return k.max_shared_bytes;
  return static_shared_limit;
}

}  // namespace ptxmill::ptx
