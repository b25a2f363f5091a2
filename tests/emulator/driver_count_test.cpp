// PTXMILL_EMU_COUNT: where the counts of kernels go, and what they add up to.
#include <nlohmann/json.hpp>

#include "tests/emulator/driver_session.hpp"

namespace ptxmill::emu::driver_test {

TEST_CASE("counts of all launches are in the file, by kernel") {
  const ReportFile file(".json");
  Session session({{"PTXMILL_EMU_COUNT", file.path()}});
  const CUdeviceptr word = allocate_word(0);
  CHECK_OK(launch_one(session.kernel("increment"), nullptr, word));
  CHECK_OK(launch_one(session.kernel("twice"), nullptr, word));
  CHECK_OK(cuModuleUnload(session.module));
  session.module = nullptr;  // loaded again: the same kernel still
  CHECK_OK(launch_one(session.kernel("increment"), nullptr, word));
  CHECK_OK(cuCtxSynchronize());
  const auto counts = nlohmann::json::parse(file.text());
  REQUIRE(counts["kernels"].size() == 2);
  const auto& increment = counts["kernels"][0];
  CHECK(increment["kernel"] == "increment");
  CHECK(increment["launches"] == 2);
  CHECK(increment["warp_instructions"] == 2 * 5);
  CHECK(increment["thread_instructions"] == 2 * 5);
  CHECK(increment["classes"]["integer"] == 2);
  CHECK(increment["classes"]["global load"] == 2);
  CHECK(increment["global_read"]["bytes"] == 8);
  CHECK(increment["global_write"]["sectors"] == 2);
  CHECK(increment["shared"]["wavefronts"] == 0);
  CHECK(counts["kernels"][1]["kernel"] == "twice");
  CHECK(counts["kernels"][1]["launches"] == 1);
}

TEST_CASE("a file of another name holds a table") {
  const ReportFile file;
  Session session({{"PTXMILL_EMU_COUNT", file.path()}});
  CHECK_OK(launch_one(session.kernel("shared_user"), nullptr, allocate_word(0)));
  CHECK_OK(cuCtxSynchronize());
  CHECK(file.mentions("kernel shared_user: 1 launch, 7 warp instructions"));
  CHECK(file.mentions("2 wavefronts, 1.00 x the least"));
}

TEST_CASE("a count file that cannot be written fails cuInit") {
  const Environment environment({{"PTXMILL_EMU_COUNT", "/no/such/directory/counts"}});
  CHECK_CODE(cuInit(0), CUDA_ERROR_INVALID_VALUE);
}

}  // namespace ptxmill::emu::driver_test
