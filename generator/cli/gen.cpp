// gen and check: write the libraries, or say how the directory differs from them.
#include <fstream>
#include <iostream>

#include <fmt/format.h>

#include "generator/cli/load.hpp"
#include "generator/cli/output.hpp"
#include "generator/ptx/where.hpp"

namespace ptxmill::cli {
namespace {

/// Every library's files, before anything is written: one that cannot be generated leaves all
/// alone.
bool generate_all(const std::vector<Library>& libraries, std::vector<Files>& files) {
  for (const Library& library : libraries) {
    try {
      files.push_back(generate(library));
    } catch (const ptx::BuildError& e) {
      std::cerr << "error: " << library.spec_file << ": " << e.what() << "\n";
      return false;
    }
  }
  return true;
}

/// A path as a makefile spells it.
std::string for_make(const std::string& path) {
  std::string s;
  for (const char c : path) {
    if (c == ' ' || c == '#' || c == '\\') s += '\\';
    s += c == '$' ? "$$" : std::string(1, c);
  }
  return s;
}

void write_depfile(const GenOptions& options, const std::vector<Library>& libraries) {
  if (options.depfile.empty()) return;
  std::ofstream out(options.depfile);
  for (const Library& library : libraries) {
    out << for_make(options.output + "/" + library.name + "/manifest.json") << ":";
    for (const std::string& spec : options.specs) out << " " << for_make(spec);
    out << "\n";
  }
}

}  // namespace

int gen(const GenOptions& options) {
  const std::vector<Library> libraries = load(options);
  std::vector<Files> files;
  if (libraries.empty() || !generate_all(libraries, files)) return 2;
  for (std::size_t i = 0; i < libraries.size(); ++i) {
    try {
      const Written w = write(options.output, libraries[i].name, files[i]);
      std::cerr << fmt::format("{}: {} written, {} unchanged, {} removed\n", libraries[i].name,
                               w.written, w.unchanged, w.removed);
    } catch (const std::exception& e) {
      std::cerr << "error: " << libraries[i].name << " is left as it was: " << e.what() << "\n";
      return 3;
    }
  }
  write_depfile(options, libraries);
  return 0;
}

int check(const GenOptions& options) {
  const std::vector<Library> libraries = load(options);
  std::vector<Files> files;
  if (libraries.empty() || !generate_all(libraries, files)) return 2;
  std::string all;
  for (std::size_t i = 0; i < libraries.size(); ++i)
    all += difference(options.output, libraries[i].name, files[i]);
  std::cout << all;
  return all.empty() ? 0 : 1;
}

}  // namespace ptxmill::cli
