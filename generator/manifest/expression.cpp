#include "generator/manifest/expression.hpp"

#include <algorithm>
#include <stdexcept>

namespace ptxmill::manifest {
namespace {

std::int64_t checked(bool overflow, std::int64_t value, const char* op) {
  if (overflow || value < 0)
    throw std::overflow_error(std::string("a dimension's ") + op + " leaves 0 .. 2^63 - 1");
  return value;
}

}  // namespace

Expr operator+(const Expr& a, const Expr& b) {
  if (a.constant_ && b.constant_) {
    std::int64_t v = 0;
    const bool overflow = __builtin_add_overflow(a.value_, b.value_, &v);
    return checked(overflow, v, "sum");
  }
  if (a.constant_ && a.value_ == 0) return b;
  if (b.constant_ && b.value_ == 0) return a;
  return {a.text_ + " + " + b.text_, Expr::sum};
}

Expr operator-(const Expr& a, const Expr& b) {
  if (a.constant_ && b.constant_) {
    std::int64_t v = 0;
    const bool overflow = __builtin_sub_overflow(a.value_, b.value_, &v);
    return checked(overflow, v, "difference");
  }
  if (b.constant_ && b.value_ == 0) return a;
  return {a.text_ + " - " + b.at_least(Expr::product), Expr::sum};
}

Expr operator*(const Expr& a, const Expr& b) {
  if (a.constant_ && b.constant_) {
    std::int64_t v = 0;
    const bool overflow = __builtin_mul_overflow(a.value_, b.value_, &v);
    return checked(overflow, v, "product");
  }
  if (a.constant_ && a.value_ == 1) return b;
  if (b.constant_ && b.value_ == 1) return a;
  return {a.at_least(Expr::product) + " * " + b.at_least(Expr::atom), Expr::product};
}

Expr operator/(const Expr& a, const Expr& b) {
  if (b.constant_ && b.value_ == 0) throw std::domain_error("a dimension is divided by zero");
  if (a.constant_ && b.constant_) return a.value_ / b.value_;
  if (b.constant_ && b.value_ == 1) return a;
  return {a.at_least(Expr::product) + " / " + b.at_least(Expr::atom), Expr::product};
}

Expr ceil_div(const Expr& a, const Expr& b) {
  if (b.constant_ && b.value_ == 0) throw std::domain_error("a dimension is divided by zero");
  if (a.constant_ && b.constant_) return a.value_ / b.value_ + (a.value_ % b.value_ != 0 ? 1 : 0);
  if (b.constant_ && b.value_ == 1) return a;
  return {"ceil_div(" + a.text_ + ", " + b.text_ + ")", Expr::atom};
}

Expr min(const Expr& a, const Expr& b) {
  if (a.constant_ && b.constant_) return std::min(a.value_, b.value_);
  return {"min(" + a.text_ + ", " + b.text_ + ")", Expr::atom};
}

Expr max(const Expr& a, const Expr& b) {
  if (a.constant_ && b.constant_) return std::max(a.value_, b.value_);
  return {"max(" + a.text_ + ", " + b.text_ + ")", Expr::atom};
}

}  // namespace ptxmill::manifest
