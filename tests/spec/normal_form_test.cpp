// What a spec means does not depend on how it is written, and an entry not on its neighbours.
#include <doctest/doctest.h>

#include <algorithm>
#include <optional>
#include <string>

#include "generator/cli/generate.hpp"
#include "generator/cli/spec_file.hpp"

namespace ptxmill::test {
namespace {

cli::Files generated(const std::string& text) {
  spec::Problems problems("specs/test.json");
  const auto library = cli::read_spec(text, {}, problems);
  REQUIRE_MESSAGE(library.has_value(), problems.text());
  return cli::generate(*library);
}

const std::string add =
    R"({ "name": "add", "template": "elementwise", "dtype": "f32", "ops": ["add"] })";
const std::string scale =
    R"({ "name": "scale", "template": "elementwise", "dtype": "f32", "ops": ["scale"], "cols": 96 })";

std::string spec_of(const std::string& kernels, const std::string& targets = R"("sm_80")") {
  return R"({ "schema_version": 1, "library": "test", "targets": [)" + targets +
         R"(], "kernels": [)" + kernels + "] }";
}

std::string digest_line(const std::string& ptx) {
  const auto at = ptx.find("digest ");
  return ptx.substr(at, ptx.find("launch", at) - at);
}

TEST_CASE("white space, the order of keys and the order of entries do not matter") {
  const cli::Files plain = generated(spec_of(add + ", " + scale));
  const cli::Files rearranged = generated(
      "\n{ \"kernels\":\t[ { \"ops\":[\"scale\"],\n\"dtype\":\"f32\", "
      "\"cols\":96,\"template\":\"elementwise\",\"name\":\"scale\"},\r\n"
      "  {\"template\" : \"elementwise\", \"ops\": [ \"add\" ], \"name\": \"add\", \"dtype\": "
      "\"f32\" } ],\n"
      " \"targets\":[\"sm_80\"], \"library\":\"test\", \"schema_version\":1 }\n");
  CHECK(plain == rearranged);
}

TEST_CASE("the number of jobs does not matter, and progress counts every file") {
  std::string kernels = add;
  for (int i = 1; i < 40; ++i)
    kernels += R"(, { "name": "scale)" + std::to_string(i) +
               R"(", "template": "elementwise", "dtype": "f32", "ops": ["scale"], "cols": )" +
               std::to_string(i) + " }";
  spec::Problems problems("specs/test.json");
  const auto library = cli::read_spec(spec_of(kernels, R"("sm_80", "sm_90a")"), {}, problems);
  REQUIRE(library.has_value());
  const cli::Files one = cli::generate(*library);
  for (const int jobs : {0, 2, 7, 500}) {
    std::size_t calls = 0, last = 0, expected = 0;
    const cli::Files many =
        cli::generate(*library, {.jobs = jobs, .progress = [&](auto done, auto all) {
                                   ++calls;
                                   last = done;
                                   expected = all;
                                 }});
    CHECK(many == one);
    CHECK(calls == one.size() - 1);  // all but the manifest
    CHECK(last == expected);
    CHECK(expected == calls);
  }
}

TEST_CASE("a default that is spelled out is the same entry") {
  const std::string spelled =
      R"({ "name": "add", "template": "elementwise", "dtype": "f32", "ops": ["add"], "rows": "dynamic", "cols": "dynamic", "block": 256 })";
  CHECK(generated(spec_of(add)) == generated(spec_of(spelled)));
}

TEST_CASE("a neighbour changes no other file but the manifest") {
  const cli::Files one = generated(spec_of(add)), two = generated(spec_of(scale + ", " + add));
  for (const auto& file : one) {
    const auto& name = file.first;
    const auto& text = file.second;
    REQUIRE(two.count(name) == 1);
    CHECK_MESSAGE((two.at(name) == text) == (name != "test/manifest.json"), name);
  }
  CHECK(two.size() > one.size());
}

TEST_CASE("another value is another digest, in the header and in the manifest") {
  const cli::Files before = generated(spec_of(scale));
  std::string wider = scale;
  wider.replace(wider.find("96"), 2, "64");
  const cli::Files after = generated(spec_of(wider));
  const std::string file = "test/sm_80/scale.ptx";
  REQUIRE(before.count(file) == 1);
  CHECK(digest_line(before.at(file)) != digest_line(after.at(file)));
  CHECK(before.at("test/manifest.json") != after.at("test/manifest.json"));
}

TEST_CASE("a target's files do not depend on the other targets") {
  const cli::Files one = generated(spec_of(add)),
                   two = generated(spec_of(add, R"("sm_90a", "sm_80")"));
  for (const auto& file : one)
    if (file.first != "test/manifest.json") CHECK(two.at(file.first) == file.second);
}

TEST_CASE("the command line's targets stand in for the spec's") {
  spec::Problems problems("test.json");
  const auto library = cli::read_spec(spec_of(add), {*ptx::Target::parse("sm_89")}, problems);
  REQUIRE(library);
  REQUIRE(library->targets.size() == 1);
  CHECK(library->targets[0].name() == "sm_89");
}

TEST_CASE("generated text is ASCII and names neither host nor directory") {
  for (const auto& file : generated(spec_of(add + ", " + scale))) {
    const auto& name = file.first;
    const auto& text = file.second;
    CHECK_MESSAGE(std::all_of(text.begin(), text.end(),
                              [](char c) { return c == '\n' || (c >= 32 && c < 127); }),
                  name);
    CHECK_MESSAGE(text.find("specs/") == text.npos, name);
    CHECK_MESSAGE(text.ends_with("}\n"), name);
  }
}

}  // namespace
}  // namespace ptxmill::test
