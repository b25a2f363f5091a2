// A temporary directory to generate into, and what tests ask of it.
#pragma once

#include <filesystem>
#include <map>
#include <string>

namespace ptxmill::test {

/// A directory of its own, removed at the end.
class Workplace {
 public:
  Workplace();
  ~Workplace();
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;

  const std::filesystem::path& path() const { return path_; }
  /// Writes a file below the directory; returns its path.
  std::string write(const std::string& name, const std::string& text) const;
  std::string read(const std::string& name) const;
  /// Every file below `name` with its bytes, directories excepted.
  std::map<std::string, std::string> files(const std::string& name) const;
  /// Makes every file look a day old, so that a rewritten one shows.
  void age() const;
  /// Whether the file was rewritten since age().
  bool is_new(const std::string& name) const;

 private:
  std::filesystem::path path_;
};

/// A spec of the library `test` with these kernel entries.
std::string spec_text(const std::string& kernels, const std::string& targets = R"("sm_80")");

/// Kernel entries of the elementwise template.
inline const std::string add_entry =
    R"({ "name": "add", "template": "elementwise", "dtype": "f32", "ops": ["add"] })";
inline const std::string scale_entry =
    R"({ "name": "scale", "template": "elementwise", "dtype": "f32", "ops": ["scale"], "cols": 96 })";

}  // namespace ptxmill::test
