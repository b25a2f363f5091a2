// A unified diff of two texts, for `ptxmill check`.
#pragma once

#include <string>
#include <string_view>

namespace ptxmill::cli {

/// The differences in the form of diff -u, with three lines of context (E. W. Myers, "An O(ND)
/// Difference Algorithm and Its Variations", 1986). Empty where the texts are equal.
std::string unified_diff(const std::string& name, std::string_view old_text,
                         std::string_view new_text);

}  // namespace ptxmill::cli
