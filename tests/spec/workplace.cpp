#include "tests/spec/workplace.hpp"

#include <stdlib.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace ptxmill::test {

namespace fs = std::filesystem;

Workplace::Workplace() {
  std::string name = (fs::temp_directory_path() / "ptxmill_test_XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary directory");
  path_ = name;
}

Workplace::~Workplace() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string Workplace::write(const std::string& name, const std::string& text) const {
  fs::create_directories((path_ / name).parent_path());
  std::ofstream(path_ / name, std::ios::binary) << text;
  return (path_ / name).string();
}

std::string Workplace::read(const std::string& name) const {
  std::ifstream file(path_ / name, std::ios::binary);
  if (!file) throw std::runtime_error(name + " is not there");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::map<std::string, std::string> Workplace::files(const std::string& name) const {
  std::map<std::string, std::string> all;
  if (!fs::exists(path_ / name)) return all;
  for (const auto& entry : fs::recursive_directory_iterator(path_ / name))
    if (entry.is_regular_file()) {
      const std::string file = fs::relative(entry.path(), path_).string();
      all[file] = read(file);
    }
  return all;
}

void Workplace::age() const {
  const auto yesterday = fs::file_time_type::clock::now() - std::chrono::hours(24);
  for (const auto& entry : fs::recursive_directory_iterator(path_))
    if (entry.is_regular_file()) fs::last_write_time(entry.path(), yesterday);
}

bool Workplace::is_new(const std::string& name) const {
  return fs::last_write_time(path_ / name) >
         fs::file_time_type::clock::now() - std::chrono::hours(12);
}

std::string spec_text(const std::string& kernels, const std::string& targets) {
  return R"({ "schema_version": 1, "library": "test", "targets": [)" + targets +
         R"(], "kernels": [)" + kernels + "] }\n";
}

}  // namespace ptxmill::test
