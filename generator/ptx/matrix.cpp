#include "generator/ptx/matrix.hpp"

namespace ptxmill::ptx {

void MatrixMethods::store_matrices(Op op, const Operand& at, const Operand& matrices, Where where) {
  recorder_.emit(op, isa::Type::b32, {at, matrices}, where);
}

void MatrixMethods::multiply(Op op, Sums sums, const Operand& a, const Operand& b, Where where) {
  const auto present = [&](std::size_t i) { return F32(recorder_, sums[i].id()); };
  const Operand both = group(std::array<F32, 4>{present(0), present(1), present(2), present(3)});
  recorder_.emit(op, isa::Type::b32, {both, a, b, both}, where);
}

}  // namespace ptxmill::ptx
