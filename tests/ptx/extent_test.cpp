// Dimensions in a body: constants fold, registers record.
#include "templates/emitter.hpp"
#include "tests/ptx/scratch_kernel.hpp"

namespace ptxmill::test {
namespace {

using kernels::Extent;

TEST_CASE("static extents fold without an instruction") {
  CHECK((Extent(6) + Extent(4)).is(10));
  CHECK((Extent(6) - Extent(4)).is(2));
  CHECK((Extent(6) * Extent(4)).is(24));
  CHECK((Extent(6) / Extent(4)).is(1));
  CHECK((Extent(6) % Extent(4)).is(2));
  CHECK(ceil_div(Extent(6), 4).is(2));
  CHECK(ceil_div(Extent(8), 4).is(2));
  CHECK(ceil_div(Extent(0), 4).is(0));
  CHECK(Extent(6).get() == 6);
  CHECK_FALSE(Extent(6).is(7));
}

TEST_CASE("a dynamic extent is a register") {
  ScratchKernel k;
  const Extent n(k.n);
  CHECK_FALSE(n.is_static());
  CHECK_FALSE(n.is(0));
  CHECK(n.value().id() == k.n.id());
}

TEST_CASE("arithmetic on a dynamic extent records, and multiplication by one does not") {
  ScratchKernel k;
  const Extent n(k.n);
  CHECK((n * Extent(1)).value().id() == k.n.id());
  CHECK((Extent(1) * n).value().id() == k.n.id());
  CHECK(instructions(k.recorder).empty());
  CHECK_FALSE((n * Extent(3) + Extent(2)).is_static());
  CHECK_FALSE(ceil_div(n, 256).is_static());
  CHECK_FALSE((n % Extent(8)).is_static());
  CHECK_FALSE((Extent(100) - n).is_static());
  CHECK(instructions(k.recorder) ==
        "mul.lo.u32 %r0, %r_n, 3;\nadd.u32 %r1, %r0, 2;\n"
        "add.u32 %r2, %r_n, 255;\nshr.u32 %r3, %r2, 8;\n"
        "and.b32 %r4, %r_n, 7;\n"
        "sub.u32 %r5, 100, %r_n;\n");
}

TEST_CASE("an extent stands where an operand does") {
  ScratchKernel k;
  const U32 tid = k.tid_x();
  k.add(tid, Extent(5));
  (void)(tid < Extent(k.n));
  (void)(Extent(k.n) - tid);
  k.for_range("i", 0, Extent(12), 4, [](const U32&) {});
  CHECK(instructions(k.recorder) ==
        "mov.u32 %r0, %tid.x;\nadd.u32 %r1, %r0, 5;\nsetp.lt.u32 %p0, %r0, %r_n;\n"
        "sub.u32 %r2, %r_n, %r0;\nmov.u32 %r_i, 0;\nadd.u32 %r_i, %r_i, 4;\n"
        "setp.lt.u32 %p1, %r_i, 12;\n@%p1 bra $i_loop;\n");
}

}  // namespace
}  // namespace ptxmill::test
