// The C interface on a device, as a program that shares the GPU with another library uses it.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "runtime/ptxmill.h"
#include "tests/runtime/fixture_kernels.hpp"
#include "tests/support/device_fixture.hpp"

namespace {

using ptxmill::test::DeviceFixture;
using ptxmill::test::ManifestFixture;
using ptxmill::test::TemporaryDirectory;

struct CApiFixture : DeviceFixture {
  CApiFixture() {
    ManifestFixture fixture = ptxmill::test::fixture_library();
    ptxmill::test::add_chain_plan(fixture);
    fixture.write(directory.path());
    require(ptxmill_device_from_context(device().handle(), &c_device));
    require(ptxmill_stream_wrap(c_device, stream.handle(), &c_stream));
    require(ptxmill_library_open(c_device, directory.path().c_str(), &library));
  }
  ~CApiFixture() {
    ptxmill_device_close(c_device);
    for (ptxmill_tensor* tensor : tensors) ptxmill_tensor_close(tensor);
    ptxmill_library_close(library);
    ptxmill_stream_close(c_stream);
  }

  static void require(ptxmill_status status) {
    INFO(ptxmill_last_error());
    REQUIRE(status == PTXMILL_OK);
  }

  ptxmill_tensor* upload(const std::vector<float>& values) {
    const std::int64_t count = static_cast<std::int64_t>(values.size());
    ptxmill_tensor* tensor = nullptr;
    require(ptxmill_tensor_empty(c_stream, "f32", &count, 1, &tensor));
    tensors.push_back(tensor);
    require(ptxmill_tensor_from_host(c_stream, tensor, values.data(), values.size() * 4));
    return tensor;
  }

  std::vector<float> read(ptxmill_tensor* tensor, std::size_t count) {
    std::vector<float> values(count);
    require(ptxmill_tensor_to_host(c_stream, tensor, values.data(), count * 4));
    return values;
  }

  static ptxmill_argument argument(const ptxmill_tensor* tensor) {
    return {PTXMILL_ARGUMENT_TENSOR, tensor, 0, 0};
  }

  TemporaryDirectory directory;
  ptxmill_device* c_device = nullptr;
  ptxmill_stream* c_stream = nullptr;
  ptxmill_library* library = nullptr;
  std::vector<ptxmill_tensor*> tensors;
};

}  // namespace

TEST_CASE_FIXTURE(CApiFixture, "c api: launches kernels on wrapped memory") {
  require(ptxmill_library_preload(library));
  ptxmill_kernel* scale = nullptr;
  require(ptxmill_kernel_open(library, "scale", &scale));
  ptxmill_tensor* x = upload({1, 2, 3});
  const std::int64_t shape[] = {3};
  ptxmill_tensor* view = nullptr;
  require(ptxmill_tensor_wrap(c_device, ptxmill_tensor_pointer(x), "f32", shape, 1, &view));
  tensors.push_back(view);
  const ptxmill_dim dims[] = {{"n", 3}};
  const ptxmill_argument arguments[] = {
      argument(view), {PTXMILL_ARGUMENT_REAL, nullptr, 2.0, 0}, argument(x)};
  require(ptxmill_kernel_launch(scale, c_stream, dims, 1, arguments, 3));
  require(ptxmill_stream_synchronize(c_stream));
  CHECK(read(x, 3) == std::vector<float>{2, 4, 6});
  CHECK(ptxmill_kernel_launch(scale, c_stream, dims, 1, arguments, 2) == PTXMILL_INVALID_ARGUMENT);
  CHECK(std::string(ptxmill_last_error()).find("it takes 3 (x, factor, out)") != std::string::npos);
  ptxmill_argument odd[] = {arguments[0], arguments[1], arguments[2]};
  odd[1].kind = 9;
  CHECK(ptxmill_kernel_launch(scale, c_stream, dims, 1, odd, 3) == PTXMILL_INVALID_ARGUMENT);
  ptxmill_kernel_close(scale);
}

TEST_CASE_FIXTURE(CApiFixture, "c api: prepares and runs a block, and counts") {
  ptxmill_block* block = nullptr;
  require(ptxmill_block_open(library, "chain", &block));
  const ptxmill_named_tensor weights[] = {{"b", upload(std::vector<float>(64, 1.f))},
                                          {"c", upload(std::vector<float>(64, 10.f))}};
  const ptxmill_dim most[] = {{"n", 64}}, dims[] = {{"n", 2}};
  require(ptxmill_block_prepare(block, c_stream, weights, 2, most, 1));
  ptxmill_tensor *x = upload({1, 2}), *out = upload({0, 0});
  const ptxmill_named_tensor inputs[] = {{"x", x}}, outputs[] = {{"out", out}};
  ptxmill_counters_reset();
  require(ptxmill_block_forward(block, c_stream, dims, 1, inputs, 1, outputs, 1));
  ptxmill_counters counters;
  ptxmill_counters_read(&counters);
  CHECK(counters.launches == 4);
  CHECK(counters.allocations == 0);
  CHECK(read(out, 2) == std::vector<float>{16, 19});
  const ptxmill_named_tensor twice[] = {weights[0], weights[0]};
  CHECK(ptxmill_block_prepare(block, c_stream, twice, 2, most, 1) == PTXMILL_INVALID_ARGUMENT);
  CHECK(std::string(ptxmill_last_error()) == "the weight 'b' is given twice");
  ptxmill_block_close(block);
}

TEST_CASE_FIXTURE(CApiFixture, "c api: failures are statuses with words") {
  ptxmill_kernel* kernel = nullptr;
  CHECK(ptxmill_kernel_open(library, "scal", &kernel) == PTXMILL_NOT_FOUND);
  CHECK(std::string(ptxmill_last_error()).find("did you mean 'scale'") != std::string::npos);
  CHECK(kernel == nullptr);
  ptxmill_library* none = nullptr;
  CHECK(ptxmill_library_open(c_device, "/nonexistent", &none) == PTXMILL_NOT_FOUND);
  const std::int64_t shape[] = {1};
  ptxmill_tensor* tensor = nullptr;
  CHECK(ptxmill_tensor_empty(c_stream, "float", shape, 1, &tensor) == PTXMILL_INVALID_ARGUMENT);
  CHECK(std::string(ptxmill_last_error()) == "'float' is no dtype");
  const std::int64_t huge[] = {std::int64_t{1} << 60};
  CHECK(ptxmill_tensor_empty(c_stream, "u8", huge, 1, &tensor) == PTXMILL_OUT_OF_MEMORY);
}
