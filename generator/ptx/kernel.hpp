// The language in which templates are written: a kernel reads like CUDA, and each call records
// one PTX instruction. A C++ `for` unrolls; Kernel's own control flow emits branches.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "generator/ptx/wgmma.hpp"

namespace ptxmill::ptx {

/// Launch facts that the entry declares.
struct EntryShape {
  int block_x = 1, block_y = 1, block_z = 1;
  int min_ctas_per_sm = 0;  ///< 0: not declared
  int cluster = 1;          ///< CTAs along x in a cluster
};

/// What some of a CTA's warpgroups do.
struct Role {
  std::string name;
  int warpgroups;
  int registers;  ///< of each thread; all roles or none say so
  std::function<void()> body;
};

/// One kernel under construction.
class Kernel : public WgmmaMethods {
 public:
  Kernel(std::string entry, Target target)
      : WgmmaMethods(recorder), recorder(std::move(entry), target) {}
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  using Body = std::function<void()>;

  // ---- values
  /// Names a value: `%f_mean`. A named value may cross phases, and reads as itself in the PTX.
  template <class T>
  Val<T> let(const std::string& name, const Val<T>& value, Where where = Where::here()) {
    return {recorder, recorder.name_value(value.id(), name, where)};
  }
  /// Copies a variable's present value.
  template <class T>
  Val<T> let(const std::string& name, const Var<T>& value, Where where = Where::here()) {
    return let(name, mov(value, where), where);
  }
  /// Names a pointer's register.
  template <class T>
  GlobalPtr<T> let(const std::string& name, const GlobalPtr<T>& p, Where where = Where::here()) {
    return {let(name, p.base(), where), p.offset()};
  }
  template <class T>
  SharedPtr<T> let(const std::string& name, const SharedPtr<T>& p, Where where = Where::here()) {
    if (p.base() == no_reg)
      return {recorder, p.array(), let(name, mov_address(p, where), where).id(), 0};
    return {recorder, p.array(), recorder.name_value(p.base(), name, where), p.offset()};
  }
  /// A constant in a register.
  template <class T>
  Val<T> constant(const In<T>& value) {
    return record<T>(recorder, Op::mov, {value.operand}, value.where);
  }
  /// An assignable register. It counts as differing between threads unless `level` says that every
  /// assignment will be uniform across such a set of threads, which is then checked.
  template <class T>
  Var<T> var(const std::string& name, const In<T>& initial, Level level = Level::thread) {
    Var<T> v(recorder, recorder.variable(T::type, name, level, initial.where));
    v = initial;
    return v;
  }
  /// The same, holding nothing until it is assigned.
  template <class T>
  Var<T> var(const std::string& name, Level level = Level::thread, Where where = Where::here()) {
    return {recorder, recorder.variable(T::type, name, level, where)};
  }
  /// A variable as the value that it holds until its next assignment.
  template <class T>
  Val<T> present(const Var<T>& v) {
    return {recorder, v.id()};
  }
  /// `count` variables, name0, name1, ..., all starting at `initial`.
  template <class T>
  std::vector<Var<T>> array(const std::string& name, int count, const In<T>& initial) {
    std::vector<Var<T>> v;
    v.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) v.push_back(var<T>(name + std::to_string(i), initial));
    return v;
  }
  /// The same, holding nothing until each is assigned.
  template <class T>
  std::vector<Var<T>> array(const std::string& name, int count, Where where = Where::here()) {
    std::vector<Var<T>> v;
    v.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i)
      v.push_back(var<T>(name + std::to_string(i), Level::thread, where));
    return v;
  }
  /// Reads a register as another type of the same size and register class, without an instruction.
  template <class R, class V, class T = register_among_t<V>>
  requires(isa::bits(R::type) == isa::bits(T::type) && is_real<R> == is_real<T>) Val<R> as(V&& v) {
    const Val<T> same = reading(std::forward<V>(v));
    const Val<R> read(recorder, same.id());
    return same.is_bound() ? read.bound() : read;
  }
  /// The bits of a value as another type of the same size.
  template <class R, class V, class T = register_among_t<V>>
  requires(isa::bits(R::type) == isa::bits(T::type)) Val<R> bit_cast(V&& v,
                                                                     Where where = Where::here()) {
    return record<R>(recorder, Op::mov, {PTX_IN(T, v)}, where, isa::bits_type(R::type));
  }
  /// States what the builder cannot see. The emulator checks it.
  template <class T>
  Val<T> assume_uniform(const Val<T>& v, Level level, Where where = Where::here()) {
    recorder.assume_uniform(v.id(), level, where);
    return v;
  }
  /// States that a value is a multiple of `divisor` (a power of two), for alignment checks.
  template <class V, class T = register_among_t<V>>
  Val<T> assume_multiple(V&& v, std::uint32_t divisor) {
    recorder.set_divisor(v.id(), divisor);
    return reading(std::forward<V>(v));
  }

  // ---- short forms
  /// a * b + c, rounded once (reals), or the low half of it (integers).
  template <class A, class B, class C, class T = register_among_t<A, B, C>>
  Val<T> fma(A&& a, B&& b, C&& c, Where where = Where::here()) {
    return record<T>(recorder, is_real<T> ? Op::fma_rn : Op::mad_lo,
                     {PTX_IN(T, a), PTX_IN(T, b), PTX_IN(T, c)}, where);
  }
  /// `yes` where p holds, else `no`.
  template <class A, class B>
  auto select(const In<pred>& p, A&& yes, B&& no, Where where = Where::here()) {
    return selp(std::forward<A>(yes), std::forward<B>(no), p, where);
  }
  /// Waits for the whole CTA (barrier 0).
  void sync(Where where = Where::here()) { bar_sync(0, where); }

  // ---- memory: one element, or a vector of 2 or 4
  template <class P>
  Val<element_of<P>> load(P&& p, Where where = Where::here()) {
    if constexpr (std::remove_cvref_t<P>::is_shared)
      return ld_shared(std::forward<P>(p), where);
    else
      return ld_global(std::forward<P>(p), where);
  }
  template <int n, class P>
  std::array<Val<element_of<P>>, n> load(P&& p, Where where = Where::here()) {
    static_assert(n == 2 || n == 4, "vectors have 2 or 4 elements");
    constexpr bool is_shared = std::remove_cvref_t<P>::is_shared;
    return vector_load<element_of<P>, n>(is_shared ? (n == 2 ? Op::ld_shared_v2 : Op::ld_shared_v4)
                                                   : (n == 2 ? Op::ld_global_v2 : Op::ld_global_v4),
                                         address(std::forward<P>(p)), where);
  }
  template <class P>
  void store(P&& p, const In<element_of<P>>& v, Where where = Where::here()) {
    constexpr bool is_shared = std::remove_cvref_t<P>::is_shared;
    recorder.emit(is_shared ? Op::st_shared : Op::st_global, element_of<P>::type,
                  {address(std::forward<P>(p)), v.operand}, where);
  }
  template <class P, std::size_t n>
  void store(P&& p, const std::array<Val<element_of<P>>, n>& v, Where where = Where::here()) {
    static_assert(n == 2 || n == 4, "vectors have 2 or 4 elements");
    constexpr bool is_shared = std::remove_cvref_t<P>::is_shared;
    recorder.emit(is_shared ? (n == 2 ? Op::st_shared_v2 : Op::st_shared_v4)
                            : (n == 2 ? Op::st_global_v2 : Op::st_global_v4),
                  element_of<P>::type, {address(std::forward<P>(p)), group(v)}, where);
  }
  /// The kernel's array of `count` elements in shared memory.
  template <class T>
  SharedPtr<T> shared(const std::string& name, std::int64_t count, int align = 16,
                      Where where = Where::here()) {
    return {recorder, recorder.shared_array(name, T::type, count, align, where), no_reg, 0};
  }

  // ---- parameters, read at the kernel's start
  /// A pointer parameter whose address is a multiple of `align` bytes.
  template <class T>
  GlobalPtr<T> pointer_param(const std::string& name, int align, Where where = Where::here());
  /// A scalar parameter; `divisor` is a power of two known to divide it.
  template <class T>
  Val<T> scalar_param(const std::string& name, std::uint32_t divisor = 1,
                      Where where = Where::here());

  /// A parameter that is a tensor map.
  TensorMap tensor_map_param(const std::string& name, Where where = Where::here());

  // ---- structure
  /// A block of its own: temporaries start again at zero, and none leaves it.
  void phase(const std::string& name, const Body& body, Where where = Where::here());
  /// Runs `then` where p holds. The branch is named for its labels.
  void if_(const std::string& name, const In<pred>& p, const Body& then);
  void if_(const std::string& name, const In<pred>& p, const Body& then, const Body& otherwise);
  /// Runs the body's loads, stores and arithmetic under the predicate, without a branch.
  void guard(const In<pred>& p, const Body& body);
  /// The same where p does not hold.
  void guard_not(const In<pred>& p, const Body& body);
  /// for (u32 name = first; name < last; name += step). The counter is not assignable.
  void for_range(const std::string& name, const In<u32>& first, const In<u32>& last,
                 const In<u32>& step, const std::function<void(U32)>& body);
  /// Repeats while `condition`, evaluated before each round, holds.
  void while_(const std::string& name, const std::function<Pred()>& condition, const Body& body,
              Where where = Where::here());
  /// Divides the CTA's warpgroups among roles, the first ones to the first role, and the registers
  /// of the multiprocessor with them (PTX ISA, "setmaxnreg").
  void roles(const U32& warpgroup, const std::vector<Role>& all, Where where = Where::here());
  /// Waits for the end of the mbarrier's phase of that parity. The wait is named for its label.
  void wait(const std::string& name, const Mbarrier& barrier, const In<u32>& parity);
  /// The same, and sees what threads of other CTAs wrote before they arrived.
  void wait_cluster(const std::string& name, const Mbarrier& barrier, const In<u32>& parity);
  /// First in a loop's body: ptxas is to leave the loop as it is. One of a constant count it would
  /// unroll until there are no registers left.
  void keep_rolled() { recorder.pragma("nounroll"); }
  /// Ends the threads for which p holds.
  void exit_if(const In<pred>& p);
  /// Text for the reader of the PTX.
  void note(const std::string& text, Where where = Where::here()) { recorder.comment(text, where); }

  Recorder recorder;

 private:
  /// The value, bound where a variable of the template holds it.
  template <class V, class T = register_among_t<V>>
  static Val<T> reading(V&& v) {
    if constexpr (std::is_lvalue_reference_v<V>)
      return v.bound();
    else
      return v;
  }
};

/// 0, 1, ..., n - 1: an unrolled loop reads `for (int i : unroll(n))`.
class unroll {
 public:
  explicit unroll(int n) : n_(n) {}
  struct iterator {
    int i;
    int operator*() const { return i; }
    iterator& operator++() {
      ++i;
      return *this;
    }
    bool operator!=(const iterator& other) const { return i != other.i; }
  };
  iterator begin() const { return {0}; }
  iterator end() const { return {n_}; }

 private:
  int n_;
};

/// ceil(a / b) for non-negative a and positive b.
constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

template <class T>
GlobalPtr<T> Kernel::pointer_param(const std::string& name, int align, Where where) {
  const std::string symbol = recorder.param({name, isa::Type::u64, 0, 0}, where);
  Operand at = Operand::symbolic(symbol);
  at.kind = Operand::Kind::address;
  const Val<u64> generic = record<u64>(recorder, Op::ld_param, {at}, where);
  recorder.set_divisor(generic.id(), static_cast<std::uint32_t>(align));
  return {let(name, cvta_to_global(generic, where), where), 0};
}

template <class T>
Val<T> Kernel::scalar_param(const std::string& name, std::uint32_t divisor, Where where) {
  const std::string symbol = recorder.param({name, T::type, 0, 0}, where);
  Operand at = Operand::symbolic(symbol);
  at.kind = Operand::Kind::address;
  const Val<T> v = let(name, record<T>(recorder, Op::ld_param, {at}, where), where);
  recorder.set_divisor(v.id(), divisor);
  return v;
}

}  // namespace ptxmill::ptx
