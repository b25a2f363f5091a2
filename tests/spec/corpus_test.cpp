// Specs that must be refused, each with every complaint: bad/<name>.json and beside it
// bad/<name>.expected, a line for each problem as the reader prints it, without the file's name.
// {templates}, {blocks} and {targets} stand for the names that this generator knows; {keys F},
// {doc F.f} and {words F.f} for the keys of a family's entry, a field's description, and its words:
// a template may gain fields without changing the corpus.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

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

std::unique_ptr<spec::Declared> declared(const std::string& family) {
  if (const auto* f = kernels::find_family(family)) return f->make();
  const auto* f = kernels::find_block_family(family);
  REQUIRE_MESSAGE(f != nullptr, family);
  return f->make();
}

/// What {kind subject} stands for.
std::string meaning(const std::string& kind, const std::string& subject) {
  if (kind == "templates") return known(kernels::families());
  if (kind == "blocks") return known(kernels::block_families());
  if (kind == "targets") return ptx::Target::known();
  const std::string family = subject.substr(0, subject.find('.'));
  const std::string name = subject.substr(std::min(family.size() + 1, subject.size()));
  const auto of_family = declared(family);
  if (kind == "keys") {
    std::string all = kernels::find_family(family) != nullptr ? R"("name", "template", "targets")"
                                                              : R"("name", "block")";
    for (const spec::Field* f : of_family->fields()) all += ", \"" + f->name() + "\"";
    return all;
  }
  const auto field = std::find_if(of_family->fields().begin(), of_family->fields().end(),
                                  [&](const spec::Field* f) { return f->name() == name; });
  REQUIRE_MESSAGE(field != of_family->fields().end(), subject);
  if (kind == "doc") return (*field)->doc();
  nlohmann::json schema = (*field)->schema();
  if (schema.contains("items")) schema = schema["items"];
  if (schema.contains("anyOf")) schema = schema["anyOf"][0];
  std::string all;
  for (const std::string word : schema.at("enum"))
    all += (all.empty() ? "\"" : ", \"") + word + "\"";
  return all;
}

std::string expanded(const std::string& text) {
  static const std::regex variable(
      R"(\{(templates|blocks|targets|keys|doc|words) ?([a-z0-9_.]*)\})");
  std::string out;
  auto rest = text.cbegin();
  for (std::sregex_iterator it(text.begin(), text.end(), variable), end; it != end; ++it) {
    out.append(rest, (*it)[0].first);
    out += meaning((*it)[1], (*it)[2]);
    rest = (*it)[0].second;
  }
  return out.append(rest, text.cend());
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
  CHECK(all.size() >= 160);
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

/// The fields, as family.field, that the complaints about a bad spec are about.
std::set<std::string> fields_refused(const std::string& name) {
  static const std::regex place(
      R"lit(error: /(kernels|blocks)/([0-9]+)(?:/([a-z0-9_]+): |: "([a-z0-9_]+)" is missing))lit");
  std::set<std::string> fields;
  const auto spec =
      nlohmann::json::parse(contents(corpus / "bad" / (name + ".json")), nullptr, false);
  const std::string expected = contents(corpus / "bad" / (name + ".expected"));
  for (std::sregex_iterator it(expected.begin(), expected.end(), place), end; it != end; ++it) {
    const std::string list = (*it)[1], field = (*it)[3].str() + (*it)[4].str();
    const auto& entry = spec[list][std::stoul((*it)[2])];
    const auto family = entry.value(list == "kernels" ? "template" : "block", nlohmann::json());
    if (family.is_string()) fields.insert(family.get<std::string>() + "." + field);
  }
  return fields;
}

// A template or field that nobody wrote a bad spec for would go unnoticed.
TEST_CASE("every field of every template and block is refused somewhere") {
  std::set<std::string> refused;
  for (const std::string& name : names(corpus / "bad", ".json"))
    refused.merge(fields_refused(name));
  const auto check = [&](const std::string& family, const spec::Declared& of_family) {
    for (const spec::Field* f : of_family.fields())
      CHECK_MESSAGE(refused.count(family + "." + f->name()) == 1,
                    "no bad spec for " << family << "." << f->name());
  };
  for (const auto& f : kernels::families()) check(f.name, *f.make());
  for (const auto& f : kernels::block_families()) check(f.name, *f.make());
}

TEST_CASE("no two bad specs are the same") {
  std::set<std::string> seen;
  for (const std::string& name : names(corpus / "bad", ".json"))
    CHECK_MESSAGE(seen.insert(contents(corpus / "bad" / (name + ".json"))).second, name);
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
