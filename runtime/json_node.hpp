// Reading JSON strictly: every complaint names the file and the JSON pointer. Private to the
// runtime.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/error.hpp"
#include "runtime/text.hpp"

namespace ptxmill::rt {

/// A value inside a document. It refers to its parent, which must outlive it.
class JsonNode {
 public:
  JsonNode(const nlohmann::json& value, const std::string& file) : value_(value), file_(file) {}

  [[noreturn]] void fail(std::string_view expected) const {
    throw Error(ErrorCode::corrupt, concat(file_, ": ", pointer(), ": ", expected));
  }

  /// Refuses members that are not among `known`.
  void only(std::initializer_list<std::string_view> known) const {
    require_object();
    for (const auto& [key, unused] : value_.items())
      if (std::find(known.begin(), known.end(), key) == known.end())
        fail(concat("the key '", key, "' is unknown"));
  }
  bool has(const char* key) const {
    require_object();
    return value_.contains(key);
  }
  JsonNode member(const char* key) const {
    if (!has(key)) fail(concat("the key '", key, "' is missing"));
    return JsonNode(value_.at(key), *this, key);
  }
  template <class Visit>
  void each_member(Visit visit) const {
    require_object();
    for (const auto& [key, value] : value_.items()) visit(key, JsonNode(value, *this, key));
  }
  template <class Visit>
  void each_element(Visit visit) const {
    if (!value_.is_array()) fail("an array was expected");
    std::size_t index = 0;
    for (const nlohmann::json& value : value_)
      visit(JsonNode(value, *this, std::to_string(index++)));
  }
  std::size_t size() const {
    if (!value_.is_array()) fail("an array was expected");
    return value_.size();
  }
  JsonNode element(std::size_t index) const {
    return JsonNode(value_.at(index), *this, std::to_string(index));
  }

  std::string text() const {
    if (!value_.is_string()) fail("a string was expected");
    return value_.get<std::string>();
  }
  std::string nonempty_text() const {
    std::string result = text();
    if (result.empty()) fail("a string that is not empty was expected");
    return result;
  }
  bool boolean() const {
    if (!value_.is_boolean()) fail("true or false was expected");
    return value_.get<bool>();
  }
  double number() const {
    if (!value_.is_number()) fail("a number was expected");
    return value_.get<double>();
  }
  std::int64_t integer(std::int64_t min,
                       std::int64_t max = std::numeric_limits<std::int64_t>::max()) const {
    const bool fits = value_.is_number_unsigned()
                          ? value_.get<std::uint64_t>() <= std::uint64_t{INT64_MAX}
                          : value_.is_number_integer();
    if (!fits || value_.get<std::int64_t>() < min || value_.get<std::int64_t>() > max)
      fail(concat("an integer from ", min, " to ", max, " was expected"));
    return value_.get<std::int64_t>();
  }
  const nlohmann::json& json() const { return value_; }

 private:
  JsonNode(const nlohmann::json& value, const JsonNode& parent, std::string key)
      : value_(value), file_(parent.file_), parent_(&parent), key_(std::move(key)) {}

  void require_object() const {
    if (!value_.is_object()) fail("an object was expected");
  }
  std::string pointer() const {
    return parent_ == nullptr ? "" : concat(parent_->pointer(), "/", key_);
  }

  const nlohmann::json& value_;
  const std::string& file_;
  const JsonNode* parent_ = nullptr;
  std::string key_;
};

}  // namespace ptxmill::rt
