#include "tests/spec/schema_agreement.hpp"

#include <algorithm>
#include <regex>
#include <sstream>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/spec/json_schema.hpp"

namespace ptxmill::test {
namespace {

using nlohmann::json;

/// Complaints that end the reading: the text is no JSON, or not read as such.
bool is_about_text(const std::string& complaint) {
  for (const char* part :
       {"syntax error", "number overflow", "nested deeper", "byte order mark", "are read"})
    if (complaint.find(part) != complaint.npos) return true;
  return false;
}

/// Complaints that no schema can make.
bool is_beyond_schema(const std::string& complaint) {
  static const std::vector<std::string> parts{"this key stands twice", "is taken at line",
                                              "is not divisible by",   "may stand once",
                                              "attention takes a",     "a row stride goes",
                                              "a row stride needs",    "is less than",
                                              "a logarithm takes no",  "is for 16-bit weights",
                                              "a power of two",        "of shared memory",
                                              "is no multiple of",     "1, 2 or 4",
                                              "is no tile of",         "f32 results only",
                                              "operands of f32",       "out_in only",
                                              "numbers must fall",     "the last item counts",
                                              "leaves no registers"};
  static const std::regex whole_real("(, got|, got -?[0-9.e+]+) ?-?[0-9]+(\\.0|e\\+[0-9]+)($|;)");
  return std::any_of(
             parts.begin(), parts.end(),
             [&](const std::string& part) { return complaint.find(part) != complaint.npos; }) ||
         (complaint.find("expected a number from") == complaint.npos &&
          std::regex_search(complaint, whole_real));
}

}  // namespace

std::string schema_disagreement(const json& schema, const std::string& text,
                                const std::string& complaints) {
  std::istringstream lines(complaints);
  std::string structural;
  bool beyond = false;
  for (std::string line; std::getline(lines, line);) {
    if (is_about_text(line)) return {};
    if (is_beyond_schema(line))
      beyond = true;
    else
      structural += line + "\n";
  }
  const json value = json::parse(text, nullptr, false);
  if (value.is_discarded()) return "the reader takes what is no JSON";
  const std::vector<std::string> errors = schema_errors(schema, value);
  if (!structural.empty() && errors.empty()) return "the schema takes it";
  // Of two equal keys the value that counts is not the same everywhere.
  if (complaints.empty() && !beyond && !errors.empty())
    return "the reader takes it; the schema says " + errors[0];
  return {};
}

}  // namespace ptxmill::test
