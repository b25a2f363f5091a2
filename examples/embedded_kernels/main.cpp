// Runs two kernels that are part of this program: out = 2 * max(0, x + y).
#include <algorithm>
#include <cstdio>
#include <exception>
#include <vector>

#include "activations.hpp"  // written by ptxmill when the project is built
#include "runtime/library.hpp"

namespace rt = ptxmill::rt;

int main() {
  try {
    // The machine's GPU, or what PTXMILL_DRIVER names.
    const rt::Device device = rt::Device::open();
    const rt::Stream stream(device);
    const rt::KernelLibrary library = rt::KernelLibrary::open(device, activations::activations);
    const rt::Kernel add_relu = library.kernel("add_relu");
    const rt::Kernel scale = library.kernel("scale");

    constexpr int rows = 3, cols = 1000;
    std::vector<float> x(rows * cols), y(rows * cols);
    for (int i = 0; i < rows * cols; ++i) {
      x[i] = 0.25f * static_cast<float>(i % 17) - 2.f;
      y[i] = 0.5f * static_cast<float>(i % 5) - 1.f;
    }
    const rt::Tensor x_there = rt::Tensor::from_host(stream, x, {rows, cols});
    const rt::Tensor y_there = rt::Tensor::from_host(stream, y, {rows, cols});
    const rt::Tensor out = rt::Tensor::empty(stream, rt::DType::f32, {rows, cols});

    // Dimensions by name, then the arguments in the order of `ptxmill explain
    // activations.json#add_relu`.
    add_relu.launch(stream, {{"rows", rows}, {"cols", cols}}, x_there, y_there, out);
    scale.launch(stream, {{"rows", rows}, {"cols", cols}}, out, 2.f, out);

    const std::vector<float> result = out.to_host<float>(stream);
    for (int i = 0; i < rows * cols; ++i)
      if (const float expected = 2.f * std::max(0.f, x[i] + y[i]); result[i] != expected) {
        std::printf("element %d is %g, expected %g\n", i, result[i], expected);
        return 1;
      }
    std::printf("%s: %d elements, all right\n", device.info().name.c_str(), rows * cols);
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "embedded_kernels: %s\n", e.what());
    return 1;
  }
}
