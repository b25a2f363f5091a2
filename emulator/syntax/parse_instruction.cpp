// Instructions and their operands.
#include "emulator/syntax/cursor.hpp"

namespace ptxmill::emu {
namespace {

using ast::Operand;

constexpr int max_operand_depth = 8;

Operand parse_operand(Cursor& in, int depth);

/// The view from the start of `first` to the end of `last`, which follows it in the text.
std::string_view joined(const Token& first, const Token& last) {
  const char* begin = first.text.data();
  return {begin, static_cast<std::size_t>(last.text.data() + last.text.size() - begin)};
}

Operand constant_operand(Cursor& in) {
  Operand o;
  o.at = in.peek().at;
  const Constant c = parse_constant(in);
  o.bits = c.bits;
  switch (c.kind) {
    case Constant::Kind::real32: o.kind = Operand::Kind::real32; break;
    case Constant::Kind::real64: o.kind = Operand::Kind::real64; break;
    default: o.kind = Operand::Kind::integer; break;
  }
  return o;
}

/// The signed integer after a name, as in `sym + 4` or `%rd1+-16`.
std::int64_t parse_offset(Cursor& in) {
  const Position at = in.peek().at;
  const bool minus = in.at("-");
  in.next();
  const Constant c = parse_constant(in);
  if (c.kind == Constant::Kind::real32 || c.kind == Constant::Kind::real64) {
    Cursor::fail(at, "Address offset must be an integer");
  }
  return static_cast<std::int64_t>(minus ? 0 - c.bits : c.bits);
}

Operand name_operand(Cursor& in) {
  Operand o;
  const Token first = in.next();
  o.at = first.at;
  if (first.text == "_") return o;
  o.kind = Operand::Kind::name;
  o.name = first.text;
  // A component (%tid.x, %v.y) touches its name.
  if (in.peek().kind == TokenKind::dot_word &&
      in.peek().text.data() == first.text.data() + first.text.size()) {
    o.name = joined(first, in.next());
  }
  if (in.at("+") || in.at("-")) o.offset = parse_offset(in);
  return o;
}

std::vector<Operand> parse_list(Cursor& in, std::string_view close, int depth) {
  std::vector<Operand> parts;
  if (in.accept(close)) return parts;
  for (;;) {
    parts.push_back(parse_operand(in, depth));
    if (in.accept(close)) return parts;
    in.expect(",");
  }
}

Operand bracketed(Cursor& in, int depth, Operand::Kind kind, std::string_view close) {
  Operand o;
  o.at = in.next().at;
  o.kind = kind;
  o.parts = parse_list(in, close, depth + 1);
  if (o.parts.empty()) Cursor::fail(o.at, "Operand list must not be empty");
  return o;
}

/// True at `(` that opens a list of names rather than a constant in parentheses.
bool at_name_list(const Cursor& in) {
  if (!in.at("(")) return false;
  const Token& inner = in.peek(1);
  return inner.is(")") || (inner.kind == TokenKind::identifier && inner.text != "WARP_SZ");
}

Operand parse_operand(Cursor& in, int depth) {
  if (depth > max_operand_depth) in.fail("operands nested too deeply");
  Operand o;
  const Token& t = in.peek();
  if (t.is("[")) {
    o = bracketed(in, depth, Operand::Kind::address, "]");
  } else if (t.is("{")) {
    o = bracketed(in, depth, Operand::Kind::vector, "}");
  } else if (at_name_list(in)) {
    o.at = in.next().at;
    o.kind = Operand::Kind::list;
    o.parts = parse_list(in, ")", depth + 1);
  } else if (t.is("!") && in.peek(1).kind == TokenKind::identifier && !in.peek(1).is("WARP_SZ")) {
    in.next();
    o = name_operand(in);
    o.negated = true;
  } else if (at_constant(in)) {
    o = constant_operand(in);
  } else if (t.kind == TokenKind::identifier) {
    o = name_operand(in);
  } else {
    in.fail("expected an operand");
  }
  if (!in.at("|") || depth > max_operand_depth - 1) return o;
  in.next();
  Operand pair;
  pair.kind = Operand::Kind::pair;
  pair.at = o.at;
  pair.parts.push_back(std::move(o));
  pair.parts.push_back(parse_operand(in, depth + 2));
  return pair;
}

}  // namespace

ast::Operand parse_operand(Cursor& in) { return parse_operand(in, 0); }

ast::Instruction parse_instruction(Cursor& in) {
  ast::Instruction i;
  i.at = in.peek().at;
  if (in.accept("@")) {
    i.guard_negated = in.accept("!");
    i.guard = in.identifier();
    i.at = in.peek().at;
  }
  i.opcode = in.identifier();
  while (in.peek().kind == TokenKind::dot_word) i.modifiers.push_back(in.next().text.substr(1));
  if (in.accept(";")) return i;
  for (;;) {
    i.operands.push_back(parse_operand(in, 0));
    if (in.accept(";")) return i;
    in.expect(",");
  }
}

}  // namespace ptxmill::emu
