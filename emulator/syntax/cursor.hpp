// What the parsers of declarations and of instructions share: the place in the token stream.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "emulator/syntax/ast.hpp"
#include "emulator/syntax/lexer.hpp"

namespace ptxmill::emu {

class Cursor {
 public:
  explicit Cursor(const TokenStream& stream) : stream_(stream) {}

  const Token& peek(std::size_t ahead = 0) const;
  const Token& next();
  bool at_end() const { return peek().kind == TokenKind::end; }
  bool at(std::string_view text) const { return peek().is(text); }
  /// Consumes the next token where it reads `text`.
  bool accept(std::string_view text);
  const Token& expect(std::string_view text);
  std::string_view identifier();
  /// "Parsing error near '<token>': <message>" at the next token.
  [[noreturn]] void fail(std::string_view message) const;
  [[noreturn]] static void fail(Position at, std::string message);

  const TokenStream& stream() const { return stream_; }

 private:
  const TokenStream& stream_;
  std::size_t at_ = 0;
};

/// The value of a constant expression (PTX ISA, "Constant Expressions").
struct Constant {
  enum class Kind : std::uint8_t { s64, u64, real32, real64 };
  Kind kind = Kind::s64;
  std::uint64_t bits = 0;
};

Constant parse_constant(Cursor& in);
/// An integer constant that is not negative.
std::uint64_t parse_size(Cursor& in);
/// True where the next token can only begin a constant.
bool at_constant(const Cursor& in);

/// The fundamental type that `word` (".f32") names, if any.
std::optional<isa::Type> type_named(std::string_view word);

/// One operand.
ast::Operand parse_operand(Cursor& in);
/// An instruction, from its guard to its semicolon.
ast::Instruction parse_instruction(Cursor& in);

/// One declaration statement in the space that the next token names; `.reg` too.
std::vector<ast::Statement> parse_declaration(Cursor& in, bool external);
/// One parameter of a function.
ast::Variable parse_parameter(Cursor& in);

}  // namespace ptxmill::emu
