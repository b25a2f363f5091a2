// Constant expressions: C's operators over s64, u64 and double.
#include <bit>
#include <cmath>

#include "emulator/syntax/cursor.hpp"
#include "emulator/text.hpp"

namespace ptxmill::emu {
namespace {

using Kind = Constant::Kind;

// Deeper nesting than any sane text has; it bounds the recursion.
constexpr int max_depth = 64;

bool is_real(const Constant& c) { return c.kind == Kind::real32 || c.kind == Kind::real64; }

double as_double(const Constant& c) {
  switch (c.kind) {
    case Kind::real32: return std::bit_cast<float>(static_cast<std::uint32_t>(c.bits));
    case Kind::real64: return std::bit_cast<double>(c.bits);
    case Kind::s64: return static_cast<double>(static_cast<std::int64_t>(c.bits));
    case Kind::u64: return static_cast<double>(c.bits);
  }
  return 0;
}

Constant real(double v) { return {Kind::real64, std::bit_cast<std::uint64_t>(v)}; }
Constant boolean(bool v) { return {Kind::s64, v ? 1u : 0u}; }

class ConstantParser {
 public:
  explicit ConstantParser(Cursor& in) : in_(in) {}

  Constant ternary() {
    const Depth guard(*this);
    const Constant condition = binary(1);
    if (!in_.accept("?")) return condition;
    const Constant yes = ternary();
    in_.expect(":");
    const Constant no = ternary();
    return truth(condition) ? yes : no;
  }

 private:
  struct Depth {
    explicit Depth(ConstantParser& p) : parser(p) {
      if (++parser.depth_ > max_depth) parser.in_.fail("constant expression nested too deeply");
    }
    ~Depth() { --parser.depth_; }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;
    ConstantParser& parser;
  };

  static bool truth(const Constant& c) { return is_real(c) ? as_double(c) != 0 : c.bits != 0; }

  static int precedence(std::string_view op) {
    struct Level {
      std::string_view op;
      int level;
    };
    constexpr Level levels[] = {{"||", 1}, {"&&", 2}, {"|", 3},  {"^", 4},  {"&", 5},  {"==", 6},
                                {"!=", 6}, {"<", 7},  {"<=", 7}, {">", 7},  {">=", 7}, {"<<", 8},
                                {">>", 8}, {"+", 9},  {"-", 9},  {"*", 10}, {"/", 10}, {"%", 10}};
    for (const Level& l : levels)
      if (l.op == op) return l.level;
    return 0;
  }

  Constant binary(int lowest) {
    const Depth guard(*this);
    Constant left = unary();
    for (;;) {
      const Token& t = in_.peek();
      const int level = t.kind == TokenKind::punctuation ? precedence(t.text) : 0;
      if (level < lowest || level == 0) return left;
      const Position at = t.at;
      const std::string_view op = in_.next().text;
      left = apply(op, at, left, binary(level + 1));
    }
  }

  Constant apply(std::string_view op, Position at, const Constant& a, const Constant& b) {
    if (op == "||") return boolean(truth(a) || truth(b));
    if (op == "&&") return boolean(truth(a) && truth(b));
    return is_real(a) || is_real(b) ? apply_real(op, at, as_double(a), as_double(b))
                                    : apply_integer(op, at, a, b);
  }

  static Constant apply_real(std::string_view op, Position at, double a, double b) {
    if (op == "+") return real(a + b);
    if (op == "-") return real(a - b);
    if (op == "*") return real(a * b);
    if (op == "/") return real(b == 0 ? std::copysign(INFINITY, a) : a / b);
    if (op == "==") return boolean(a == b);
    if (op == "!=") return boolean(a != b);
    if (op == "<") return boolean(a < b);
    if (op == "<=") return boolean(a <= b);
    if (op == ">") return boolean(a > b);
    if (op == ">=") return boolean(a >= b);
    Cursor::fail(at, text("Operator '", op, "' needs integer operands"));
  }

  static Constant apply_integer(std::string_view op, Position at, const Constant& left,
                                const Constant& right) {
    const std::uint64_t a = left.bits, b = right.bits;
    const auto sa = static_cast<std::int64_t>(a), sb = static_cast<std::int64_t>(b);
    const bool u = left.kind == Kind::u64 || right.kind == Kind::u64;
    const Kind kind = u ? Kind::u64 : Kind::s64;
    if (op == "+") return {kind, a + b};
    if (op == "-") return {kind, a - b};
    if (op == "*") return {kind, a * b};
    if (op == "&") return {kind, a & b};
    if (op == "|") return {kind, a | b};
    if (op == "^") return {kind, a ^ b};
    if (op == "<<") return {left.kind, b > 63 ? 0 : a << b};
    if (op == ">>") {
      if (left.kind == Kind::u64) return {Kind::u64, b > 63 ? 0 : a >> b};
      return {Kind::s64, static_cast<std::uint64_t>(sa >> (b > 63 ? 63 : b))};
    }
    if (op == "==") return boolean(a == b);
    if (op == "!=") return boolean(a != b);
    if (op == "<") return boolean(u ? a < b : sa < sb);
    if (op == "<=") return boolean(u ? a <= b : sa <= sb);
    if (op == ">") return boolean(u ? a > b : sa > sb);
    if (op == ">=") return boolean(u ? a >= b : sa >= sb);
    if (b == 0) Cursor::fail(at, "Division by zero in a constant expression");
    if (u) return {kind, op == "/" ? a / b : a % b};
    if (sb == -1) return {kind, op == "/" ? 0 - a : 0};  // INT64_MIN / -1 wraps
    return {kind, static_cast<std::uint64_t>(op == "/" ? sa / sb : sa % sb)};
  }

  Constant unary() {
    const Depth guard(*this);
    if (in_.accept("+")) return unary();
    if (in_.accept("-")) return negative(unary());
    const Position at = in_.peek().at;
    if (in_.accept("!")) return boolean(!truth(unary()));
    if (in_.accept("~")) {
      const Constant c = unary();
      if (is_real(c)) Cursor::fail(at, "Operator '~' needs an integer operand");
      return {c.kind, ~c.bits};
    }
    if (in_.accept("(")) {
      if (in_.accept(".s64")) return cast(Kind::s64);
      if (in_.accept(".u64")) return cast(Kind::u64);
      const Constant c = ternary();
      in_.expect(")");
      return c;
    }
    return literal();
  }

  static Constant negative(const Constant& c) {
    switch (c.kind) {
      case Kind::real32: return {c.kind, c.bits ^ 0x80000000u};
      case Kind::real64: return {c.kind, c.bits ^ (std::uint64_t{1} << 63)};
      default: return {c.kind, 0 - c.bits};
    }
  }

  Constant cast(Kind kind) {
    in_.expect(")");
    const Constant c = unary();
    if (!is_real(c)) return {kind, c.bits};
    Cursor::fail(in_.peek().at, "Cast of a floating point constant");
  }

  Constant literal() {
    const Token& t = in_.peek();
    switch (t.kind) {
      case TokenKind::integer: return {in_.next().is_unsigned ? Kind::u64 : Kind::s64, t.bits};
      case TokenKind::real32: return {Kind::real32, in_.next().bits};
      case TokenKind::real64: return {Kind::real64, in_.next().bits};
      case TokenKind::identifier:
        if (in_.accept("WARP_SZ")) return {Kind::s64, 32};
        break;
      default: break;
    }
    in_.fail("expected a constant");
  }

  Cursor& in_;
  int depth_ = 0;
};

}  // namespace

Constant parse_constant(Cursor& in) { return ConstantParser(in).ternary(); }

std::uint64_t parse_size(Cursor& in) {
  const Position at = in.peek().at;
  const Constant c = parse_constant(in);
  if (is_real(c) || (c.kind == Kind::s64 && static_cast<std::int64_t>(c.bits) < 0)) {
    Cursor::fail(at, "Expected a non-negative integer constant");
  }
  return c.bits;
}

bool at_constant(const Cursor& in) {
  const Token& t = in.peek();
  switch (t.kind) {
    case TokenKind::integer:
    case TokenKind::real32:
    case TokenKind::real64: return true;
    case TokenKind::identifier: return t.text == "WARP_SZ";
    case TokenKind::punctuation:
      return t.text == "-" || t.text == "+" || t.text == "~" || t.text == "(" || t.text == "!";
    default: return false;
  }
}

}  // namespace ptxmill::emu
