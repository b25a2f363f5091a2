// The JSON document: positions, limits, words for messages.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <string>

#include "generator/spec/document.hpp"

namespace ptxmill::test {
namespace {

using spec::Node;
using spec::Position;

Node parsed(const std::string& text) {
  spec::Problems problems("test");
  Node root = spec::parse(text, problems);
  REQUIRE_MESSAGE(problems.empty(), problems.text());
  return root;
}

std::string problems_of(const std::string& text) {
  spec::Problems problems("test");
  spec::parse(text, problems);
  return problems.text();
}

std::string at(Position p) { return std::to_string(p.line) + ":" + std::to_string(p.column); }

TEST_CASE("every value knows where it stands; columns count bytes") {
  const Node root = parsed(
      "{ \"a\" : [ 1,\t-2.5e3 ,\n  \"x\\\"y\" ],\r\n\"\xc3\xa4\": {\"b\":true},\"c\":null }");
  CHECK(at(root.at) == "1:1");
  CHECK(at(root.members[0].at) == "1:3");
  const Node& list = root.members[0].value;
  CHECK(at(list.at) == "1:9");
  CHECK(at(list.items[0].at) == "1:11");
  CHECK(at(list.items[1].at) == "1:14");
  CHECK(at(list.items[2].at) == "2:3");
  CHECK(list.items[2].string == "x\"y");
  CHECK(at(root.members[1].at) == "3:1");
  CHECK(at(root.members[1].value.at) == "3:7");
  CHECK(at(root.members[1].value.members[0].at) == "3:8");
  CHECK(at(root.members[1].value.members[0].value.at) == "3:12");
  CHECK(at(root.members[2].value.at) == "3:22");
}

TEST_CASE("values keep what they are") {
  const Node root =
      parsed(R"([null, true, -7, 9223372036854775807, 18446744073709551615, 1.5, "s", [], {}])");
  CHECK(root.items[0].kind == Node::Kind::null);
  CHECK(root.items[1].boolean);
  CHECK(root.items[2].integer == -7);
  CHECK(root.items[2].real == -7);
  CHECK(root.items[3].integer == INT64_MAX);
  CHECK(root.items[4].kind == Node::Kind::integer);
  CHECK(root.items[4].huge);
  CHECK(root.items[5].kind == Node::Kind::real);
  const char* described[] = {"null",
                             "true",
                             "-7",
                             "9223372036854775807",
                             "an integer beyond 64 bits",
                             "1.5",
                             "\"s\"",
                             "an empty array",
                             "an object"};
  for (std::size_t i = 0; i < std::size(described); ++i)
    CHECK(root.items[i].describe() == described[i]);
  CHECK(parsed("[1, 2]").describe() == "an array of 2");
  CHECK(parsed("64.0").describe() == "64.0");
  CHECK(parsed("1e3").describe() == "1000.0");
  CHECK(parsed("1e300").describe() == "1e+300");
}

TEST_CASE("members are found by key") {
  const Node root = parsed(R"({"a": 1, "b": 2})");
  REQUIRE(root.find("b") != nullptr);
  CHECK(root.find("b")->integer == 2);
  CHECK(root.find("c") == nullptr);
}

// The character that is wrong, or the start of what is out of place.
TEST_CASE("a syntax error ends the reading, where it stands") {
  const auto where = [](const std::string& text) {
    const std::string all = problems_of(text);
    CHECK(std::count(all.begin(), all.end(), '\n') == 1);
    return all.substr(5, all.find(':', 7) - 5);
  };
  CHECK(where("{\n  \"a\": 1\n  \"b\": 2\n}") == "3:3");
  CHECK(where("[1, 2 34]") == "1:7");
  CHECK(where("[1, 2,]") == "1:7");
  CHECK(where("[1,\n2") == "2:2");
  CHECK(where("[\"ab\tc\"]") == "1:5");
  CHECK(where("[1e999]") == "1:2");
  CHECK(where("[] []") == "1:4");
}

TEST_CASE("nesting goes to 64") {
  const auto nested = [](int depth) {
    return std::string(static_cast<std::size_t>(depth), '[') +
           std::string(static_cast<std::size_t>(depth), ']');
  };
  CHECK(problems_of(nested(64)).empty());
  CHECK(problems_of(nested(65)).starts_with("test:1:65: error: /0/0/0"));
  CHECK(problems_of(nested(65)).ends_with(": nested deeper than 64 levels\n"));
  CHECK(problems_of(nested(500000)).find("nested deeper than 64 levels") != std::string::npos);
}

TEST_CASE("files go to 1 MiB") {
  const std::string padded = "{}" + std::string((std::size_t{1} << 20) - 2, ' ');
  CHECK(problems_of(padded).empty());
  CHECK(problems_of(padded + " ") ==
        "test:1:1: error: the file has 1048577 bytes; at most 1048576 are read\n");
}

TEST_CASE("problems come in the order of the text") {
  spec::Problems problems("f");
  problems.add({3, 1}, "/c", "third");
  problems.add({1, 9}, "", "second");
  problems.add({1, 2}, "/a", "first");
  problems.add({3, 1}, "/d", "fourth");
  CHECK(problems.text() ==
        "f:1:2: error: /a: first\nf:1:9: error: second\nf:3:1: error: /c: third\nf:3:1: error: /d: "
        "fourth\n");
  CHECK(problems.count() == 4);
}

TEST_CASE("texts of the file are shown as printable ASCII, and not at length") {
  CHECK(spec::json_text("plain") == "\"plain\"");
  CHECK(spec::json_text("a\"b\n\x1b") == "\"a\\\"b\\n\\u001b\"");
  CHECK(spec::json_text("\xc3\xa4") == "\"\\u00e4\"");
  CHECK(spec::json_text(std::string(61, 'x')) == "\"" + std::string(60, 'x') + "\"...");
  // A character is not cut in two.
  CHECK(spec::json_text(std::string(59, 'x') + "\xc3\xa4") ==
        "\"" + std::string(59, 'x') + "\"...");
  CHECK(spec::pointer_token("a/b~c") == "a~1b~0c");
  CHECK(spec::pointer_token("two\nlines") == "two\\nlines");
}

TEST_CASE("a misspelt word has a nearest one") {
  const std::vector<std::string> words{"d_model", "heads", "ffn_dim"};
  CHECK(spec::nearest("d_modle", words) == "d_model");
  CHECK(spec::nearest("head", words) == "heads");
  CHECK(spec::nearest("FFN_DIM", words).empty());
  CHECK(spec::nearest("", words).empty());
  CHECK(spec::nearest("something", {}).empty());
}

// A hostile file of a million bytes is refused in the time that an honest one takes.
TEST_CASE("many keys take linear time") {
  std::string text = "{";
  for (int i = 0; i < 90000; ++i) text += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":0";
  text += "}";
  REQUIRE(text.size() <= std::size_t{1} << 20);
  const auto start = std::chrono::steady_clock::now();
  CHECK(parsed(text).members.size() == 90000);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));
}

}  // namespace
}  // namespace ptxmill::test
