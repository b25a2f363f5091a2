// A JSON document that remembers where each value stands, and the list of what is wrong with it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ptxmill::spec {

/// Line and column, both from 1; columns count bytes.
struct Position {
  int line = 1, column = 1;
  friend bool operator<(const Position& a, const Position& b) {
    return a.line != b.line ? a.line < b.line : a.column < b.column;
  }
};

/// A JSON value with its position.
struct Node {
  enum class Kind : std::uint8_t { null, boolean, integer, real, string, array, object };
  struct Member;

  Kind kind = Kind::null;
  Position at;
  bool boolean = false;
  std::int64_t integer = 0;  ///< when `huge` is not set
  bool huge = false;         ///< an integer beyond 64 bits
  double real = 0;           ///< of integer and real
  std::string string;
  std::vector<Node> items;
  std::vector<Member> members;

  /// The member's value, or null.
  const Node* find(std::string_view key) const;
  /// What it is, for messages: "a string", "an array".
  std::string describe() const;
};

struct Node::Member {
  std::string key;
  Position at;  ///< of the key
  Node value;
};

/// Everything wrong with one spec file, reported together, in the order of the text.
class Problems {
 public:
  explicit Problems(std::string file) : file_(std::move(file)) {}
  /// `pointer` is the JSON pointer of the place (RFC 6901), such as /blocks/0/heads.
  void add(Position at, const std::string& pointer, const std::string& message);
  bool empty() const { return problems_.empty(); }
  std::size_t count() const { return problems_.size(); }
  const std::string& file() const { return file_; }
  /// One line each: `file:line:column: error: pointer: message`.
  std::string text() const;

 private:
  struct Problem {
    Position at;
    std::string line;
  };
  std::string file_;
  std::vector<Problem> problems_;
};

/// Reads JSON text strictly: no comments, no duplicate keys, nesting to 64, at most 1 MiB. A
/// syntax error ends the reading and is the only problem reported.
Node parse(std::string_view text, Problems& problems);

/// A text of the file for a message: as a JSON string, in ASCII, shortened where it is long.
std::string json_text(std::string_view text);
/// A key as a part of a JSON pointer, without the slash; what is not printable is escaped as in
/// JSON.
std::string pointer_token(std::string_view key);

/// The candidate that a misspelt `word` most likely means, or empty.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace ptxmill::spec
