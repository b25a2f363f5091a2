// Planted uses of memory that streams, copies and frees leave without an order; each beside its
// sound twin, under every schedule.
#include <functional>

#include "tests/emulator/driver_session.hpp"

namespace ptxmill::emu::driver_test {
namespace {

// Each phase holds the one access that a report may name.
constexpr const char* ptx = R"(.version 7.0
.target sm_80
.address_size 64
.visible .entry put(.param .u64 p, .param .u32 value)
{
  .reg .u64 %p0; .reg .u32 %v0;
  ld.param.u64 %p0, [p];
  ld.param.u32 %v0, [value];
  // ---- store
  st.global.u32 [%p0], %v0;
  ret;
}
.visible .entry add(.param .u64 result, .param .u64 from)
{
  .reg .u64 %p<2>; .reg .u32 %v0;
  ld.param.u64 %p0, [result];
  ld.param.u64 %p1, [from];
  // ---- load
  ld.global.u32 %v0, [%p1];
  add.u32 %v0, %v0, 1;
  // ---- result
  st.global.u32 [%p0], %v0;
  ret;
}
)";
constexpr const char* at_store = "kernel put, line 10: st.global.u32 [%p0], %v0;\n  phase: store";
constexpr const char* at_load = "kernel add, line 19: ld.global.u32 %v0, [%p1];\n  phase: load";
constexpr const char* at_result = "kernel add, line 22: st.global.u32 [%p0], %v0;\n  phase: result";
constexpr const char* at_once = "memory used by two streams at once";

struct Scene {
  explicit Scene(const char* schedule)
      : session({{"PTXMILL_EMU_REPORT", report.path()}, {"PTXMILL_EMU_SCHEDULE", schedule}}) {
    REQUIRE_OK(cuModuleLoadData(&module, ptx));
    REQUIRE_OK(cuModuleGetFunction(&put, module, "put"));
    REQUIRE_OK(cuModuleGetFunction(&add, module, "add"));
    a = make_stream();
    b = make_stream();
    word = allocate_word(1);
    other = allocate_word(2);
    result = allocate_word(0);
    REQUIRE_OK(cuCtxSynchronize());
  }
  void order(CUstream first, CUstream second) {
    const CUevent event = make_event();
    cuEventRecord(event, first);
    cuStreamWaitEvent(second, event, 0);
  }

  ReportFile report;
  Session session;
  CUmodule module = nullptr;
  CUfunction put = nullptr, add = nullptr;
  CUstream a = nullptr, b = nullptr;
  CUdeviceptr word = 0, other = 0, result = 0;
};

struct Planted {
  const char* name;
  std::function<void(Scene&, bool sound)> work;  ///< the twin leaves `expected` at `result`
  std::vector<const char*> words;
  std::uint32_t expected;
};

/// Nodes that fork from stream a into b, with or without the edge that joins them again.
void run_graph(Scene& s, bool joined) {
  CUgraph graph = nullptr;
  CUgraphExec exec = nullptr;
  cuStreamBeginCapture_v2(s.a, CU_STREAM_CAPTURE_MODE_GLOBAL);
  launch_one(s.put, s.a, s.other, 1u);
  s.order(s.a, s.b);
  launch_one(s.put, s.b, s.word, 6u);
  if (joined) s.order(s.b, s.a);
  launch_one(s.add, s.a, s.result, s.word);
  s.order(s.b, s.a);
  REQUIRE_OK(cuStreamEndCapture(s.a, &graph));
  REQUIRE_OK(cuGraphInstantiateWithFlags(&exec, graph, 0));
  cuGraphLaunch(exec, s.a);
}

const Planted planted[] = {
    {"a consumer in another stream that waits for nothing",
     [](Scene& s, bool sound) {
       launch_one(s.put, s.a, s.word, 6u);
       if (sound) s.order(s.a, s.b);
       launch_one(s.add, s.b, s.result, s.word);
     },
     {at_once, "kernel add in stream", "reads the byte", "which kernel put in stream", "writes",
      at_load},
     7},
    {"two streams that write one result",
     [](Scene& s, bool sound) {
       launch_one(s.put, s.a, s.result, 6u);
       if (sound) s.order(s.a, s.b);
       launch_one(s.add, s.b, s.result, s.word);
     },
     {at_once, "kernel add in stream", "writes the byte", at_result},
     2},
    {"an input overwritten while another stream reads it",
     [](Scene& s, bool sound) {
       launch_one(s.add, s.a, s.result, s.word);
       if (sound) s.order(s.a, s.b);
       launch_one(s.put, s.b, s.word, 6u);
     },
     {at_once, "kernel put in stream", "writes the byte", "which kernel add in stream", "reads",
      at_store},
     2},
    {"an event recorded before the work that it should cover",
     [](Scene& s, bool sound) {
       const CUevent event = make_event();
       if (!sound) cuEventRecord(event, s.a);
       launch_one(s.put, s.a, s.word, 6u);
       if (sound) cuEventRecord(event, s.a);
       cuStreamWaitEvent(s.b, event, 0);
       launch_one(s.add, s.b, s.result, s.word);
     },
     {at_once, "no event, graph edge or wait of the host orders the two", at_load},
     7},
    {"a wait by the stream that need not wait",
     [](Scene& s, bool sound) {
       launch_one(s.put, s.a, s.word, 6u);
       sound ? s.order(s.a, s.b) : s.order(s.b, s.a);
       launch_one(s.add, s.b, s.result, s.word);
     },
     {at_once, at_load},
     7},
    {"the host waits for the wrong stream",
     [](Scene& s, bool sound) {
       launch_one(s.put, s.a, s.word, 6u);
       cuStreamSynchronize(sound ? s.a : s.b);
       launch_one(s.add, s.b, s.result, s.word);
     },
     {at_once, at_load},
     7},
    {"a fill in another stream than the kernel that adds to it",
     [](Scene& s, bool sound) {
       cuMemsetD32Async(s.word, 6, 1, s.a);
       launch_one(s.add, sound ? s.a : s.b, s.result, s.word);
     },
     {at_once, at_load},
     7},
    {"the NULL stream taken for one that waits for all",
     [](Scene& s, bool sound) {
       launch_one(s.put, s.a, s.word, 6u);
       if (sound) cuStreamSynchronize(s.a);
       launch_one(s.add, nullptr, s.result, s.word);
     },
     {at_once, "kernel add in the NULL stream", at_load},
     7},
    {"branches of a graph without an edge between them", run_graph, {at_once, at_load}, 7},
    {"an allocation used by a stream before it is there",
     [](Scene& s, bool sound) {
       CUdeviceptr p = 0;
       cuMemAllocAsync(&p, 4, s.a);
       if (sound) s.order(s.a, s.b);
       launch_one(s.put, s.b, p, 6u);
       launch_one(s.add, s.b, s.result, p);
     },
     {at_once, "which cuMemAllocAsync in stream", "allocates", at_store},
     7},
    {"an allocation freed while another stream uses it",
     [](Scene& s, bool sound) {
       CUdeviceptr p = 0;
       cuMemAllocAsync(&p, 4, s.a);
       s.order(s.a, s.b);
       launch_one(s.put, s.b, p, 6u);
       launch_one(s.add, s.b, s.result, p);
       if (sound) s.order(s.b, s.a);
       cuMemFreeAsync(p, s.a);
     },
     {at_once, "cuMemFreeAsync in stream", "frees the byte", "which kernel put in stream"},
     7},
    {"an array freed before the kernel that reads it",
     [](Scene& s, bool sound) {
       if (!sound) cuMemFree_v2(s.word);
       launch_one(s.add, s.a, s.result, s.word);
       cuStreamSynchronize(s.a);
       if (sound) cuMemFree_v2(s.word);
     },
     {"use after free: 4 bytes of global memory", "0 bytes into the 4-byte allocation",
      "which was freed", at_load},
     2},
    {"a stream-ordered free before the last use",
     [](Scene& s, bool sound) {
       CUdeviceptr p = 0;
       cuMemAllocAsync(&p, 4, s.a);
       launch_one(s.put, s.a, p, 6u);
       if (!sound) cuMemFreeAsync(p, s.a);
       launch_one(s.add, s.a, s.result, p);
       if (sound) cuMemFreeAsync(p, s.a);
     },
     {"use after free: 4 bytes of global memory", "which was freed", at_load},
     7},
};

}  // namespace

TEST_CASE("planted: streams, copies and frees without an order") {
  for (const Planted& k : planted) {
    for (const char* schedule : {"earliest", "latest", "random"}) {
      const std::string name = std::string(k.name) + ", " + schedule;
      CAPTURE(name);
      {
        Scene s(schedule);
        k.work(s, false);
        INFO(s.report.text());
        CHECK(cuCtxSynchronize() != CUDA_SUCCESS);
        for (const char* word : k.words) {
          INFO(word);
          CHECK(s.report.mentions(word));
        }
      }
      Scene s(schedule);
      k.work(s, true);
      CHECK_OK(cuCtxSynchronize());
      CHECK(s.report.text().empty());
      CHECK(read_word(s.result) == k.expected);
    }
  }
}

}  // namespace ptxmill::emu::driver_test
