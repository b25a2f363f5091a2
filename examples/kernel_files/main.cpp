// Opens a library from its directory and runs a softmax over rows.
//
//   kernel_files [LIBRARY_DIRECTORY]
#include <cmath>
#include <cstdio>
#include <exception>
#include <vector>

#include "runtime/ops.hpp"

namespace rt = ptxmill::rt;

namespace {

/// Softmax of one row in double precision, to compare with.
std::vector<double> softmax(const float* row, int cols) {
  std::vector<double> result(cols);
  double sum = 0;
  for (int i = 0; i < cols; ++i) sum += result[i] = std::exp(static_cast<double>(row[i]));
  for (double& value : result) value /= sum;
  return result;
}

int run(const char* directory) {
  const rt::Device device = rt::Device::open();
  const rt::Stream stream(device);
  const rt::KernelLibrary library = rt::KernelLibrary::open(device, directory);

  constexpr int rows = 5, cols = 300;
  std::vector<float> x(rows * cols);
  for (int i = 0; i < rows * cols; ++i) x[i] = std::sin(0.37f * static_cast<float>(i));
  const rt::Tensor there = rt::Tensor::from_host(stream, x, {rows, cols});
  // An op takes the kernel of the library that suits its tensors best.
  const std::vector<float> result = rt::softmax(library, stream, there).to_host<float>(stream);

  double worst = 0;
  for (int row = 0; row < rows; ++row) {
    const std::vector<double> expected = softmax(&x[row * cols], cols);
    for (int i = 0; i < cols; ++i)
      worst = std::fmax(worst, std::abs(result[row * cols + i] / expected[i] - 1.));
  }
  const bool right = worst < 1e-5;
  std::printf("%s, %s: largest relative error %.2g: %s\n", device.info().name.c_str(),
              library.kernel("row_softmax").target().c_str(), worst, right ? "all right" : "WRONG");
  return right ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc > 1 ? argv[1] : ROWS_LIBRARY);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "kernel_files: %s\n", e.what());
    return 1;
  }
}
