#include "runtime/manifest_reading.hpp"

#include <algorithm>
#include <set>

namespace ptxmill::rt {

nlohmann::json parse_strictly(std::string_view text, const std::string& file) {
  constexpr std::size_t most_nesting = 64;
  using Event = nlohmann::json::parse_event_t;
  std::vector<std::set<std::string>> open;
  std::size_t arrays = 0;
  const auto watch = [&](int, Event event, nlohmann::json& value) {
    if (event == Event::object_start) open.emplace_back();
    if (event == Event::object_end) open.pop_back();
    if (event == Event::array_start) ++arrays;
    if (event == Event::array_end) --arrays;
    if (open.size() + arrays > most_nesting)
      throw Error(ErrorCode::corrupt, concat(file, ": nested more than ", most_nesting, " deep"));
    if (event == Event::key && !open.back().insert(value.get<std::string>()).second)
      throw Error(ErrorCode::corrupt,
                  concat(file, ": the key '", value.get<std::string>(), "' stands twice"));
    return true;
  };
  try {
    return nlohmann::json::parse(text, watch);
  } catch (const nlohmann::json::exception& error) {
    throw Error(ErrorCode::corrupt, concat(file, ": ", error.what()));
  }
}

Expression read_expression(const JsonNode& node, const std::vector<std::string>& variables) {
  if (node.json().is_number()) return Expression::parse(std::to_string(node.integer(0)), {});
  try {
    return Expression::parse(node.text(), variables);
  } catch (const Error& error) {
    node.fail(error.what());
  }
}

std::vector<Expression> read_expressions(const JsonNode& node,
                                         const std::vector<std::string>& variables) {
  std::vector<Expression> result;
  node.each_element([&](const JsonNode& e) { result.push_back(read_expression(e, variables)); });
  return result;
}

DType read_dtype(const JsonNode& node) {
  const std::optional<DType> dtype = dtype_named(node.text());
  if (!dtype) node.fail(concat("'", node.text(), "' is no dtype"));
  return *dtype;
}

Range read_range(const JsonNode& node) {
  Range range;
  if (node.has("min")) range.min = node.member("min").integer(INT64_MIN);
  if (node.has("max")) range.max = node.member("max").integer(range.min);
  if (node.has("multiple_of")) range.multiple_of = node.member("multiple_of").integer(1);
  return range;
}

std::map<std::string, DType, std::less<>> read_dtypes(const JsonNode& node) {
  std::map<std::string, DType, std::less<>> result;
  node.each_member(
      [&](const std::string& key, const JsonNode& value) { result[key] = read_dtype(value); });
  return result;
}

namespace {

Option read_option(const JsonNode& node) {
  if (node.json().is_boolean()) return node.boolean();
  if (node.json().is_number()) return node.number();
  if (node.json().is_string()) return node.text();
  if (!node.json().is_array()) node.fail("a number, a boolean, a string or a list was expected");
  std::vector<std::string> list;
  node.each_element([&](const JsonNode& element) { list.push_back(element.text()); });
  return list;
}

}  // namespace

std::map<std::string, Option, std::less<>> read_options(const JsonNode& node) {
  std::map<std::string, Option, std::less<>> result;
  node.each_member([&](const std::string& key, const JsonNode& value) {
    result.emplace(key, read_option(value));
  });
  return result;
}

}  // namespace ptxmill::rt
