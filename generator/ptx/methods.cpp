#include "generator/ptx/methods.hpp"

namespace ptxmill::ptx {
namespace {

Operand barrier_threads(const std::string& barrier, int threads, Where where) {
  if (threads <= 0 || threads % 32 != 0 || threads > 1024)
    throw BuildError(where, barrier + ": " + std::to_string(threads) +
                                " threads; expected a multiple of 32 up to 1024");
  return Operand::literal(std::int64_t{threads}, isa::Type::u32);
}

}  // namespace

RegId Methods::special(std::string_view spelling, Where where) {
  for (const isa::SpecialRegister& s : isa::special_registers())
    if (s.spelling == spelling) return recorder_.special(s, where);
  throw BuildError(where, std::string(spelling) + " is no special register");
}

void Methods::barrier(Op op, int id, std::optional<int> threads, Where where) {
  if (id < 0 || id > 15)
    throw BuildError(where, "barrier " + std::to_string(id) + " does not exist; a CTA has 0 to 15");
  std::vector<Operand> operands{Operand::literal(std::int64_t{id}, isa::Type::u32)};
  if (threads)
    operands.push_back(barrier_threads("barrier " + std::to_string(id), *threads, where));
  recorder_.emit(op, isa::Type::b32, std::move(operands), where);
}

void Methods::barrier_at(Op op, const Operand& id, int threads, Where where) {
  if (id.kind != Operand::Kind::reg)
    return barrier(op, static_cast<int>(id.integer), threads, where);
  recorder_.emit(op, isa::Type::b32,
                 {id, barrier_threads("a barrier given by a register", threads, where)}, where);
}

void Methods::async_copy(Op op, const Operand& to, const Operand& from, int bytes, Where where) {
  const bool is_legal = bytes == 16 || (op == Op::cp_async_ca && (bytes == 4 || bytes == 8));
  if (!is_legal)
    throw BuildError(where, std::string(isa::row(op).spelling) + " copies " +
                                (op == Op::cp_async_ca ? "4, 8 or 16" : "16") + " bytes, not " +
                                std::to_string(bytes));
  recorder_.emit(op, isa::Type::b32,
                 {to, from, Operand::literal(std::int64_t{bytes}, isa::Type::u32)}, where);
}

}  // namespace ptxmill::ptx
