// Copies and fills.
#include <algorithm>
#include <cstdio>
#include <cstring>

#include "emulator/driver/streams.hpp"

namespace ptxmill::emu::driver {
namespace {

using namespace api;

/// Bytes of a live allocation.
struct Range {
  std::byte* bytes;
  std::uint8_t* written;
  bool host;  ///< page-locked: the host may write it, so all of it counts as written
};

/// The range, or the end of the operation where a graph's or a queued operation's memory is gone.
class Access {
 public:
  Access(Driver& driver, std::string what) : driver_(driver), what_(std::move(what)) {}

  Range operator()(DeviceAddress address, std::size_t bytes) {
    const Place place = driver_.ledger->locate(address, bytes);
    if (place.block == nullptr) {
      char where[32];
      std::snprintf(where, sizeof(where), "0x%llx", static_cast<unsigned long long>(address));
      driver_.report(what_ + ": the " + std::to_string(bytes) + " bytes at " + where +
                     " were freed before the operation ran");
      failed_ = true;
      return {};
    }
    allocation_ = driver_.ledger->memory().find(address, bytes);
    const std::size_t offset = address - allocation_->base;
    return {allocation_->bytes.data() + offset, allocation_->written.data() + offset,
            place.block->kind == BlockKind::host};
  }
  bool failed() const { return failed_; }

 private:
  Driver& driver_;
  std::string what_;
  bool failed_ = false;
  std::shared_ptr<Allocation> allocation_;
};

class CopyToDevice final : public Operation {
 public:
  CopyToDevice(DeviceAddress to, const void* from, std::size_t bytes)
      : to_(to), from_(from), bytes_(bytes) {}
  std::string name() const override { return "copy from the host to the device"; }
  CUresult run(Driver& driver, Lock&) const override {
    Access access(driver, name());
    const Range to = access(to_, bytes_);
    if (access.failed()) return CUDA_ERROR_LAUNCH_FAILED;
    std::memcpy(to.bytes, from_, bytes_);
    std::memset(to.written, 1, bytes_);
    return driver.touch(*this, to_, bytes_, AccessKind::write);
  }

 private:
  DeviceAddress to_;
  const void* from_;
  std::size_t bytes_;
};

class CopyToHost final : public Operation {
 public:
  CopyToHost(void* to, DeviceAddress from, std::size_t bytes)
      : to_(to), from_(from), bytes_(bytes) {}
  std::string name() const override { return "copy from the device to the host"; }
  CUresult run(Driver& driver, Lock&) const override {
    Access access(driver, name());
    const Range from = access(from_, bytes_);
    if (access.failed()) return CUDA_ERROR_LAUNCH_FAILED;
    std::memcpy(to_, from.bytes, bytes_);
    return driver.touch(*this, from_, bytes_, AccessKind::read);
  }

 private:
  void* to_;
  DeviceAddress from_;
  std::size_t bytes_;
};

class CopyOnDevice final : public Operation {
 public:
  CopyOnDevice(DeviceAddress to, DeviceAddress from, std::size_t bytes)
      : to_(to), from_(from), bytes_(bytes) {}
  std::string name() const override { return "copy on the device"; }
  CUresult run(Driver& driver, Lock&) const override {
    Access access(driver, name());
    Access access_from(driver, name());
    const Range to = access(to_, bytes_);
    const Range from = access_from(from_, bytes_);
    if (access.failed() || access_from.failed()) return CUDA_ERROR_LAUNCH_FAILED;
    std::memmove(to.bytes, from.bytes, bytes_);
    if (!to.host) std::memmove(to.written, from.written, bytes_);
    const CUresult code = driver.touch(*this, from_, bytes_, AccessKind::read);
    return code != CUDA_SUCCESS ? code : driver.touch(*this, to_, bytes_, AccessKind::write);
  }

 private:
  DeviceAddress to_, from_;
  std::size_t bytes_;
};

template <class T>
class Fill final : public Operation {
 public:
  Fill(DeviceAddress to, T value, std::size_t count) : to_(to), value_(value), count_(count) {}
  std::string name() const override { return "fill"; }
  CUresult run(Driver& driver, Lock&) const override {
    Access access(driver, name());
    const std::size_t bytes = count_ * sizeof(T);
    const Range to = access(to_, bytes);
    if (access.failed()) return CUDA_ERROR_LAUNCH_FAILED;
    for (std::size_t i = 0; i < count_; ++i)
      std::memcpy(to.bytes + i * sizeof(T), &value_, sizeof(T));
    std::memset(to.written, 1, bytes);
    return driver.touch(*this, to_, bytes, AccessKind::write);
  }

 private:
  DeviceAddress to_;
  T value_;
  std::size_t count_;
};

/// A copy between host and device. Where the host memory is pageable the call waits for it, as the
/// driver does where it cannot stage the bytes: the caller may reuse them at once.
CUresult copy_with_host(Session& s, CUstream stream, const void* host, bool synchronous,
                        const BuildOperation& build) {
  const bool pinned = s.driver.ledger->locate_host(host, 1).block != nullptr;
  return synchronous || !pinned ? enqueue_and_wait(s, stream, build) : enqueue(s, stream, build);
}

CUresult host_to_device(Call call, CUdeviceptr to, const void* from, std::size_t bytes,
                        CUstream stream, bool synchronous) {
  return enter(call, synchronous ? Needs::context : Needs::live, [&](Session& s) {
    return copy_with_host(s, stream, from, synchronous, [&](Stream&, auto* operation) {
      if (bytes == 0) return CUDA_SUCCESS;
      const Place place = s.driver.ledger->locate(to, bytes);
      if (from == nullptr || place.block == nullptr) return CUDA_ERROR_INVALID_VALUE;
      *operation = std::make_shared<CopyToDevice>(place.address, from, bytes);
      return CUDA_SUCCESS;
    });
  });
}

CUresult device_to_host(Call call, void* to, CUdeviceptr from, std::size_t bytes, CUstream stream,
                        bool synchronous) {
  return enter(call, synchronous ? Needs::context : Needs::live, [&](Session& s) {
    return copy_with_host(s, stream, to, synchronous, [&](Stream&, auto* operation) {
      if (bytes == 0) return CUDA_SUCCESS;
      const Place place = s.driver.ledger->locate(from, bytes);
      if (to == nullptr || place.block == nullptr) return CUDA_ERROR_INVALID_VALUE;
      *operation = std::make_shared<CopyToHost>(to, place.address, bytes);
      return CUDA_SUCCESS;
    });
  });
}

CUresult device_to_device(Call call, CUdeviceptr to, CUdeviceptr from, std::size_t bytes,
                          CUstream stream, Needs needs) {
  return enter(call, needs, [&](Session& s) {
    return enqueue(s, stream, [&](Stream&, auto* operation) {
      if (bytes == 0) return CUDA_SUCCESS;
      const Place target = s.driver.ledger->locate(to, bytes);
      const Place source = s.driver.ledger->locate(from, bytes);
      if (target.block == nullptr || source.block == nullptr) return CUDA_ERROR_INVALID_VALUE;
      *operation = std::make_shared<CopyOnDevice>(target.address, source.address, bytes);
      return CUDA_SUCCESS;
    });
  });
}

template <class T>
CUresult fill(Call call, CUdeviceptr to, T value, std::size_t count, CUstream stream, Needs needs) {
  return enter(call, needs, [&](Session& s) {
    return enqueue(s, stream, [&](Stream&, auto* operation) {
      if (count == 0) return CUDA_SUCCESS;
      if (to % sizeof(T) != 0 || count > SIZE_MAX / sizeof(T)) return CUDA_ERROR_INVALID_VALUE;
      const Place place = s.driver.ledger->locate(to, count * sizeof(T));
      if (place.block == nullptr) return CUDA_ERROR_INVALID_VALUE;
      *operation = std::make_shared<Fill<T>>(place.address, value, count);
      return CUDA_SUCCESS;
    });
  });
}

}  // namespace
}  // namespace ptxmill::emu::driver

namespace ptxmill::emu::api {

using namespace driver;

CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void* from, std::size_t bytes) {
  return host_to_device(Call::cuMemcpyHtoD_v2, to, from, bytes, nullptr, true);
}

CUresult cuMemcpyDtoH_v2(void* to, CUdeviceptr from, std::size_t bytes) {
  return device_to_host(Call::cuMemcpyDtoH_v2, to, from, bytes, nullptr, true);
}

CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, std::size_t bytes) {
  return device_to_device(Call::cuMemcpyDtoD_v2, to, from, bytes, nullptr, Needs::context);
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, std::size_t bytes,
                              CUstream stream) {
  return host_to_device(Call::cuMemcpyHtoDAsync_v2, to, from, bytes, stream, false);
}

CUresult cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, std::size_t bytes, CUstream stream) {
  return device_to_host(Call::cuMemcpyDtoHAsync_v2, to, from, bytes, stream, false);
}

CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, std::size_t bytes,
                              CUstream stream) {
  return device_to_device(Call::cuMemcpyDtoDAsync_v2, to, from, bytes, stream, Needs::live);
}

CUresult cuMemsetD8_v2(CUdeviceptr to, unsigned char value, std::size_t count) {
  return fill(Call::cuMemsetD8_v2, to, value, count, nullptr, Needs::context);
}

CUresult cuMemsetD32_v2(CUdeviceptr to, unsigned value, std::size_t count) {
  return fill(Call::cuMemsetD32_v2, to, value, count, nullptr, Needs::context);
}

CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, std::size_t count, CUstream stream) {
  return fill(Call::cuMemsetD8Async, to, value, count, stream, Needs::live);
}

CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value, std::size_t count, CUstream stream) {
  return fill(Call::cuMemsetD32Async, to, value, count, stream, Needs::live);
}

}  // namespace ptxmill::emu::api
