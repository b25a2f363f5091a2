// What is refused of control flow while a kernel is generated.
#include "tests/ptx/scratch_kernel.hpp"

namespace ptxmill::test {
namespace {

template <class F>
void refused(const std::string& message, F offend) {
  check_refused(__FILE__, message, offend);
}

std::string needs(const std::string& what, const std::string& whole, const std::string& only) {
  return what + " must be executed by the whole " + whole +
         ", and stands where control is uniform only across the " + only;
}

TEST_CASE("a barrier is not under a divergent condition") {
  refused(needs("bar.sync", "cta", "thread"), [&](int& line) {
    ScratchKernel k;
    k.if_("then", k.tid_x() < 3, [&] {
      line = __LINE__ + 1;
      k.sync();
    });
  });
  refused(needs("bar.sync", "cta", "thread"), [&](int& line) {
    ScratchKernel k;
    const auto sync = [&] {
      line = __LINE__ + 1;
      k.sync();
    };
    k.if_(
        "else", k.tid_x() < 3, [] {}, sync);
  });
}

TEST_CASE("a barrier is not in a divergent loop") {
  refused(needs("bar.sync", "cta", "thread"), [&](int& line) {
    ScratchKernel k;
    k.for_range("i", k.tid_x(), k.n, 32, [&](const U32&) {
      line = __LINE__ + 1;
      k.sync();
    });
  });
  refused(needs("bar.sync", "cta", "thread"), [&](int& line) {
    ScratchKernel k;
    auto left = k.var<u32>("left", k.tid_x());
    k.while_(
        "left", [&] { return left > 0; },
        [&] {
          line = __LINE__ + 1;
          k.sync();
        });
  });
}

TEST_CASE("uniform conditions may hold barriers") {
  ScratchKernel k;
  k.if_("cta", k.ctaid_x() < 3, [&] { k.sync(); });
  k.for_range("i", k.ctaid_x(), k.n, k.nctaid_x(), [&](const U32&) { k.sync(); });
  auto left = k.var<u32>("rounds", k.n, Level::cta);
  k.while_(
      "rounds", [&] { return left > 0; },
      [&] {
        k.sync();
        left -= 1;
      });
  const Pred any = k.vote_sync_any(k.tid_x() < 3);
  k.if_("warp", any, [&] {
    k.redux_sync_add(k.tid_x());
    k.bar_sync_count(1, 64);
  });
  const Pred assumed = k.assume_uniform(k.tid_x() < 3, Level::cta);
  k.if_("assumed", assumed, [&] { k.sync(); });
}

TEST_CASE("a warp's instructions need a warp, and a named barrier too") {
  for (const bool named : {false, true}) {
    const std::string what = named ? "bar.sync" : "shfl.sync.bfly";
    refused(needs(what, "warp", "thread"), [&](int& line) {
      ScratchKernel k;
      k.if_("some", k.laneid() < 16, [&] {
        line = __LINE__ + 1;
        named ? k.bar_sync_count(1, 32) : (void)k.shfl_sync_bfly(k.n, 1);
      });
    });
  }
}

TEST_CASE("no barrier after some threads have left") {
  ScratchKernel k;
  k.exit_if(k.ctaid_x() >= k.n);
  k.sync();
  k.exit_if(k.tid_x() >= k.n);
  refused(needs("bar.sync", "cta", "thread"), [&](int& line) {
    line = __LINE__ + 1;
    k.sync();
  });
}

TEST_CASE("an exit within a branch is as divergent as the branch") {
  ScratchKernel k;
  k.if_("some", k.tid_x() < 3, [&] { k.exit_if(k.ctaid_x() == 0); });
  refused(needs("bar.sync", "cta", "thread"), [&](int& line) {
    line = __LINE__ + 1;
    k.sync();
  });
}

std::string repeated(int barrier) {
  return "bar.sync at " + place(__FILE__, barrier) +
         " must be executed by the whole cta, and stands in a loop that threads leave under a "
         "condition which is uniform only across the thread";
}

TEST_CASE("a loop that some threads leave does not repeat a barrier") {
  ScratchKernel k;
  const int barrier = __LINE__ + 1;
  const auto sync = [&] { k.sync(); };
  refused(repeated(barrier), [&](int& line) {
    k.for_range("row", k.ctaid_x(), k.n, k.nctaid_x(), [&](const U32& row) {
      sync();
      line = __LINE__ + 1;
      k.exit_if(row + k.tid_x() > k.n);
    });
  });
}

TEST_CASE("a loop's condition repeats with the loop") {
  ScratchKernel k;
  const int barrier = __LINE__ + 1;
  const auto sync = [&] { k.sync(); };
  const auto poll = [&] {
    sync();
    return k.ld_volatile_global(k.x) > 0;
  };
  const auto nothing = [] {};
  refused(repeated(barrier), [&](int& line) {
    line = __LINE__ + 1;
    k.while_("poll", poll, nothing);
  });
}

TEST_CASE("a value read while others write it differs between threads") {
  ScratchKernel k;
  CHECK(k.ld_global(k.x).uniform() == Level::grid);
  CHECK(k.ld_volatile_global(k.x).uniform() == Level::thread);
  CHECK(k.ld_acquire_gpu(k.x.as<u32>()).uniform() == Level::thread);
  CHECK(k.ld_relaxed_gpu(k.x.as<u32>()).uniform() == Level::thread);
  CHECK(k.atom_global_add(k.x, 1).uniform() == Level::thread);
}

TEST_CASE("uniformity follows from operands") {
  ScratchKernel k;
  const U32 tid = k.tid_x(), cta = k.ctaid_x();
  CHECK(tid.uniform() == Level::thread);
  CHECK(cta.uniform() == Level::cta);
  CHECK(k.n.uniform() == Level::grid);
  CHECK((cta + k.n).uniform() == Level::cta);
  CHECK((cta + tid).uniform() == Level::thread);
  CHECK(k.shfl_sync_idx(tid, 0).uniform() == Level::warp);
  CHECK(k.shfl_sync_idx(cta, 0).uniform() == Level::cta);
  CHECK(k.shfl_sync_idx(tid, tid).uniform() == Level::thread);
  CHECK(k.shfl_sync_bfly(tid, 1).uniform() == Level::thread);
  CHECK(k.redux_sync_add(tid).uniform() == Level::warp);
  CHECK(k.vote_sync_ballot(tid < 3).uniform() == Level::warp);
  CHECK(k.ld_shared(k.shared<f32>("s", 4)).uniform() == Level::cta);
  CHECK(k.ld_global(k.x + tid).uniform() == Level::thread);
  CHECK(k.load<4>(k.x)[3].uniform() == Level::grid);
}

TEST_CASE("guards hold plain instructions only") {
  ScratchKernel k;
  const Pred p = k.let("p", k.n > 4);
  const auto guarded = [&](auto body) { k.guard(p, body); };
  refused("guards do not nest; combine the conditions with &&", [&](int& line) {
    guarded([&] {
      line = __LINE__ + 1;
      k.guard(p, [] {});
    });
  });
  ScratchKernel s;
  refused("bar.sync may not stand under a guard", [&](int& line) {
    s.guard(s.n > 4, [&] {
      line = __LINE__ + 1;
      s.sync();
    });
  });
}

TEST_CASE("no structure under a guard") {
  refused("a phase may not stand under a guard", [&](int& line) {
    ScratchKernel k;
    k.guard(k.n > 4, [&] {
      line = __LINE__ + 1;
      k.phase("inner", [] {});
    });
  });
  refused("a branch may not stand under a guard", [&](int& line) {
    ScratchKernel k;
    k.guard(k.n > 4, [&] {
      line = __LINE__ + 1;
      k.if_("inner", k.n > 5, [] {});
    });
  });
  refused("ret may not stand under a guard", [&](int& line) {
    ScratchKernel k;
    k.guard(k.n > 4, [&] {
      line = __LINE__ + 1;
      k.exit_if(k.n > 5);
    });
  });
  refused("shfl.sync.bfly may not stand under a guard", [&](int& line) {
    ScratchKernel k;
    k.guard(k.n > 4, [&] {
      line = __LINE__ + 1;
      k.shfl_sync_bfly(k.n, 1);
    });
  });
}

TEST_CASE("barriers have numbers from 0 to 15, and counts of whole warps") {
  ScratchKernel k;
  k.bar_sync(15);
  k.bar_sync_count(3, 1024);
  for (const int id : {-1, 16})
    refused("barrier " + std::to_string(id) + " does not exist; a CTA has 0 to 15", [&](int& line) {
      line = __LINE__ + 1;
      k.bar_sync(id);
    });
  for (const int threads : {0, 33, 1056})
    refused(
        "barrier 2: " + std::to_string(threads) + " threads; expected a multiple of 32 up to 1024",
        [&](int& line) {
          line = __LINE__ + 1;
          k.bar_arrive(2, threads);
        });
  refused("barrier 2: -32 threads; expected a multiple of 32 up to 1024", [&](int& line) {
    line = __LINE__ + 1;
    k.bar_sync_count(2, -32);
  });
}

TEST_CASE("labels are given once, and are words") {
  ScratchKernel k;
  k.if_("tail", k.n > 4, [] {});
  refused("the label 'tail_end' is used twice; an unrolled or repeated use carries its own name",
          [&](int& line) {
            line = __LINE__ + 1;
            k.if_("tail", k.n > 4, [] {});
          });
  refused("'the tail_end' is no label name: letters, digits and '_' are", [&](int& line) {
    line = __LINE__ + 1;
    k.if_("the tail", k.n > 4, [] {});
  });
}

TEST_CASE("loops run, and end") {
  ScratchKernel k;
  refused("the loop 'i' never runs", [&](int& line) {
    line = __LINE__ + 1;
    k.for_range("i", 4, 4, 1, [](const U32&) {});
  });
  refused("the loop 'j' never ends: its step is 0", [&](int& line) {
    line = __LINE__ + 1;
    k.for_range("j", 0, k.n, 0, [](const U32&) {});
  });
}

TEST_CASE("text is printable ASCII") {
  ScratchKernel k;
  refused("\"caf\xc3\xa9\" is not printable ASCII", [&](int& line) {
    line = __LINE__ + 1;
    k.phase("caf\xc3\xa9", [] {});
  });
  refused("\"two\nlines\" is not printable ASCII", [&](int& line) {
    line = __LINE__ + 1;
    k.note("two\nlines");
  });
}

TEST_CASE("a kernel ends with its phases closed") {
  ScratchKernel k;
  k.recorder.open_phase("open", Where::here());
  refused("a phase or scope is still open at the kernel's end", [&](int& line) {
    line = __LINE__ + 1;
    k.recorder.finish(Where::here());
  });
}

}  // namespace
}  // namespace ptxmill::test
