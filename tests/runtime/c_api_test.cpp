// The C interface where there is nothing to talk to: statuses and words, and no exception.
#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

#include "runtime/ptxmill.h"

TEST_CASE("c api: a driver that is not there is a status") {
  setenv("PTXMILL_DRIVER", "/nonexistent/libcuda.so", 1);
  ptxmill_device* device = nullptr;
  CHECK(ptxmill_device_open(0, &device) == PTXMILL_NO_DRIVER);
  CHECK(device == nullptr);
  CHECK(std::string(ptxmill_last_error()).find("/nonexistent/libcuda.so") != std::string::npos);
  unsetenv("PTXMILL_DRIVER");
}

TEST_CASE("c api: null is named") {
  CHECK(ptxmill_device_open(0, nullptr) == PTXMILL_INVALID_ARGUMENT);
  CHECK(std::string(ptxmill_last_error()) == "'device' is null");
  ptxmill_stream* stream = nullptr;
  CHECK(ptxmill_stream_create(nullptr, &stream) == PTXMILL_INVALID_ARGUMENT);
  CHECK(ptxmill_stream_synchronize(nullptr) == PTXMILL_INVALID_ARGUMENT);
  CHECK(std::string(ptxmill_last_error()) == "'stream' is null");
  CHECK(ptxmill_kernel_launch(nullptr, nullptr, nullptr, 0, nullptr, 0) ==
        PTXMILL_INVALID_ARGUMENT);
  CHECK(ptxmill_kernel_launch(nullptr, nullptr, nullptr, 0, nullptr, 1) ==
        PTXMILL_INVALID_ARGUMENT);
  CHECK(ptxmill_block_forward(nullptr, nullptr, nullptr, 1, nullptr, 0, nullptr, 0) ==
        PTXMILL_INVALID_ARGUMENT);
  CHECK(ptxmill_tensor_pointer(nullptr) == 0);
  ptxmill_device_close(nullptr);
  ptxmill_stream_close(nullptr);
  ptxmill_tensor_close(nullptr);
  ptxmill_library_close(nullptr);
  ptxmill_kernel_close(nullptr);
  ptxmill_block_close(nullptr);
  ptxmill_counters_read(nullptr);
}

TEST_CASE("c api: version and counters") {
  CHECK(std::string(ptxmill_version()).find('.') != std::string::npos);
  ptxmill_counters_reset();
  ptxmill_counters counters;
  ptxmill_counters_read(&counters);
  CHECK(counters.launches == 0);
  CHECK(counters.bytes_to_host == 0);
}
