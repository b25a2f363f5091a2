// A context, modules from tests/nvcc/ptx, memory and launches, on whichever driver is chosen.
#pragma once

#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/nvcc/driver_api.hpp"

namespace ptxmill::nvcc_test {

/// Device memory that holds a vector's elements.
template <class T>
class Buffer {
 public:
  explicit Buffer(const std::vector<T>& values) : count_(values.size()) {
    check(api().allocate(&address_, bytes() + 1), "cuMemAlloc");
    check(api().to_device(address_, values.data(), bytes()), "cuMemcpyHtoD");
  }
  ~Buffer() {
    if (address_ != 0) api().free(address_);
  }
  Buffer(Buffer&& other) noexcept
      : address_(std::exchange(other.address_, 0)), count_(other.count_) {}
  Buffer& operator=(Buffer&&) = delete;

  CUdeviceptr address() const { return address_; }
  std::vector<T> read() const {
    std::vector<T> values(count_);
    check(api().to_host(values.data(), address_, bytes()), "cuMemcpyDtoH");
    return values;
  }

 private:
  std::size_t bytes() const { return count_ * sizeof(T); }
  CUdeviceptr address_ = 0;
  std::size_t count_ = 0;
};

template <class T>
const T& argument(const T& value) {
  return value;
}
template <class T>
CUdeviceptr argument(const Buffer<T>& buffer) {
  return buffer.address();
}

struct Shape {
  unsigned grid[3] = {1, 1, 1}, block[3] = {1, 1, 1};
  unsigned shared = 0;
  bool cooperative = false;
};

/// Threads in one dimension, in blocks of 128 or as given.
inline Shape threads(std::size_t n, unsigned block = 128) {
  return {{static_cast<unsigned>((n + block - 1) / block), 1, 1}, {block, 1, 1}, 0, false};
}

class Device {
 public:
  Device() {
    check(api().init(0), "cuInit");
    CUdevice device = 0;
    check(api().device_get(&device, 0), "cuDeviceGet");
    check(api().context_create(&context_, 0, device), "cuCtxCreate");
    check(api().set_limit(0, 16384), "cuCtxSetLimit");  // stack, for the recursions
  }
  ~Device() { api().context_destroy(context_); }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  template <class T>
  Buffer<T> put(const std::vector<T>& values) {
    return Buffer<T>(values);
  }
  template <class T>
  Buffer<T> zeros(std::size_t n) {
    return Buffer<T>(std::vector<T>(n));
  }

  CUmodule module(const std::string& name) {
    CUmodule& m = modules_[name];
    if (m != nullptr) return m;
    std::ifstream file("tests/nvcc/ptx/" + name + ".ptx", std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    if (text.empty()) throw std::runtime_error("no tests/nvcc/ptx/" + name + ".ptx");
    int version = 0;
    check(api().driver_version(&version), "cuDriverGetVersion");
    // Nothing in these files needs more than an older driver has.
    const std::size_t at = text.find(".version 9.0");
    if (version < 13000 && at != std::string::npos) text.replace(at, 12, ".version 8.0");
    std::vector<char> log(8192);
    int options[2] = {5, 6};  // CU_JIT_ERROR_LOG_BUFFER and its size
    void* values[2] = {log.data(), reinterpret_cast<void*>(log.size())};
    const CUresult code = api().module_load(&m, text.c_str(), 2, options, values);
    check(code, (name + ": " + log.data()).c_str());
    return m;
  }

  template <class... Arguments>
  CUresult try_launch(const std::string& in, const char* kernel, const Shape& s,
                      const Arguments&... arguments) {
    CUfunction f = nullptr;
    check(api().get_function(&f, module(in), kernel), kernel);
    auto values = std::make_tuple(argument(arguments)...);
    std::vector<void*> pointers;
    std::apply([&](auto&... v) { (pointers.push_back(&v), ...); }, values);
    const CUresult launched =
        s.cooperative
            ? api().launch_cooperative(f, s.grid[0], s.grid[1], s.grid[2], s.block[0], s.block[1],
                                       s.block[2], s.shared, nullptr, pointers.data())
            : api().launch(f, s.grid[0], s.grid[1], s.grid[2], s.block[0], s.block[1], s.block[2],
                           s.shared, nullptr, pointers.data(), nullptr);
    const CUresult finished = api().synchronize();
    return launched != success ? launched : finished;
  }

  template <class... Arguments>
  void launch(const std::string& in, const char* kernel, const Shape& s,
              const Arguments&... arguments) {
    check(try_launch(in, kernel, s, arguments...), kernel);
  }

 private:
  CUcontext context_ = nullptr;
  std::map<std::string, CUmodule> modules_;
};

/// Numbers that repeat from run to run.
class Draw {
 public:
  explicit Draw(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 1) {}
  std::uint64_t bits() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_ * 0x2545f4914f6cdd1du;
  }
  std::uint32_t word() { return static_cast<std::uint32_t>(bits() >> 32); }
  std::uint32_t below(std::uint32_t n) { return word() % n; }
  double between(double lo, double hi) {
    return lo + (hi - lo) * static_cast<double>(bits() >> 11) * 0x1p-53;
  }
  template <class T, class F>
  std::vector<T> list(std::size_t n, F f) {
    std::vector<T> out;
    for (std::size_t i = 0; i < n; ++i) out.push_back(static_cast<T>(f()));
    return out;
  }

 private:
  std::uint64_t state_;
};

}  // namespace ptxmill::nvcc_test
