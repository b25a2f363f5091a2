// Splits PTX text into tokens (PTX ISA, "Syntax").
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "emulator/syntax/diagnostics.hpp"

namespace ptxmill::emu {

enum class TokenKind : std::uint8_t {
  identifier,  ///< foo, %r1, $L1, _
  dot_word,    ///< .global, .v4, .shared::cta; the text holds the dot
  integer,     ///< `bits`
  real32,      ///< 0fXXXXXXXX; `bits` is the pattern
  real64,      ///< 0dX..., or a decimal; `bits` is the pattern of a double
  string,
  punctuation,  ///< one character, or << >> == != <= >= && ||
  end,
};

struct Token {
  TokenKind kind = TokenKind::end;
  bool is_unsigned = false;  ///< an integer with U, or one beyond the range of s64
  std::string_view text;
  std::uint64_t bits = 0;
  Position at;
  std::uint32_t banners = 0;  ///< how many banners stand before this token
  std::uint32_t notes = 0;    ///< how many uniformity notes do

  bool is(std::string_view spelled) const { return kind != TokenKind::string && text == spelled; }
};

/// A comment "//@ uniform <level> <register>": all threads of such a set hold the same value there.
struct UniformNote {
  Position at;
  std::string_view level;
  std::string_view name;
};

struct TokenStream {
  std::vector<Token> tokens;              ///< closed by one of kind `end`
  std::vector<std::string_view> banners;  ///< names of "// ---- name" comments, in order
  std::vector<UniformNote> notes;
};

/// Tokens of `text`, which must outlive them. Throws SyntaxError.
TokenStream tokenize(std::string_view text);

}  // namespace ptxmill::emu
