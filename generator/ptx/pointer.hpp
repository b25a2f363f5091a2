// Typed pointers with element arithmetic. Global and shared pointers are different types, so that
// an address of one space cannot reach an instruction of the other.
#pragma once

#include "generator/ptx/value.hpp"

namespace ptxmill::ptx {

/// A pointer to elements of type T in global memory: a 64-bit register and a constant offset.
template <class T>
class GlobalPtr {
 public:
  using element = T;
  static constexpr bool is_shared = false;
  static constexpr int element_bytes = isa::bits(T::type) / 8;

  GlobalPtr(Val<u64> base, std::int64_t offset_bytes) : base_(base), offset_(offset_bytes) {}

  Operand operand() const {
    Operand o;
    o.kind = Operand::Kind::address;
    o.reg = base_.id();
    o.integer = offset_;
    return o;
  }
  const Val<u64>& base() const { return base_; }
  std::int64_t offset() const { return offset_; }
  /// The same address as a pointer to another element type.
  template <class U>
  GlobalPtr<U> as() const {
    return {base_, offset_};
  }

  /// The address of the element `index` further on. A constant folds into the offset.
  friend GlobalPtr operator+(const GlobalPtr& p, const In<u32>& index) {
    return p.advance(index, Op::mad_wide);
  }
  friend GlobalPtr operator+(const GlobalPtr& p, const Val<s32>& index) {
    return p.advance(In<s32>(index), Op::mad_wide);
  }
  friend GlobalPtr operator+(const GlobalPtr& p, const Val<u64>& index) {
    return p.advance(In<u64>(index), Op::mad_lo);
  }

 private:
  template <class I>
  GlobalPtr advance(const In<I>& index, Op op) const {
    if (index.is_literal()) return {base_, offset_ + index.operand.integer * element_bytes};
    const Operand size = Operand::literal(std::int64_t{element_bytes}, I::type);
    return {record<I, u64>(base_.recorder(), op, {index.operand, size, Operand::of(base_.id())},
                           index.where),
            offset_};
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

  SharedPtr(Recorder& recorder, int array, RegId base, std::int64_t offset_bytes)
      : recorder_(&recorder), array_(array), base_(base), offset_(offset_bytes) {}

  Operand operand() const {
    Operand o;
    o.kind = Operand::Kind::shared;
    o.shared = array_;
    o.reg = base_;
    o.integer = offset_;
    return o;
  }
  RegId base() const { return base_; }
  std::int64_t offset() const { return offset_; }
  int array() const { return array_; }
  Recorder& recorder() const { return *recorder_; }
  template <class U>
  SharedPtr<U> as() const {
    return {*recorder_, array_, base_, offset_};
  }

  friend SharedPtr operator+(const SharedPtr& p, const In<u32>& index) {
    if (index.is_literal())
      return {*p.recorder_, p.array_, p.base_, p.offset_ + index.operand.integer * element_bytes};
    const Operand size = Operand::literal(std::int64_t{element_bytes}, isa::Type::u32);
    const Operand base =
        p.base_ == no_reg
            ? Operand::of(record<u32>(*p.recorder_, Op::mov_address, {p.start()}, index.where).id())
            : Operand::of(p.base_);
    const Val<u32> at =
        record<u32>(*p.recorder_, Op::mad_lo, {index.operand, size, base}, index.where);
    return {*p.recorder_, p.array_, at.id(), p.offset_};
  }

 private:
  Operand start() const {
    Operand o = SharedPtr(*recorder_, array_, no_reg, 0).operand();
    return o;
  }

  Recorder* recorder_;
  int array_;
  RegId base_;
  std::int64_t offset_;
};

}  // namespace ptxmill::ptx
