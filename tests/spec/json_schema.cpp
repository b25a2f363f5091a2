#include "tests/spec/json_schema.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <regex>
#include <set>
#include <stdexcept>

#include <nlohmann/json.hpp>

namespace ptxmill::test {
namespace {

using nlohmann::json;

/// A value of integral mathematical value is an integer to draft-07: 64.0 as well as 64.
bool is_integer(const json& v) {
  return v.is_number_integer() ||
         (v.is_number_float() && std::floor(v.get<double>()) == v.get<double>());
}

bool has_type(const std::string& type, const json& v) {
  if (type == "object") return v.is_object();
  if (type == "array") return v.is_array();
  if (type == "string") return v.is_string();
  if (type == "boolean") return v.is_boolean();
  if (type == "number") return v.is_number();
  if (type == "integer") return is_integer(v);
  throw std::runtime_error("the schema uses the type " + type);
}

/// Characters, not bytes.
std::size_t length(const std::string& s) {
  return static_cast<std::size_t>(
      std::count_if(s.begin(), s.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

/// Compiling a pattern takes longer than to match it, and there are few.
const std::regex& compiled(const std::string& pattern) {
  static std::map<std::string, std::regex> all;
  const auto known = all.find(pattern);
  return known != all.end() ? known->second
                            : all.emplace(pattern, std::regex(pattern)).first->second;
}

class Validator {
 public:
  std::vector<std::string> errors;

  void check(const json& schema, const json& v, const std::string& at) {
    for (const auto& [keyword, rule] : schema.items()) {
      if (annotations.count(keyword) != 0) continue;
      if (!any(keyword, rule, v, at) && !number(keyword, rule, v, at) &&
          !text(keyword, rule, v, at) && !array(keyword, rule, v, at) &&
          !object(schema, keyword, rule, v, at))
        throw std::runtime_error("the schema uses the keyword " + keyword);
    }
  }

 private:
  static inline const std::set<std::string> annotations{"$schema", "title", "description",
                                                        "default"};

  void require(bool holds, const std::string& keyword, const std::string& at) {
    if (!holds) errors.push_back(at + ": " + keyword);
  }

  static bool fits(const json& schema, const json& v) {
    Validator one;
    one.check(schema, v, "");
    return one.errors.empty();
  }

  bool any(const std::string& keyword, const json& rule, const json& v, const std::string& at) {
    const auto fit = [&](const json& schema) { return fits(schema, v); };
    if (keyword == "type")
      require(has_type(rule, v), keyword, at);
    else if (keyword == "const")
      require(v == rule, keyword, at);
    else if (keyword == "enum")
      require(std::find(rule.begin(), rule.end(), v) != rule.end(), keyword, at);
    else if (keyword == "anyOf")
      require(std::any_of(rule.begin(), rule.end(), fit), keyword, at);
    else if (keyword == "oneOf")
      require(std::count_if(rule.begin(), rule.end(), fit) == 1, keyword, at);
    else
      return false;
    return true;
  }

  bool number(const std::string& keyword, const json& rule, const json& v, const std::string& at) {
    const bool applies = v.is_number();
    if (keyword == "minimum")
      require(!applies || v >= rule, keyword, at);
    else if (keyword == "maximum")
      require(!applies || v <= rule, keyword, at);
    else if (keyword == "multipleOf")
      require(!applies || std::fmod(v.get<double>(), rule.get<double>()) == 0, keyword, at);
    else
      return false;
    return true;
  }

  bool text(const std::string& keyword, const json& rule, const json& v, const std::string& at) {
    const bool applies = v.is_string();
    if (keyword == "pattern")
      require(!applies || std::regex_search(v.get_ref<const std::string&>(), compiled(rule)),
              keyword, at);
    else if (keyword == "maxLength")
      require(!applies || length(v) <= rule.get<std::size_t>(), keyword, at);
    else
      return false;
    return true;
  }

  bool array(const std::string& keyword, const json& rule, const json& v, const std::string& at) {
    const bool applies = v.is_array();
    if (keyword == "items") {
      if (applies)
        for (std::size_t i = 0; i < v.size(); ++i) check(rule, v[i], at + "/" + std::to_string(i));
    } else if (keyword == "minItems") {
      require(!applies || v.size() >= rule.get<std::size_t>(), keyword, at);
    } else if (keyword == "maxItems") {
      require(!applies || v.size() <= rule.get<std::size_t>(), keyword, at);
    } else if (keyword == "uniqueItems") {
      require(
          !applies || !rule.get<bool>() || std::set<json>(v.begin(), v.end()).size() == v.size(),
          keyword, at);
    } else {
      return false;
    }
    return true;
  }

  bool object(const json& schema, const std::string& keyword, const json& rule, const json& v,
              const std::string& at) {
    if (keyword == "properties") {
      if (v.is_object())
        for (const auto& [name, property] : rule.items())
          if (v.contains(name)) check(property, v[name], at + "/" + name);
    } else if (keyword == "required") {
      for (const std::string name : rule)
        require(!v.is_object() || v.contains(name), keyword + " " + name, at);
    } else if (keyword == "additionalProperties" && rule == false) {
      if (v.is_object())
        for (const auto& member : v.items())
          require(schema.value("properties", json::object()).contains(member.key()), keyword,
                  at + "/" + member.key());
    } else {
      return false;
    }
    return true;
  }
};

}  // namespace

std::vector<std::string> schema_errors(const json& schema, const json& value) {
  Validator validator;
  validator.check(schema, value, "");
  return validator.errors;
}

}  // namespace ptxmill::test
