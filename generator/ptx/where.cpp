#include "generator/ptx/where.hpp"

#include <string_view>

namespace ptxmill::ptx {

std::string Where::text() const {
  std::string_view path(file);
  if (const auto slash = path.rfind('/'); slash != std::string_view::npos)
    path.remove_prefix(slash + 1);
  return std::string(path) + ":" + std::to_string(line);
}

BuildError::BuildError(Where where, const std::string& message)
    : std::runtime_error(where.text() + ": " + message), where_(where) {}

}  // namespace ptxmill::ptx
