#pragma once

#include <cstddef>
#include <functional>

namespace ptxmill::reference {

/// Calls `body(row)` for 0 <= row < rows, spread over the machine's cores where `work_per_row` (in
/// multiply-adds) makes that worth while. Rows must be independent; the result does not depend on
/// the spread.
void for_each_row(std::size_t rows, std::size_t work_per_row,
                  const std::function<void(std::size_t)>& body);

}  // namespace ptxmill::reference
