#include "runtime/variant.hpp"

#include <algorithm>
#include <charconv>

#include "runtime/text.hpp"

namespace ptxmill::rt {

VariantVerdict judge_target(std::string_view target, const DeviceInfo& device) {
  VariantVerdict verdict{std::string(target), 0, false, {}};
  constexpr std::string_view prefix = "sm_";
  int number = 0;
  const char* end = target.data() + target.size();
  const std::from_chars_result parsed =
      target.starts_with(prefix)
          ? std::from_chars(target.data() + prefix.size(), end, number)
          : std::from_chars_result{target.data(), std::errc::invalid_argument};
  const std::string_view suffix(parsed.ptr, static_cast<std::size_t>(end - parsed.ptr));
  if (parsed.ec != std::errc() || number <= 0 ||
      (!suffix.empty() && suffix != "a" && suffix != "f")) {
    verdict.reason = "this runtime does not know such a target";
    return verdict;
  }
  verdict.capability = number;
  const int have = device.compute_capability;
  if (suffix == "a") {
    verdict.usable = have == number;
    verdict.reason = concat("needs compute capability ", dotted_capability(number), " exactly");
  } else if (suffix == "f") {
    verdict.usable = have >= number && have / 10 == number / 10;
    verdict.reason = concat("needs compute capability ", dotted_capability(number),
                            " or a later one of the same family");
  } else {
    verdict.usable = have >= number;
    verdict.reason = concat("needs compute capability ", dotted_capability(number), " or later");
  }
  if (verdict.usable) verdict.reason.clear();
  return verdict;
}

bool form_usable(const FormInfo& form, const DeviceInfo& device, std::string* reason) {
  if (form.driver > device.driver_version) {
    *reason = concat("its PTX ", form.ptx_version, " needs driver ", dotted_driver(form.driver),
                     " or later");
    return false;
  }
  if (form.sm_count != 0 && form.sm_count != device.sm_count) {
    *reason = concat("its schedule is made for ", form.sm_count,
                     " multiprocessors, the device has ", device.sm_count);
    return false;
  }
  return true;
}

bool better_variant(const VariantVerdict& a, const VariantVerdict& b) {
  if (a.capability != b.capability) return a.capability > b.capability;
  const auto rank = [](const VariantVerdict& v) {
    return v.target.back() == 'a' ? 2 : v.target.back() == 'f' ? 1 : 0;
  };
  return rank(a) > rank(b);
}

std::vector<VariantVerdict> judge_variants(const KernelInfo& kernel, const DeviceInfo& device) {
  std::vector<VariantVerdict> verdicts;
  for (const TargetForms& target : kernel.targets) {
    VariantVerdict verdict = judge_target(target.target, device);
    if (verdict.usable)
      verdict.usable = std::any_of(
          target.forms.begin(), target.forms.end(),
          [&](const FormInfo& form) { return form_usable(form, device, &verdict.reason); });
    if (verdict.usable) verdict.reason.clear();
    verdicts.push_back(std::move(verdict));
  }
  std::stable_sort(verdicts.begin(), verdicts.end(),
                   [](const VariantVerdict& a, const VariantVerdict& b) {
                     if (a.usable != b.usable) return a.usable;
                     return a.usable && better_variant(a, b);
                   });
  return verdicts;
}

std::string reasons_text(const std::vector<VariantVerdict>& verdicts) {
  std::string text;
  for (const VariantVerdict& verdict : verdicts)
    if (!verdict.usable)
      text += concat(text.empty() ? "" : "; ", verdict.target, " ", verdict.reason);
  return text;
}

std::string device_text(const DeviceInfo& device) {
  return concat(device.name, " (compute capability ", dotted_capability(device.compute_capability),
                ", driver ", dotted_driver(device.driver_version), ")");
}

}  // namespace ptxmill::rt
