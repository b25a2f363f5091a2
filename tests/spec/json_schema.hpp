// Checks a JSON value against a JSON Schema (draft-07), within the keywords that `ptxmill schema`
// uses. Independent of the generator, so that tests can hold the two against each other.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace ptxmill::test {

/// JSON pointers of what does not fit, each with the keyword that it fails. Throws
/// std::runtime_error at a keyword that it does not know.
std::vector<std::string> schema_errors(const nlohmann::json& schema, const nlohmann::json& value);

}  // namespace ptxmill::test
