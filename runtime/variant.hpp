// Which of a kernel's variants a device gets, and why not the others.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/device.hpp"
#include "runtime/manifest.hpp"

namespace ptxmill::rt {

struct VariantVerdict {
  std::string target;
  int capability = 0;  ///< of the target: 90 for sm_90a; 0 where its name is not understood
  bool usable = false;
  std::string reason;  ///< why it cannot be used
};

/// Judges `target` for the device: `sm_Na` runs on N exactly, `sm_Nf` from N on within N's major
/// version, `sm_N` from N on.
VariantVerdict judge_target(std::string_view target, const DeviceInfo& device);

/// Whether the device and its driver meet what the form asks beyond its target; else why not.
bool form_usable(const FormInfo& form, const DeviceInfo& device, std::string* reason);

/// The verdicts on all targets of a kernel; the usable ones first, best first: the highest number,
/// and at the same number `a` before `f` before plain. A target is usable where one of its forms
/// is.
std::vector<VariantVerdict> judge_variants(const KernelInfo& kernel, const DeviceInfo& device);

/// Whether `a` is to be preferred to `b`, both usable.
bool better_variant(const VariantVerdict& a, const VariantVerdict& b);

/// "sm_90a: needs ...; sm_100: needs ...", of those that cannot be used.
std::string reasons_text(const std::vector<VariantVerdict>& verdicts);
/// As `NVIDIA H200 (compute capability 9.0, driver 13.0)`.
std::string device_text(const DeviceInfo& device);

}  // namespace ptxmill::rt
