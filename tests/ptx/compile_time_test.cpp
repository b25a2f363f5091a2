// What the C++ compiler refuses: each concept asks whether a call has an overload.
#include "tests/ptx/scratch_kernel.hpp"

namespace ptxmill::test {
namespace {

template <class A, class B>
concept CanAdd = requires(Kernel& k, A a, B b) {
  k.add(a, b);
};
template <class A, class B>
concept CanPlus = requires(A a, B b) {
  a + b;
};
template <class A, class B>
concept CanCompare = requires(A a, B b) {
  a < b;
};
template <class A>
concept CanAndAlso = requires(A a) {
  a&& a;
};
template <class A>
concept CanMulWide = requires(Kernel& k, A a) {
  k.mul_wide(a, a);
};
template <class A>
concept CanPopc = requires(Kernel& k, A a) {
  k.popc(a);
};
template <class A>
concept CanSetpEq = requires(Kernel& k, A a) {
  k.setp_eq(a, a);
};
template <class A>
concept CanSetpNan = requires(Kernel& k, A a) {
  k.setp_nan(a, a);
};
template <class A>
concept CanEx2 = requires(Kernel& k, A a) {
  k.ex2_approx(a);
};
template <class A>
concept CanFmaHalf = requires(Kernel& k, A a) {
  k.fma_half(a, a, a);
};
template <class A>
concept CanLop3 = requires(Kernel& k, A a) {
  k.lop3(a, a, a, 1);
};
template <class A>
concept CanRedux = requires(Kernel& k, A a) {
  k.redux_sync_add(a);
};
template <class A>
concept CanShuffle = requires(Kernel& k, A a) {
  k.shfl_sync_bfly(a, 1);
};
template <class T, class A>
concept CanCvt = requires(Kernel& k, A a) {
  k.cvt<T>(a);
};
template <class T, class A>
concept CanCvtRn = requires(Kernel& k, A a) {
  k.cvt_rn<T>(a);
};
template <class T, class A>
concept CanCvtRni = requires(Kernel& k, A a) {
  k.cvt_rni<T>(a);
};
template <class P>
concept CanLoadShared = requires(Kernel& k, P p) {
  k.ld_shared(p);
};
template <class P>
concept CanLoadGlobal = requires(Kernel& k, P p) {
  k.ld_global(p);
};
template <class P>
concept CanLoadGlobalV4 = requires(Kernel& k, P p) {
  k.ld_global_v4(p);
};
template <class P, class V>
concept CanStore = requires(Kernel& k, P p, V v) {
  k.store(p, v);
};
template <class P, class V>
concept CanAtomicAdd = requires(Kernel& k, P p, V v) {
  k.atom_global_add(p, v);
};
template <class P, class V>
concept CanAtomicExchange = requires(Kernel& k, P p, V v) {
  k.atom_global_exch(p, v);
};
template <class P, class I>
concept CanAdvance = requires(P p, I i) {
  p + i;
};
template <class R, class A>
concept CanReadAs = requires(Kernel& k, A a) {
  k.as<R>(a);
};
template <class R, class A>
concept CanBitCast = requires(Kernel& k, A a) {
  k.bit_cast<R>(a);
};
template <class R, class A>
concept CanPack = requires(Kernel& k, A a) {
  k.mov_pack<R>(a, a);
};
template <class T, class L>
concept CanAssign = requires(Var<T>& v, L value) {
  v = value;
};
template <class T>
concept CanCopyVariable = std::is_copy_constructible_v<Var<T>>;

using U16 = Val<u16>;
using S16 = Val<s16>;
using B64 = Val<b64>;

TEST_CASE("arithmetic takes the types of its row") {
  CHECK(CanAdd<U32, U32>);
  CHECK(CanAdd<U32, int>);
  CHECK_FALSE(CanAdd<Pred, Pred>);
  CHECK_FALSE(CanAdd<F32, F32>);
  CHECK_FALSE(CanAdd<F16, F16>);
  CHECK(CanMulWide<U32>);
  CHECK(CanMulWide<S16>);
  CHECK_FALSE(CanMulWide<U64>);
  CHECK_FALSE(CanMulWide<F32>);
  CHECK(CanPopc<U32>);
  CHECK(CanPopc<B64>);
  CHECK_FALSE(CanPopc<U16>);
  CHECK(CanEx2<F32>);
  CHECK_FALSE(CanEx2<F64>);
  CHECK_FALSE(CanEx2<U32>);
  CHECK(CanFmaHalf<BF16>);
  CHECK_FALSE(CanFmaHalf<F32>);
  CHECK(CanLop3<U32>);
  CHECK_FALSE(CanLop3<U64>);
  CHECK(CanRedux<S32>);
  CHECK_FALSE(CanRedux<F32>);
  CHECK_FALSE(CanRedux<B32>);
  CHECK(CanShuffle<F32>);
  CHECK_FALSE(CanShuffle<U64>);
}

TEST_CASE("operators do not mix types") {
  CHECK(CanPlus<U32, U32>);
  CHECK(CanPlus<U32, int>);
  CHECK(CanPlus<int, U32>);
  CHECK(CanPlus<F32, double>);
  CHECK_FALSE(CanPlus<U32, S32>);
  CHECK_FALSE(CanPlus<U32, U64>);
  CHECK_FALSE(CanPlus<U32, F32>);
  CHECK_FALSE(CanPlus<U32, float>);
  CHECK_FALSE(CanPlus<U32, bool>);
  CHECK_FALSE(CanPlus<F32, bool>);
  CHECK_FALSE(CanPlus<Pred, Pred>);
  CHECK(CanCompare<F32, float>);
  CHECK_FALSE(CanCompare<Pred, Pred>);
  CHECK_FALSE(CanCompare<U64, S64>);
  CHECK(CanAndAlso<Pred>);
  CHECK_FALSE(CanAndAlso<U32>);
}

TEST_CASE("floats are not compared as bits") {
  CHECK(CanSetpEq<F32>);
  CHECK(CanSetpEq<B32>);
  CHECK_FALSE(CanSetpEq<F16>);
  CHECK_FALSE(CanSetpEq<BF16>);
  CHECK_FALSE(CanSetpEq<Pred>);
  CHECK(CanSetpNan<F64>);
  CHECK_FALSE(CanSetpNan<U32>);
}

TEST_CASE("conversions carry the rounding that they need, and no other") {
  CHECK(CanCvt<u64, U32>);
  CHECK(CanCvt<f32, F16>);
  CHECK_FALSE(CanCvt<u32, F32>);
  CHECK_FALSE(CanCvt<f32, U32>);
  CHECK_FALSE(CanCvt<f32, F64>);
  CHECK(CanCvtRn<f32, U32>);
  CHECK(CanCvtRn<f16, F32>);
  CHECK_FALSE(CanCvtRn<f64, F32>);
  CHECK_FALSE(CanCvtRn<u32, F32>);
  CHECK(CanCvtRni<s32, F32>);
  CHECK(CanCvtRni<f32, F32>);
  CHECK_FALSE(CanCvtRni<f32, F64>);
  CHECK_FALSE(CanCvtRni<u32, U32>);
}

TEST_CASE("an address of one space does not reach an instruction of another") {
  CHECK(CanLoadGlobal<GlobalPtr<f32>>);
  CHECK(CanLoadShared<SharedPtr<f32>>);
  CHECK_FALSE(CanLoadShared<GlobalPtr<f32>>);
  CHECK_FALSE(CanLoadGlobal<SharedPtr<f32>>);
  CHECK_FALSE(CanLoadGlobal<U64>);
  CHECK_FALSE(CanLoadGlobal<GlobalPtr<pred>>);
  CHECK(CanLoadGlobalV4<GlobalPtr<f32>>);
  CHECK_FALSE(CanLoadGlobalV4<GlobalPtr<f64>>);
}

TEST_CASE("pointers carry their element type") {
  CHECK(CanStore<GlobalPtr<f32>, F32>);
  CHECK(CanStore<SharedPtr<u32>, int>);
  CHECK_FALSE(CanStore<GlobalPtr<u32>, F32>);
  CHECK_FALSE(CanStore<GlobalPtr<f32>, U32>);
  CHECK(CanAtomicAdd<GlobalPtr<f32>, F32>);
  CHECK_FALSE(CanAtomicAdd<GlobalPtr<f32>, U32>);
  CHECK_FALSE(CanAtomicAdd<GlobalPtr<s64>, S64>);
  CHECK_FALSE(CanAtomicAdd<SharedPtr<u32>, U32>);
  CHECK(CanAtomicExchange<GlobalPtr<u64>, U64>);
  CHECK_FALSE(CanAtomicExchange<GlobalPtr<u16>, U16>);
  CHECK(CanAdvance<GlobalPtr<f32>, U32>);
  CHECK(CanAdvance<GlobalPtr<f32>, U64>);
  CHECK(CanAdvance<SharedPtr<f32>, U32>);
  CHECK_FALSE(CanAdvance<SharedPtr<f32>, U64>);
  CHECK_FALSE(CanAdvance<GlobalPtr<f32>, F32>);
}

TEST_CASE("registers are read as types of their size and class") {
  CHECK(CanReadAs<s32, U32>);
  CHECK(CanReadAs<f16, U16>);
  CHECK_FALSE(CanReadAs<f32, U32>);
  CHECK_FALSE(CanReadAs<u64, U32>);
  CHECK(CanBitCast<f32, U32>);
  CHECK_FALSE(CanBitCast<f32, U64>);
  CHECK(CanPack<b64, U32>);
  CHECK_FALSE(CanPack<b64, U16>);
  CHECK_FALSE(CanPack<b32, U32>);
}

TEST_CASE("variables take values of their type") {
  CHECK(CanAssign<f32, F32>);
  CHECK(CanAssign<f32, double>);
  CHECK_FALSE(CanAssign<f32, U32>);
  CHECK_FALSE(CanAssign<u32, float>);
  CHECK_FALSE(CanCopyVariable<f32>);
}

}  // namespace
}  // namespace ptxmill::test
