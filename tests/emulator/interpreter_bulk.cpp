// Plain bulk copies, and tensor copies that are refused.
#include "tensor_box.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

TEST_CASE("plain bulk copies and reductions, both ways") {
  Device device(module_text(
      ".param .u64 p, .param .u64 r",
      ".reg .b64 %p, %r;\n.reg .b32 %t, %z;\n.reg .pred %k6, %k7;\n"
      ".shared .align 128 .b8 s[4096];\nmov.u32 %z, s;\nld.param.u64 %p, [p];\n"
      "ld.param.u64 %r, [r];\nmov.u32 %t, %tid.x;\n" BARRIER
      "@%k6 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%z+4032], 1024;\n"
      "@%k6 cp.async.bulk.prefetch.L2.global [%p], 1024;\n"
      "@%k6 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes "
      "[%z], [%p], 1008, [%z+4032];\n"
      "@%k6 cp.async.bulk.shared::cta.global.mbarrier::complete_tx::bytes "
      "[%z+1008], [%p+1008], 16, [%z+4032];\n" WAIT(
          "W0",
          "0") "@!%k6 bra END;\n"
               "cp.async.bulk.global.shared::cta.bulk_group [%r], [%z], 1024;\n"
               "cp.async.bulk.commit_group;\n"
               "cp.async.bulk.wait_group 0;\n"
               "cp.reduce.async.bulk.global.shared::cta.bulk_group.add.u32 [%r], [%z], 512;\n"
               "cp.async.bulk.commit_group;\n"
               "cp.async.bulk.wait_group.read 0;\n"
               "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%z+4032], 256;\n"
               "cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes "
               "[%z+2048], [%z+256], 256, [%z+4032];\n" WAIT(
                   "W1",
                   "1") "cp.async.bulk.global.shared::cta.bulk_group [%r+1024], [%z+2048], 256;\n"
                        "cp.async.bulk.commit_group;\n"
                        "cp.async.bulk.wait_group 0;\n"
                        "END:\nret;\n",
      hopper));
  for (const Schedule schedule : {Schedule::earliest, Schedule::latest, Schedule::random}) {
    device.options.schedule = schedule;
    std::vector<std::uint32_t> words(256);
    for (std::uint32_t i = 0; i < words.size(); ++i) words[i] = i * i + 3;
    const DeviceAddress r = device.reserve(1280);
    check_clean(device.run({}, device.upload(words), r));
    const auto got = device.download<std::uint32_t>(r, 320);
    for (std::uint32_t i = 0; i < 256; ++i) CHECK(got[i] == words[i] * (i < 128 ? 2 : 1));
    for (std::uint32_t i = 0; i < 64; ++i) CHECK(got[256 + i] == words[64 + i]);
  }
}

/// One warp fetches tiles of 4 rows into a ring of three stages, two warps add them up and store
/// the sum as a tile.
constexpr const char* ring = R"(
.reg .b64 %m, %r, %a;
.reg .b32 %t, %z, %b, %i, %stage, %round, %parity, %full, %empty, %tile, %row, %j, %v<4>, %sum<2>;
.reg .pred %k<8>;
.shared .align 1024 .b8 s[4096];
mov.b64 %m, map;
cvta.param.u64 %m, %m;
ld.param.u64 %r, [r];
mov.u32 %t, %tid.x;
mov.u32 %b, %ctaid.x;
mov.u32 %z, s;
setp.ne.u32 %k0, %t, 0;
@%k0 bra READY;
// ---- set up
mbarrier.init.shared::cta.b64 [s+4032], 1;
mbarrier.init.shared::cta.b64 [s+4040], 1;
mbarrier.init.shared::cta.b64 [s+4048], 1;
mbarrier.init.shared::cta.b64 [s+4064], 64;
mbarrier.init.shared::cta.b64 [s+4072], 64;
mbarrier.init.shared::cta.b64 [s+4080], 64;
fence.mbarrier_init.release.cluster;
READY:
bar.sync 0;
mov.u32 %i, 0;
mov.u32 %sum0, 0;
mov.u32 %sum1, 0;
setp.ge.u32 %k1, %t, 32;
NEXT:
rem.u32 %stage, %i, 3;
div.u32 %round, %i, 3;
and.b32 %parity, %round, 1;
mad.lo.u32 %full, %stage, 8, %z;
mad.lo.u32 %tile, %stage, 512, %z;
@%k1 bra CONSUME;
@%k0 bra END;
// ---- fetch
xor.b32 %parity, %parity, 1;
EMPTY:
mbarrier.try_wait.parity.shared::cta.b64 %k2, [%full+4064], %parity;
@!%k2 bra EMPTY;
mbarrier.arrive.expect_tx.shared::cta.b64 _, [%full+4032], 512;
shl.b32 %row, %b, 5;
mad.lo.u32 %row, %i, 4, %row;
add.u32 %v0, %full, 4032;
cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%tile], [%m, {0, %row}], [%v0];
bra ADVANCE;
CONSUME:
// ---- add
mbarrier.try_wait.parity.shared::cta.b64 %k2, [%full+4032], %parity;
@!%k2 bra CONSUME;
sub.u32 %j, %t, 32;
mad.lo.u32 %tile, %j, 8, %tile;
ld.shared.v2.u32 {%v0, %v1}, [%tile];
add.u32 %sum0, %sum0, %v0;
add.u32 %sum1, %sum1, %v1;
mbarrier.arrive.shared::cta.b64 _, [%full+4064];
ADVANCE:
add.u32 %i, %i, 1;
setp.lt.u32 %k3, %i, 8;
@%k3 bra NEXT;
@!%k1 bra END;
// ---- store
mad.lo.u32 %tile, %j, 8, %z;
st.shared.v2.u32 [%tile+1536], {%sum0, %sum1};
fence.proxy.async.shared::cta;
bar.sync 1, 64;
setp.ne.u32 %k4, %t, 32;
@%k4 bra END;
mad.wide.u32 %a, %b, 512, %r;
add.u32 %v0, %z, 1536;
cp.async.bulk.global.shared::cta.bulk_group [%a], [%v0], 512;
cp.async.bulk.commit_group;
cp.async.bulk.wait_group 0;
END:
ret;
)";

TEST_CASE("a ring of stages between a warp that fetches and two that add") {
  Device device(module_text(".param .align 64 .b8 map[128], .param .u64 r", ring, hopper));
  std::vector<std::uint32_t> words(32 * 128);
  for (std::uint32_t i = 0; i < words.size(); ++i) words[i] = i * 2654435761u >> 9;
  TensorMap map;
  map.element = TensorElement::u32;
  map.rank = 2;
  map.address = device.upload(words);
  map.size = {32, 128, 1, 1, 1};
  map.stride = {4, 128, 0, 0, 0};
  map.box = {32, 4, 1, 1, 1};
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    device.options.schedule = seed == 0   ? Schedule::earliest
                              : seed == 1 ? Schedule::latest
                                          : Schedule::random;
    device.options.seed = seed;
    device.options.check = seed == 11 ? Check::off : Check::fail;
    const DeviceAddress r = device.reserve(4 * 512);
    check_clean(device.run({.grid = {4, 1, 1}, .block = {96, 1, 1}}, encode(map), r));
    const auto got = device.download<std::uint32_t>(r, 4 * 128);
    for (std::uint32_t k = 0; k < got.size(); ++k) {
      std::uint32_t sum = 0;
      for (std::uint32_t tile = 0; tile < 8; ++tile)
        sum += words[(k / 128 * 32 + tile * 4) * 32 + k % 128];
      CAPTURE(k);
      CHECK(got[k] == sum);
    }
    device.memory.free(r);
  }
}

TEST_CASE("copies by a tensor map that is not reached") {
  struct Case {
    const char* map;
    const char* says;
  };
  for (const Case& c :
       {Case{"mov.b64 %m, map;\n", "of a parameter, cvta.param makes it generic"},
        Case{"mov.b64 %m, map;\ncvta.param.u64 %m, %m;\nadd.u64 %m, %m, 16;\n",
             "which is no multiple of 64"},
        Case{"mov.b64 %m, map;\ncvta.param.u64 %m, %m;\nadd.u64 %m, %m, 64;\n", "passes their end"},
        Case{"mov.b64 %m, r;\n", "is not mapped"}}) {
    std::string text = load_kernel(2);
    const std::string from = "mov.b64 %m, map;\ncvta.param.u64 %m, %m;\n";
    text.replace(text.find(from), from.size(), c.map);
    Device device(text);
    const Tensor t = tensor_of(TensorElement::u32, {{16, 4}, {16, 4}});
    const DeviceAddress tensor = device.upload(pattern(t.bytes, 4)), r = device.reserve(256);
    const ExecuteResult result = run_box(device, t, tensor, r, 256, {});
    CHECK(result.outcome == Outcome::launch_failed);
    check_contains(result.report, {c.says, "cp.async.bulk.tensor.2d"});
  }
}

TEST_CASE("a tensor larger than its memory is found where a box leaves it") {
  Device device(load_kernel(2));
  Tensor t = tensor_of(TensorElement::u32, {{16, 4}, {16, 4}});
  const DeviceAddress tensor = device.upload(pattern(t.bytes, 5)), r = device.reserve(256);
  t.map.size[1] = 8;
  check_clean(run_box(device, t, tensor, r, 256, {0, 0}));
  const ExecuteResult result = run_box(device, t, tensor, r, 256, {0, 2});
  CHECK(result.outcome == Outcome::illegal_address);
  check_contains(result.report, {"out of bounds: 64 bytes of global memory", "past the end"});
}

TEST_CASE("a map of another rank is refused, and so is an unknown form") {
  Device device(load_kernel(2));
  const Tensor t = tensor_of(TensorElement::u32, {{16, 4, 2}, {16, 4, 1}});
  const DeviceAddress tensor = device.upload(pattern(t.bytes, 6)), r = device.reserve(256);
  const ExecuteResult result = run_box(device, t, tensor, r, 256, {});
  check_contains(result.report, {"a copy of 2 dimensions by a tensor map of 3"});
  std::string im2col = load_kernel(3);
  im2col.replace(im2col.find(".tile"), 5, ".im2col");
  check_contains(refusal(im2col), {"Unsupported by the emulator: im2col"});
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
