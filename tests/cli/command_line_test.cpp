// The program itself: exit codes, what goes to which stream, and bytes that depend on nothing but
// the spec.
#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <string>

#include <nlohmann/json.hpp>

#include "tests/cli/program.hpp"

namespace ptxmill::test {
namespace {

TEST_CASE("gen, check and their exit codes") {
  Workplace place;
  place.write("spec.json", spec_text(add_entry));
  Ran ran = ptxmill(place, "gen spec.json -o out");
  CHECK(ran.code == 0);
  CHECK(ran.out.empty());
  CHECK(ran.err == "test: 3 written, 0 unchanged, 0 removed\n");
  CHECK(ptxmill(place, "check spec.json -o out").code == 0);
  place.write("out/test/sm_80/add__vec4.ptx", "");
  ran = ptxmill(place, "check spec.json -o out");
  CHECK(ran.code == 1);
  CHECK(ran.out.starts_with("--- "));
  place.write("out/test/sm_90a", "in the way");
  CHECK(ptxmill(place, "gen spec.json -o out --target sm_90a").code == 3);
}

TEST_CASE("bad usage and bad specs are exit code 2, with nothing on stdout") {
  Workplace place;
  place.write("spec.json", spec_text(add_entry));
  place.write("bad.json", "{ \"kernels\": [] }");
  for (const char* arguments : {"", "frobnicate", "gen", "gen spec.json", "gen none.json -o out",
                                "gen bad.json -o out", "gen spec.json -o out --target sm_1",
                                "gen spec.json -o out --frobnicate", "check bad.json -o out"}) {
    const Ran ran = ptxmill(place, arguments);
    CHECK_MESSAGE(ran.code == 2, arguments);
    CHECK_MESSAGE(ran.out.empty(), arguments);
    CHECK_MESSAGE(!ran.err.empty(), arguments);
  }
  CHECK(place.files("out").empty());
}

TEST_CASE("a problem reads as file, line, column, place and reason") {
  Workplace place;
  place.write("specs/bad.json",
              "{ \"schema_version\": 1, \"library\": \"x\", \"targets\": [\"sm_80\"],\n  "
              "\"kernels\": [7] }");
  CHECK(ptxmill(place, "gen specs/bad.json -o out").err ==
        "specs/bad.json:2:15: error: /kernels/0: expected an object, got 7\n");
}

TEST_CASE("help, version, list and schema go to stdout") {
  Workplace place;
  CHECK(ptxmill(place, "--version").out.starts_with("ptxmill "));
  CHECK(ptxmill(place, "--help").out.find("gen") != std::string::npos);
  const Ran listed = ptxmill(place, "list");
  CHECK(listed.code == 0);
  CHECK(listed.out.find("template elementwise: ") != listed.out.npos);
  CHECK(listed.out.find("block encoder: ") != listed.out.npos);
  const Ran schema = ptxmill(place, "schema");
  CHECK(schema.code == 0);
  const auto parsed = nlohmann::json::parse(schema.out);
  CHECK(parsed["$schema"] == "http://json-schema.org/draft-07/schema#");
  CHECK(parsed["properties"].contains("kernels"));
  for (const auto& entry : parsed["properties"]["kernels"]["items"]["oneOf"])
    CHECK(entry["additionalProperties"] == false);
  std::ifstream committed("specs/schema/ptxmill.schema.json");
  CHECK(schema.out == std::string(std::istreambuf_iterator<char>(committed), {}));
}

TEST_CASE("the bytes depend on the spec alone, not on the directory or the environment") {
  Workplace here, there;
  const std::string spec = spec_text(add_entry + ", " + scale_entry, R"("sm_80", "sm_90a")");
  here.write("spec.json", spec);
  there.write("deeper/down/spec.json", spec);
  CHECK(ptxmill(here, "gen spec.json -o out").code == 0);
  CHECK(
      ptxmill(there, "gen deeper/down/spec.json -o out", "LC_ALL=de_DE.UTF-8 TZ=Asia/Tokyo HOME=/ ")
          .code == 0);
  CHECK(here.files("out") == there.files("out"));
}

}  // namespace
}  // namespace ptxmill::test
