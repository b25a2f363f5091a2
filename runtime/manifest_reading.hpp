// Pieces shared by the readers of kernels and of plans. Private to the runtime.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "runtime/json_node.hpp"
#include "runtime/manifest.hpp"

namespace ptxmill::rt {

/// `file` parsed, with duplicate keys and nesting beyond 64 refused.
nlohmann::json parse_strictly(std::string_view text, const std::string& file);

/// An expression, or an integer that stands for itself.
Expression read_expression(const JsonNode& node, const std::vector<std::string>& variables);
std::vector<Expression> read_expressions(const JsonNode& node,
                                         const std::vector<std::string>& variables);
DType read_dtype(const JsonNode& node);
/// `min`, `max` and `multiple_of` of an object, each optional.
Range read_range(const JsonNode& node);
std::map<std::string, DType, std::less<>> read_dtypes(const JsonNode& node);
std::map<std::string, Option, std::less<>> read_options(const JsonNode& node);

PlanInfo read_plan(const JsonNode& node);

}  // namespace ptxmill::rt
