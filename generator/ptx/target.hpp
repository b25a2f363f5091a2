// The GPU targets that kernels are generated for, and their limits.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ptxmill::ptx {

/// A `.target`: sm_80, or sm_90a with the architecture-specific features.
struct Target {
  int sm = 80;
  bool arch_specific = false;

  /// Reads `sm_80` or `sm_90a`; nullopt where the name is none, or the target is not known.
  static std::optional<Target> parse(std::string_view name);
  /// Those that `parse` knows, in ascending order.
  static std::vector<Target> all();
  /// Their names.
  static std::string known();

  std::string name() const;
  /// Shared memory a CTA may use with opt-in, in bytes (CUDA C Programming Guide, "Technical
  /// Specifications per Compute Capability").
  int max_shared_bytes() const;

  friend bool operator==(const Target& a, const Target& b) {
    return a.sm == b.sm && a.arch_specific == b.arch_specific;
  }
};

/// Shared memory beyond which a launch must opt in and the declaration must be dynamic.
inline constexpr int static_shared_limit = 48 * 1024;

}  // namespace ptxmill::ptx
