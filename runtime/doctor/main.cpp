// ptxmill-doctor: what driver and devices there are, and which variant of each kernel of a library
// every device would get.
//
//   ptxmill-doctor [--json] [LIBRARY_DIRECTORY]
//
// Exit codes: 0 ok; 2 bad usage or a library that cannot be read; 3 there is no driver, no device,
// or a kernel that no device can run.
#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "runtime/driver/driver.hpp"
#include "runtime/error.hpp"
#include "runtime/manifest.hpp"
#include "runtime/text.hpp"
#include "runtime/variant.hpp"

namespace {

using namespace ptxmill::rt;
using nlohmann::json;

constexpr int exit_ok = 0, exit_usage = 2, exit_environment = 3;

struct Options {
  bool as_json = false;
  std::string directory;
};

json describe_driver() {
  try {
    const cu::Driver& driver = cu::driver();
    return {{"path", driver.path}, {"version", dotted_driver(driver.version)}};
  } catch (const Error& error) {
    return {{"error", error.what()}};
  }
}

json describe_device(const DeviceInfo& info) {
  return {{"ordinal", info.ordinal},
          {"name", info.name},
          {"compute_capability", dotted_capability(info.compute_capability)},
          {"multiprocessors", info.sm_count},
          {"memory_bytes", info.total_memory},
          {"shared_bytes_per_block", info.max_shared_bytes},
          {"memory_pools", info.memory_pools},
          {"cooperative_launch", info.cooperative_launch}};
}

/// The variant that the device gets, and why not each of the others.
json describe_choice(const KernelInfo& kernel, const DeviceInfo& device) {
  json result = {{"kernel", kernel.name}, {"chosen", nullptr}, {"passed_over", json::array()}};
  for (const VariantVerdict& verdict : judge_variants(kernel, device)) {
    if (verdict.usable && result["chosen"].is_null()) {
      result["chosen"] = verdict.target;
      continue;
    }
    const std::string reason =
        verdict.usable ? concat("less specific than ", result["chosen"].get<std::string>())
                       : verdict.reason;
    result["passed_over"].push_back({{"target", verdict.target}, {"reason", reason}});
  }
  return result;
}

Manifest read_manifest(const std::string& directory) {
  const std::string file = directory + "/manifest.json";
  std::ifstream in(file, std::ios::binary);
  if (!in) throw Error(ErrorCode::not_found, concat("cannot open ", file));
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  return Manifest::read(text, file);
}

/// Everything that is known, as one value that both outputs are made from.
json examine(const Options& options) {
  json report = {{"driver", describe_driver()}, {"devices", json::array()}};
  std::vector<DeviceInfo> devices;
  try {
    const int count = Device::count();
    for (int i = 0; i < count; ++i) devices.push_back(Device::describe(i));
  } catch (const Error& error) {
    report["driver"]["error"] = error.what();
  }
  for (const DeviceInfo& info : devices) report["devices"].push_back(describe_device(info));
  if (options.directory.empty()) return report;
  const Manifest manifest = read_manifest(options.directory);
  json& library = report["library"];
  library = {{"name", manifest.library},
             {"generator_version", manifest.generator_version},
             {"kernels", manifest.kernels.size()},
             {"blocks", manifest.plans.size()},
             {"choices", json::array()}};
  for (const DeviceInfo& info : devices) {
    json choices = json::array();
    for (const KernelInfo& kernel : manifest.kernels)
      choices.push_back(describe_choice(kernel, info));
    library["choices"].push_back({{"device", info.ordinal}, {"kernels", std::move(choices)}});
  }
  return report;
}

const char* text_of(const json& value) { return value.get_ref<const std::string&>().c_str(); }

void print_library(const json& library) {
  std::printf("library %s, generator %s, %d kernels, %d blocks\n", text_of(library["name"]),
              text_of(library["generator_version"]), library["kernels"].get<int>(),
              library["blocks"].get<int>());
  for (const json& choice : library["choices"]) {
    std::printf("  device %d\n", choice["device"].get<int>());
    for (const json& kernel : choice["kernels"]) {
      std::printf("    %-40s %s\n", text_of(kernel["kernel"]),
                  kernel["chosen"].is_null() ? "none" : text_of(kernel["chosen"]));
      for (const json& other : kernel["passed_over"])
        std::printf("      not %-8s %s\n", text_of(other["target"]), text_of(other["reason"]));
    }
  }
}

void print(const json& report) {
  const json& driver = report["driver"];
  if (driver.contains("path"))
    std::printf("driver %s, version %s\n", text_of(driver["path"]), text_of(driver["version"]));
  if (driver.contains("error")) std::printf("driver: %s\n", text_of(driver["error"]));
  for (const json& device : report["devices"])
    std::printf("device %d %s, compute capability %s, %d multiprocessors, %.1f GiB\n",
                device["ordinal"].get<int>(), text_of(device["name"]),
                text_of(device["compute_capability"]), device["multiprocessors"].get<int>(),
                device["memory_bytes"].get<double>() / (1 << 30));
  if (report["devices"].empty()) std::printf("no device\n");
  if (report.contains("library")) print_library(report["library"]);
}

/// Whether some kernel has no variant on any device.
bool lacks_something(const json& report) {
  if (report["devices"].empty()) return true;
  if (!report.contains("library")) return false;
  const json& choices = report["library"]["choices"];
  for (std::size_t k = 0; k < report["library"]["kernels"].get<std::size_t>(); ++k) {
    bool runs = false;
    for (const json& choice : choices) runs = runs || !choice["kernels"][k]["chosen"].is_null();
    if (!runs) return true;
  }
  return false;
}

int usage(const std::string& problem) {
  std::fprintf(stderr, "ptxmill-doctor: %s\nusage: ptxmill-doctor [--json] [LIBRARY_DIRECTORY]\n",
               problem.c_str());
  return exit_usage;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--json")
      options.as_json = true;
    else if (argument == "--help" || argument == "-h")
      return std::printf("usage: ptxmill-doctor [--json] [LIBRARY_DIRECTORY]\n") < 0 ? 1 : exit_ok;
    else if (argument.starts_with("-"))
      return usage(concat("unknown option ", argument));
    else if (!options.directory.empty())
      return usage("one library directory at most");
    else
      options.directory = argument;
  }
  try {
    const json report = examine(options);
    if (options.as_json)
      std::printf("%s\n", report.dump(2).c_str());
    else
      print(report);
    return lacks_something(report) ? exit_environment : exit_ok;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ptxmill-doctor: %s\n", error.what());
    return exit_usage;
  }
}
