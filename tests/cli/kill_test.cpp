// `gen` killed at any moment, or run twice at once: the library in place is the old one or the new
// one, to the byte.
#include <doctest/doctest.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <thread>

#include "tests/cli/program.hpp"
#include "tests/support/random.hpp"

namespace ptxmill::test {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using Files = std::map<std::string, std::string>;

/// Kernels that differ with `width` in every file, and one that only this width has.
std::string library_of(int width) {
  const std::string cols = std::to_string(width);
  std::string kernels;
  for (int i = 0; i < 12; ++i)
    kernels += R"({ "name": "scale)" + std::to_string(i) +
               R"(", "template": "elementwise", "dtype": "f32", "ops": ["scale"], "cols": )" +
               cols + " }, ";
  return spec_text(kernels + R"({ "name": "only)" + cols +
                       R"(", "template": "transpose", "dtype": "f32", "cols": )" + cols + " }",
                   R"("sm_80", "sm_90a")");
}

/// A run of `gen` that nobody waits for yet.
pid_t start(const fs::path& spec, const fs::path& output) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const int null = open("/dev/null", O_WRONLY);
    dup2(null, STDERR_FILENO);
    execl(executable().c_str(), "ptxmill", "gen", spec.c_str(), "-o", output.c_str(), nullptr);
    _exit(127);
  }
  return child;
}

int wait_for(pid_t child) {
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return status;
}

struct Scene {
  Workplace place;
  fs::path specs[2], output = place.path() / "out";
  Files expected[2];
  Clock::duration time{};  ///< of one run

  Scene() {
    for (int i = 0; i < 2; ++i) {
      specs[i] = place.write("spec" + std::to_string(i) + "/spec.json", library_of(64 + 32 * i));
      const auto begin = Clock::now();
      REQUIRE(wait_for(start(specs[i], output)) == 0);
      time = Clock::now() - begin;
      expected[i] = place.files("out/test");
      REQUIRE(expected[i].size() == 29);
    }
    REQUIRE(expected[0] != expected[1]);
  }
};

TEST_CASE("killed at any moment, gen leaves the old library or the new one") {
  Scene scene;
  Random random = random_for("kill");
  int killed = 0, changed = 0;
  Files last = scene.expected[1];
  for (int i = 0; i < 80; ++i) {
    const pid_t child = start(scene.specs[i % 2], scene.output);
    std::this_thread::sleep_for(scene.time * random.uniform() * 1.1);
    kill(child, SIGKILL);
    killed += WIFSIGNALED(wait_for(child)) ? 1 : 0;
    const Files now = scene.place.files("out/test");
    const bool whole = now == scene.expected[0] || now == scene.expected[1];
    REQUIRE_MESSAGE(whole, "after run " << i << " the library is neither");
    changed += now != last ? 1 : 0;
    last = now;
  }
  MESSAGE("killed " << killed << " of 80; the library changed " << changed << " times");
  CHECK(killed > 0);
  // The next run tidies up.
  REQUIRE(wait_for(start(scene.specs[0], scene.output)) == 0);
  CHECK(scene.place.files("out") == scene.expected[0]);
  for (const auto& entry : fs::directory_iterator(scene.output))
    CHECK_MESSAGE(entry.path().filename() == "test", entry.path().string());
}

TEST_CASE("runs at the same time give one library or the other") {
  Scene scene;
  for (int i = 0; i < 10; ++i) {
    const pid_t a = start(scene.specs[0], scene.output), b = start(scene.specs[1], scene.output);
    CHECK(wait_for(a) == 0);
    CHECK(wait_for(b) == 0);
    const Files now = scene.place.files("out");
    const bool whole = now == scene.expected[0] || now == scene.expected[1];
    CHECK(whole);
  }
}

// Behind a symbolic link no directory can be exchanged; what is killed is mended by the next run.
TEST_CASE("behind a symbolic link, the next run mends what was killed") {
  Scene scene;
  fs::rename(scene.output / "test", scene.place.path() / "elsewhere");
  fs::create_directory_symlink("../elsewhere", scene.output / "test");
  Random random = random_for("kill behind a link");
  for (int i = 0; i < 20; ++i) {
    const pid_t child = start(scene.specs[i % 2], scene.output);
    std::this_thread::sleep_for(scene.time * random.uniform());
    kill(child, SIGKILL);
    wait_for(child);
    if (i % 5 != 4) continue;
    const int which = i / 5 % 2;
    REQUIRE(wait_for(start(scene.specs[which], scene.output)) == 0);
    Files now;
    for (const auto& [name, bytes] : scene.place.files("elsewhere"))
      now["out/test" + name.substr(std::string("elsewhere").size())] = bytes;
    CHECK(now == scene.expected[which]);
    CHECK(fs::is_symlink(scene.output / "test"));
  }
}

}  // namespace
}  // namespace ptxmill::test
