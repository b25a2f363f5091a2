// Building the text of messages without pulling a formatting library into the runtime.
#pragma once

#include <cstdint>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace ptxmill::rt {

/// The arguments printed one after another.
template <class... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return std::move(out).str();
}

/// The `limit` candidates nearest to `wanted`, nearest first: those within half of its letters by
/// edit distance, and those that contain it or are contained in it.
std::vector<std::string> nearest(std::string_view wanted,
                                 const std::vector<std::string>& candidates, std::size_t limit = 3);

/// "; did you mean 'a' or 'b'?", or nothing where no candidate is near.
std::string did_you_mean(std::string_view wanted, const std::vector<std::string>& candidates);

/// A compute capability or target number as people write it: 90 -> "9.0".
std::string dotted_capability(int capability);
/// A driver version as people write it: 12040 -> "12.4".
std::string dotted_driver(int version);

}  // namespace ptxmill::rt
