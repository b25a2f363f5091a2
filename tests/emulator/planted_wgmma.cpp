// Planted bugs around products of a warpgroup.
#include "hopper_fixture.hpp"
#include "planted_kernel.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

/// Fills a of 64 x 16 and b of 16 x 8 with 1 in bf16; their descriptors are %w0 and %w1.
#define FILLED                                                                               \
  "// ---- fill\nmov.b32 %v15, 0x3f803f80;\nmad.lo.u32 %v14, %t, 16, %z;\nsetp.lt.u32 %k7, " \
  "%t, 16;\nst.shared.v4.u32 [%v14], {%v15, %v15, %v15, %v15};\n"                            \
  "@%k7 st.shared.v4.u32 [%v14+2048], {%v15, %v15, %v15, %v15};\n" DESCRIPTORS
#define DESCRIPTORS                                                        \
  "shr.u32 %v12, %z, 4;\nor.b32 %v12, %v12, 0x80000;\nmov.u32 %v13, 16;\n" \
  "mov.b64 %w0, {%v12, %v13};\nadd.u32 %v12, %v12, 128;\nmov.b64 %w1, {%v12, %v13};\n"
#define VISIBLE "fence.proxy.async.shared::cta;\nbar.sync 0;\n"
#define ZERO_D "mov.f32 %f0, 0f00000000;\nmov.f32 %f1, %f0;\nmov.f32 %f2, %f0;\nmov.f32 %f3, %f0;\n"
#define FENCE "wgmma.fence.sync.aligned;\n"
#define COMMIT "wgmma.commit_group.sync.aligned;\n"
#define WAIT "wgmma.wait_group.sync.aligned 0;\n"
#define MULTIPLY                                                                                  \
  "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%f0, %f1, %f2, %f3}, %w0, %w1, 1, 1, 1, " \
  "0, 0;"
#define MULTIPLY_REGISTERS                                                                \
  "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%f0, %f1, %f2, %f3}, {%v4, %v5, " \
  "%v6, %v7}, %w1, 1, 1, 1, 0;"
#define ONES_A "mov.b32 %v4, 0x3f803f80;\nmov.b32 %v5, %v4;\nmov.b32 %v6, %v4;\nmov.b32 %v7, %v4;\n"
#define STORE "cvt.rzi.u32.f32 %v0, %f0;\nst.global.u32 [%o], %v0;\n"

const Shape warpgroup{.block = {128, 1, 1}};

std::uint32_t sixteen(std::uint32_t) { return 16; }
std::uint32_t thirty_two(std::uint32_t) { return 32; }

#define HOPPER 0, Outcome::launch_failed, false, "sm_90a"

const Planted registers[] = {
    {"a result read before the wait",
     FILLED VISIBLE ZERO_D FENCE "// ---- multiply\n" MULTIPLY " //!\n" COMMIT
                                 "// ---- use\n<<||wgmma.wait_group.sync.aligned 0;>>\n"
                                 "cvt.rzi.u32.f32 %v0, %f0; //!\nst.global.u32 [%o], %v0;\n" WAIT,
     {"register %f0 is read while a product in flight accumulates in it", "wgmma.wait_group"},
     warpgroup,
     sixteen,
     HOPPER},
    {"a wait that lets the last group fly on",
     FILLED VISIBLE ZERO_D FENCE "// ---- multiply\n" MULTIPLY " //!\n" COMMIT
                                 "wgmma.wait_group.sync.aligned <<1||0>>;\n// ---- use\n"
                                 "cvt.rzi.u32.f32 %v0, %f0; //!\nst.global.u32 [%o], %v0;\n",
     {"register %f0 is read while a product in flight"},
     warpgroup,
     sixteen,
     HOPPER},
    {"a product that no group holds",
     FILLED VISIBLE ZERO_D FENCE "// ---- multiply\n" MULTIPLY
                                 " //!\n<<||wgmma.commit_group.sync.aligned;>>\n" WAIT
                                 "// ---- use\ncvt.rzi.u32.f32 %v0, %f0; //!\n"
                                 "st.global.u32 [%o], %v0;\n",
     {"after the wgmma.commit_group of that product"},
     warpgroup,
     sixteen,
     HOPPER},
    {"an accumulator written while in flight",
     FILLED VISIBLE ZERO_D FENCE "// ---- multiply\n" MULTIPLY " //!\n" COMMIT
                                 "// ---- clear\n<<||wgmma.wait_group.sync.aligned 0;>>\n"
                                 "mov.f32 %f3, 0f00000000; //!\n" WAIT STORE,
     {"register %f3 is written while a product in flight accumulates in it"},
     warpgroup,
     sixteen,
     HOPPER},
    {"a register of A written while in flight",
     FILLED VISIBLE ZERO_D ONES_A FENCE "// ---- multiply\n" MULTIPLY_REGISTERS " //!\n" COMMIT
                                        "// ---- next\n<<||wgmma.wait_group.sync.aligned 0;>>\n"
                                        "mov.b32 %v6, 0; //!\n" WAIT STORE,
     {"register %v6 is written while a product in flight reads matrix A from it"},
     warpgroup,
     sixteen,
     HOPPER},
    {"accumulators cleared after the fence",
     FILLED VISIBLE "<<wgmma.fence.sync.aligned;||>>\n"
                    "mov.f32 %f0, 0f00000000;\nmov.f32 %f1, %f0;\nmov.f32 %f2, %f0;\n"
                    "// ---- clear\nmov.f32 %f3, %f0; //?\n<<||wgmma.fence.sync.aligned;>>\n"
                    "// ---- multiply\n" MULTIPLY " //!\n" COMMIT WAIT STORE,
     {"has been used since the last wgmma.fence"},
     warpgroup,
     sixteen,
     HOPPER},
    {"A loaded into registers after the fence",
     FILLED VISIBLE ZERO_D "<<wgmma.fence.sync.aligned;||>>\n" ONES_A
                           "<<||wgmma.fence.sync.aligned;>>\n// ---- multiply\n" MULTIPLY_REGISTERS
                           " //!\n" COMMIT WAIT STORE,
     {"register %v4 has been used since the last wgmma.fence"},
     warpgroup,
     sixteen,
     HOPPER},
    {"no fence before the first product",
     FILLED VISIBLE
     "<<||wgmma.fence.sync.aligned;>>\n// ---- multiply\n"
     "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%f0, %f1, %f2, %f3}, %w0, "
     "%w1, 0, 1, 1, 0, 0; //!\n" COMMIT WAIT STORE,
     {"a product of a warpgroup that has executed no wgmma.fence"},
     warpgroup,
     sixteen,
     HOPPER},
    {"products of two shapes into one register",
     FILLED VISIBLE ZERO_D
     "mov.b64 %w2, %w1;\n" FENCE "// ---- multiply\n" MULTIPLY " //!\n" COMMIT
     "<<||wgmma.wait_group.sync.aligned 0;\nwgmma.fence.sync.aligned;>>\n"
     "// ---- again\n"
     "wgmma.mma_async.sync.aligned.m64n16k16.f32.bf16.bf16 {%f4, %f5, %f6, "
     "%f7, %f0, %f1, %f2, %f3}, %w0, %w0, 0, 1, 1, 0, 0; //!\n" COMMIT WAIT STORE,
     {"register %f0 is the result of a product in flight that has another shape"},
     warpgroup,
     sixteen,
     HOPPER},
    {"a result that is the next product's A",
     FILLED VISIBLE FENCE
     "// ---- first\n"
     "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%v4, %v5, %v6, %v7}, %w0, %w1, 0, 1, 1, "
     "0, 0; //!\n" COMMIT
     "<<||wgmma.wait_group.sync.aligned 0;\nmov.b32 %v4, 0x3f803f80;\nmov.b32 %v5, %v4;\n"
     "mov.b32 %v6, %v4;\nmov.b32 %v7, %v4;\nwgmma.fence.sync.aligned;>>\n// ---- second\n"
     "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%f0, %f1, %f2, %f3}, {%v4, %v5, %v6, "
     "%v7}, %w1, 0, 1, 1, 0; //!\n" COMMIT WAIT STORE,
     {"register %v4 of matrix A is the result of a product in flight"},
     warpgroup,
     sixteen,
     HOPPER},
};

const Planted memory[] = {
    {"an operand overwritten while in flight",
     FILLED VISIBLE ZERO_D FENCE "// ---- multiply\n" MULTIPLY " //!\n" COMMIT
                                 "// ---- refill\n<<||wgmma.wait_group.sync.aligned 0;>>\n"
                                 "st.shared.u32 [%v14], %t; //!\n" WAIT STORE,
     {"data race on shared memory", "multiplies what is there", "wgmma.wait_group"},
     warpgroup,
     sixteen,
     HOPPER},
    {"an operand refilled by another warpgroup that does not wait for the product",
     R"(
setp.ge.u32 %k6, %t, 128;
@%k6 bra FILLER;
)" FILLED "fence.proxy.async.shared::cta;\nbar.sync 1, 128;\n" ZERO_D FENCE
     "// ---- multiply\n" MULTIPLY " //!\n" COMMIT "<<bar.arrive 2, 256;||>>\n" WAIT
     "<<||bar.arrive 2, 256;>>\n" STORE "bra DONE;\nFILLER:\nbar.sync 2, 256;\n// ---- refill\n"
     "mov.u32 %v1, 128;\nsub.u32 %v1, %t, %v1;\nmad.lo.u32 %v1, %v1, 16, %z;\n"
     "st.shared.u32 [%v1], %t; //!\nDONE:\n",
     {"data race on shared memory", "multiplies what is there", "wgmma.wait_group"},
     {.block = {256, 1, 1}},
     [](std::uint32_t i) { return i < 128 ? 16u : 0u; },
     HOPPER},
    {"an operand stored with no barrier before the product",
     FILLED
     "<<fence.proxy.async.shared::cta;||fence.proxy.async.shared::cta;\nbar.sync 0;>>\n" ZERO_D
         FENCE "// ---- multiply\n" MULTIPLY " //!\n" COMMIT WAIT STORE,
     {"data race on shared memory", "multiplies what is there"},
     warpgroup,
     sixteen,
     HOPPER},
    {"an operand still being copied",
     FILLED VISIBLE
     "// ---- fetch\n@%k7 cp.async.ca.shared.global [%v14+2048], [%q], 4; //!\n"
     "cp.async.commit_group;\n<<||cp.async.wait_group 0;>>\n"
     "<<||st.shared.u32 [%v14+2048], %v15;>>\n" VISIBLE ZERO_D FENCE "// ---- multiply\n"
     "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%f0, %f1, %f2, %f3}, %w0, "
     "%w1, 1, 1, 1, 0, 0; //!\n" COMMIT WAIT "mov.f32 %f0, 0f41800000;\n" STORE,
     {"data race on shared memory", "multiplies what is there", "copies to it"},
     warpgroup,
     sixteen,
     HOPPER},
    {"a matrix that begins beyond the block's memory",
     FILLED VISIBLE ZERO_D "<<add.u64 %w1, %w1, 256;||>>\n" FENCE "// ---- multiply\n" MULTIPLY
                           " //!\n" COMMIT WAIT STORE,
     {"out of bounds: matrix B has 16 bytes of shared memory"},
     warpgroup,
     sixteen,
     0,
     Outcome::illegal_address,
     false,
     "sm_90a"},
    {"a matrix that nothing wrote",
     FILLED VISIBLE ZERO_D
     "<<add.u64 %w1, %w1, 16;||>>\n" FENCE MULTIPLY "\n" COMMIT WAIT
     "cvt.rzi.u32.f32 %v0, %f0;\n// ---- store\nst.global.u32 [%o], %v0; //!\n",
     {"undefined value stored to global memory"},
     warpgroup,
     sixteen,
     HOPPER},
};

const Planted together[] = {
    {"a warp that skips the product",
     FILLED VISIBLE ZERO_D FENCE
     "<<setp.ge.u32 %k0, %t, 96;\n@%k0 bra SKIP;||>>\n// ---- multiply\n" MULTIPLY
     " //!\nSKIP:\n" COMMIT WAIT STORE,
     {"warpgroup divergence: not all threads of the four warps execute this instruction together"},
     warpgroup,
     sixteen,
     HOPPER},
    {"a lane that has exited",
     FILLED VISIBLE ZERO_D "<<setp.eq.u32 %k0, %t, 37;\n@%k0 exit;||>>\n// ---- multiply\n"
                           "wgmma.fence.sync.aligned; //!\n" MULTIPLY "\n" COMMIT WAIT STORE,
     {"an instruction of a whole warpgroup, of which lanes 0x00000020 of warp 1 have exited"},
     warpgroup,
     sixteen,
     HOPPER},
    {"descriptors that differ",
     FILLED VISIBLE ZERO_D "<<setp.eq.u32 %k0, %t, 65;\n@%k0 add.u64 %w1, %w1, 2;||>>\n" FENCE
                           "// ---- multiply\n" MULTIPLY " //!\n" COMMIT WAIT STORE,
     {"different values for the descriptor of matrix B", "warp 2 lane 1"},
     warpgroup,
     sixteen,
     HOPPER},
    {"a scale that differs",
     FILLED VISIBLE ZERO_D "setp.<<ne.u32 %k0, %t, 5||ge.u32 %k0, %t, 0>>;\n" FENCE
                           "// ---- multiply\n"
                           "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%f0, %f1, %f2, "
                           "%f3}, %w0, %w1, %k0, 1, 1, 0, 0; //!\n" COMMIT WAIT STORE,
     {"different values for scale-d"},
     warpgroup,
     sixteen,
     HOPPER},
};

TEST_CASE("planted: registers of products in flight") {
  for (const Planted& k : registers) check_planted(k);
}
TEST_CASE("planted: shared memory of products in flight") {
  for (const Planted& k : memory) check_planted(k);
}
TEST_CASE("planted: warpgroups that do not act together") {
  for (const Planted& k : together) check_planted(k);
}

TEST_CASE("products in a chain need no wait between them") {
  const Planted chain{"two products in flight into the same registers",
                      FILLED VISIBLE ZERO_D FENCE MULTIPLY
                      "\n" COMMIT MULTIPLY "\n" COMMIT
                      "wgmma.wait_group.sync.aligned 1;\n// ---- early\n"
                      "<<mov.f32 %f0, %f0; //!||>>\n" WAIT STORE,
                      {"register %f0 is read while a product in flight"},
                      warpgroup,
                      thirty_two,
                      HOPPER};
  check_planted(chain);
}

std::string with_directives(std::string text, const std::string& directives) {
  return text.replace(text.find("\n{"), 1, "\n" + directives + "\n");
}

ExecuteResult run_block(const std::string& text, std::uint32_t threads, Schedule schedule) {
  Device device(text);
  device.options.schedule = schedule;
  device.options.instruction_budget = 100'000;
  Shape shape;
  shape.block = {threads, 1, 1};
  return device.run(shape);
}

TEST_CASE("setmaxnreg: the pool of a block's registers") {
  const auto body = [](int given, int wanted) {
    return ".reg .b32 %t;\n.reg .pred %p;\nmov.u32 %t, %tid.x;\nsetp.ge.u32 %p, %t, 128;\n"
           "@%p bra MORE;\nsetmaxnreg.dec.sync.aligned.u32 " +
           std::to_string(given) + ";\nbra DONE;\nMORE:\nsetmaxnreg.inc.sync.aligned.u32 " +
           std::to_string(wanted) + ";\nDONE:\nret;\n";
  };
  const auto run = [&](int given, int wanted, Schedule s) {
    return run_block(with_directives(hopper_text("", body(given, wanted)),
                                     ".maxntid 256, 1, 1\n.minnctapersm 1"),
                     256, s);
  };
  for (const Schedule s : {Schedule::earliest, Schedule::latest, Schedule::random}) {
    // 65536 / 256 registers, at most 256: none are left to ask for before some are released.
    check_clean(run_block(with_directives(hopper_text("", body(40, 208)), ".maxnreg 128"), 256, s));
    const ExecuteResult r =
        run_block(with_directives(hopper_text("", body(40, 224)), ".maxnreg 128"), 256, s);
    CHECK(r.outcome == Outcome::launch_timeout);
    check_contains(r.report, {"deadlock: setmaxnreg.inc from 128 to 224 registers a thread needs "
                              "12288, of which others have released 11264",
                              "warpgroup 1 (warps 4 to 7)"});
    check_clean(run(24, 256, s));
    const ExecuteResult less =
        run_block(with_directives(hopper_text("", body(40, 120)), ".maxnreg 128"), 256, s);
    CHECK(less.outcome == Outcome::launch_failed);
    check_contains(less.report, {"setmaxnreg.inc to 120 registers a thread, which has 128"});
    // Without the directives the driver's compiler ignores the instruction.
    check_clean(run_block(hopper_text("", body(40, 256)), 256, s));
  }
}

TEST_CASE("warpgroup instructions need four whole warps") {
  for (const Schedule s : {Schedule::earliest, Schedule::latest, Schedule::random}) {
    const ExecuteResult three =
        run_block(hopper_text("", "wgmma.fence.sync.aligned;\nret;\n"), 96, s);
    CHECK(three.outcome == Outcome::launch_failed);
    check_contains(three.report, {"of which the block has 3 of 4 warps", "line 6"});
    const ExecuteResult part =
        run_block(hopper_text("", "wgmma.fence.sync.aligned;\nret;\n"), 120, s);
    CHECK(part.outcome == Outcome::launch_failed);
    check_contains(part.report, {"lanes 0xff000000 of warp 3"});
    check_clean(run_block(hopper_text("", "wgmma.fence.sync.aligned;\nret;\n"), 128, s));
  }
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
