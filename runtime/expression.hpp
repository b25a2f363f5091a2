// The manifest's language for sizes that depend on launch dimensions.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ptxmill::rt {

/// A parsed expression: non-negative decimal integers, variables, `+ - * /` (truncating),
/// parentheses, `ceil_div(a, b)`, `min(a, b)`, `max(a, b)`. Variables are bound to positions when
/// it is parsed, so that evaluating looks no name up and allocates nothing.
class Expression {
 public:
  /// The constant zero.
  Expression() = default;
  /// `variables[i]` is the name of the value at position i. Throws `corrupt`, quoting the text, for
  /// a syntax error, an unknown variable (with the known ones), a number beyond 63 bits, or nesting
  /// beyond what `evaluate` keeps on its stack.
  static Expression parse(std::string_view text, std::span<const std::string> variables);

  /// The value, in 64 bits. Throws `invalid_argument`, quoting the text, for an overflow, a
  /// division by zero or a negative result.
  std::int64_t evaluate(std::span<const std::int64_t> values) const {
    // Most are a number or one variable.
    if (code_.size() == 1) {
      const Code& only = code_.front();
      const std::int64_t value =
          only.op == Op::number ? only.operand : values[static_cast<std::size_t>(only.operand)];
      if (value >= 0) return value;
    }
    return evaluate_all(values);
  }
  /// Whether it uses no variable.
  bool constant() const;
  const std::string& text() const { return text_; }

 private:
  enum class Op : std::uint8_t {
    number,
    variable,
    add,
    subtract,
    multiply,
    divide,
    ceil_div,
    min,
    max
  };
  /// One postfix instruction; `operand` is a number or a variable's position.
  struct Code {
    Op op;
    std::int64_t operand;
  };
  friend class ExpressionParser;

  std::int64_t evaluate_all(std::span<const std::int64_t> values) const;
  [[noreturn]] void fail(const char* why, std::span<const std::int64_t> values) const;
  std::int64_t apply(Op op, std::int64_t a, std::int64_t b,
                     std::span<const std::int64_t> values) const;

  std::string text_ = "0";
  std::vector<Code> code_{{Op::number, 0}};
};

}  // namespace ptxmill::rt
