#include "emulator/syntax/lexer.hpp"
#include "emulator/text.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <limits>
#include <string>

namespace ptxmill::emu {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_word(char c) { return is_digit(c) || is_letter(c) || c == '_' || c == '$'; }

int digit_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 99;
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  TokenStream run() {
    for (;;) {
      skip_blanks();
      if (at_ >= text_.size()) break;
      out_.tokens.push_back(token());
    }
    Token end;
    end.at = place();
    end.banners = static_cast<std::uint32_t>(out_.banners.size());
    end.notes = static_cast<std::uint32_t>(out_.notes.size());
    out_.tokens.push_back(end);
    return std::move(out_);
  }

 private:
  char peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  Position place() const { return {line_, static_cast<int>(at_ - line_start_) + 1}; }
  [[noreturn]] void fail(Position at, std::string message) const {
    throw SyntaxError{at, std::move(message)};
  }

  void advance() {
    if (text_[at_] == '\n') {
      ++line_;
      line_start_ = at_ + 1;
    }
    ++at_;
  }

  void skip_blanks() {
    while (at_ < text_.size()) {
      const char c = peek();
      if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v') {
        advance();
      } else if (c == '/' && peek(1) == '/') {
        line_comment();
      } else if (c == '/' && peek(1) == '*') {
        block_comment();
      } else if (c == '\0' && text_.find_first_not_of('\0', at_) == std::string_view::npos) {
        at_ = text_.size();  // the terminating zeros that a driver's caller may count in
      } else if (c == '#' && place().column == 1) {
        while (at_ < text_.size() && peek() != '\n') advance();  // a C preprocessor's line marker
      } else {
        return;
      }
    }
  }

  void line_comment() {
    const Position place_of_comment = place();
    const std::size_t start = at_;
    while (at_ < text_.size() && peek() != '\n') advance();
    std::string_view body = text_.substr(start, at_ - start);
    constexpr std::string_view mark = "// ---- ", note = "//@ uniform ";
    if (body.substr(0, note.size()) == note)
      return uniform_note(place_of_comment, body.substr(note.size()));
    if (body.substr(0, mark.size()) != mark) return;
    body.remove_prefix(mark.size());
    const std::size_t last = body.find_last_not_of(" -\t\r");
    if (last != std::string_view::npos) out_.banners.push_back(body.substr(0, last + 1));
  }

  void uniform_note(Position at, std::string_view words) {
    const auto word = [&] {
      words.remove_prefix(std::min(words.find_first_not_of(" \t\r"), words.size()));
      const std::string_view first = words.substr(0, words.find_first_of(" \t\r"));
      words.remove_prefix(first.size());
      return first;
    };
    const std::string_view level = word();
    out_.notes.push_back({at, level, word()});
  }

  void block_comment() {
    const Position start = place();
    advance();
    advance();
    while (at_ < text_.size() && !(peek() == '*' && peek(1) == '/')) advance();
    if (at_ >= text_.size()) fail(start, "Unterminated comment");
    advance();
    advance();
  }

  Token token() {
    Token t;
    t.at = place();
    t.banners = static_cast<std::uint32_t>(out_.banners.size());
    t.notes = static_cast<std::uint32_t>(out_.notes.size());
    const std::size_t start = at_;
    const char c = peek();
    if (is_digit(c)) {
      number(t);
    } else if (is_word(c) || (c == '%' && is_word(peek(1)) && !is_digit(peek(1)))) {
      t.kind = TokenKind::identifier;
      ++at_;
      while (is_word(peek())) ++at_;
    } else if (c == '.' && is_word(peek(1))) {
      t.kind = TokenKind::dot_word;
      ++at_;
      while (is_word(peek()) || (peek() == ':' && peek(1) == ':' && is_word(peek(2)))) {
        at_ += peek() == ':' ? 2 : 1;
      }
    } else if (c == '"') {
      string(t);
    } else {
      punctuation(t);
    }
    t.text = text_.substr(start, at_ - start);
    return t;
  }

  void string(Token& t) {
    t.kind = TokenKind::string;
    ++at_;
    while (peek() != '"') {
      if (at_ >= text_.size() || peek() == '\n') fail(t.at, "Unterminated string");
      if (peek() == '\\' && at_ + 1 < text_.size() && peek(1) != '\n') ++at_;
      ++at_;
    }
    ++at_;
  }

  void punctuation(Token& t) {
    t.kind = TokenKind::punctuation;
    const char c = peek();
    const char next = peek(1);
    const bool doubled =
        (c == next && (c == '<' || c == '>' || c == '=' || c == '&' || c == '|')) ||
        (next == '=' && (c == '<' || c == '>' || c == '!'));
    constexpr std::string_view known = "()[]{}<>,;:+-*/%!~&|^=@?.";
    if (known.find(c) == std::string_view::npos || c == '\0') {
      fail(t.at, text("Parsing error: unexpected character (code ",
                      static_cast<unsigned>(static_cast<unsigned char>(c)), ")"));
    }
    at_ += doubled ? 2 : 1;
  }

  void number(Token& t) {
    const char second = peek(1);
    if (peek() == '0' && (second == 'f' || second == 'F')) return pattern(t, TokenKind::real32, 8);
    if (peek() == '0' && (second == 'd' || second == 'D')) return pattern(t, TokenKind::real64, 16);
    if (peek() == '0' && (second == 'x' || second == 'X')) return integer(t, 2, 16);
    if (peek() == '0' && (second == 'b' || second == 'B')) return integer(t, 2, 2);
    std::size_t n = 0;
    while (is_digit(peek(n))) ++n;
    const bool fraction = peek(n) == '.' && is_digit(peek(n + 1));
    const bool point = peek(n) == '.' && !is_word(peek(n + 1));
    if (fraction || point || peek(n) == 'e' || peek(n) == 'E') return decimal(t, n);
    integer(t, 0, peek() == '0' && n > 1 ? 8 : 10);
  }

  void pattern(Token& t, TokenKind kind, int digits) {
    t.kind = kind;
    at_ += 2;
    int n = 0;
    for (; digit_value(peek()) < 16; ++at_, ++n) {
      t.bits = t.bits << 4 | static_cast<std::uint64_t>(digit_value(peek()));
    }
    if (n != digits || is_word(peek())) {
      fail(t.at, text("Hexadecimal floating point literal must have ", digits, " digits"));
    }
  }

  void integer(Token& t, int prefix, int base) {
    t.kind = TokenKind::integer;
    at_ += static_cast<std::size_t>(prefix);
    const std::size_t first = at_;
    bool overflow = false;
    for (; digit_value(peek()) < base; ++at_) {
      const auto digit = static_cast<std::uint64_t>(digit_value(peek()));
      const auto b = static_cast<std::uint64_t>(base);
      overflow = overflow || t.bits > (~std::uint64_t{0} - digit) / b;
      t.bits = t.bits * b + digit;
    }
    if (at_ == first) fail(t.at, "Integer literal without digits");
    if (overflow) fail(t.at, "Integer literal exceeds 64 bits");
    t.is_unsigned = t.bits >> 63 != 0;
    if (peek() == 'U' || peek() == 'u') {
      t.is_unsigned = true;
      ++at_;
    }
    if (is_word(peek())) fail(t.at, "Malformed integer literal");
  }

  void decimal(Token& t, std::size_t whole_digits) {
    t.kind = TokenKind::real64;
    const std::size_t first = at_;
    at_ += whole_digits;
    if (peek() == '.') ++at_;
    while (is_digit(peek())) ++at_;
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      if (!is_digit(peek())) fail(t.at, "Malformed floating point literal");
      while (is_digit(peek())) ++at_;
    }
    if (is_word(peek())) fail(t.at, "Malformed floating point literal");
    const std::string_view text = text_.substr(first, at_ - first);
    double value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (parsed.ec == std::errc::invalid_argument) fail(t.at, "Malformed floating point literal");
    if (parsed.ec == std::errc::result_out_of_range) {
      const std::size_t e = text.find_first_of("eE");
      const bool tiny = e == std::string_view::npos ? text[0] == '0' : text[e + 1] == '-';
      value = tiny ? 0.0 : std::numeric_limits<double>::infinity();
    }
    t.bits = std::bit_cast<std::uint64_t>(value);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_start_ = 0;
  int line_ = 1;
  TokenStream out_;
};

}  // namespace

TokenStream tokenize(std::string_view text) { return Lexer(text).run(); }

}  // namespace ptxmill::emu
