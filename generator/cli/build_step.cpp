#include "generator/cli/build_step.hpp"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string_view>

#include <fmt/format.h>

#include "generator/cli/commit.hpp"
#include "generator/cli/terminal.hpp"
#include "generator/cli/version.hpp"

namespace ptxmill::cli {
namespace {

namespace fs = std::filesystem;

/// C++20's keywords, each between spaces.
constexpr std::string_view keywords =
    " "
    "alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t "
    "char32_t class co_await co_return co_yield compl concept const const_cast consteval "
    "constexpr constinit continue decltype default delete do double dynamic_cast else enum "
    "explicit export extern false float for friend goto if inline int long mutable namespace new "
    "noexcept not not_eq nullptr operator or or_eq private protected public register "
    "reinterpret_cast requires return short signed sizeof static static_assert static_cast struct "
    "switch template this thread_local throw true try typedef typeid typename union unsigned "
    "using virtual void volatile wchar_t while xor xor_eq ";

bool is_keyword(const std::string& name) {
  return keywords.find(" " + name + " ") != keywords.npos;
}

bool is_identifier(std::string_view name) {
  return !name.empty() && std::isdigit(static_cast<unsigned char>(name[0])) == 0 &&
         std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return c < 128 && (std::isalnum(c) != 0 || c == '_'); });
}

/// The text as a raw string literal. Raw strings keep every byte, and compilers read megabytes of
/// them in an instant, which they do not with lists of numbers.
std::string literal(const std::string& text) {
  std::string delimiter = "ptx";
  while (text.find(")" + delimiter + "\"") != text.npos) delimiter += '_';
  return fmt::format("R\"{0}({1}){0}\"", delimiter, text);
}

/// A library's variable, and before it the files. They are arrays of characters and not string
/// views of literals, whose lengths compilers would count one character at a time.
std::string definition(const std::string& library, const Files& files) {
  const std::string manifest = library + "/manifest.json";
  std::string arrays, list;
  int count = 0;
  for (const auto& [path, bytes] : files) {
    if (path == manifest) continue;
    const std::string array = fmt::format("file{}", count++);
    arrays += fmt::format("constexpr char {}[] = {};\n\n", array, literal(bytes));
    list += fmt::format("    {{\"{0}\", {{{1}, sizeof {1} - 1}}}},\n",
                        path.substr(library.size() + 1), array);
  }
  const std::string variable = cpp_name(library);
  if (count > 0)
    arrays += fmt::format("constexpr ::ptxmill::rt::EmbeddedFile files[] = {{\n{}}};\n\n", list);
  return fmt::format(
      "namespace {{\nnamespace of_{0} {{\n\n{1}constexpr char manifest[] = {2};\n\n"
      "}}  // namespace of_{0}\n}}  // namespace\n\n"
      "constinit const ::ptxmill::rt::Embedded {0}{{\n"
      "    {{of_{0}::manifest, sizeof of_{0}::manifest - 1}}, {3}}};\n\n",
      variable, arrays, literal(files.at(manifest)),
      count > 0 ? fmt::format("of_{}::files", variable) : "{}");
}

bool has_expected_names(const GenOptions& options, const std::vector<Library>& libraries) {
  if (options.expected.empty()) return true;
  if (options.expected.size() != libraries.size()) {
    say_error(fmt::format("--library was given {} times for {} specs", options.expected.size(),
                          libraries.size()));
    return false;
  }
  bool ok = true;
  for (std::size_t i = 0; i < libraries.size(); ++i)
    if (libraries[i].name != options.expected[i]) {
      say_error(fmt::format(
          "{}: the library is \"{}\", and the build expects \"{}\"; run cmake again where the "
          "spec renamed it",
          options.specs[i], libraries[i].name, options.expected[i]));
      ok = false;
    }
  return ok;
}

bool has_cpp_names(const fs::path& path, const std::vector<Library>& libraries) {
  if (path.extension() != ".cpp" || !is_identifier(path.stem().string()) ||
      is_keyword(path.stem().string())) {
    say_error(fmt::format("--embed {}: expected a file NAME.cpp; NAME will be a C++ namespace",
                          path.string()));
    return false;
  }
  std::map<std::string, std::string> owners;
  for (const Library& library : libraries) {
    const auto [owner, added] = owners.emplace(cpp_name(library.name), library.name);
    if (!added) {
      say_error(fmt::format("--embed: the libraries \"{}\" and \"{}\" would both be {}",
                            owner->second, library.name, owner->first));
      return false;
    }
  }
  return true;
}

void update(const fs::path& path, const std::string& bytes) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream present;
  if (in) present << in.rdbuf();
  if (in && present.str() == bytes) return;
  fs::create_directories(fs::absolute(path).parent_path());
  replace_file(path, bytes);
}

}  // namespace

std::string cpp_name(const std::string& library) {
  std::string name = library;
  std::replace(name.begin(), name.end(), '-', '_');
  return is_keyword(name) ? name + "_" : name;
}

EmbeddedSource embed(const std::string& name, const std::vector<Library>& libraries,
                     const std::vector<Files>& files) {
  const std::string banner = "// Generated by ptxmill; do not edit.\n";
  const std::string open = fmt::format("namespace {} {{\n\n", name);
  const std::string close = fmt::format("}}  // namespace {}\n", name);
  EmbeddedSource out;
  out.header = banner + "#pragma once\n\n#include \"runtime/library.hpp\"\n\n" + open;
  out.source = fmt::format("{}#include \"{}.hpp\"\n\n", banner, name);
  out.source +=
      "// Longer than the 65536 characters that the standard asks of compilers; they take more.\n"
      "#pragma GCC diagnostic ignored \"-Woverlength-strings\"\n\n" +
      open;
  for (std::size_t i = 0; i < libraries.size(); ++i) {
    out.header += fmt::format(
        "/// The library \"{0}\": rt::KernelLibrary::open(device, {1}::{2}).\n"
        "extern const ::ptxmill::rt::Embedded {2};\n\n",
        libraries[i].name, name, cpp_name(libraries[i].name));
    out.source += definition(libraries[i].name, files[i]);
  }
  out.header += close;
  out.source += close;
  return out;
}

bool suits_build_step(const GenOptions& options, const std::vector<Library>& libraries) {
  return has_expected_names(options, libraries) &&
         (options.embed.empty() || has_cpp_names(options.embed, libraries));
}

void finish_build_step(const GenOptions& options, const std::vector<Library>& libraries,
                       const std::vector<Files>& files) {
  if (!options.embed.empty()) {
    fs::path path = options.embed;
    const EmbeddedSource text = embed(path.stem().string(), libraries, files);
    update(path, text.source);
    update(path.replace_extension(".hpp"), text.header);
  }
  if (!options.stamp.empty()) replace_file(options.stamp, fmt::format("ptxmill {}\n", version));
}

}  // namespace ptxmill::cli
