#include "runtime/expression.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "runtime/error.hpp"
#include "runtime/text.hpp"

namespace ptxmill::rt {
namespace {

constexpr int most_nesting = 64;
constexpr std::size_t most_stack = 32;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || is_digit(c);
}

}  // namespace

/// Recursive descent: sum := product (+|- product)*, product := atom (*|/ atom)*.
class ExpressionParser {
 public:
  ExpressionParser(std::string_view text, std::span<const std::string> variables)
      : text_(text), variables_(variables) {}

  Expression run() {
    result_.text_ = std::string(text_);
    result_.code_.clear();
    sum();
    skip_spaces();
    if (at_ < text_.size()) refuse("an operator or the end");
    return std::move(result_);
  }

 private:
  using Op = Expression::Op;

  [[noreturn]] void refuse(std::string_view expected) const {
    throw Error(ErrorCode::corrupt, concat("expression '", text_, "', column ", at_ + 1, ": ",
                                           expected, " was expected"));
  }

  void skip_spaces() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }

  bool take(char c) {
    skip_spaces();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  void need(char c) {
    if (!take(c)) refuse(concat("'", c, "'"));
  }

  void emit(Op op, std::int64_t operand = 0) {
    const bool pushes = op == Op::number || op == Op::variable;
    depth_ += pushes ? 1 : -1;
    if (depth_ > static_cast<int>(most_stack)) refuse("a simpler expression");
    result_.code_.push_back({op, operand});
  }

  void sum() {
    if (++nesting_ > most_nesting) refuse("less nesting");
    product();
    for (;;) {
      if (take('+')) {
        product();
        emit(Op::add);
      } else if (take('-')) {
        product();
        emit(Op::subtract);
      } else {
        break;
      }
    }
    --nesting_;
  }

  void product() {
    atom();
    for (;;) {
      if (take('*')) {
        atom();
        emit(Op::multiply);
      } else if (take('/')) {
        atom();
        emit(Op::divide);
      } else {
        return;
      }
    }
  }

  void atom() {
    if (take('(')) {
      sum();
      return need(')');
    }
    skip_spaces();
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    const std::string_view word = text_.substr(begin, at_ - begin);
    if (word.empty()) refuse("a number, a name or '('");
    if (is_digit(word.front())) return emit(Op::number, number(word, begin));
    if (take('(')) return call(word, begin);
    variable(word, begin);
  }

  std::int64_t number(std::string_view digits, std::size_t begin) {
    std::int64_t value = 0;
    for (const char c : digits) {
      if (!is_digit(c) || __builtin_mul_overflow(value, 10, &value) ||
          __builtin_add_overflow(value, c - '0', &value)) {
        at_ = begin;
        refuse("a decimal number below 2^63");
      }
    }
    return value;
  }

  void call(std::string_view function, std::size_t begin) {
    Op op = Op::min;
    if (function == "ceil_div") {
      op = Op::ceil_div;
    } else if (function == "max") {
      op = Op::max;
    } else if (function != "min") {
      at_ = begin;
      refuse("ceil_div, min or max");
    }
    sum();
    need(',');
    sum();
    need(')');
    emit(op);
  }

  void variable(std::string_view name, std::size_t begin) {
    const auto found = std::find(variables_.begin(), variables_.end(), name);
    if (found == variables_.end()) {
      std::string known;
      for (const std::string& variable : variables_)
        known += (known.empty() ? "" : ", ") + variable;
      at_ = begin;
      refuse(known.empty() ? "a number" : concat("one of ", known));
    }
    emit(Op::variable, found - variables_.begin());
  }

  std::string_view text_;
  std::span<const std::string> variables_;
  std::size_t at_ = 0;
  int nesting_ = 0;
  int depth_ = 0;
  Expression result_;
};

Expression Expression::parse(std::string_view text, std::span<const std::string> variables) {
  return ExpressionParser(text, variables).run();
}

void Expression::fail(const char* why, std::span<const std::int64_t> values) const {
  std::string given;
  for (const Code& code : code_)
    if (code.op == Op::variable)
      given +=
          concat(given.empty() ? " with " : ", ", values[static_cast<std::size_t>(code.operand)]);
  throw Error(ErrorCode::invalid_argument,
              concat("expression '", text_, "' ", why, given,
                     given.empty() ? "" : " for its variables in order"));
}

std::int64_t Expression::apply(Op op, std::int64_t a, std::int64_t b,
                               std::span<const std::int64_t> values) const {
  std::int64_t result = 0;
  bool overflow = false;
  switch (op) {
    case Op::add: overflow = __builtin_add_overflow(a, b, &result); break;
    case Op::subtract: overflow = __builtin_sub_overflow(a, b, &result); break;
    case Op::multiply: overflow = __builtin_mul_overflow(a, b, &result); break;
    case Op::min: return std::min(a, b);
    case Op::max: return std::max(a, b);
    default:
      if (b == 0) fail("divides by zero", values);
      overflow = a == std::numeric_limits<std::int64_t>::min() && b == -1;
      if (overflow) break;
      result = a / b;
      if (op == Op::ceil_div && a % b != 0 && (a > 0) == (b > 0)) ++result;
  }
  if (overflow) fail("overflows 64 bits", values);
  return result;
}

std::int64_t Expression::evaluate_all(std::span<const std::int64_t> values) const {
  std::array<std::int64_t, most_stack> stack;
  std::size_t top = 0;
  for (const Code& code : code_) {
    if (code.op == Op::number) {
      stack[top++] = code.operand;
    } else if (code.op == Op::variable) {
      stack[top++] = values[static_cast<std::size_t>(code.operand)];
    } else {
      --top;
      stack[top - 1] = apply(code.op, stack[top - 1], stack[top], values);
    }
  }
  if (stack[0] < 0) fail("is negative", values);
  return stack[0];
}

bool Expression::constant() const {
  return std::none_of(code_.begin(), code_.end(),
                      [](const Code& code) { return code.op == Op::variable; });
}

}  // namespace ptxmill::rt
