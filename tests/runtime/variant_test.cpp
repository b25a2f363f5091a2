#include "runtime/variant.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace {

using namespace ptxmill::rt;

DeviceInfo device(int capability, int driver = 13000, int sm_count = 132) {
  DeviceInfo info;
  info.name = "a device";
  info.compute_capability = capability;
  info.driver_version = driver;
  info.sm_count = sm_count;
  return info;
}

KernelInfo kernel(const std::vector<std::string>& targets) {
  KernelInfo info;
  info.name = "k";
  for (const std::string& target : targets) {
    FormInfo form;
    form.target = target;
    form.ptx_version = "7.0";
    form.driver = 11000;
    info.targets.push_back({target, {form}});
  }
  return info;
}

std::string chosen(const KernelInfo& info, const DeviceInfo& on) {
  const std::vector<VariantVerdict> verdicts = judge_variants(info, on);
  return verdicts.front().usable ? verdicts.front().target : "none";
}

}  // namespace

TEST_CASE("variant: the most specific target that the device runs") {
  const KernelInfo info =
      kernel({"sm_100", "sm_100a", "sm_100f", "sm_70", "sm_80", "sm_90", "sm_90a"});
  CHECK(chosen(info, device(70)) == "sm_70");
  CHECK(chosen(info, device(75)) == "sm_70");
  CHECK(chosen(info, device(80)) == "sm_80");
  CHECK(chosen(info, device(86)) == "sm_80");
  CHECK(chosen(info, device(89)) == "sm_80");
  CHECK(chosen(info, device(90)) == "sm_90a");
  CHECK(chosen(info, device(100)) == "sm_100a");
  CHECK(chosen(info, device(103)) == "sm_100f");
  CHECK(chosen(info, device(120)) == "sm_100");
  CHECK(chosen(info, device(61)) == "none");
}

TEST_CASE("variant: an architecture-specific target runs on that architecture alone") {
  const KernelInfo info = kernel({"sm_90a"});
  CHECK(chosen(info, device(90)) == "sm_90a");
  CHECK(chosen(info, device(100)) == "none");
  CHECK(chosen(info, device(89)) == "none");
  CHECK(judge_variants(info, device(100)).front().reason == "needs compute capability 9.0 exactly");
  CHECK(judge_variants(kernel({"sm_80"}), device(75)).front().reason ==
        "needs compute capability 8.0 or later");
}

TEST_CASE("variant: an old driver gets the next variant, or the reason") {
  KernelInfo info = kernel({"sm_80", "sm_90a"});
  info.targets[1].forms[0].driver = 12030;
  info.targets[1].forms[0].ptx_version = "8.3";
  CHECK(chosen(info, device(90, 12040)) == "sm_90a");
  CHECK(chosen(info, device(90, 12020)) == "sm_80");
  const std::vector<VariantVerdict> verdicts = judge_variants(info, device(90, 10000));
  CHECK_FALSE(verdicts.front().usable);
  CHECK(reasons_text(verdicts) ==
        "sm_80 its PTX 7.0 needs driver 11.0 or later; sm_90a its PTX 8.3 needs driver 12.3 or "
        "later");
}

TEST_CASE("variant: a schedule for another number of multiprocessors is passed over") {
  KernelInfo info = kernel({"sm_80", "sm_90a"});
  info.targets[1].forms[0].sm_count = 132;
  CHECK(chosen(info, device(90, 13000, 132)) == "sm_90a");
  CHECK(chosen(info, device(90, 13000, 114)) == "sm_80");
  std::string reason;
  CHECK_FALSE(form_usable(info.targets[1].forms[0], device(90, 13000, 114), &reason));
  CHECK(reason == "its schedule is made for 132 multiprocessors, the device has 114");
}

TEST_CASE("variant: target names that are not understood are passed over") {
  for (const std::string target :
       {"", "sm_", "sm_90b", "sm_9x", "compute_90", "90", "sm_90aa", "sm_-90"}) {
    const VariantVerdict verdict = judge_target(target, device(90));
    CAPTURE(target);
    CHECK_FALSE(verdict.usable);
    CHECK(verdict.reason == "this runtime does not know such a target");
  }
}

TEST_CASE("variant: a device in words") {
  CHECK(device_text(device(90, 12040)) == "a device (compute capability 9.0, driver 12.4)");
}
