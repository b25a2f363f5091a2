// Whether the JSON Schema and the spec reader judge a text alike.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace ptxmill::test {

/// Empty where they agree; else what one says and the other does not. `complaints` are the
/// reader's, a line each. What a schema cannot say is left out: syntax, duplicate keys, names that
/// are taken, combinations of values, and 64.0 where an integer is wanted.
std::string schema_disagreement(const nlohmann::json& schema, const std::string& text,
                                const std::string& complaints);

}  // namespace ptxmill::test
