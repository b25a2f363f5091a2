#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "runtime/device.hpp"
#include "runtime/dtype.hpp"
#include "runtime/stream.hpp"
#include "runtime/tensor.hpp"
#include "tests/support/case_budget.hpp"
#include "tests/support/red_zone.hpp"

namespace ptxmill::test {

/// A contiguous tensor between red zones. On the emulator there are none: it checks each access
/// against the allocation's own bounds, which guards would only widen.
class GuardedTensor {
 public:
  GuardedTensor(const rt::Device& device, const rt::Stream& stream, RedZone zone, rt::DType dtype,
                const rt::Shape& shape)
      : stream_(&stream), zone_(std::move(zone)) {
    buffer_ = rt::Tensor::from_host(
        stream, rt::DType::u8, {static_cast<std::int64_t>(zone_.image().size())}, zone_.image());
    const auto payload = buffer_.pointer() == 0 ? 0 : buffer_.pointer() + zone_.guard_bytes();
    tensor_ =
        rt::Tensor::wrap(device, payload, dtype, shape, {}, std::make_shared<rt::Tensor>(buffer_));
  }

  /// What the kernel under test is given.
  const rt::Tensor& tensor() const { return tensor_; }

  /// The elements as they are now, after a check that the guards are intact. Not counted as a
  /// transfer.
  template <class T = float>
  std::vector<T> read() const {
    const auto now = image();
    const auto damage = zone_.guard_damage(now);
    CHECK_MESSAGE(!damage, damage.value_or(""));
    const auto payload = zone_.payload_of(now);
    std::vector<T> values(payload.size() / sizeof(T));
    std::copy(payload.begin(), payload.end(), std::as_writable_bytes(std::span(values)).begin());
    return values;
  }

  /// The elements as f32, whatever the tensor's type; the same checks.
  std::vector<float> values() const {
    if (tensor_.dtype() == rt::DType::f32) return read();
    const std::vector<std::byte> bytes = read<std::byte>();
    const std::size_t size = rt::size_of(tensor_.dtype());
    std::vector<float> values;
    for (std::size_t at = 0; at < bytes.size(); at += size)
      values.push_back(static_cast<float>(rt::decode(tensor_.dtype(), bytes.data() + at)));
    return values;
  }

  /// Checks that the bytes from `begin` to `end` are still what was put there.
  void check_untouched(std::size_t begin, std::size_t end) const {
    const auto damage = zone_.payload_damage(image(), begin, end);
    CHECK_MESSAGE(!damage, damage.value_or(""));
  }

 private:
  std::vector<std::byte> image() const {
    std::vector<std::byte> bytes(zone_.image().size());
    buffer_.peek_host(*stream_, bytes);
    return bytes;
  }

  const rt::Stream* stream_;
  RedZone zone_;
  rt::Tensor buffer_;
  rt::Tensor tensor_;
};

/// The device of the process's driver, opened once, and a stream of its own for each test case:
///   TEST_CASE_FIXTURE(DeviceFixture, "...") { auto x = input(values, {rows, cols}); auto y =
///   output({rows, cols}); ... }
class DeviceFixture {
 public:
  DeviceFixture() : stream(device()) {}

  /// Kept until the process ends: a context takes long to make.
  static const rt::Device& device() {
    static const auto* const opened = new rt::Device(rt::Device::open());
    return *opened;
  }

  /// A tensor that holds `values`, each of which a 16-bit type must have exactly.
  GuardedTensor input(const std::vector<float>& values, const rt::Shape& shape,
                      rt::DType dtype = rt::DType::f32) const {
    REQUIRE(static_cast<std::int64_t>(values.size()) == shape.elements());
    if (dtype != rt::DType::f32) return input_of_16_bits(values, shape, dtype);
    return {device(), stream, RedZone(std::as_bytes(std::span(values)), guard_bytes()),
            rt::DType::f32, shape};
  }

  /// A tensor whose elements have these bits.
  template <class Bits>
  GuardedTensor input_bits(const std::vector<Bits>& bits, const rt::Shape& shape,
                           rt::DType dtype) const {
    REQUIRE(static_cast<std::int64_t>(bits.size()) == shape.elements());
    REQUIRE(sizeof(Bits) == rt::size_of(dtype));
    return {device(), stream, RedZone(std::as_bytes(std::span(bits)), guard_bytes()), dtype, shape};
  }

  /// A tensor full of NaN, for a kernel to fill.
  GuardedTensor output(const rt::Shape& shape, rt::DType dtype = rt::DType::f32) const {
    const auto bytes = static_cast<std::size_t>(shape.elements()) * rt::size_of(dtype);
    return {device(), stream, RedZone(bytes, guard_bytes()), dtype, shape};
  }

  rt::Stream stream;

 private:
  GuardedTensor input_of_16_bits(const std::vector<float>& values, const rt::Shape& shape,
                                 rt::DType dtype) const {
    std::vector<std::uint16_t> bits;
    bits.reserve(values.size());
    std::size_t inexact = 0;
    for (const float value : values) {
      bits.push_back(static_cast<std::uint16_t>(rt::encode(dtype, value)));
      const double held = rt::decode(dtype, std::as_bytes(std::span(&bits.back(), 1)).data());
      inexact += held == value || std::isnan(value) ? 0 : 1;
    }
    REQUIRE(inexact == 0);
    return input_bits(bits, shape, dtype);
  }
  static std::size_t guard_bytes() { return on_emulator() ? 0 : RedZone::kGuardBytes; }
};

}  // namespace ptxmill::test
