// Runs the kernel of this project's own template, and checks that the runtime knows what it takes.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <vector>

#include "clamping.hpp"  // written when the project is built
#include "runtime/error.hpp"
#include "runtime/library.hpp"

namespace rt = ptxmill::rt;

int main() {
  try {
    const rt::Device device = rt::Device::open();
    const rt::Stream stream(device);
    const rt::KernelLibrary library = rt::KernelLibrary::open(device, clamping::limits);
    const rt::Kernel clamp = library.kernel("clamp");

    constexpr int count = 1000;
    std::vector<float> x(count);
    for (int i = 0; i < count; ++i) x[i] = 0.01f * static_cast<float>(i) - 5.f;
    const rt::Tensor there = rt::Tensor::from_host(stream, x, {count});
    const rt::Tensor out = rt::Tensor::empty(stream, rt::DType::f32, {count});
    clamp.launch(stream, {{"count", count}}, there, -1.f, 2.5f, out);

    const std::vector<float> result = out.to_host<float>(stream);
    for (int i = 0; i < count; ++i)
      if (const float expected = std::clamp(x[i], -1.f, 2.5f); result[i] != expected) {
        std::printf("element %d is %g, expected %g\n", i, result[i], expected);
        return 1;
      }

    // The template's declaration is also what a launch is checked against.
    try {
      clamp.launch(stream, {{"count", count + 1}}, there, -1.f, 2.5f, out);
      std::printf("a tensor that is too small was accepted\n");
      return 1;
    } catch (const rt::Error& e) {
      std::printf("refused, as it should be: %s\n", e.what());
    }
    std::printf("%s: %d elements, all right\n", device.info().name.c_str(), count);
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "own_template: %s\n", e.what());
    return 1;
  }
}
