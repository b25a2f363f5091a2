// Where in a template's C++ source something was written, for diagnostics.
#pragma once

#include <stdexcept>
#include <string>

namespace ptxmill::ptx {

/// A place in the C++ source. As a defaulted parameter, `Where::here()` names the caller's line.
/// (std::source_location needs Clang 16; these builtins do the same from Clang 9 on.)
struct Where {
  const char* file = "";
  int line = 0;

  static constexpr Where here(const char* f = __builtin_FILE(), int l = __builtin_LINE()) {
    return {f, l};
  }
  /// As `layer_norm.cpp:42`, without directories.
  std::string text() const;
};

/// A kernel that may not be generated: what is wrong and the template's line that asked for it.
class BuildError : public std::runtime_error {
 public:
  BuildError(Where where, const std::string& message);
  Where where() const { return where_; }

 private:
  Where where_;
};

}  // namespace ptxmill::ptx
