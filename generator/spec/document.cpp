#include "generator/spec/document.hpp"

#include <algorithm>
#include <cctype>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace ptxmill::spec {
namespace {

constexpr std::size_t max_bytes = std::size_t{1} << 20;
constexpr std::size_t max_depth = 64;

/// A message of which parts are bytes of the file.
std::string printable(std::string_view text) {
  std::string s;
  for (const char c : text)
    s += c >= 32 && c < 127 ? std::string(1, c)
                            : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  return s;
}

/// Builds Nodes from nlohmann's events. The events come without positions; but they come in the
/// order of the text, so a cursor that skips white space, commas and colons stands at the token
/// that an event is about.
class Builder : public nlohmann::json_sax<nlohmann::json> {
 public:
  Builder(std::string_view text, Problems& problems) : text_(text), problems_(problems) {}

  bool null() override { return put(scalar(Node::Kind::null)); }
  bool boolean(bool v) override {
    Node n = scalar(Node::Kind::boolean);
    n.boolean = v;
    return put(std::move(n));
  }
  bool number_integer(number_integer_t v) override {
    Node n = scalar(Node::Kind::integer);
    n.integer = v;
    n.real = static_cast<double>(v);
    return put(std::move(n));
  }
  bool number_unsigned(number_unsigned_t v) override {
    Node n = scalar(Node::Kind::integer);
    n.huge = v > static_cast<number_unsigned_t>(INT64_MAX);
    n.integer = n.huge ? 0 : static_cast<std::int64_t>(v);
    n.real = static_cast<double>(v);
    return put(std::move(n));
  }
  bool number_float(number_float_t v, const string_t& spelled) override {
    const bool whole = spelled.find_first_of(".eE") == spelled.npos;
    Node n = scalar(whole ? Node::Kind::integer : Node::Kind::real);
    n.huge = whole;
    n.real = v;
    return put(std::move(n));
  }
  bool string(string_t& v) override {
    Node n = scalar(Node::Kind::string);
    n.string = v;
    return put(std::move(n));
  }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(Node::Kind::object); }
  bool start_array(std::size_t) override { return open(Node::Kind::array); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& v) override {
    const Position at = token();
    Node& object = stack_.back();
    object.members.push_back({v, at, {}});
    if (!keys_.back().insert(v).second) problems_.add(at, pointer(), "this key stands twice");
    return true;
  }
  bool parse_error(std::size_t byte, const std::string& token,
                   const nlohmann::detail::exception& e) override {
    std::string what = e.what();
    // nlohmann's text ends in what was wrong; what stands before it repeats position and id.
    if (const auto colon = what.find("syntax error"); colon != what.npos)
      what = what.substr(colon);
    else if (const auto id = what.find("] "); id != what.npos)
      what = what.substr(id + 2);
    // `byte` counts what was read, up to the character that is wrong; a whole string or number that
    // is out of place is named by its start.
    std::size_t read = byte == 0 ? 0 : byte - 1;
    for (const char* unexpected :
         {"unexpected string literal", "unexpected number literal", "number overflow"})
      if (what.find(unexpected) != what.npos && token.size() <= byte) read = byte - token.size();
    problems_.add(position(read), "", printable(what));
    return false;
  }

  Node take() { return std::move(root_); }

 private:
  Position position(std::size_t offset) const {
    Position p;
    for (std::size_t i = 0; i < std::min(offset, text_.size()); ++i) {
      if (text_[i] == '\n') {
        ++p.line;
        p.column = 1;
      } else {
        ++p.column;
      }
    }
    return p;
  }

  /// Position of the next token; the cursor moves past it.
  Position token() {
    while (cursor_ < text_.size() &&
           std::string_view(" \t\r\n,:").find(text_[cursor_]) != std::string_view::npos)
      ++cursor_;
    // Continue counting from the last token instead of from the start of the text.
    for (; counted_ < cursor_; ++counted_) {
      if (text_[counted_] == '\n') {
        ++at_.line;
        at_.column = 1;
      } else {
        ++at_.column;
      }
    }
    const Position start = at_;
    const char c = cursor_ < text_.size() ? text_[cursor_] : '\0';
    if (c == '"') {
      for (++cursor_; cursor_ < text_.size() && text_[cursor_] != '"'; ++cursor_)
        if (text_[cursor_] == '\\') ++cursor_;
      ++cursor_;
    } else if (std::string_view("{}[]").find(c) != std::string_view::npos) {
      ++cursor_;
    } else {
      while (cursor_ < text_.size() &&
             (std::isalnum(static_cast<unsigned char>(text_[cursor_])) != 0 ||
              std::string_view("+-.").find(text_[cursor_]) != std::string_view::npos))
        ++cursor_;
    }
    return start;
  }

  Node scalar(Node::Kind kind) {
    Node n;
    n.kind = kind;
    n.at = token();
    return n;
  }

  bool open(Node::Kind kind) {
    Node n = scalar(kind);
    if (stack_.size() >= max_depth) {
      problems_.add(n.at, pointer(), fmt::format("nested deeper than {} levels", max_depth));
      return false;
    }
    stack_.push_back(std::move(n));
    keys_.emplace_back();
    return true;
  }

  bool close() {
    token();
    Node n = std::move(stack_.back());
    stack_.pop_back();
    keys_.pop_back();
    return put(std::move(n));
  }

  bool put(Node n) {
    if (stack_.empty())
      root_ = std::move(n);
    else if (stack_.back().kind == Node::Kind::array)
      stack_.back().items.push_back(std::move(n));
    else
      stack_.back().members.back().value = std::move(n);
    return true;
  }

  /// Of the value that is being read.
  std::string pointer() const {
    std::string p;
    for (const Node& n : stack_)
      p += "/" + (n.kind == Node::Kind::array ? std::to_string(n.items.size())
                                              : pointer_token(n.members.back().key));
    return p;
  }

  std::string_view text_;
  Problems& problems_;
  std::size_t cursor_ = 0, counted_ = 0;
  Position at_;
  std::vector<Node> stack_;
  std::vector<std::set<std::string>> keys_;  ///< of the objects in stack_
  Node root_;
};

}  // namespace

const Node* Node::find(std::string_view key) const {
  for (const Member& m : members)
    if (m.key == key) return &m.value;
  return nullptr;
}

std::string Node::describe() const {
  switch (kind) {
    case Kind::null: return "null";
    case Kind::boolean: return boolean ? "true" : "false";
    case Kind::integer: return huge ? "an integer beyond 64 bits" : std::to_string(integer);
    case Kind::real: {
      // 64.0 is not 64: it must not read as an integer.
      const std::string text = fmt::format("{}", real);
      return text.find_first_of(".e") == text.npos ? text + ".0" : text;
    }
    case Kind::string: return json_text(string);
    case Kind::array:
      return items.empty() ? "an empty array" : fmt::format("an array of {}", items.size());
    case Kind::object: return "an object";
  }
  return {};
}

void Problems::add(Position at, const std::string& pointer, const std::string& message) {
  problems_.push_back({at, fmt::format("{}:{}:{}: error: {}{}{}\n", file_, at.line, at.column,
                                       pointer, pointer.empty() ? "" : ": ", message)});
}

std::string Problems::text() const {
  std::vector<Problem> sorted = problems_;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Problem& a, const Problem& b) { return a.at < b.at; });
  std::string s;
  for (const Problem& p : sorted) s += p.line;
  return s;
}

Node parse(std::string_view text, Problems& problems) {
  if (text.size() > max_bytes) {
    problems.add({}, "",
                 fmt::format("the file has {} bytes; at most {} are read", text.size(), max_bytes));
    return {};
  }
  if (text.starts_with("\xef\xbb\xbf")) {
    problems.add({}, "", "the file starts with a byte order mark, which JSON does not have");
    return {};
  }
  Builder builder(text, problems);
  nlohmann::json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}

std::string json_text(std::string_view text) {
  constexpr std::size_t most = 60;
  std::size_t end = std::min(text.size(), most);
  // Not in the middle of a character.
  while (end > 0 && end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80)
    --end;
  const std::string shown(text.substr(0, end));
  const std::string quotes =
      nlohmann::json(shown).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  return end == text.size() ? quotes : quotes + "...";
}

std::string pointer_token(std::string_view key) {
  std::string shown = json_text(key);
  const auto close = shown.rfind('"');
  shown = shown.substr(1, close - 1) + shown.substr(close + 1);
  std::string s;
  for (const char c : shown) s += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  return s;
}

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t best_distance = word.size() / 3 + 2;
  for (const std::string& candidate : candidates) {
    std::vector<std::size_t> row(candidate.size() + 1);
    for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= word.size(); ++i) {
      std::size_t diagonal = row[0];
      row[0] = i;
      for (std::size_t j = 1; j < row.size(); ++j) {
        const std::size_t above = row[j];
        row[j] = std::min(
            {above + 1, row[j - 1] + 1, diagonal + (word[i - 1] == candidate[j - 1] ? 0 : 1)});
        diagonal = above;
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

}  // namespace ptxmill::spec
