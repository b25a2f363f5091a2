// Memory that two streams use: what orders them, and what is found where nothing does.
#include <functional>

#include "tests/emulator/driver_session.hpp"

namespace ptxmill::emu::driver_test {
namespace {

/// Two streams, and kernels that touch a word.
struct Scene {
  explicit Scene(unsigned flags = CU_STREAM_NON_BLOCKING, const char* check = "fail")
      : session({{"PTXMILL_EMU_CHECK", check}, {"PTXMILL_EMU_REPORT", report.path()}}),
        poke(session.kernel("poke")),
        increment(session.kernel("increment")),
        sum(session.kernel("sum")),
        a(make_stream(flags)),
        b(make_stream(flags)),
        word(allocate_word(1)),
        other(allocate_word(2)) {
    REQUIRE_OK(cuCtxSynchronize());
  }

  ReportFile report;
  Session session;
  CUfunction poke, increment, sum;
  CUstream a, b;
  CUdeviceptr word, other;
};

/// Runs `work` in a scene of its own and checks whether it is found to be without order.
void expect(bool found, const std::function<void(Scene&)>& work,
            unsigned flags = CU_STREAM_NON_BLOCKING) {
  Scene s(flags);
  work(s);
  INFO(s.report.text());
  CHECK_CODE(cuCtxSynchronize(), found ? CUDA_ERROR_LAUNCH_FAILED : CUDA_SUCCESS);
  CHECK(s.report.mentions("memory used by two streams at once") == found);
}

void order(CUstream first, CUstream second) {
  const CUevent event = make_event();
  CHECK_OK(cuEventRecord(event, first));
  CHECK_OK(cuStreamWaitEvent(second, event, 0));
}

void nothing(void*) {}

}  // namespace

TEST_CASE("two streams that write the same word need an order") {
  expect(true, [](Scene& s) {
    CHECK_OK(launch_one(s.poke, s.a, s.word, 1u));
    launch_one(s.poke, s.b, s.word, 2u);
  });
  expect(true, [](Scene& s) {
    CHECK_OK(launch_one(s.poke, s.a, s.word, 1u));
    launch_one(s.sum, s.b, s.other, s.word, s.word);
  });
  expect(true, [](Scene& s) {  // the other way round: read, then written
    CHECK_OK(launch_one(s.sum, s.a, s.other, s.word, s.word));
    launch_one(s.poke, s.b, s.word, 1u);
  });
  expect(false, [](Scene& s) {  // both only read
    const CUdeviceptr one = allocate_word(0), two = allocate_word(0);
    CHECK_OK(launch_one(s.sum, s.a, one, s.word, s.word));
    CHECK_OK(launch_one(s.sum, s.b, two, s.word, s.word));
  });
  expect(false, [](Scene& s) {  // neighbours
    const CUdeviceptr words = allocate(8);
    CHECK_OK(launch_one(s.poke, s.a, words, 1u));
    CHECK_OK(launch_one(s.poke, s.b, words + 4, 2u));
  });
  expect(false, [](Scene& s) {
    CHECK_OK(launch_one(s.poke, s.a, s.word, 1u));
    CHECK_OK(launch_one(s.increment, s.a, s.word));
  });
}

TEST_CASE("atomics of two streams need no order among themselves") {
  const auto count_in_both = [](CUstream first, CUstream second, Scene& s, CUfunction other) {
    CHECK_OK(launch_one(s.session.kernel("count"), first, s.word));
    launch_one(other, second, s.word);
  };
  expect(false, [&](Scene& s) { count_in_both(s.a, s.b, s, s.session.kernel("count")); });
  expect(true, [&](Scene& s) { count_in_both(s.a, s.b, s, s.increment); });
}

TEST_CASE("the finding names both operations, their streams, the byte and the line") {
  Scene s;
  CHECK_OK(launch_one(s.poke, s.a, s.word, 1u));
  launch_one(s.increment, s.b, s.word);
  const auto stream = [](CUstream handle) {
    std::ostringstream name;
    name << "stream 0x" << std::hex << reinterpret_cast<std::uintptr_t>(handle);
    return name.str();
  };
  std::ostringstream expected;
  expected << "kernel increment in " << stream(s.b) << " reads the byte at 0x" << std::hex << s.word
           << ", which kernel poke in " << stream(s.a) << " writes; no event, graph edge or wait";
  INFO(s.report.text());
  CHECK(s.report.mentions(expected.str()));
  CHECK(s.report.mentions("kernel increment, line 20: ld.global.u32 %v0, [%p0];"));
  CHECK(s.report.mentions("block (0, 0, 0) thread (0, 0, 0)"));
}

TEST_CASE("what orders two streams") {
  const auto around = [](const std::function<void(Scene&)>& between) {
    return [between](Scene& s) {
      CHECK_OK(launch_one(s.poke, s.a, s.word, 1u));
      between(s);
      launch_one(s.increment, s.b, s.word);
    };
  };
  expect(false, around([](Scene& s) { order(s.a, s.b); }));
  expect(false, around([](Scene& s) { CHECK_OK(cuStreamSynchronize(s.a)); }));
  expect(false, around([](Scene&) { CHECK_OK(cuCtxSynchronize()); }));
  expect(false, around([](Scene& s) { CHECK_OK(cuStreamQuery(s.a)); }));
  expect(false, around([](Scene& s) { CHECK_OK(cuLaunchHostFunc(s.a, nothing, nullptr)); }));
  expect(false, around([](Scene& s) {
           const CUevent event = make_event();
           CHECK_OK(cuEventRecord(event, s.a));
           CHECK_OK(cuEventSynchronize(event));
         }));
  expect(false, around([](Scene& s) {
           const CUevent event = make_event();
           CHECK_OK(cuEventRecord(event, s.a));
           CHECK_OK(cuEventQuery(event));
         }));
  expect(false, around([](Scene& s) {  // by way of a third stream
           const CUstream third = make_stream();
           order(s.a, third);
           order(third, s.b);
         }));
  expect(false, around([](Scene& s) {  // a copy that the call waits for
           std::uint32_t value = 0;
           CHECK_OK(cuMemcpyDtoHAsync_v2(&value, s.word, 4, s.a));
         }));
  // None of these does.
  expect(true, around([](Scene& s) { order(s.b, s.a); }));
  expect(true, around([](Scene& s) { CHECK_OK(cuStreamSynchronize(s.b)); }));
  expect(true, around([](Scene& s) { CHECK_OK(cuStreamWaitEvent(s.b, make_event(), 0)); }));
  expect(true, around([](Scene& s) {  // not a blocking stream
           CHECK_OK(launch_one(s.poke, nullptr, s.other, 1u));
         }));
}

TEST_CASE("an event orders what came before its record") {
  expect(true, [](Scene& s) {
    const CUevent event = make_event();
    CHECK_OK(cuEventRecord(event, s.a));
    CHECK_OK(launch_one(s.poke, s.a, s.word, 1u));
    CHECK_OK(cuStreamWaitEvent(s.b, event, 0));
    launch_one(s.increment, s.b, s.word);
  });
}

TEST_CASE("the NULL stream and blocking streams wait for one another") {
  const auto between = [](Scene& s) {
    CHECK_OK(launch_one(s.poke, s.a, s.word, 1u));
    CHECK_OK(launch_one(s.increment, nullptr, s.word));
    launch_one(s.increment, s.b, s.word);
  };
  expect(false, between, CU_STREAM_DEFAULT);
  expect(true, between, CU_STREAM_NON_BLOCKING);
  const auto around = [](Scene& s) {
    CHECK_OK(launch_one(s.poke, s.a, s.word, 1u));
    CHECK_OK(launch_one(s.poke, nullptr, s.other, 1u));
    launch_one(s.increment, s.b, s.word);
  };
  expect(false, around, CU_STREAM_DEFAULT);
  expect(true, around, CU_STREAM_NON_BLOCKING);
}

TEST_CASE("one stream and the NULL stream") {
  const auto found = [](unsigned flags, bool waits) {
    const ReportFile report;
    Session session({{"PTXMILL_EMU_REPORT", report.path()}});
    const CUfunction poke = session.kernel("poke");
    const CUdeviceptr word = allocate_word(1);
    const CUstream stream = make_stream(flags);
    CHECK_OK(launch_one(poke, stream, word, 2u));
    if (waits) CHECK_OK(cuStreamSynchronize(stream));
    std::uint32_t value = 0;
    cuMemcpyDtoH_v2(&value, word, sizeof(value));
    CHECK(value == 2);  // not so on a device
    return report.mentions("copy from the device to the host in the NULL stream reads the byte");
  };
  CHECK(found(CU_STREAM_NON_BLOCKING, false));
  CHECK_FALSE(found(CU_STREAM_NON_BLOCKING, true));
  CHECK_FALSE(found(CU_STREAM_DEFAULT, false));
}

TEST_CASE("copies and fills need an order too") {
  expect(true, [](Scene& s) {
    CHECK_OK(launch_one(s.poke, s.a, s.word, 1u));
    cuMemsetD32Async(s.word, 0, 1, s.b);
  });
  expect(true, [](Scene& s) {
    CHECK_OK(cuMemsetD8Async(s.word, 0, 4, s.a));
    cuMemcpyDtoDAsync_v2(s.other, s.word, 4, s.b);
  });
  expect(true, [](Scene& s) {
    CHECK_OK(cuMemcpyDtoDAsync_v2(s.other, s.word, 4, s.a));
    launch_one(s.poke, s.b, s.word, 1u);
  });
  expect(false, [](Scene& s) {
    CHECK_OK(cuMemcpyDtoDAsync_v2(s.other, s.word, 4, s.a));
    order(s.a, s.b);
    CHECK_OK(launch_one(s.poke, s.b, s.word, 1u));
  });
  expect(true, [](Scene& s) {  // a large range, of which one byte matters
    const CUdeviceptr large = allocate(1 << 20);
    CHECK_OK(cuMemsetD8Async(large, 1, 1 << 20, s.a));
    launch_one(s.increment, s.b, large + 65536);
  });
}

TEST_CASE("stream-ordered allocations live in the order of streams") {
  expect(true, [](Scene& s) {
    CUdeviceptr p = 0;
    CHECK_OK(cuMemAllocAsync(&p, 4, s.a));
    launch_one(s.poke, s.b, p, 1u);
    CHECK(s.report.mentions("which cuMemAllocAsync in stream"));
    CHECK(s.report.mentions("allocates"));
  });
  expect(true, [](Scene& s) {
    CUdeviceptr p = 0;
    CHECK_OK(cuMemAllocAsync(&p, 4, s.a));
    order(s.a, s.b);
    CHECK_OK(launch_one(s.poke, s.b, p, 1u));
    cuMemFreeAsync(p, s.a);
    CHECK(s.report.mentions("cuMemFreeAsync in stream"));
    CHECK(s.report.mentions("frees the byte at"));
  });
  expect(false, [](Scene& s) {
    CUdeviceptr p = 0;
    CHECK_OK(cuMemAllocAsync(&p, 4, s.a));
    order(s.a, s.b);
    CHECK_OK(launch_one(s.poke, s.b, p, 1u));
    order(s.b, s.a);
    CHECK_OK(cuMemFreeAsync(p, s.a));
  });
}

TEST_CASE("a graph orders its nodes by its edges only") {
  const auto run = [](bool joined) {
    return [joined](Scene& s) {
      CUgraph graph = nullptr;
      CUgraphExec exec = nullptr;
      const CUevent forked = make_event(), back = make_event();
      REQUIRE_OK(cuStreamBeginCapture_v2(s.a, CU_STREAM_CAPTURE_MODE_GLOBAL));
      CHECK_OK(launch_one(s.poke, s.a, s.word, 1u));
      CHECK_OK(cuEventRecord(forked, s.a));
      CHECK_OK(cuStreamWaitEvent(s.b, forked, 0));
      CHECK_OK(launch_one(s.increment, s.b, s.word));  // after the root: ordered
      if (joined) order(s.b, s.a);
      CHECK_OK(launch_one(s.increment, s.a, s.word));
      CHECK_OK(cuEventRecord(back, s.b));
      CHECK_OK(cuStreamWaitEvent(s.a, back, 0));
      REQUIRE_OK(cuStreamEndCapture(s.a, &graph));
      REQUIRE_OK(cuGraphInstantiateWithFlags(&exec, graph, 0));
      cuGraphLaunch(exec, s.a);
      cuGraphLaunch(exec, s.a);              // after the first
      launch_one(s.increment, s.a, s.word);  // after all nodes
    };
  };
  expect(true, run(false));
  expect(false, run(true));
}

TEST_CASE("with warnings only, every pair of operations is reported once and the work goes on") {
  Scene s(CU_STREAM_NON_BLOCKING, "warn");
  CHECK_OK(launch_one(s.poke, s.a, s.word, 5u));
  CHECK_OK(launch_one(s.increment, s.b, s.word));
  CHECK_OK(cuCtxSynchronize());
  CHECK(read_word(s.word) == 6);
  const std::string text = s.report.text();
  const auto first = text.find("memory used by two streams");
  CHECK(first != std::string::npos);
  CHECK(text.find("memory used by two streams", first + 1) == std::string::npos);
  CHECK(text.find("warning") != std::string::npos);
}

TEST_CASE("without checks nothing is watched") {
  Scene s(CU_STREAM_NON_BLOCKING, "off");
  CHECK_OK(launch_one(s.poke, s.a, s.word, 5u));
  CHECK_OK(launch_one(s.increment, s.b, s.word));
  CHECK_OK(cuCtxSynchronize());
  CHECK(s.report.text().empty());
}

}  // namespace ptxmill::emu::driver_test
