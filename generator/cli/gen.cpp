// gen and check: write the libraries, or say how the directory differs from them.
#include <iostream>

#include <fmt/format.h>

#include "generator/cli/build_step.hpp"
#include "generator/cli/commit.hpp"
#include "generator/cli/load.hpp"
#include "generator/cli/output.hpp"
#include "generator/cli/terminal.hpp"
#include "generator/ptx/where.hpp"

namespace ptxmill::cli {
namespace {

/// Every library's files, before anything is written: one that cannot be generated leaves all
/// alone.
bool generate_all(const std::vector<Library>& libraries, int jobs, std::vector<Files>& files) {
  for (const Library& library : libraries) {
    try {
      Progress progress(library.name);
      files.push_back(generate(
          library, {.jobs = jobs, .progress = [&](auto done, auto all) { progress(done, all); }}));
    } catch (const ptx::BuildError& e) {
      say_error(library.spec_file + ": " + e.what());
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

/// What the libraries were made from, for make and ninja.
std::string dependencies(const GenOptions& options, const std::vector<Library>& libraries) {
  std::vector<std::string> outputs;
  if (!options.depfile_target.empty())
    outputs.push_back(options.depfile_target);
  else if (!options.stamp.empty())
    outputs.push_back(options.stamp);
  else
    for (const Library& library : libraries)
      outputs.push_back(options.output + "/" + library.name + "/manifest.json");
  std::string text;
  for (const std::string& output : outputs) {
    text += for_make(output) + ":";
    for (const auto* inputs : {&options.specs, &options.tuning})
      for (const std::string& input : *inputs) text += " " + for_make(input);
    text += "\n";
  }
  return text;
}

bool write_library(const GenOptions& options, const Library& library, const Files& files) {
  try {
    const Written w = write(options.output, library.name, files);
    for (const std::string& warning : w.warnings) say_warning(warning);
    std::cerr << fmt::format("{}: {} written, {} unchanged, {} removed\n", library.name, w.written,
                             w.unchanged, w.removed);
    return true;
  } catch (const HalfWritten& e) {
    say_error(
        fmt::format("{} is half written, and gen must run again: {}", library.name, e.what()));
  } catch (const std::exception& e) {
    say_error(fmt::format("{} is left as it was: {}", library.name, e.what()));
  }
  return false;
}

}  // namespace

int gen(const GenOptions& options) {
  const std::vector<Library> libraries = load(options);
  std::vector<Files> files;
  if (libraries.empty() || !suits_build_step(options, libraries) ||
      !generate_all(libraries, options.jobs, files))
    return exit_usage;
  for (std::size_t i = 0; i < libraries.size(); ++i)
    if (!write_library(options, libraries[i], files[i])) return exit_environment;
  try {
    if (!options.depfile.empty()) replace_file(options.depfile, dependencies(options, libraries));
    finish_build_step(options, libraries, files);
  } catch (const std::exception& e) {
    say_error(e.what());
    return exit_environment;
  }
  return exit_ok;
}

int check(const GenOptions& options) {
  const std::vector<Library> libraries = load(options);
  std::vector<Files> files;
  if (libraries.empty() || !generate_all(libraries, options.jobs, files)) return exit_usage;
  bool differs = false;
  for (std::size_t i = 0; i < libraries.size(); ++i) {
    const std::string difference_here = difference(options.output, libraries[i].name, files[i]);
    differs = differs || !difference_here.empty();
    std::cout << colored_diff(difference_here);
  }
  return differs ? exit_differs : exit_ok;
}

}  // namespace ptxmill::cli
