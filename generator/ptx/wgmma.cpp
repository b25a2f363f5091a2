#include "generator/ptx/wgmma.hpp"

namespace ptxmill::ptx {

void WgmmaMethods::wgmma(WgmmaType type, const std::vector<Var<f32>>& d, const U64& a, const U64& b,
                         const Pred& adds, Where where) {
  multiply(type, d, Operand::of(a.id()), b, Operand::of(adds.id()), where);
}

void WgmmaMethods::wgmma(WgmmaType type, const std::vector<Var<f32>>& d, const U64& a, const U64& b,
                         bool adds, Where where) {
  multiply(type, d, Operand::of(a.id()), b, Operand::literal(std::int64_t{adds}, isa::Type::u32),
           where);
}

void WgmmaMethods::wgmma_tf32(const std::vector<Var<f32>>& d, const std::array<B32, 4>& a,
                              const U64& b, bool adds, Where where) {
  multiply(WgmmaType::tf32, d, group(a), b, Operand::literal(std::int64_t{adds}, isa::Type::u32),
           where);
}

void WgmmaMethods::multiply(WgmmaType type, const std::vector<Var<f32>>& d, const Operand& a,
                            const U64& b, const Operand& adds, Where where) {
  constexpr int most_n = 256;
  const int n = 2 * static_cast<int>(d.size());
  if (n == 0 || n % 8 != 0 || n > most_n)
    throw BuildError(where,
                     "wgmma computes multiples of 8 columns up to 256, which are half as "
                     "many accumulators, not " +
                         std::to_string(d.size()));
  Operand sums;
  sums.kind = Operand::Kind::group;
  for (const Var<f32>& v : d) sums.group.push_back(v.id());
  const Operand one = Operand::literal(std::int64_t{1}, isa::Type::u32);
  const Operand k_major = Operand::literal(std::int64_t{0}, isa::Type::u32);
  std::vector<Operand> operands{std::move(sums), a, Operand::of(b.id()), adds, one, one};
  const bool is_tf32 = type == WgmmaType::tf32;
  // 16-bit operands say how each is stored; 32-bit ones have k innermost.
  if (!is_tf32) operands.insert(operands.end(), {k_major, k_major});
  constexpr const char* names[] = {"f16", "bf16", "tf32"};
  const std::string name = names[static_cast<int>(type)];
  const bool in_registers = a.kind == Operand::Kind::group;
  const Op of_tf32 = in_registers ? Op::wgmma_mma_async_k_major_a : Op::wgmma_mma_async_k_major;
  recorder_.emit_spelled(is_tf32 ? of_tf32 : Op::wgmma_mma_async,
                         ".m64n" + std::to_string(n) + "k" + std::to_string(wgmma_k(type)) +
                             ".f32." + name + "." + name,
                         std::move(operands), where);
}

}  // namespace ptxmill::ptx
