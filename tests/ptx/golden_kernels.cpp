#include "tests/ptx/golden_kernels.hpp"

#include "generator/ptx/kernel.hpp"
#include "generator/ptx/printer.hpp"

namespace ptxmill::test {

using namespace ptx;  // NOLINT(google-build-using-namespace): the builder's vocabulary

namespace {

std::string finished(Kernel& k, const EntryShape& shape, const std::string& says) {
  k.recorder.finish(Where::here());
  return print(k.recorder, shape,
               {k.recorder.entry() + " -- " + says, "", "  the builder's golden text"});
}

}  // namespace

std::string every_structure() {
  Kernel k("every_structure", {80, false});
  const auto x = k.pointer_param<f32>("x", 16);
  const auto out = k.pointer_param<f32>("out", 16);
  const U32 rows = k.scalar_param<u32>("rows");
  const U32 cols = k.scalar_param<u32>("cols", 4);
  const F32 scale = k.scalar_param<f32>("scale");
  const auto partial = k.shared<f32>("partial", 4);
  const auto flags = k.shared<u32>("flags", 128);
  const U32 tid = k.let("tid", k.tid_x());
  k.exit_if(k.ctaid_x() >= rows);
  k.for_range("row", k.ctaid_x(), rows, k.nctaid_x(), [&](const U32& row) {
    const auto start = k.let("start", x + k.cvt<u64>(row) * k.cvt<u64>(cols));
    auto sum = k.var<f32>("sum", 0);
    k.phase("sum the row", [&] {
      k.for_range("col", tid * 4, cols, 512, [&](const U32& col) {
        k.keep_rolled();
        const auto v = k.load<4>(start + col);
        for (int i : unroll(4)) sum = k.fma(v[static_cast<std::size_t>(i)], 0.1f, sum);
      });
      k.note("lanes meet");
      for (int distance = 16; distance > 0; distance /= 2) sum += k.shfl_sync_bfly(sum, distance);
      const Pred first = k.let("first", tid % 32 == 0);
      k.guard(first, [&] { k.store(partial + tid / 32, sum); });
      k.store(flags + tid, k.select(first, k.constant<u32>(1), 0));
      k.sync();
    });
    k.phase("choose, halve, store", [&] {
      k.if_(
          "lead", tid == 0,
          [&] {
            const auto four = k.load<4>(partial);
            sum = (four[0] + four[1]) + (four[2] + four[3]);
          },
          [&] { sum = k.load(partial + 3) * scale; });
      auto left = k.var<u32>("left", k.load(flags + 127));
      k.while_(
          "halve", [&] { return left > 0; },
          [&] {
            sum *= 0.5;
            left -= 1;
          });
      k.store(out + row, sum);
      k.sync();
    });
  });
  return finished(k, {128, 1, 1, 2}, "all there is");
}

std::string dynamic_shared() {
  Kernel k("dynamic_shared", {90, true});
  const auto out = k.pointer_param<f32>("out", 16);
  const auto bytes = k.shared<u16>("bytes", 3);
  const auto tile = k.shared<f32>("tile", 16384);
  const U32 tid = k.let("tid", k.tid_x());
  const auto mine = k.let("mine", tile + tid * 4);
  k.store(bytes + 1, k.constant<u16>(7));
  k.store(mine, k.load<4>(out + tid * 4));
  const Pred warp = k.assume_uniform(k.let("warp", tid / 32 == 1), Level::warp);
  k.if_("second_warp", warp, [&] { k.bar_warp_sync(); });
  k.store(out + tid, k.load(mine + 3));
  return finished(k, {64, 1, 1}, "shared memory beyond 48 KiB");
}

}  // namespace ptxmill::test
