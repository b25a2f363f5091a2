#include "emulator/syntax/cursor.hpp"
#include "emulator/text.hpp"

#include <algorithm>

namespace ptxmill::emu {

const Token& Cursor::peek(std::size_t ahead) const {
  return stream_.tokens[std::min(at_ + ahead, stream_.tokens.size() - 1)];
}

const Token& Cursor::next() {
  const Token& t = peek();
  if (t.kind != TokenKind::end) ++at_;
  return t;
}

bool Cursor::accept(std::string_view text) {
  if (!at(text)) return false;
  next();
  return true;
}

const Token& Cursor::expect(std::string_view text) {
  if (!at(text)) fail(emu::text("expected '", text, "'"));
  return next();
}

std::string_view Cursor::identifier() {
  if (peek().kind != TokenKind::identifier) fail("expected a name");
  return next().text;
}

void Cursor::fail(std::string_view message) const {
  const Token& t = peek();
  if (t.kind == TokenKind::end) fail(t.at, text("Unexpected end of text: ", message));
  fail(t.at, text("Parsing error near '", t.text.substr(0, 40), "': ", message));
}

void Cursor::fail(Position at, std::string message) { throw SyntaxError{at, std::move(message)}; }

std::optional<isa::Type> type_named(std::string_view word) {
  if (word.empty() || word.front() != '.') return std::nullopt;
  for (int i = 0; i < isa::type_count; ++i) {
    const auto t = static_cast<isa::Type>(i);
    if (isa::spelling(t) == word.substr(1)) return t;
  }
  return std::nullopt;
}

}  // namespace ptxmill::emu
