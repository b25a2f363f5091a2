// What the compiler in the driver says of every generated file: nothing of asynchronous matrix
// instructions that it had to serialise (C7504 to C7520), and no spill. It is another compiler than
// the toolkit's ptxas, and the one that users meet. The emulated driver has no such log: there the
// files are loaded, and that is all.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "runtime/driver/driver.hpp"
#include "tests/support/device_fixture.hpp"

namespace ptxmill::test {
namespace {

namespace fs = std::filesystem;

class JitFixture : public DeviceFixture {
 public:
  /// The log of a module's compilation, which is unloaded at once.
  std::string log_of(const std::string& ptx) const {
    std::vector<char> info(1 << 20), errors(1 << 14);
    std::array options{
        rt::cu::JitOption::info_log_buffer, rt::cu::JitOption::info_log_buffer_size_bytes,
        rt::cu::JitOption::error_log_buffer, rt::cu::JitOption::error_log_buffer_size_bytes,
        rt::cu::JitOption::log_verbose};
    std::array<void*, 5> values{info.data(), reinterpret_cast<void*>(info.size() - 1),
                                errors.data(), reinterpret_cast<void*>(errors.size() - 1),
                                reinterpret_cast<void*>(1)};
    const rt::cu::Driver& driver = rt::cu::driver();
    rt::cu::Module module = nullptr;
    const rt::cu::Result result = driver.module_load_data_ex.raw(
        &module, ptx.c_str(), static_cast<unsigned>(options.size()), options.data(), values.data());
    REQUIRE_MESSAGE(result == rt::cu::Result::success, errors.data());
    driver.module_unload.raw(module);
    return info.data();
  }
  bool has_log() const { return std::getenv("PTXMILL_DRIVER") == nullptr; }
};

/// The lines of a log that tell of what should not be.
std::string complaints(const std::string& log) {
  static const std::regex bad(
      R"(C75[0-9]{2}|[1-9][0-9]* bytes (stack frame|spill stores|spill loads|lmem)|[wW]arning)");
  std::istringstream lines(log);
  std::string found;
  for (std::string line; std::getline(lines, line);)
    if (std::regex_search(line, bad)) found += line + "\n";
  return found;
}

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// The driver keeps what it compiled, and has no log of what it finds there.
const bool without_cache = ::setenv("CUDA_CACHE_DISABLE", "1", 1) == 0;

const std::string head = ".version 8.0\n.target sm_90a\n.address_size 64\n";

}  // namespace

TEST_CASE_FIXTURE(JitFixture, "the driver's compiler has no complaint about generated files") {
  REQUIRE(without_cache);
  std::vector<fs::path> files;
  for (const char* root : {"generated", "build/bench"}) {
    if (!fs::exists(root)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root))
      if (entry.path().extension() == ".ptx") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  REQUIRE(!files.empty());
  for (const fs::path& file : files) {
    const bool hopper = file.parent_path().filename() == "sm_90a";
    if (hopper && device().info().compute_capability != 90) continue;
    CAPTURE(file.string());
    const std::string log = log_of(text_of(file));
    CHECK(complaints(log) == "");
    if (has_log()) CHECK(log.find("registers") != log.npos);
  }
}

TEST_CASE_FIXTURE(JitFixture, "the driver's log tells of spills") {
  std::string body = head +
                     ".visible .entry k(.param .u64 p) .maxntid 1024, 1, 1 .minnctapersm 2\n{\n"
                     ".reg .b64 %a;\n.reg .f32 %f<200>;\nld.param.u64 %a, [p];\n";
  for (int i = 0; i < 100; ++i)
    body +=
        "ld.volatile.global.f32 %f" + std::to_string(i) + ", [%a+" + std::to_string(4 * i) + "];\n";
  body += "bar.sync 0;\n";
  for (int i = 99; i >= 0; --i)
    body += "st.volatile.global.f32 [%a+" + std::to_string(4 * i) + "], %f" +
            std::to_string(99 - i) + ";\n";
  const std::string log = log_of(body + "ret;\n}\n");
  if (has_log()) CHECK(complaints(log).find("spill") != std::string::npos);
}

TEST_CASE_FIXTURE(JitFixture, "the driver's log tells of products that are serialised") {
  if (device().info().compute_capability != 90) return;
  // The accumulators are read while the product may be in flight.
  std::string list;
  for (int i = 0; i < 4; ++i) list += (i > 0 ? ", %f" : "%f") + std::to_string(i);
  const std::string log =
      log_of(head +
             ".visible .entry k(.param .u64 p) .maxntid 128, 1, 1\n{\n.reg .b64 %a, %d;\n"
             ".reg .f32 %f<4>;\nld.param.u64 %a, [p];\nld.global.u64 %d, [%a];\n"
             "mov.f32 %f0, 0f00000000;\nmov.f32 %f1, %f0;\nmov.f32 %f2, %f0;\nmov.f32 %f3, %f0;\n"
             "wgmma.fence.sync.aligned;\nwgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {" +
             list +
             "}, %d, %d, 1, 1, 1, 0, 0;\nadd.f32 %f0, %f0, %f1;\n"
             "wgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;\n"
             "st.global.v4.f32 [%a], {" +
             list + "};\nret;\n}\n");
  if (has_log()) CHECK(complaints(log).find("C75") != std::string::npos);
}

}  // namespace ptxmill::test
