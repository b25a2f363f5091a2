#include "generator/ptx/async.hpp"

namespace ptxmill::ptx {
namespace {

Operand sink() { return Operand::symbolic("_"); }

Operand at_address(const U32& address) {
  Operand o;
  o.kind = Operand::Kind::address;
  o.reg = address.id();
  return o;
}

/// `most`: dimensions of a tensor for which there are rows of this copy.
Operand in_tensor(const TensorMap& map, const Place& place, std::size_t most, Where where) {
  if (place.size() < 2 || place.size() > most)
    throw BuildError(where, "a place of " + std::to_string(place.size()) +
                                " coordinates: expected 2" +
                                (most > 2 ? " to " + std::to_string(most) : ""));
  Operand o;
  o.kind = Operand::Kind::tensor;
  o.reg = map.address.id();
  for (const U32& coordinate : place) o.group.push_back(coordinate.id());
  return o;
}

/// Where a copy of a tensor may begin (PTX ISA, "Tensor copy": 128 bytes).
void check_copy(const Recorder& recorder, const SharedPtr<b8>& at, Where where) {
  constexpr int align = 128;
  if (const std::uint32_t known = recorder.divisor_of(at.operand()); known < align)
    throw BuildError(where, "a tensor copy needs shared memory aligned to " +
                                std::to_string(align) + " bytes, and only " +
                                std::to_string(known) + " are known");
}

}  // namespace

void AsyncMethods::mbarrier_init(const Mbarrier& barrier, const In<u32>& count) {
  recorder_.emit(Op::mbarrier_init, isa::Type::b64, {barrier.operand(), count.operand},
                 count.where);
}

void AsyncMethods::mbarrier_arrive(const Mbarrier& barrier, Where where) {
  recorder_.emit(Op::mbarrier_arrive, isa::Type::b64, {sink(), barrier.operand()}, where);
}

void AsyncMethods::mbarrier_arrive_cluster(const U32& address, Where where) {
  recorder_.emit(Op::mbarrier_arrive_cluster, isa::Type::b64, {sink(), at_address(address)}, where);
}

void AsyncMethods::mbarrier_arrive_release_cluster(const U32& address, Where where) {
  recorder_.emit(Op::mbarrier_arrive_release_cluster, isa::Type::b64, {sink(), at_address(address)},
                 where);
}

void AsyncMethods::mbarrier_arrive_expect_tx(const Mbarrier& barrier, const In<u32>& bytes) {
  recorder_.emit(Op::mbarrier_arrive_expect_tx, isa::Type::b64,
                 {sink(), barrier.operand(), bytes.operand}, bytes.where);
}

Pred AsyncMethods::mbarrier_try_wait_parity(const Mbarrier& barrier, const In<u32>& parity) {
  return record<b64, pred>(recorder_, Op::mbarrier_try_wait_parity,
                           {barrier.operand(), parity.operand}, parity.where);
}

Pred AsyncMethods::mbarrier_try_wait_parity_cluster(const Mbarrier& barrier,
                                                    const In<u32>& parity) {
  return record<b64, pred>(recorder_, Op::mbarrier_try_wait_parity_cluster,
                           {barrier.operand(), parity.operand}, parity.where);
}

void AsyncMethods::prefetch_tensormap(const TensorMap& map, Where where) {
  Operand at = Operand::symbolic(map.symbol);
  at.kind = Operand::Kind::address;
  recorder_.emit(Op::prefetch_tensormap, isa::Type::b64, {at}, where);
}

void AsyncMethods::tma_load(const SharedPtr<b8>& to, const TensorMap& map, const Place& from,
                            const Mbarrier& done, Where where) {
  check_copy(recorder_, to, where);
  recorder_.emit(Op::tma_load_2d, isa::Type::b8,
                 {to.operand(), in_tensor(map, from, 2, where), done.operand()}, where);
}

void AsyncMethods::tma_multicast(const SharedPtr<b8>& to, const TensorMap& map, const Place& from,
                                 const Mbarrier& done, int ctas, Where where) {
  check_copy(recorder_, to, where);
  recorder_.emit(Op::tma_multicast_2d, isa::Type::b8,
                 {to.operand(), in_tensor(map, from, 2, where), done.operand(),
                  Operand::literal(std::int64_t{ctas}, isa::Type::u16)},
                 where);
}

void AsyncMethods::tma_store(const TensorMap& map, const Place& to, const SharedPtr<b8>& from,
                             Where where) {
  check_copy(recorder_, from, where);
  const Op op = to.size() == 3 ? Op::tma_store_3d : Op::tma_store_2d;
  recorder_.emit(op, isa::Type::b8, {in_tensor(map, to, 3, where), from.operand()}, where);
}

Pred AsyncMethods::elect_sync(Where where) {
  const RegId elected = recorder_.temporary(isa::Type::pred, where);
  Operand result = Operand::of(elected);
  result.text = "_|";
  recorder_.emit(Op::elect_sync, isa::Type::b32,
                 {result, Operand::literal(std::int64_t{0xffffffff}, isa::Type::u32)}, where);
  return {recorder_, elected};
}

}  // namespace ptxmill::ptx
