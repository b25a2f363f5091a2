// doctor runs ptxmill-doctor: from beside the tool, from the build tree, or from PATH.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

#include "tests/cli/program.hpp"

namespace ptxmill::test {
namespace {

namespace fs = std::filesystem;

/// A stand-in that says where it is and what it was given.
void put_doctor(const Workplace& place, const std::string& directory, int code) {
  const std::string path = place.write(
      directory + "/ptxmill-doctor",
      "#!/bin/sh\nprintf '%s:' " + directory + " \"$@\"\nexit " + std::to_string(code) + "\n");
  fs::permissions(path, fs::perms::owner_all);
}

TEST_CASE("doctor is found beside the tool, in the build tree, and on PATH") {
  Workplace place;
  fs::create_directories(place.path() / "build/generator/cli");
  const fs::path tool = place.path() / "build/generator/cli/ptxmill";
  fs::copy_file(executable(), tool);
  const auto run = [&](const std::string& arguments) {
    return shell(place, "PATH=" + (place.path() / "onpath").string() + " '" + tool.string() + "' " +
                            arguments);
  };
  Ran ran = run("doctor");
  CHECK(ran.code == 3);
  CHECK(ran.out.empty());
  for (const char* looked : {"build/generator/cli/ptxmill-doctor", "build/runtime/ptxmill-doctor",
                             "onpath/ptxmill-doctor"})
    CHECK_MESSAGE(ran.err.find((place.path() / looked).string()) != ran.err.npos, ran.err);
  put_doctor(place, "onpath", 0);
  ran = run("doctor --json some/library");
  CHECK(ran.out == "onpath:--json:some/library:");
  CHECK(ran.code == 0);
  put_doctor(place, "build/runtime", 3);
  ran = run("doctor some/library");
  CHECK(ran.out == "build/runtime:some/library:");
  CHECK(ran.code == 3);
  put_doctor(place, "build/generator/cli", 0);
  CHECK(run("doctor").out == "build/generator/cli:");
}

TEST_CASE("the build tree's doctor answers in JSON, with or without a driver") {
  Workplace place;
  const Ran ran = ptxmill(place, "doctor --json", "PTXMILL_DRIVER=/none/libcuda.so");
  CHECK(ran.code == 3);
  const auto report = nlohmann::json::parse(ran.out);
  CHECK(report["devices"].empty());
  CHECK(report["driver"]["error"].get<std::string>().find("/none/libcuda.so") != std::string::npos);
}

}  // namespace
}  // namespace ptxmill::test
