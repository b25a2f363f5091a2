#include "runtime/tensor.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "runtime/counters.hpp"
#include "tests/support/device_fixture.hpp"
#include "tests/support/manifest_fixture.hpp"

namespace {

using namespace ptxmill::rt;
using ptxmill::test::DeviceFixture;
using ptxmill::test::Thrown;
using ptxmill::test::thrown_by;

std::vector<float> counting(std::size_t count) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), 0.f);
  return values;
}

}  // namespace

TEST_CASE("shape: extents, elements and text") {
  const Shape shape{3, 1500, 384};
  CHECK(shape.rank() == 3);
  CHECK(shape[-1] == 384);
  CHECK(shape.elements() == 3 * 1500 * 384);
  CHECK(shape.text() == "[3, 1500, 384]");
  CHECK(Shape{}.elements() == 1);
  CHECK(Shape{0, 5}.elements() == 0);
  CHECK(Shape{1LL << 20, 1LL << 20}.elements() == 1LL << 40);
  CHECK((Shape{2, 3} == Shape{2, 3}));
  CHECK_FALSE((Shape{2, 3} == Shape{2, 3, 1}));
  CHECK(Shape{0, 1LL << 62, 1LL << 62}.elements() == 0);
}

TEST_CASE("shape: negative extents, overflow and rank are refused") {
  CHECK(thrown_by([] { Shape{2, -1}; }).says("[2, -1] has a negative extent"));
  CHECK(thrown_by([] { Shape{1LL << 40, 1LL << 40}; }).says("too many elements"));
  CHECK(thrown_by([] { Shape{1, 1, 1, 1, 1, 1, 1, 1, 1}; }).says("at most 8 extents"));
}

TEST_CASE_FIXTURE(DeviceFixture, "tensor: there and back, and counted") {
  reset_counters();
  const std::vector<float> values = counting(12);
  const Tensor tensor = Tensor::from_host(stream, values, {3, 4});
  CHECK(tensor.dtype() == DType::f32);
  CHECK(tensor.bytes() == 48);
  CHECK(tensor.pointer() != 0);
  CHECK(tensor.text() == "f32[3, 4]");
  CHECK(tensor.to_host<float>(stream) == values);
  CHECK(tensor.peek_host<float>(stream) == values);
  const Counters after = counters();
  CHECK(after.transfers_to_device == 1);
  CHECK(after.bytes_to_device == 48);
  CHECK(after.transfers_to_host == 1);
  CHECK(after.bytes_to_host == 48);
  CHECK(after.allocations == 1);
  CHECK(after.bytes_allocated == 48);
  CHECK(after.frees == 0);
  CHECK(tensor.counters().transfers_to_device == 1);
  CHECK(tensor.counters().transfers_to_host == 1);
  CHECK(tensor.counters().launches == 0);
}

TEST_CASE_FIXTURE(DeviceFixture, "tensor: freed once, with the last view") {
  reset_counters();
  {
    const Tensor view = [&] {
      const Tensor whole = Tensor::from_host(stream, counting(8), {8});
      return whole.slice(0, 4, 8);
    }();
    CHECK(counters().frees == 0);
    CHECK(view.to_host<float>(stream) == std::vector<float>{4, 5, 6, 7});
  }
  CHECK(counters().frees == 1);
}

TEST_CASE_FIXTURE(DeviceFixture, "tensor: slices") {
  const Tensor tensor = Tensor::from_host(stream, counting(24), {2, 3, 4});
  const Tensor rows = tensor.slice(0, 1, 2);
  CHECK(rows.contiguous());
  CHECK(rows.to_host<float>(stream) ==
        std::vector<float>{12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23});
  const Tensor middle = tensor.slice(1, 1, 3);
  CHECK_FALSE(middle.contiguous());
  CHECK(middle.text() == "f32[2, 2, 4] (strided)");
  CHECK(middle.to_host<float>(stream) ==
        std::vector<float>{4, 5, 6, 7, 8, 9, 10, 11, 16, 17, 18, 19, 20, 21, 22, 23});
  const Tensor corner = middle.slice(-1, 2, 4).slice(0, 0, 1);
  CHECK(corner.shape() == Shape{1, 2, 2});
  CHECK(corner.to_host<float>(stream) == std::vector<float>{6, 7, 10, 11});
  corner.fill(stream, -1);
  CHECK(tensor.slice(0, 0, 1).to_host<float>(stream) ==
        std::vector<float>{0, 1, 2, 3, 4, 5, -1, -1, 8, 9, -1, -1});
  const std::vector<float> four{90, 91, 92, 93};
  corner.copy_from_host(stream, std::as_bytes(std::span(four)));
  CHECK(corner.to_host<float>(stream) == four);
  CHECK(tensor.slice(2, 1, 1).to_host<float>(stream).empty());
  CHECK(tensor.slice(0, 0, 1).slice(1, 0, 1).contiguous());
}

TEST_CASE_FIXTURE(DeviceFixture, "tensor: slices and reshapes that are not there") {
  const Tensor tensor = Tensor::empty(stream, DType::f32, {2, 3});
  CHECK(thrown_by([&] { tensor.slice(2, 0, 1); }).says("dimension 2"));
  CHECK(thrown_by([&] { tensor.slice(-3, 0, 1); }).any);
  CHECK(thrown_by([&] { tensor.slice(0, -1, 1); }).any);
  CHECK(thrown_by([&] { tensor.slice(0, 2, 1); }).any);
  CHECK(thrown_by([&] { tensor.slice(1, 0, 4); }).says("from 0 to 4 of f32[2, 3]"));
  CHECK(tensor.reshape({3, 2}).shape() == Shape{3, 2});
  CHECK(tensor.reshape({6}).pointer() == tensor.pointer());
  CHECK(thrown_by([&] { tensor.reshape({4}); }).says("has 6 elements, [4] has 4"));
  CHECK(thrown_by([&] { tensor.slice(1, 0, 2).reshape({4}); }).says("not contiguous"));
  CHECK(tensor.as(DType::u8, {24}).bytes() == 24);
  CHECK(thrown_by([&] { tensor.as(DType::u8, {23}); }).any);
  CHECK(thrown_by([] { Tensor().slice(0, 0, 0); }).says("there is no tensor"));
}

TEST_CASE_FIXTURE(DeviceFixture, "tensor: fill sets every element of every type") {
  for (const DType dtype : {DType::f64, DType::f32, DType::f16, DType::bf16, DType::s64, DType::u64,
                            DType::s32, DType::u32, DType::s16, DType::u16, DType::s8, DType::u8}) {
    for (const std::int64_t count : {1, 2, 3, 17, 1000}) {
      const Tensor tensor = Tensor::empty(stream, dtype, {count});
      tensor.fill(stream, 0);
      tensor.fill(stream, 42);
      std::vector<std::byte> bytes(tensor.bytes());
      tensor.peek_host(stream, bytes);
      for (std::size_t i = 0; i < bytes.size(); i += size_of(dtype))
        if (decode(dtype, bytes.data() + i) != 42) FAIL(name(dtype), " element ", i);
    }
  }
  const Tensor wide = Tensor::empty(stream, DType::f64, {5});
  wide.fill(stream, 0.1);
  CHECK(wide.to_host<double>(stream) == std::vector<double>(5, 0.1));
  CHECK(thrown_by([&] { Tensor::empty(stream, DType::u8, {1}).fill(stream, 300); }).any);
}

TEST_CASE_FIXTURE(DeviceFixture, "tensor: no elements") {
  const Tensor tensor = Tensor::from_host(stream, std::vector<float>{}, {0, 4});
  CHECK(tensor.pointer() == 0);
  CHECK(tensor.valid());
  CHECK(tensor.to_host<float>(stream).empty());
  tensor.fill(stream, 1);
  CHECK(tensor.slice(1, 1, 3).bytes() == 0);
}

TEST_CASE_FIXTURE(DeviceFixture, "tensor: memory that someone else has") {
  const Tensor owner = Tensor::from_host(stream, counting(12), {12});
  const Tensor view = Tensor::wrap(device(), owner.pointer() + 8, DType::f32, {2, 2},
                                   std::vector<std::int64_t>{5, 1});
  CHECK_FALSE(view.contiguous());
  CHECK(view.to_host<float>(stream) == std::vector<float>{2, 3, 7, 8});
  CHECK(Tensor::wrap(device(), owner.pointer(), DType::f32, {3, 4}).contiguous());
  CHECK(Tensor::wrap(device(), owner.pointer(), DType::f32, {1, 4}, std::vector<std::int64_t>{9, 1})
            .contiguous());
  const auto token = std::make_shared<int>(0);
  {
    const Tensor kept = Tensor::wrap(device(), owner.pointer(), DType::f32, {12}, {}, token);
    CHECK(token.use_count() == 2);
  }
  CHECK(token.use_count() == 1);
  CHECK(thrown_by([&] { Tensor::wrap(device(), 0, DType::f32, {1}); }).says("is null"));
  CHECK(thrown_by([&] {
          Tensor::wrap(device(), owner.pointer(), DType::f32, {2, 2}, std::vector<std::int64_t>{1});
        }).says("1 strides"));
  CHECK(thrown_by([&] {
          Tensor::wrap(device(), owner.pointer(), DType::f32, {2, 2},
                       std::vector<std::int64_t>{1, 2});
        }).says("the last dimension must be contiguous"));
}

TEST_CASE_FIXTURE(DeviceFixture,
                  "tensor: wrong sizes and types are refused before anything moves") {
  reset_counters();
  const Tensor tensor = Tensor::empty(stream, DType::f32, {4});
  const std::vector<float> five(5);
  CHECK(thrown_by([&] {
          tensor.copy_from_host(stream, std::as_bytes(std::span(five)));
        }).says("20 bytes for the tensor f32[4], which has 16"));
  CHECK(thrown_by([&] { tensor.to_host<double>(stream); }).says("was read as f64"));
  const Tensor other = Tensor::empty(stream, DType::u32, {4});
  CHECK(thrown_by([&] { tensor.copy_from(stream, other); }).says("not f32[4] and u32[4]"));
  CHECK(thrown_by([&] { Tensor().to_host<float>(stream); }).says("there is no tensor"));
  CHECK(counters().transfers_to_device == 0);
  CHECK(counters().transfers_to_host == 0);
}

TEST_CASE_FIXTURE(DeviceFixture,
                  "tensor: out of memory says how much, and leaves the rest usable") {
  const MemoryInfo before = device().memory();
  const auto too_much = static_cast<std::int64_t>(before.total) * 2;
  const Thrown thrown = thrown_by([&] { Tensor::empty(stream, DType::u8, {too_much}); });
  CHECK(thrown.code == ErrorCode::out_of_memory);
  CHECK(thrown.says(std::to_string(too_much) + " bytes requested"));
  CHECK(thrown.says("bytes are free of " + std::to_string(before.total)));
  const Tensor small = Tensor::from_host(stream, counting(4), {4});
  CHECK(small.to_host<float>(stream) == counting(4));
}

TEST_CASE_FIXTURE(DeviceFixture, "tensor: offsets beyond 2^32 elements are computed in 64 bits") {
  const Tensor small = Tensor::empty(stream, DType::u8, {16});
  const std::int64_t rows = 1LL << 33;
  const Tensor huge = Tensor::wrap(device(), small.pointer(), DType::u8, {rows, 8});
  CHECK(huge.elements() == rows * 8);
  CHECK(huge.slice(0, rows - 1, rows).pointer() ==
        small.pointer() + static_cast<std::uint64_t>(rows - 1) * 8);
}
