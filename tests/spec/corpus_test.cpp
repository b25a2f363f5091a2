// Specs that must be refused, each with every complaint: bad/<name>.json and beside it
// bad/<name>.expected, a line for each problem as the reader prints it, without the file's name.
// {templates}, {blocks} and {targets} stand for the names that this generator knows.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "generator/cli/spec_file.hpp"

namespace ptxmill::test {
namespace {

namespace fs = std::filesystem;

const fs::path corpus = "tests/spec";

std::string contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE_MESSAGE(file.good(), path.string()
                                   << " cannot be read; tests run in the source tree's root");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> names(const fs::path& directory, const std::string& extension) {
  std::vector<std::string> all;
  for (const auto& entry : fs::directory_iterator(directory))
    if (entry.path().extension() == extension) all.push_back(entry.path().stem().string());
  std::sort(all.begin(), all.end());
  return all;
}

template <class Families>
std::string known(const Families& families) {
  std::string all;
  for (const auto& f : families) all += (all.empty() ? "" : ", ") + f.name;
  return all;
}

std::string expanded(std::string text) {
  const std::pair<std::string, std::string> words[] = {
      {"{templates}", known(kernels::families())},
      {"{blocks}", known(kernels::block_families())},
      {"{targets}", ptx::Target::known()}};
  for (const auto& [word, meaning] : words)
    for (auto at = text.find(word); at != text.npos; at = text.find(word, at + meaning.size()))
      text.replace(at, word.size(), meaning);
  return text;
}

/// The problems of a text, without the file's name before each.
std::string complaints(const std::string& text) {
  spec::Problems problems("FILE");
  const auto library = cli::read_spec(text, {}, problems);
  CHECK(library.has_value() == problems.empty());
  std::istringstream lines(problems.text());
  std::string all;
  for (std::string line; std::getline(lines, line);) {
    CHECK_MESSAGE(line.starts_with("FILE:"), line);
    all += line.substr(5) + "\n";
  }
  return all;
}

TEST_CASE("bad specs are refused with every problem, where it stands") {
  const auto all = names(corpus / "bad", ".json");
  CHECK(all.size() >= 60);
  CHECK(all == names(corpus / "bad", ".expected"));
  for (const std::string& name : all) {
    const std::string got = complaints(contents(corpus / "bad" / (name + ".json")));
    const std::string expected = expanded(contents(corpus / "bad" / (name + ".expected")));
    CHECK_MESSAGE(!got.empty(), name << ".json is accepted");
    CHECK_MESSAGE(got == expected, name << ".json\n--- got\n"
                                        << got << "--- expected\n"
                                        << expected);
    for (const char c : got)
      CHECK_MESSAGE((c == '\n' || (c >= 32 && c < 127)),
                    name << ": a complaint is not printable ASCII");
  }
}

TEST_CASE("good specs are accepted") {
  const auto all = names(corpus / "good", ".json");
  CHECK(!all.empty());
  for (const std::string& name : all) {
    const std::string got = complaints(contents(corpus / "good" / (name + ".json")));
    CHECK_MESSAGE(got.empty(), name << ".json\n" << got);
  }
}

TEST_CASE("shipped specs are accepted") {
  for (const std::string& name : names("specs", ".json")) {
    const std::string got = complaints(contents(fs::path("specs") / (name + ".json")));
    CHECK_MESSAGE(got.empty(), name << ".json\n" << got);
  }
}

// The file's name, with its directory, stands before each problem.
TEST_CASE("problems name the file") {
  spec::Problems problems("specs/mine.json");
  CHECK_FALSE(cli::read_spec("[]", {}, problems));
  CHECK(problems.text() == "specs/mine.json:1:1: error: expected an object, got an empty array\n");
}

// Whatever is cut off or overwritten in a spec, the reader accepts it or says why not.
TEST_CASE("damaged specs are refused in words") {
  const std::string whole = contents(corpus / "good" / "every_field.json");
  for (std::size_t length = 0; length + 2 < whole.size(); ++length)
    CHECK_MESSAGE(!complaints(whole.substr(0, length)).empty(), "cut at " << length);
  for (std::size_t at = 0; at < whole.size(); ++at)
    for (const char c : {'"', '{', '\0', '9', '\xff'}) {
      std::string damaged = whole;
      damaged[at] = c;
      complaints(damaged);
    }
}

}  // namespace
}  // namespace ptxmill::test
