// Bulk copies and tensor copies (PTX ISA, "Data Movement and Conversion Instructions: Bulk copy",
// "Tensor copy"), the fences between proxies, and prefetches of tensor maps.
#include "emulator/async/block.hpp"
#include "emulator/async/reduction.hpp"
#include "emulator/decode/decoder.hpp"
#include "emulator/text.hpp"
#include "emulator/watch/order.hpp"

namespace ptxmill::emu {
namespace {

using ast::Operand;
using isa::Type;

std::int64_t whole_number(Decoder& d, const Operand& o) {
  if (o.kind != Operand::Kind::integer || static_cast<std::int64_t>(o.bits) < 0) d.mismatch();
  return static_cast<std::int64_t>(o.bits);
}

/// The operands of a bulk copy, taken one by one.
class BulkOperands {
 public:
  explicit BulkOperands(Decoder& d) : d_(d) {}

  const Operand& next() {
    if (at_ == d_.operand_count()) d_.mismatch();
    return d_.operand(at_++);
  }
  TransferAddress address(AddressSpace space) { return transfer_address(next(), space); }
  /// [map, {coordinates}]
  TransferAddress tensor(TransferForm& form) {
    const Operand& o = next();
    if (o.kind != Operand::Kind::address || o.parts.size() != 2 || o.parts[0].offset != 0)
      d_.mismatch();
    const Operand& place = o.parts[1];
    const bool vector = place.kind == Operand::Kind::vector;
    const std::size_t count = vector ? place.parts.size() : 1;
    if (count != static_cast<std::size_t>(form.rank)) d_.mismatch();
    for (std::size_t k = 0; k < count; ++k)
      form.coordinates[k] = d_.source(vector ? place.parts[k] : place, Type::s32);
    Operand map = o;
    map.parts.resize(1);
    return transfer_address(map, AddressSpace::generic);
  }
  void end() {
    if (at_ != d_.operand_count()) d_.mismatch();
  }

 private:
  TransferAddress transfer_address(const Operand& o, AddressSpace space) {
    const Decoder::Address a = d_.address(o, space);
    return {a.base, a.offset, a.wide, space == AddressSpace::generic};
  }

  Decoder& d_;
  std::size_t at_ = 0;
};

TransferReduction take_reduction(Decoder& d) {
  struct Named {
    std::string_view name;
    TransferReduction reduction;
  };
  constexpr Named all[] = {{"add", TransferReduction::add}, {"min", TransferReduction::min},
                           {"max", TransferReduction::max}, {"inc", TransferReduction::inc},
                           {"dec", TransferReduction::dec}, {"and", TransferReduction::and_},
                           {"or", TransferReduction::or_},  {"xor", TransferReduction::xor_}};
  for (const Named& n : all)
    if (d.modifiers().take(n.name)) return n.reduction;
  d.fail(d.instruction().at, "Instruction 'cp.reduce' needs an operation");
}

/// The two state spaces, destination first, as the manual orders them.
TransferWay take_way(Decoder& d) {
  Modifiers& m = d.modifiers();
  const std::string_view to = m.take_one({"shared::cluster", "shared::cta", "global"});
  const std::string_view from = m.take_one({"shared::cluster", "shared::cta", "global"});
  if (to == "global" && from == "shared::cta") return TransferWay::to_global;
  if ((to == "shared::cluster" || to == "shared::cta") && from == "global")
    return TransferWay::to_shared;
  if (to == "shared::cluster" && from == "shared::cta") return TransferWay::within_cluster;
  d.mismatch();
}

void take_completion(Decoder& d, const TransferForm& form) {
  Modifiers& m = d.modifiers();
  const bool group = form.way == TransferWay::to_global;
  if (!m.take(group ? "bulk_group" : "mbarrier::complete_tx::bytes")) d.mismatch();
}

void take_rank(Decoder& d, TransferForm& form) {
  const std::string_view rank = d.modifiers().take_one({"1d", "2d", "3d", "4d", "5d"});
  if (rank.empty()) d.mismatch();
  form.rank = rank[0] - '0';
  d.modifiers().take("tile");
  for (const std::string_view mode : {"im2col", "im2col_no_offs", "im2col::w", "im2col::w::128",
                                      "tile::gather4", "tile::scatter4"})
    if (d.modifiers().take(mode)) d.unsupported(mode);
}

void emit_transfer(Decoder& d, const TransferForm& form) {
  const auto index = static_cast<std::int64_t>(d.kernel().transfers.size());
  d.kernel().transfers.push_back(form);
  Instruction& i = d.emit(start_transfers, {}, {}, Kind::copy);
  i.imm = index;
  i.aux = static_cast<std::uint32_t>(AddressSpace::shared) | AccessBits::reads;
  if (form.reduction != TransferReduction::none)
    i.aux |= static_cast<std::uint32_t>(Scope::gpu) << AccessBits::scope_shift;
  i.definedness = Definedness::own;
}

void decode_prefetch(Decoder& d, bool tensor) {
  Modifiers& m = d.modifiers();
  TransferForm form;
  form.way = TransferWay::prefetch;
  if (tensor) take_rank(d, form);
  if (!m.take("L2")) d.mismatch();
  if (!m.take("global")) d.mismatch();
  const bool policy = m.take("L2::cache_hint");
  BulkOperands o(d);
  form.from = tensor ? o.tensor(form) : o.address(AddressSpace::global);
  if (!tensor) form.bytes = d.source(o.next(), Type::u32);
  if (policy) d.source(o.next(), Type::b64);
  o.end();
  emit_transfer(d, form);
}

/// What an element type modifier says, and whether the reduction has it.
void take_element(Decoder& d, TransferForm& form) {
  d.modifiers().take("noftz");
  form.type = d.type();
  if (!has_reduction(form.reduction, form.type)) d.mismatch();
}

AddressSpace space_of(bool global) { return global ? AddressSpace::global : AddressSpace::shared; }

void decode_copy(Decoder& d, bool reduces, bool tensor) {
  Modifiers& m = d.modifiers();
  TransferForm form;
  if (tensor) take_rank(d, form);
  form.way = take_way(d);
  if (tensor && form.way == TransferWay::within_cluster) d.mismatch();
  take_completion(d, form);
  form.multicast = m.take("multicast::cluster");
  if (form.multicast && form.way != TransferWay::to_shared) d.mismatch();
  if (!m.take_one({"cta_group::1", "cta_group::2"}).empty()) d.unsupported("modifier '.cta_group'");
  if (m.take("cp_mask")) d.unsupported("modifier '.cp_mask'");
  const bool policy = m.take("L2::cache_hint");
  if (reduces) {
    if (form.way == TransferWay::to_shared) d.mismatch();
    form.reduction = take_reduction(d);
    if (!tensor) take_element(d, form);
  }
  BulkOperands o(d);
  const bool to_global = form.way == TransferWay::to_global;
  const bool from_global = form.way == TransferWay::to_shared;
  form.to = tensor && to_global ? o.tensor(form) : o.address(space_of(to_global));
  form.from = tensor && from_global ? o.tensor(form) : o.address(space_of(from_global));
  if (!tensor) form.bytes = d.source(o.next(), Type::u32);
  if (!to_global) form.barrier = o.address(AddressSpace::shared);
  if (form.multicast) form.mask = d.source(o.next(), Type::b16);
  if (policy) d.source(o.next(), Type::b64);
  o.end();
  emit_transfer(d, form);
}

void decode_wait(Decoder& d) {
  const bool reads_only = d.modifiers().take("read");
  d.expect_operands(1);
  Instruction& i = d.emit(wait_for_transfers, {}, {}, Kind::memory);
  i.imm = whole_number(d, d.operand(0));
  i.aux = reads_only ? 1 : 0;
  i.definedness = Definedness::own;
}

}  // namespace

void decode_bulk(Decoder& d) {
  Modifiers& m = d.modifiers();
  const bool reduces = m.take("reduce");
  m.take("async");
  m.take("bulk");
  if (m.take("commit_group")) {
    d.expect_operands(0);
    d.emit(commit_transfers, {}, {});
    return;
  }
  if (m.take("wait_group")) return decode_wait(d);
  const bool prefetches = m.take("prefetch");
  const bool tensor = m.take("tensor");
  if (prefetches) return decode_prefetch(d, tensor);
  decode_copy(d, reduces, tensor);
}

void decode_async_store(Decoder& d) {
  d.require_at_least(90, "st.async");
  Modifiers& m = d.modifiers();
  m.take("weak");
  m.take("shared::cluster");
  if (!m.take("mbarrier::complete_tx::bytes")) d.mismatch();
  const std::string_view width = m.take_one({"v2", "v4"});
  TransferForm form;
  form.way = TransferWay::from_registers;
  form.type = d.type();
  form.value_count = width.empty() ? 1 : width[1] - '0';
  form.value_bytes = isa::bits(form.type) / 8;
  const bool word = form.value_bytes == 4 || form.value_bytes == 8;
  if (!word || form.value_bytes * form.value_count > 16) d.mismatch();
  BulkOperands o(d);
  form.to = o.address(AddressSpace::shared);
  const Operand& given = o.next();
  const bool vector = given.kind == Operand::Kind::vector;
  const std::size_t count = vector ? given.parts.size() : 1;
  if (count != static_cast<std::size_t>(form.value_count)) d.mismatch();
  for (std::size_t k = 0; k < count; ++k)
    form.values[k] = d.source(vector ? given.parts[k] : given, form.type);
  form.barrier = o.address(AddressSpace::shared);
  o.end();
  emit_transfer(d, form);
}

bool decode_proxy_fence(Decoder& d) {
  Modifiers& m = d.modifiers();
  if (m.take("mbarrier_init")) {
    if (!m.take("release") || !m.take("cluster")) d.mismatch();
    d.expect_operands(0);
    d.emit(fence_barrier_init, {}, {});
    return true;
  }
  if (!m.take("proxy")) return false;
  if (m.take("async")) {
    d.require_at_least(90, "fence.proxy.async");
    m.take_one({"global", "shared::cta", "shared::cluster"});
    d.expect_operands(0);
    d.emit(fence_async_proxy, {}, {}).definedness = Definedness::own;
    return true;
  }
  if (m.take("alias")) {
    d.expect_operands(0);
    return true;
  }
  const std::string_view one_way = m.take_one({"tensormap::generic", "async::generic"});
  if (one_way.empty()) d.mismatch();
  const std::string_view order = m.take_one({"acquire", "release"});
  if (order.empty()) d.mismatch();
  m.take_one({"sync_restrict::shared::cluster", "sync_restrict::shared::cta"});
  const std::string_view scope = m.take_one({"cta", "cluster", "gpu", "sys"});
  if (scope.empty()) d.mismatch();
  if (one_way == "tensormap::generic" && order == "acquire") {
    d.expect_operands(2);
    d.address(d.operand(0), AddressSpace::generic);
    if (whole_number(d, d.operand(1)) != sizeof(EncodedTensorMap)) d.mismatch();
  } else {
    d.expect_operands(0);
  }
  d.emit(run_fence, {}, {}).imm =
      static_cast<std::int64_t>(scope == "cta" ? Scope::cta : Scope::gpu);
  return true;
}

bool decode_map_prefetch(Decoder& d) {
  Modifiers& m = d.modifiers();
  if (!m.take("tensormap")) return false;
  const std::string_view space = m.take_one({"param", "param::entry", "const", "global"});
  d.expect_operands(1);
  const AddressSpace named = space.empty()       ? AddressSpace::generic
                             : space == "const"  ? AddressSpace::constant
                             : space == "global" ? AddressSpace::global
                                                 : AddressSpace::param;
  d.address(d.operand(0), named);
  return true;
}

}  // namespace ptxmill::emu
