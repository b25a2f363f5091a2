// The JSON Schema and the reader come from the same declarations: they must judge alike.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "generator/cli/spec_file.hpp"
#include "generator/cli/verbs.hpp"
#include "tests/spec/json_schema.hpp"
#include "tests/spec/schema_agreement.hpp"

namespace ptxmill::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

json schema() {
  std::ostringstream text;
  CHECK(cli::schema(text) == 0);
  return json::parse(text.str());
}

std::vector<fs::path> corpus(const char* directory) {
  std::vector<fs::path> files;
  for (const auto& file : fs::directory_iterator(directory))
    if (file.path().extension() == ".json") files.push_back(file.path());
  std::sort(files.begin(), files.end());
  return files;
}

std::string contents(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

TEST_CASE("the schema and the reader agree on every spec of the corpus") {
  const json all = schema();
  int refused_by_both = 0;
  for (const char* directory : {"tests/spec/bad", "tests/spec/good", "tests/fuzz/seeds", "specs"})
    for (const fs::path& file : corpus(directory)) {
      const std::string text = contents(file);
      spec::Problems problems("file");
      cli::read_spec(text, {}, problems);
      const std::string disagreement = schema_disagreement(all, text, problems.text());
      CHECK_MESSAGE(disagreement.empty(), file.string() << ": " << disagreement);
      const json value = json::parse(text, nullptr, false);
      if (!value.is_discarded() && !schema_errors(all, value).empty()) ++refused_by_both;
    }
  CHECK(refused_by_both > 100);
}

// A disagreement would be found: a schema that lacks something, or asks for too much.
TEST_CASE("schemas that are wrong disagree") {
  const auto disagrees = [](const json& wrong, const char* file) {
    const std::string text = contents(file);
    spec::Problems problems("file");
    cli::read_spec(text, {}, problems);
    return !schema_disagreement(wrong, text, problems.text()).empty();
  };
  json lax = schema();
  lax["properties"]["targets"].erase("minItems");
  CHECK(disagrees(lax, "tests/spec/bad/targets_empty.json"));
  json strict = schema();
  strict["required"].push_back("blocks");
  CHECK(disagrees(strict, "tests/spec/good/minimal.json"));
  for (json& entry : lax["properties"]["kernels"]["items"]["oneOf"])
    if (entry["properties"]["template"]["const"] == "sample")
      entry["properties"]["depth"].erase("maximum");
  CHECK(disagrees(lax, "tests/spec/bad/integer.json") == false);  // others in the file are refused
  CHECK(disagrees(json::object(), "tests/spec/bad/flag.json"));
}

TEST_CASE("the validator knows its keywords") {
  const auto fits = [](const char* rule, const char* value) {
    return schema_errors(json::parse(rule), json::parse(value)).empty();
  };
  CHECK(fits(R"({"type": "integer", "minimum": 2, "maximum": 8, "multipleOf": 2})", "4"));
  CHECK(fits(R"({"type": "integer"})", "4.0"));
  for (const char* value : {"1", "10", "5", "4.5", "\"4\"", "null", "true"})
    CHECK_FALSE(fits(R"({"type": "integer", "minimum": 2, "maximum": 8, "multipleOf": 2})", value));
  CHECK(fits(R"({"type": "string", "pattern": "^[a-z]+$", "maxLength": 3})", "\"abc\""));
  for (const char* value : {"\"abcd\"", "\"a1\"", "\"\"", "7"})
    CHECK_FALSE(fits(R"({"type": "string", "pattern": "^[a-z]+$", "maxLength": 3})", value));
  CHECK(fits(R"({"items": {"enum": [1, "a"]}, "minItems": 1, "maxItems": 2, "uniqueItems": true})",
             R"([1, "a"])"));
  for (const char* value : {"[]", "[1, 1]", "[2]", R"([1, "a", 1])"})
    CHECK_FALSE(
        fits(R"({"items": {"enum": [1, "a"]}, "minItems": 1, "maxItems": 2, "uniqueItems": true})",
             value));
  const char* object = R"({"type": "object", "properties": {"a": {"const": 1}, "b": {}},
      "required": ["a"], "additionalProperties": false})";
  CHECK(fits(object, R"({"a": 1, "b": 2})"));
  for (const char* value : {R"({"a": 2})", R"({"b": 1})", R"({"a": 1, "c": 1})", "[]"})
    CHECK_FALSE(fits(object, value));
  CHECK(fits(R"({"anyOf": [{"const": 1}, {"type": "integer"}]})", "1"));
  CHECK_FALSE(fits(R"({"oneOf": [{"const": 1}, {"type": "integer"}]})", "1"));
  CHECK_FALSE(fits(R"({"anyOf": [{"const": 1}, {"type": "boolean"}]})", "2"));
  CHECK_THROWS_AS(schema_errors(json::parse(R"({"patternProperties": {}})"), json::object()),
                  std::runtime_error);
  CHECK_THROWS_AS(schema_errors(json::parse(R"({"type": "null"})"), nullptr), std::runtime_error);
}

TEST_CASE("the schema is what the repository has, for the templates that it ships") {
  const json written = json::parse(contents("specs/schema/ptxmill.schema.json"));
  json here = schema();
  // The tests bring a template of their own.
  json& entries = here["properties"]["kernels"]["items"]["oneOf"];
  for (std::size_t i = entries.size(); i-- > 0;)
    if (entries[i]["properties"]["template"]["const"] == "sample") entries.erase(i);
  CHECK(here == written);
}

}  // namespace
}  // namespace ptxmill::test
