// What the builder's tests share: a kernel at hand, and the check of a refusal.
#pragma once

#include <doctest/doctest.h>

#include <string>

#include "generator/ptx/kernel.hpp"
#include "generator/ptx/printer.hpp"

namespace ptxmill::test {

using namespace ptx;  // NOLINT(google-build-using-namespace): the builder's vocabulary

/// A kernel with two pointers and a number.
struct ScratchKernel : Kernel {
  explicit ScratchKernel(Target target = {80, false}) : Kernel("scratch", target) {}
  GlobalPtr<f32> x = pointer_param<f32>("x", 16);
  GlobalPtr<f32> out = pointer_param<f32>("out", 16);
  U32 n = scalar_param<u32>("n");
};

/// The kernel's instructions after the parameters' (five lines), one a line, spaces normalised.
std::string instructions(const Recorder& recorder);

/// The source line of this file as messages name it: "refusals_test.cpp:12".
inline std::string place(const char* file, int line) { return Where{file, line}.text(); }

/// Runs `offend`, which sets its argument to the line that must be named, and then does what must
/// be refused with `message`.
template <class F>
void check_refused(const char* file, const std::string& message, F offend) {
  int line = 0;
  try {
    offend(line);
  } catch (const BuildError& error) {
    CHECK(error.where().line == line);
    CHECK(std::string(error.what()) == place(file, line) + ": " + message);
    return;
  }
  FAIL_CHECK("not refused: " << message);
}

}  // namespace ptxmill::test
