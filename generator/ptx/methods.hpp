// The builder's methods: one C++ overload set for each row of the instruction table. An operand
// shape becomes a signature here, once; a row of a known shape needs no line in this file.
#pragma once

#include <array>
#include <optional>
#include <utility>

#include "generator/ptx/pointer.hpp"
#include "generator/ptx/value.hpp"

namespace ptxmill::ptx {

/// The row takes operands of type T (or of the untyped type of its size).
template <Op op, class T>
concept Legal = isa::suffix_for(isa::row(op), T::type)
.has_value();
/// The row takes exactly T, as conversions do.
template <Op op, class T>
concept LegalResult = isa::row(op)
.types.contains(T::type);
template <Op op, class T, class F>
concept Converts = isa::converts(isa::row(op), T::type, F::type);

/// The tag of twice the width, and the tag of half of it.
template <class T>
struct wide {
  using type = void;
};
template <>
struct wide<u16> {
  using type = u32;
};
template <>
struct wide<s16> {
  using type = s32;
};
template <>
struct wide<u32> {
  using type = u64;
};
template <>
struct wide<s32> {
  using type = s64;
};
template <class T>
using wide_t = typename wide<T>::type;

/// The state space that a memory row's spelling names.
constexpr bool row_is_shared(Op op) {
  return isa::row(op).spelling.find(".shared") != std::string_view::npos;
}
template <class P>
using element_of = typename std::remove_cvref_t<P>::element;
template <Op op, class P>
concept AddressFor = requires {
  typename std::remove_cvref_t<P>::element;
}
&&std::remove_cvref_t<P>::is_shared == row_is_shared(op) && Legal<op, element_of<P>>;

/// Every plain instruction as a method. Kernel derives from it.
class Methods {
 public:
  explicit Methods(Recorder& recorder) : recorder_(recorder) {}

#define PTX_T typename A::type
#define PTX_IN(T, x) In<T>(std::forward<decltype(x)>(x), where).operand
#define PTX_SHAPE_nothing(m) \
  void m(Where where = Where::here()) { recorder_.emit(Op::m, isa::Type::b32, {}, where); }
#define PTX_SHAPE_t(m)                                             \
  template <class T = u32>                                         \
  requires Legal<Op::m, T> Val<T> m(Where where = Where::here()) { \
    return record<T>(recorder_, Op::m, {}, where);                 \
  }
#define PTX_SHAPE_t_t(m)                                                  \
  template <class A, class T = register_among_t<A>>                       \
  requires Legal<Op::m, T> Val<T> m(A&& a, Where where = Where::here()) { \
    return record<T>(recorder_, Op::m, {PTX_IN(T, a)}, where);            \
  }
#define PTX_SHAPE_t_t_t(m)                                                       \
  template <class A, class B, class T = register_among_t<A, B>>                  \
  requires Legal<Op::m, T> Val<T> m(A&& a, B&& b, Where where = Where::here()) { \
    return record<T>(recorder_, Op::m, {PTX_IN(T, a), PTX_IN(T, b)}, where);     \
  }
#define PTX_SHAPE_t_t_t_t(m)                                                               \
  template <class A, class B, class C, class T = register_among_t<A, B, C>>                \
  requires Legal<Op::m, T> Val<T> m(A&& a, B&& b, C&& c, Where where = Where::here()) {    \
    return record<T>(recorder_, Op::m, {PTX_IN(T, a), PTX_IN(T, b), PTX_IN(T, c)}, where); \
  }
#define PTX_SHAPE_t_t_t_t_imm(m)                                                                 \
  template <class A, class B, class C, class T = register_among_t<A, B, C>>                      \
  requires Legal<Op::m, T> Val<T> m(A&& a, B&& b, C&& c, int imm, Where where = Where::here()) { \
    return record<T>(recorder_, Op::m,                                                           \
                     {PTX_IN(T, a), PTX_IN(T, b), PTX_IN(T, c), PTX_IN(u32, imm)}, where);       \
  }
#define PTX_SHAPE_t_t_u32(m)                                                                \
  template <class A, class T = register_among_t<A>>                                         \
  requires Legal<Op::m, T> Val<T> m(A&& a, const In<u32>& b, Where where = Where::here()) { \
    return record<T>(recorder_, Op::m, {PTX_IN(T, a), b.operand}, where);                   \
  }
#define PTX_SHAPE_t_t_u32_u32(m)                                                     \
  template <class A, class T = register_among_t<A>>                                  \
  requires Legal<Op::m, T> Val<T> m(A&& a, const In<u32>& b, const In<u32>& c,       \
                                    Where where = Where::here()) {                   \
    return record<T>(recorder_, Op::m, {PTX_IN(T, a), b.operand, c.operand}, where); \
  }
#define PTX_SHAPE_t_t_t_u32(m)                                                                     \
  template <class A, class B, class T = register_among_t<A, B>>                                    \
  requires Legal<Op::m, T> Val<T> m(A&& a, B&& b, const In<u32>& c, Where where = Where::here()) { \
    return record<T>(recorder_, Op::m, {PTX_IN(T, a), PTX_IN(T, b), c.operand}, where);            \
  }
#define PTX_SHAPE_t_t_t_u32_u32(m)                                                                 \
  template <class A, class B, class T = register_among_t<A, B>>                                    \
  requires Legal<Op::m, T> Val<T> m(A&& a, B&& b, const In<u32>& c, const In<u32>& d,              \
                                    Where where = Where::here()) {                                 \
    return record<T>(recorder_, Op::m, {PTX_IN(T, a), PTX_IN(T, b), c.operand, d.operand}, where); \
  }
#define PTX_SHAPE_u32_t(m)                                                  \
  template <class A, class T = register_among_t<A>>                         \
  requires Legal<Op::m, T> Val<u32> m(A&& a, Where where = Where::here()) { \
    return record<T, u32>(recorder_, Op::m, {PTX_IN(T, a)}, where);         \
  }
#define PTX_SHAPE_wide_t_t(m)                                                                  \
  template <class A, class B, class T = register_among_t<A, B>>                                \
  requires LegalResult<Op::m, T> Val<wide_t<T>> m(A&& a, B&& b, Where where = Where::here()) { \
    return record<T, wide_t<T>>(recorder_, Op::m, {PTX_IN(T, a), PTX_IN(T, b)}, where);        \
  }
#define PTX_SHAPE_wide_t_t_wide(m)                                                          \
  template <class A, class B, class C, class T = register_among_t<A, B>>                    \
  requires LegalResult<Op::m, T> Val<wide_t<T>> m(A&& a, B&& b, C&& c,                      \
                                                  Where where = Where::here()) {            \
    return record<T, wide_t<T>>(recorder_, Op::m,                                           \
                                {PTX_IN(T, a), PTX_IN(T, b), PTX_IN(wide_t<T>, c)}, where); \
  }
#define PTX_SHAPE_pred_t_t(m)                                                       \
  template <class A, class B, class T = register_among_t<A, B>>                     \
  requires Legal<Op::m, T> Val<pred> m(A&& a, B&& b, Where where = Where::here()) { \
    return record<T, pred>(recorder_, Op::m, {PTX_IN(T, a), PTX_IN(T, b)}, where);  \
  }
#define PTX_SHAPE_pred_t(m)                                                  \
  template <class A, class T = register_among_t<A>>                          \
  requires Legal<Op::m, T> Val<pred> m(A&& a, Where where = Where::here()) { \
    return record<T, pred>(recorder_, Op::m, {PTX_IN(T, a)}, where);         \
  }
#define PTX_SHAPE_t_t_t_pred(m)                                                         \
  template <class A, class B, class T = register_among_t<A, B>>                         \
  requires Legal<Op::m, T> Val<T> m(A&& a, B&& b, const In<pred>& p,                    \
                                    Where where = Where::here()) {                      \
    return record<T>(recorder_, Op::m, {PTX_IN(T, a), PTX_IN(T, b), p.operand}, where); \
  }
#define PTX_SHAPE_t_from(m)                                                         \
  template <class T, class A, class F = register_among_t<A>>                        \
  requires Converts<Op::m, T, F> Val<T> m(A&& a, Where where = Where::here()) {     \
    const RegId d = recorder_.temporary(T::type, where);                            \
    recorder_.emit(Op::m, T::type, F::type, {Operand::of(d), PTX_IN(F, a)}, where); \
    return {recorder_, d};                                                          \
  }
/* The manual's order: the first source becomes the upper half. */
#define PTX_SHAPE_t_from_from(m)                                                                   \
  template <class T>                                                                               \
  requires LegalResult<Op::m, T> Val<T> m(const In<f32>& upper, const In<f32>& lower,              \
                                          Where where = Where::here()) {                           \
    const RegId d = recorder_.temporary(T::type, where);                                           \
    recorder_.emit(Op::m, T::type, isa::Type::f32, {Operand::of(d), upper.operand, lower.operand}, \
                   where);                                                                         \
    return {recorder_, d};                                                                         \
  }
#define PTX_SHAPE_t_half_half(m)                                                      \
  template <class R, class A, class B, class H = register_among_t<A, B>>              \
  requires Legal<Op::m, R> &&(isa::bits(R::type) == 2 * isa::bits(H::type)) Val<R> m( \
      A&& lower, B&& upper, Where where = Where::here()) {                            \
    const Operand halves[] = {PTX_IN(H, lower), PTX_IN(H, upper)};                    \
    recorder_.settle_order({halves[0], halves[1]});                                   \
    Operand both;                                                                     \
    both.kind = Operand::Kind::group;                                                 \
    both.group = {halves[0].reg, halves[1].reg};                                      \
    return record<R>(recorder_, Op::m, {both}, where);                                \
  }
#define PTX_SHAPE_half_half_t(m)                                                       \
  template <class H, class R>                                                          \
  requires Legal<Op::m, R> &&(isa::bits(R::type) == 2 * isa::bits(H::type))            \
      std::pair<Val<H>, Val<H>>                                                        \
      m(const Val<R>& a, Where where = Where::here()) {                                \
    const Val<H> lower(recorder_, recorder_.temporary(H::type, where));                \
    const Val<H> upper(recorder_, recorder_.temporary(H::type, where));                \
    recorder_.emit(Op::m, R::type, {group(lower, upper), Operand::of(a.id())}, where); \
    return {lower, upper};                                                             \
  }
#define PTX_SHAPE_t_at(m)                                                                   \
  template <class P>                                                                        \
  requires AddressFor<Op::m, P> Val<element_of<P>> m(P&& at, Where where = Where::here()) { \
    return record<element_of<P>>(recorder_, Op::m, {address(std::forward<P>(at))}, where);  \
  }
#define PTX_SHAPE_t2_at(m) PTX_VECTOR_LOAD(m, 2)
#define PTX_SHAPE_t4_at(m) PTX_VECTOR_LOAD(m, 4)
#define PTX_VECTOR_LOAD(m, n)                                                                      \
  template <class P>                                                                               \
  requires AddressFor<Op::m, P> std::array<Val<element_of<P>>, n> m(P&& at,                        \
                                                                    Where where = Where::here()) { \
    return vector_load<element_of<P>, n>(Op::m, address(std::forward<P>(at)), where);              \
  }
#define PTX_SHAPE_at_t(m)                                                                     \
  template <class P>                                                                          \
  requires AddressFor<Op::m, P>                                                               \
  void m(P&& at, const In<element_of<P>>& value, Where where = Where::here()) {               \
    recorder_.emit(Op::m, element_of<P>::type, {address(std::forward<P>(at)), value.operand}, \
                   where);                                                                    \
  }
#define PTX_SHAPE_at_t2(m) PTX_VECTOR_STORE(m, 2)
#define PTX_SHAPE_at_t4(m) PTX_VECTOR_STORE(m, 4)
/* The second address is one of shared::cluster, in a register. */
#define PTX_SHAPE_at_t4_at(m)                                                           \
  template <class P>                                                                    \
  requires AddressFor<Op::m, P>                                                         \
  void m(P&& at, const std::array<Val<element_of<P>>, 4>& v, const Val<u32>& done,      \
         Where where = Where::here()) {                                                 \
    recorder_.emit(Op::m, element_of<P>::type,                                          \
                   {address(std::forward<P>(at)), group(v), at_register(done)}, where); \
  }
#define PTX_VECTOR_STORE(m, n)                                                                   \
  template <class P>                                                                             \
  requires AddressFor<Op::m, P>                                                                  \
  void m(P&& at, const std::array<Val<element_of<P>>, n>& v, Where where = Where::here()) {      \
    recorder_.emit(Op::m, element_of<P>::type, {address(std::forward<P>(at)), group(v)}, where); \
  }
#define PTX_SHAPE_t_at_t(m)                                                                       \
  template <class P>                                                                              \
  requires AddressFor<Op::m, P> Val<element_of<P>> m(P&& at, const In<element_of<P>>& value,      \
                                                     Where where = Where::here()) {               \
    return record<element_of<P>>(recorder_, Op::m, {address(std::forward<P>(at)), value.operand}, \
                                 where);                                                          \
  }
#define PTX_SHAPE_t_at_t_t(m)                                                                      \
  template <class P>                                                                               \
  requires AddressFor<Op::m, P> Val<element_of<P>> m(P&& at, const In<element_of<P>>& expected,    \
                                                     const In<element_of<P>>& value,               \
                                                     Where where = Where::here()) {                \
    return record<element_of<P>>(                                                                  \
        recorder_, Op::m, {address(std::forward<P>(at)), expected.operand, value.operand}, where); \
  }
/* The first address is the destination's. */
#define PTX_SHAPE_at_at_bytes(m)                                                                   \
  template <class P, class Q>                                                                      \
  requires(std::remove_cvref_t<P>::is_shared && !std::remove_cvref_t<Q>::is_shared) void m(        \
      P&& to, Q&& from, int bytes, Where where = Where::here()) {                                  \
    async_copy(Op::m, address(std::forward<P>(to)), address(std::forward<Q>(from)), bytes, where); \
  }
#define PTX_SHAPE_count(m)                                          \
  void m(int n, Where where = Where::here()) {                      \
    recorder_.emit(Op::m, isa::Type::b32, {PTX_IN(u32, n)}, where); \
  }
#define PTX_SHAPE_t_symbol(m)                                       \
  template <class E>                                                \
  Val<u32> m(const SharedPtr<E>& at, Where where = Where::here()) { \
    return record<u32>(recorder_, Op::m, {at.operand()}, where);    \
  }
#define PTX_SHAPE_t_t_u32_imm_mask(m)                                                      \
  template <class A, class T = register_among_t<A>>                                        \
  requires Legal<Op::m, T> Val<T> m(                                                       \
      A&& a, const In<u32>& b, int c = (isa::row(Op::m).op == Op::shfl_sync_up ? 0 : 31),  \
      std::uint32_t mask = 0xffffffffu, Where where = Where::here()) {                     \
    return record<T>(recorder_, Op::m,                                                     \
                     {PTX_IN(T, a), b.operand, PTX_IN(u32, c), PTX_IN(u32, mask)}, where); \
  }
#define PTX_SHAPE_t_t_mask(m)                                                      \
  template <class A, class T = register_among_t<A>>                                \
  requires LegalResult<Op::m, T> Val<T> m(A&& a, std::uint32_t mask = 0xffffffffu, \
                                          Where where = Where::here()) {           \
    return record<T>(recorder_, Op::m, {PTX_IN(T, a), PTX_IN(u32, mask)}, where);  \
  }
#define PTX_SHAPE_pred_pred_mask(m)                                                               \
  Val<pred> m(const In<pred>& p, std::uint32_t mask = 0xffffffffu, Where where = Where::here()) { \
    return record<pred>(recorder_, Op::m, {p.operand, PTX_IN(u32, mask)}, where);                 \
  }
#define PTX_SHAPE_u32_pred_mask(m)                                                               \
  Val<u32> m(const In<pred>& p, std::uint32_t mask = 0xffffffffu, Where where = Where::here()) { \
    return record<u32>(recorder_, Op::m, {p.operand, PTX_IN(u32, mask)}, where);                 \
  }
#define PTX_SHAPE_mask(m)                                                 \
  void m(std::uint32_t mask = 0xffffffffu, Where where = Where::here()) { \
    recorder_.emit(Op::m, isa::Type::b32, {PTX_IN(u32, mask)}, where);    \
  }
#define PTX_SHAPE_u32(m)                                       \
  void m(const In<u32>& a, Where where = Where::here()) {      \
    recorder_.emit(Op::m, isa::Type::b32, {a.operand}, where); \
  }
#define PTX_SHAPE_barrier(m) \
  void m(int id, Where where = Where::here()) { barrier(Op::m, id, std::nullopt, where); }
#define PTX_SHAPE_barrier_count(m) \
  void m(int id, int threads, Where where = Where::here()) { barrier(Op::m, id, threads, where); }
#define PTX_SHAPE_u32_count(m)                                          \
  void m(const In<u32>& id, int threads, Where where = Where::here()) { \
    barrier_at(Op::m, id.operand, threads, where);                      \
  }
/* Wrapped: async.hpp, wgmma.hpp. */
#define PTX_SHAPE_at(m)
#define PTX_SHAPE_at_u32(m)
#define PTX_SHAPE_sink_at(m)
#define PTX_SHAPE_sink_at_u32(m)
#define PTX_SHAPE_pred_at_u32(m)
#define PTX_SHAPE_elected_mask(m)
#define PTX_SHAPE_at_tensor_at(m)
#define PTX_SHAPE_at_tensor_at_mask(m)
#define PTX_SHAPE_tensor_at(m)
#define PTX_SHAPE_wgmma(m)
#define PTX_SHAPE_wgmma_k_major(m)
#define PTX_SHAPE_wgmma_k_major_a(m)
#define PTX_SHAPE_t_f32(m)                                    \
  Val<b32> m(const In<f32>& a, Where where = Where::here()) { \
    return record<b32>(recorder_, Op::m, {a.operand}, where); \
  }
/* Wrapped: matrix.hpp. */
#define PTX_SHAPE_matrix1_at(m)
#define PTX_SHAPE_matrix2_at(m)
#define PTX_SHAPE_matrix4_at(m)
#define PTX_SHAPE_at_matrix1(m)
#define PTX_SHAPE_at_matrix2(m)
#define PTX_SHAPE_at_matrix4(m)
#define PTX_SHAPE_sums_quad_pair(m)
#define PTX_SHAPE_sums_pair_one(m)
/* Control flow is Kernel's: structured, checked for uniformity. */
#define PTX_SHAPE_branch(m)
#define PTX_SHAPE_leave(m)
#define PTX(method, spelled, shape, ...) PTX_SHAPE_##shape(method)
#include "isa/isa.def"
#undef PTX

#define PTX_SPECIAL(method, spelled, t, level, ptx, target) \
  Val<t> method(Where where = Where::here()) { return {recorder_, special(spelled, where)}; }
#include "isa/special_registers.def"
#undef PTX_SPECIAL

 protected:
  Recorder& recorder_;  // NOLINT: shared with Kernel

  /// A pointer as an operand; one computed in place counts as part of the expression.
  template <class P>
  static Operand address(P&& at) {
    return at.operand(!std::is_lvalue_reference_v<P>);
  }
  static Operand at_register(const Val<u32>& address) {
    Operand o;
    o.kind = Operand::Kind::address;
    o.reg = address.id();
    return o;
  }
  template <class H>
  static Operand group(const Val<H>& a, const Val<H>& b) {
    return group(std::array<Val<H>, 2>{a, b});
  }
  template <class H, std::size_t n>
  static Operand group(const std::array<Val<H>, n>& v) {
    Operand o;
    o.kind = Operand::Kind::group;
    for (const Val<H>& element : v) o.group.push_back(element.id());
    return o;
  }
  template <class T, std::size_t n>
  std::array<Val<T>, n> vector_load(Op op, const Operand& at, Where where) {
    return vector_load_of<T>(op, at, where, std::make_index_sequence<n>{});
  }
  template <class T, std::size_t... i>
  std::array<Val<T>, sizeof...(i)> vector_load_of(Op op, const Operand& at, Where where,
                                                  std::index_sequence<i...>) {
    const std::array<Val<T>, sizeof...(i)> v{
        ((void)i, Val<T>(recorder_, recorder_.temporary(T::type, where)))...};
    recorder_.emit(op, T::type, {group(v), at}, where);
    return v;
  }

 private:
  RegId special(std::string_view spelling, Where where);
  void barrier(Op op, int id, std::optional<int> threads, Where where);
  void barrier_at(Op op, const Operand& id, int threads, Where where);
  void async_copy(Op op, const Operand& to, const Operand& from, int bytes, Where where);
};

}  // namespace ptxmill::ptx
