// Launches that overlap those ahead of them in the stream (programmatic dependent launch): what
// they may touch before griddepcontrol.wait.
#include <functional>
#include <string>

#include "tests/emulator/driver_session.hpp"

namespace ptxmill::emu::driver_test {
namespace {

/// A kernel that does `early`, waits, and then does `late`: %a and %b lead to its two words.
std::string kernel(const std::string& name, const std::string& early, const std::string& late) {
  return ".visible .entry " + name +
         "(.param .u64 p, .param .u64 q)\n{\n.reg .u64 %a, %b;\n.reg .u32 %v;\n"
         "ld.param.u64 %a, [p];\nld.param.u64 %b, [q];\ngriddepcontrol.launch_dependents;\n" +
         early + "griddepcontrol.wait;\n" + late + "ret;\n}\n";
}

const std::string load = "ld.global.u32 %v, [%a];\n", store = "st.global.u32 [%b], %v;\n";

/// A stream, three words, and kernels that copy one to another.
struct Scene {
  Scene() : session({{"PTXMILL_EMU_REPORT", report.path()}}) {
    const std::string text =
        ".version 7.8\n.target sm_90\n.address_size 64\n" + kernel("waits", "", load + store) +
        kernel("reads_early", load, store) +
        kernel("writes_early", "mov.u32 %v, 9;\n" + store, "") + kernel("idle", "", "");
    REQUIRE_OK(cuModuleLoadData(&module, text.c_str()));
    stream = make_stream();
    for (CUdeviceptr& word : words) word = allocate_word(5);
    REQUIRE_OK(cuCtxSynchronize());
  }

  /// Copies word `from` to word `to`.
  void launch(const char* name, int from, int to, bool overlaps = true) {
    CUfunction function = nullptr;
    REQUIRE_OK(cuModuleGetFunction(&function, module, name));
    CUlaunchAttribute attribute = {};
    attribute.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
    attribute.value.programmaticStreamSerializationAllowed = overlaps ? 1 : 0;
    CUlaunchConfig config = {};
    config.gridDimX = config.gridDimY = config.gridDimZ = 1;
    config.blockDimX = config.blockDimY = config.blockDimZ = 1;
    config.hStream = stream;
    config.attrs = &attribute;
    config.numAttrs = 1;
    void* params[] = {&words[from], &words[to]};
    cuLaunchKernelEx(&config, function, params, nullptr);
  }

  ReportFile report;
  Session session;
  CUmodule module = nullptr;
  CUstream stream = nullptr;
  CUdeviceptr words[4] = {};
};

void expect(bool found, const std::function<void(Scene&)>& work) {
  Scene s;
  work(s);
  CHECK_CODE(cuCtxSynchronize(), found ? CUDA_ERROR_LAUNCH_FAILED : CUDA_SUCCESS);
  INFO(s.report.text());
  CHECK(s.report.mentions("memory used before griddepcontrol.wait") == found);
  if (found) CHECK(s.report.mentions("the launch overlaps those ahead of it"));
}

}  // namespace

TEST_CASE("overlap: what the launch ahead writes is read after the wait") {
  expect(false, [](Scene& s) {
    s.launch("waits", 0, 1);
    s.launch("waits", 1, 2);
  });
  expect(true, [](Scene& s) {
    s.launch("waits", 0, 1);
    s.launch("reads_early", 1, 2);
  });
  // What it does not write may be read at once.
  expect(false, [](Scene& s) {
    s.launch("waits", 0, 1);
    s.launch("reads_early", 0, 2);
  });
  // A launch that does not overlap begins when the one ahead has ended.
  expect(false, [](Scene& s) {
    s.launch("waits", 0, 1);
    s.launch("reads_early", 1, 2, false);
  });
}

TEST_CASE("overlap: what the launch ahead uses is written after the wait") {
  expect(true, [](Scene& s) {
    s.launch("waits", 0, 1);
    s.launch("writes_early", 3, 0);
  });
  expect(true, [](Scene& s) {
    s.launch("waits", 0, 1);
    s.launch("writes_early", 3, 1);
  });
  expect(false, [](Scene& s) {
    s.launch("waits", 0, 1);
    s.launch("writes_early", 3, 2);
  });
}

TEST_CASE("overlap: a launch overlaps all that the one ahead of it overlaps") {
  expect(true, [](Scene& s) {
    s.launch("waits", 0, 1);
    s.launch("idle", 3, 3);
    s.launch("reads_early", 1, 2);
  });
  expect(false, [](Scene& s) {
    s.launch("waits", 0, 1);
    s.launch("idle", 3, 3, false);
    s.launch("reads_early", 1, 2);
  });
  // Nothing overlaps a copy.
  expect(false, [](Scene& s) {
    s.launch("waits", 0, 1);
    CHECK_OK(cuMemcpyDtoDAsync_v2(s.words[2], s.words[3], 4, s.stream));
    s.launch("reads_early", 1, 2);
  });
}

}  // namespace ptxmill::emu::driver_test
