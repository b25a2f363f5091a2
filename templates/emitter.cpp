#include "templates/emitter.hpp"

namespace ptxmill::kernels {
namespace {

using ptx::BuildError;
using ptx::Op;
using ptx::Operand;

F32 widen(Emitter& k, Dtype dtype, Val<ptx::u16> bits, Where where) {
  if (dtype == Dtype::f16) return k.cvt<ptx::f32>(k.as<ptx::f16>(std::move(bits)), where);
  // A bf16 is the upper half of the f32 of the same value.
  return k.bit_cast<ptx::f32>(k.cvt<ptx::u32>(std::move(bits), where) << 16, where);
}

Val<ptx::u16> narrow(Emitter& k, Dtype dtype, const In<ptx::f32>& value) {
  F32 v =
      value.is_literal() ? k.constant<ptx::f32>(value) : F32(*value.recorder, value.operand.reg);
  if (!value.is_literal() && !value.operand.fresh) v = v.bound();
  if (dtype == Dtype::f16) return k.as<ptx::u16>(k.cvt_rn<ptx::f16>(std::move(v), value.where));
  return k.as<ptx::u16>(k.cvt_rn_bf16<ptx::bf16>(std::move(v), value.where));
}

template <class T, std::size_t n>
std::array<Val<T>, n> to_array(const std::vector<Val<T>>& v) {
  if constexpr (n == 2) return {v[0], v[1]};
  if constexpr (n == 4) return {v[0], v[1], v[2], v[3]};
}

template <class T>
std::vector<Val<T>> load_n(Emitter& k, const GlobalPtr<T>& p, int n, Where where) {
  if (n == 1) return {k.load(p, where)};
  if (n == 2) {
    const auto v = k.load<2>(p, where);
    return {v.begin(), v.end()};
  }
  if (n != 4) throw BuildError(where, "an access has 1, 2 or 4 words, not " + std::to_string(n));
  const auto v = k.load<4>(p, where);
  return {v.begin(), v.end()};
}

template <class T>
void store_n(Emitter& k, const GlobalPtr<T>& p, const std::vector<Val<T>>& v, Where where) {
  if (v.size() == 1)
    k.store(p, In<T>(v[0], where), where);
  else if (v.size() == 2)
    k.store(p, to_array<T, 2>(v), where);
  else if (v.size() == 4)
    k.store(p, to_array<T, 4>(v), where);
  else
    throw BuildError(where, "an access has 1, 2 or 4 words, not " + std::to_string(v.size()));
}

/// The two elements of a word, the lower first.
void widen_pair(Emitter& k, Dtype dtype, const ptx::B32& word, const Emitter::Take& take,
                Where where) {
  if (dtype == Dtype::f16) {
    const auto [lower, upper] = k.mov_unpack<ptx::f16>(word, where);
    take(k.cvt<ptx::f32>(lower, where));
    take(k.cvt<ptx::f32>(upper, where));
    return;
  }
  // Registers of 32 bits take bits of any type.
  const Operand bits = Operand::of(word.id());
  const Operand half = Operand::literal(std::int64_t{16}, isa::Type::u32);
  const Operand mask = Operand::literal(std::int64_t{0xffff0000}, isa::Type::b32);
  take(ptx::record<ptx::b32, ptx::f32>(k.recorder, Op::shl, {bits, half}, where));
  take(ptx::record<ptx::b32, ptx::f32>(k.recorder, Op::and_, {bits, mask}, where));
}

ptx::B32 narrow_pair(Emitter& k, Dtype dtype, const F32& lower, const F32& upper, Where where) {
  const In<ptx::f32> low(lower, where), high(upper, where);
  if (dtype == Dtype::f16) return k.as<ptx::b32>(k.cvt_rn_x2<ptx::f16x2>(high, low, where));
  return k.as<ptx::b32>(k.cvt_rn_x2<ptx::bf16x2>(high, low, where));
}

}  // namespace

template <class I>
ElementPtr ElementPtr::advance(const In<I>& index, Op op) const {
  const int bytes = spec::size_bytes(dtype_);
  if (index.is_literal()) {
    const ptx::Address at(base_, offset_ + index.operand.integer * bytes, index.where);
    return {dtype_, at.base, at.offset};
  }
  const Operand size = Operand::literal(std::int64_t{bytes}, I::type);
  const In<ptx::u64> base(U64(base_), index.where);
  return {dtype_,
          ptx::record<I, ptx::u64>(base_.recorder(), op, {index.operand, size, base.operand},
                                   index.where),
          offset_};
}
template ElementPtr ElementPtr::advance(const In<ptx::u32>&, Op) const;
template ElementPtr ElementPtr::advance(const In<ptx::u64>&, Op) const;

Emitter::Emitter(const std::string& entry, ptx::Target target, const Template& declared,
                 const Form& form)
    : Kernel(entry, target) {
  const Launch launch = declared.launch(form);
  recorder.set_launch({launch.block[0], launch.block[0] * launch.block[1] * launch.block[2],
                       launch.min_ctas_per_sm});
  for (const Argument* a : declared.arguments()) {
    if (!a->present()) continue;
    const auto* tensor = dynamic_cast<const Tensor*>(a);
    if (tensor != nullptr && declared.tensor_map(form, *tensor)) {
      maps_.emplace(tensor, tensor_map_param(a->name()));
    } else if (tensor != nullptr) {
      const auto p = pointer_param<ptx::b16>(a->name(), declared.alignment(form, *tensor));
      pointers_.emplace(tensor, ElementPtr(tensor->dtype(), p.base(), 0));
    } else if (const auto* scalar = dynamic_cast<const Scalar*>(a)) {
      scalars_.emplace(scalar, scalar_param<ptx::f32>(a->name()));
    }
  }
  for (const spec::Field* f : declared.fields())
    if (const auto* d = dynamic_cast<const Dim*>(f)) {
      if (d->is_static())
        dims_.emplace(d, Extent(d->get()));
      else
        dims_.emplace(d, Extent(scalar_param<ptx::u32>(
                             d->name(), static_cast<std::uint32_t>(declared.divisor(form, *d)))));
    }
}

F32 Emitter::load(const ElementPtr& p, Where where) {
  return load(ElementPtr(p.dtype(), p.base().bound(), p.offset()), where);
}

F32 Emitter::load(ElementPtr&& p, Where where) {
  const Dtype dtype = p.dtype();
  if (dtype == Dtype::f32) return load(std::move(p).as<ptx::f32>(), where);
  return widen(*this, dtype, load(std::move(p).as<ptx::u16>(), where), where);
}

std::vector<F32> Emitter::load_vector(const ElementPtr& p, int n, Where where) {
  std::vector<F32> values;
  load_each(
      p, n, [&](F32&& v) { values.push_back(v); }, where);
  return values;
}

void Emitter::load_each(const ElementPtr& p, int n, const Take& take, Where where) {
  if (p.dtype() == Dtype::f32) {
    for (F32& v : load_n(*this, p.as<ptx::f32>(), n, where)) take(std::move(v));
  } else if (n == 1) {
    take(load(p, where));
  } else {
    each_element(p.dtype(), load_n(*this, p.as<ptx::b32>(), n / 2, where), take, where);
  }
}

void Emitter::each_element(Dtype dtype, const std::vector<ptx::B32>& words, const Take& take,
                           Where where) {
  for (const ptx::B32& word : words) {
    if (dtype == Dtype::f32)
      take(bit_cast<ptx::f32>(word, where));
    else
      widen_pair(*this, dtype, word, take, where);
  }
}

void Emitter::guard_if(const std::optional<Pred>& condition, const std::function<void()>& body) {
  if (condition)
    guard(*condition, body);
  else
    body();
}

void Emitter::store(const ElementPtr& p, const In<ptx::f32>& value) {
  store(ElementPtr(p.dtype(), p.base().bound(), p.offset()), value);
}

void Emitter::store(ElementPtr&& p, const In<ptx::f32>& value) {
  const Dtype dtype = p.dtype();
  if (dtype == Dtype::f32) {
    store(std::move(p).as<ptx::f32>(), value, value.where);
    return;
  }
  GlobalPtr<ptx::u16> at = std::move(p).as<ptx::u16>();
  // The conversion comes after both.
  recorder.settle_order({at.operand(true), value.operand});
  store(std::move(at), In<ptx::u16>(narrow(*this, dtype, value), value.where), value.where);
}

void Emitter::store_vector(const ElementPtr& p, const std::vector<F32>& values, Where where) {
  if (p.dtype() == Dtype::f32) {
    store_n(*this, p.as<ptx::f32>(), values, where);
    return;
  }
  if (values.size() == 1) {
    store(p, In<ptx::f32>(values[0], where));
    return;
  }
  if (values.size() % 2 != 0)
    throw BuildError(where, "a vector of 16-bit elements has 1, 2, 4 or 8, not " +
                                std::to_string(values.size()));
  std::vector<ptx::B32> words;
  for (std::size_t i = 0; i < values.size(); i += 2)
    words.push_back(narrow_pair(*this, p.dtype(), values[i], values[i + 1], where));
  store_n(*this, p.as<ptx::b32>(), words, where);
}

}  // namespace ptxmill::kernels
