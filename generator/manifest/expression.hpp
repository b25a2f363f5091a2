// Expressions over launch dimensions, written into the manifest and evaluated by the runtime.
#pragma once

#include <cstdint>
#include <string>

namespace ptxmill::manifest {

/// A non-negative integer expression over named dimensions, folded where its operands are
/// constants. The grammar is docs/manifest.md's.
class Expr {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): integers are expressions.
  Expr(std::int64_t constant)
      : value_(constant), text_(std::to_string(constant)), constant_(true) {}
  static Expr dim(const std::string& name) { return {name, atom}; }

  bool is_constant() const { return constant_; }
  /// The value of a constant expression.
  std::int64_t value() const { return value_; }
  const std::string& text() const { return text_; }

  friend Expr operator+(const Expr& a, const Expr& b);
  friend Expr operator-(const Expr& a, const Expr& b);
  friend Expr operator*(const Expr& a, const Expr& b);
  friend Expr operator/(const Expr& a, const Expr& b);
  friend Expr ceil_div(const Expr& a, const Expr& b);
  friend Expr min(const Expr& a, const Expr& b);
  friend Expr max(const Expr& a, const Expr& b);
  friend bool operator==(const Expr& a, const Expr& b) { return a.text_ == b.text_; }

 private:
  enum Strength { sum = 1, product = 2, atom = 3 };
  Expr(std::string text, Strength strength) : text_(std::move(text)), strength_(strength) {}
  std::string at_least(Strength strength) const {
    return strength_ < strength ? "(" + text_ + ")" : text_;
  }

  std::int64_t value_ = 0;
  std::string text_;
  bool constant_ = false;
  Strength strength_ = atom;
};

}  // namespace ptxmill::manifest
