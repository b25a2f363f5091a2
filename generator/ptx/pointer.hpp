// Typed pointers with element arithmetic. Global and shared pointers are different types, so that
// an address of one space cannot reach an instruction of the other.
#pragma once

#include "generator/ptx/value.hpp"

namespace ptxmill::ptx {

/// A global address as a register and a constant. An instruction's offset has 32 bits: a constant
/// beyond them is added to the register.
struct Address {
  Val<u64> base;
  std::int64_t offset;

  Address(Val<u64> b, std::int64_t o, Where where) : base(std::move(b)), offset(o) {
    if (offset >= INT32_MIN && offset <= INT32_MAX) return;
    Recorder& recorder = base.recorder();
    const In<u64> from(std::move(base), where);
    base = record<u64>(recorder, Op::add, {from.operand, Operand::literal(offset, isa::Type::u64)},
                       where);
    offset = 0;
  }
};

/// A pointer to elements of type T in global memory: a 64-bit register and a constant offset.
template <class T>
class GlobalPtr {
 public:
  using element = T;
  static constexpr bool is_shared = false;
  static constexpr int element_bytes = isa::bits(T::type) / 8;

  GlobalPtr(Val<u64> base, std::int64_t offset_bytes) : base_(base), offset_(offset_bytes) {}

  /// `fresh`: the pointer itself is no variable of the template.
  Operand operand(bool fresh = false) const {
    Operand o;
    o.kind = Operand::Kind::address;
    o.reg = base_.id();
    o.integer = offset_;
    o.fresh = fresh && !base_.is_bound();
    return o;
  }
  const Val<u64>& base() const { return base_; }
  std::int64_t offset() const { return offset_; }
  /// The same address as a pointer to another element type.
  template <class U>
  GlobalPtr<U> as() const& {
    return {base_.bound(), offset_};
  }
  template <class U>
  GlobalPtr<U> as() && {
    return {base_, offset_};
  }

  /// The address of the element `index` further on. A constant folds into the offset.
  friend GlobalPtr operator+(const GlobalPtr& p, const In<u32>& index) {
    return advance(p.base_.bound(), p.offset_, index, Op::mad_wide);
  }
  friend GlobalPtr operator+(GlobalPtr&& p, const In<u32>& index) {
    return advance(p.base_, p.offset_, index, Op::mad_wide);
  }
  friend GlobalPtr operator+(const GlobalPtr& p, const RegisterIn<s32>& index) {
    return advance(p.base_.bound(), p.offset_, index, Op::mad_wide);
  }
  friend GlobalPtr operator+(GlobalPtr&& p, const RegisterIn<s32>& index) {
    return advance(p.base_, p.offset_, index, Op::mad_wide);
  }
  friend GlobalPtr operator+(const GlobalPtr& p, const RegisterIn<u64>& index) {
    return advance(p.base_.bound(), p.offset_, index, Op::mad_lo);
  }
  friend GlobalPtr operator+(GlobalPtr&& p, const RegisterIn<u64>& index) {
    return advance(p.base_, p.offset_, index, Op::mad_lo);
  }

 private:
  template <class I>
  static GlobalPtr advance(Val<u64> base, std::int64_t offset, const In<I>& index, Op op) {
    if (index.is_literal()) {
      const Address at(base, offset + index.operand.integer * element_bytes, index.where);
      return {at.base, at.offset};
    }
    const Operand size = Operand::literal(std::int64_t{element_bytes}, I::type);
    Recorder& recorder = base.recorder();
    const In<u64> from(std::move(base), index.where);
    return {record<I, u64>(recorder, op, {index.operand, size, from.operand}, index.where), offset};
  }

  Val<u64> base_;
  std::int64_t offset_;
};

/// A pointer to elements of type T in shared memory: an array of the kernel's layout, or a 32-bit
/// register that points into it, and a constant offset.
template <class T>
class SharedPtr {
 public:
  using element = T;
  static constexpr bool is_shared = true;
  static constexpr int element_bytes = isa::bits(T::type) / 8;

  SharedPtr(Recorder& recorder, int array, RegId base, std::int64_t offset_bytes,
            bool is_bound = false)
      : recorder_(&recorder),
        array_(array),
        base_(base),
        offset_(offset_bytes),
        is_bound_(is_bound) {}

  /// `fresh`: the pointer itself is no variable of the template.
  Operand operand(bool fresh = false) const {
    Operand o;
    o.kind = Operand::Kind::shared;
    o.shared = array_;
    o.reg = base_;
    o.integer = offset_;
    o.fresh = fresh && !is_bound_;
    return o;
  }
  RegId base() const { return base_; }
  std::int64_t offset() const { return offset_; }
  int array() const { return array_; }
  Recorder& recorder() const { return *recorder_; }
  template <class U>
  SharedPtr<U> as() const& {
    return {*recorder_, array_, base_, offset_, true};
  }
  template <class U>
  SharedPtr<U> as() && {
    return {*recorder_, array_, base_, offset_, is_bound_};
  }

  /// The address of the element `index` further on. A constant folds into the offset.
  friend SharedPtr operator+(const SharedPtr& p, const In<u32>& index) {
    return p.advance(index, true);
  }
  friend SharedPtr operator+(SharedPtr&& p, const In<u32>& index) {
    return p.advance(index, p.is_bound_);
  }

 private:
  SharedPtr advance(const In<u32>& index, bool is_bound) const {
    if (index.is_literal())
      return {*recorder_, array_, base_, offset_ + index.operand.integer * element_bytes, is_bound};
    const Operand size = Operand::literal(std::int64_t{element_bytes}, isa::Type::u32);
    Operand base = Operand::of(base_);
    base.fresh = !is_bound;
    if (base_ == no_reg) {
      // The array's address comes after the index, whose instructions stand already.
      base = Operand::of(record<u32>(*recorder_, Op::mov_address, {start()}, index.where).id());
      base.fresh = true;
    }
    const Val<u32> at =
        record<u32>(*recorder_, Op::mad_lo, {index.operand, size, base}, index.where);
    return {*recorder_, array_, at.id(), offset_};
  }
  Operand start() const {
    Operand o = SharedPtr(*recorder_, array_, no_reg, 0).operand();
    return o;
  }

  Recorder* recorder_;
  int array_;
  RegId base_;
  std::int64_t offset_;
  bool is_bound_;
};

}  // namespace ptxmill::ptx
