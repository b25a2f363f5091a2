// C++ leaves the order of operands open, and compilers differ; the PTX keeps the written one. The
// expectations hold for every compiler.
#include "generator/spec/document.hpp"
#include "templates/emitter.hpp"
#include "tests/ptx/scratch_kernel.hpp"

namespace ptxmill::test {
namespace {

template <class F>
std::string printed(F expression) {
  ScratchKernel k;
  expression(k);
  return instructions(k.recorder);
}

TEST_CASE("operands of an operator") {
  CHECK(printed([](auto& k) { (void)(k.tid_x() + k.ctaid_x()); }) ==
        "mov.u32 %r0, %tid.x;\n"
        "mov.u32 %r1, %ctaid.x;\n"
        "add.u32 %r2, %r0, %r1;\n");
  CHECK(printed([](auto& k) { (void)((k.tid_x() + k.tid_y()) * (k.tid_z() - k.ctaid_x())); }) ==
        "mov.u32 %r0, %tid.x;\n"
        "mov.u32 %r1, %tid.y;\n"
        "add.u32 %r2, %r0, %r1;\n"
        "mov.u32 %r3, %tid.z;\n"
        "mov.u32 %r4, %ctaid.x;\n"
        "sub.u32 %r5, %r3, %r4;\n"
        "mul.lo.u32 %r6, %r2, %r5;\n");
  CHECK(printed([](auto& k) { (void)(k.tid_x() < 3 && k.tid_y() < 4); }) ==
        "mov.u32 %r0, %tid.x;\n"
        "setp.lt.u32 %p0, %r0, 3;\n"
        "mov.u32 %r1, %tid.y;\n"
        "setp.lt.u32 %p1, %r1, 4;\n"
        "and.pred %p2, %p0, %p1;\n");
}

TEST_CASE("arguments of an instruction") {
  CHECK(printed([](auto& k) { k.min(k.tid_x() * 3, k.ctaid_x() * 5); }) ==
        "mov.u32 %r0, %tid.x;\n"
        "mul.lo.u32 %r1, %r0, 3;\n"
        "mov.u32 %r2, %ctaid.x;\n"
        "mul.lo.u32 %r3, %r2, 5;\n"
        "min.u32 %r4, %r1, %r3;\n");
  CHECK(printed([](auto& k) { k.fma(k.tid_x(), k.ntid_x(), k.ctaid_x()); }) ==
        "mov.u32 %r0, %tid.x;\n"
        "mov.u32 %r1, %ntid.x;\n"
        "mov.u32 %r2, %ctaid.x;\n"
        "mad.lo.u32 %r3, %r0, %r1, %r2;\n");
  CHECK(printed([](auto& k) { k.template mov_pack<b64>(k.tid_x(), k.ctaid_x()); }) ==
        "mov.u32 %r0, %tid.x;\n"
        "mov.u32 %r1, %ctaid.x;\n"
        "mov.b64 %rd2, {%r0, %r1};\n");
  CHECK(printed([](auto& k) {
          k.for_range("i", k.tid_x(), k.ctaid_x(), k.ntid_x(), [](const U32&) {});
        }) ==
        "mov.u32 %r0, %tid.x;\n"
        "mov.u32 %r1, %ctaid.x;\n"
        "mov.u32 %r2, %ntid.x;\n"
        "mov.u32 %r_i, %r0;\n"
        "setp.ge.u32 %p0, %r_i, %r1;\n"
        "@%p0 bra $i_end;\n"
        "add.u32 %r_i, %r_i, %r2;\n"
        "setp.lt.u32 %p1, %r_i, %r1;\n"
        "@%p1 bra $i_loop;\n");
}

TEST_CASE("addresses and values") {
  CHECK(printed([](auto& k) { k.store(k.out + k.tid_x(), k.load(k.x + k.ctaid_x())); }) ==
        "mov.u32 %r0, %tid.x;\n"
        "mad.wide.u32 %rd2, %r0, 4, %rd_out;\n"
        "mov.u32 %r1, %ctaid.x;\n"
        "mad.wide.u32 %rd3, %r1, 4, %rd_x;\n"
        "ld.global.f32 %f0, [%rd3];\n"
        "st.global.f32 [%rd2], %f0;\n");
  CHECK(printed([](auto& k) { (void)(k.load(k.x + k.tid_x()) * k.load(k.out + k.ctaid_x())); }) ==
        "mov.u32 %r0, %tid.x;\n"
        "mad.wide.u32 %rd2, %r0, 4, %rd_x;\n"
        "ld.global.f32 %f0, [%rd2];\n"
        "mov.u32 %r1, %ctaid.x;\n"
        "mad.wide.u32 %rd3, %r1, 4, %rd_out;\n"
        "ld.global.f32 %f1, [%rd3];\n"
        "mul.rn.f32 %f2, %f0, %f1;\n");
  CHECK(printed([](auto& k) {
          const auto s = k.template shared<f32>("s", 64);
          (void)(k.load(s + k.tid_x()) -
                 k.load(k.x + k.mad_wide(k.tid_y(), 8, k.template constant<u64>(1))));
        }) ==
        "mov.u32 %r0, %tid.x;\n"
        "mov.u32 %r1, s;\n"
        "mad.lo.u32 %r2, %r0, 4, %r1;\n"
        "ld.shared.f32 %f0, [%r2];\n"
        "mov.u32 %r3, %tid.y;\n"
        "mov.u64 %rd2, 1;\n"
        "mad.wide.u32 %rd3, %r3, 8, %rd2;\n"
        "mad.lo.u64 %rd4, %rd3, 4, %rd_x;\n"
        "ld.global.f32 %f1, [%rd4];\n"
        "sub.rn.f32 %f2, %f0, %f1;\n");
}

TEST_CASE("a pointer that a variable holds stays where it was computed") {
  CHECK(printed([](auto& k) {
          const auto p = k.x + k.tid_x();
          (void)(k.load(p + 1) * k.load(p + 2));
        }) ==
        "mov.u32 %r0, %tid.x;\n"
        "mad.wide.u32 %rd2, %r0, 4, %rd_x;\n"
        "ld.global.f32 %f0, [%rd2+4];\n"
        "ld.global.f32 %f1, [%rd2+8];\n"
        "mul.rn.f32 %f2, %f0, %f1;\n");
  CHECK(printed([](auto& k) {
          const auto p = k.x + k.tid_x();
          (void)(k.load(p.template as<u32>()) + k.tid_y());
        }) ==
        "mov.u32 %r0, %tid.x;\n"
        "mad.wide.u32 %rd2, %r0, 4, %rd_x;\n"
        "ld.global.u32 %r1, [%rd2];\n"
        "mov.u32 %r2, %tid.y;\n"
        "add.u32 %r3, %r1, %r2;\n");
}

TEST_CASE("values read as another type") {
  CHECK(printed([](auto& k) {
          (void)(k.template as<s32>(k.tid_x()) + k.template bit_cast<s32>(k.load(k.x)));
        }) ==
        "mov.u32 %r0, %tid.x;\n"
        "ld.global.f32 %f0, [%rd_x];\n"
        "mov.b32 %r1, %f0;\n"
        "add.s32 %r2, %r0, %r1;\n");
}

// A function of the template may hand out values that it holds; they look like new ones.
TEST_CASE("values that depend on each other keep their order") {
  CHECK(printed([](auto& k) {
          const F32 first = k.load(k.x);
          const F32 second = first + 1;
          const auto handed_out = [](const F32& v) { return v; };
          (void)(handed_out(second) * handed_out(first));
        }) ==
        "ld.global.f32 %f0, [%rd_x];\n"
        "add.rn.f32 %f1, %f0, 0f3F800000; // 1\n"
        "mul.rn.f32 %f2, %f1, %f0;\n");
}

TEST_CASE("extents") {
  using kernels::Extent;
  CHECK(printed([](auto& k) {
          const Extent n(k.n);
          (void)(ceil_div(n * 3, 64) * ceil_div(n + 1, 32));
        }) ==
        "mul.lo.u32 %r0, %r_n, 3;\n"
        "add.u32 %r1, %r0, 63;\n"
        "shr.u32 %r2, %r1, 6;\n"
        "add.u32 %r3, %r_n, 1;\n"
        "add.u32 %r4, %r3, 31;\n"
        "shr.u32 %r5, %r4, 5;\n"
        "mul.lo.u32 %r6, %r2, %r5;\n");
}

/// A template of two tensors of a 16-bit type.
struct Halves final : kernels::Template {
  kernels::DtypeField dtype{*this, "dtype", "element type", {kernels::Dtype::f16}};
  kernels::Tensor x{*this, "x",  kernels::Direction::in,
                    dtype, "in", [] { return kernels::Shape{64}; }};
  kernels::Tensor out{*this, "out", kernels::Direction::out,
                      dtype, "out", [] { return kernels::Shape{64}; }};
  kernels::Launch launch(const kernels::Form&) const override { return {}; }
  void emit(kernels::Emitter&, const kernels::Form&) const override {}
};

TEST_CASE("elements whose type the spec decides") {
  Halves declared;
  spec::Problems problems("test");
  declared.read(spec::parse(R"({"dtype": "f16"})", problems), "", {}, problems);
  REQUIRE(problems.empty());
  kernels::Emitter k("halves", {80, false}, declared, {});
  const auto x = k.ptr(declared.x), out = k.ptr(declared.out);
  k.store(out + k.tid_x(), k.load(x + k.tid_y()) * k.load(x + k.tid_z()));
  // Without the four lines of the pointers' parameters; the helper skips five.
  CHECK(instructions(k.recorder) ==
        "mad.wide.u32 %rd2, %r0, 2, %rd_out;\n"
        "mov.u32 %r1, %tid.y;\n"
        "mad.wide.u32 %rd3, %r1, 2, %rd_x;\n"
        "ld.global.u16 %h0, [%rd3];\n"
        "cvt.f32.f16 %f0, %h0;\n"
        "mov.u32 %r2, %tid.z;\n"
        "mad.wide.u32 %rd4, %r2, 2, %rd_x;\n"
        "ld.global.u16 %h1, [%rd4];\n"
        "cvt.f32.f16 %f1, %h1;\n"
        "mul.rn.f32 %f2, %f0, %f1;\n"
        "cvt.rn.f16.f32 %h2, %f2;\n"
        "st.global.u16 [%rd2], %h2;\n");
}

}  // namespace
}  // namespace ptxmill::test
