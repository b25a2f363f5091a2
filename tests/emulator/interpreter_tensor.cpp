// Tensor copies: boxes of tensors of one to five dimensions, what lies outside of them, permuted
// shared memory, reductions.
#include <algorithm>

#include "tensor_box.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

void check_load(Device& device, const Tensor& t, const Coordinates& at) {
  const Bytes content = pattern(t.bytes, 1);
  const auto bytes = static_cast<std::uint32_t>(t.map.box_bytes());
  REQUIRE(bytes <= tile_bytes);
  const DeviceAddress tensor = device.upload(content), r = device.upload(Bytes(bytes, 0xee));
  check_clean(run_box(device, t, tensor, r, bytes, at));
  Bytes expected(bytes);
  for_box(t, at, [&](std::uint32_t byte, std::optional<std::uint64_t> from) {
    expected[place_of(t.map.swizzle, byte)] = from ? content[*from] : 0;
  });
  CHECK(device.download<std::uint8_t>(r, bytes) == expected);
  device.memory.free(tensor);
  device.memory.free(r);
}

void check_store(Device& device, const Tensor& t, const Coordinates& at) {
  const auto bytes = static_cast<std::uint32_t>(t.map.box_bytes());
  const Bytes content = pattern(bytes, 2);
  Bytes expected = pattern(t.bytes, 3);
  const DeviceAddress tensor = device.upload(expected), r = device.upload(content);
  check_clean(run_box(device, t, tensor, r, bytes, at));
  for_box(t, at, [&](std::uint32_t byte, std::optional<std::uint64_t> to) {
    if (to) expected[*to] = content[place_of(t.map.swizzle, byte)];
  });
  CHECK(device.download<std::uint8_t>(tensor, t.bytes) == expected);
  device.memory.free(tensor);
  device.memory.free(r);
}

/// Boxes inside of their tensor, over each of its edges, and beyond it.
std::vector<Coordinates> places(const Tensor& t) {
  std::vector<Coordinates> out{{0, 0, 0, 0, 0}, {1, 1, 1, 1, 1}, {-100000, 0, 0, 0, 0}};
  for (int d = 0; d < t.map.rank; ++d) {
    const auto k = static_cast<std::size_t>(d);
    Coordinates low{}, high{}, beyond{};
    low[k] = -static_cast<std::int32_t>(t.map.box[k] / 2 + 1);
    high[k] = static_cast<std::int32_t>(t.map.size[k]) - 1;
    beyond[k] = static_cast<std::int32_t>(t.map.size[k]);
    out.insert(out.end(), {low, high, beyond});
  }
  return out;
}

const Sizes ranks[] = {
    {{37}, {16}},
    {{19, 7}, {16, 4}},
    {{19, 5, 6}, {16, 3, 2}},
    {{17, 4, 3, 5}, {16, 2, 2, 3}},
    {{18, 3, 4, 3, 2}, {16, 2, 3, 2, 2}},
};

TEST_CASE("a box of each rank is fetched, with zeros outside of the tensor") {
  for (const Sizes& sizes : ranks) {
    Device device(load_kernel(static_cast<int>(sizes.size.size())));
    for (const TensorElement e :
         {TensorElement::u8, TensorElement::bf16, TensorElement::f32, TensorElement::u64}) {
      const Tensor t = tensor_of(e, sizes);
      CAPTURE(t.map.rank);
      for (const Coordinates& at : places(t)) {
        CAPTURE(at[0]);
        CAPTURE(at[1]);
        check_load(device, t, at);
      }
    }
  }
}

TEST_CASE("a box of each rank is stored, and what lies outside of the tensor is dropped") {
  for (const Sizes& sizes : ranks) {
    Device device(store_kernel(static_cast<int>(sizes.size.size()), ""));
    for (const TensorElement e : {TensorElement::u16, TensorElement::f64}) {
      const Tensor t = tensor_of(e, sizes);
      CAPTURE(t.map.rank);
      for (const Coordinates& at : places(t)) check_store(device, t, at);
    }
  }
}

TEST_CASE("boxes step over elements") {
  Device load(load_kernel(3)), store(store_kernel(3, ""));
  const Tensor t = tensor_of(TensorElement::s32, {{40, 11, 9}, {8, 7, 5}, {1, 3, 2}});
  CHECK(t.map.box_bytes() == 8 * 4 * 3 * 3);
  for (const Coordinates& at : places(t)) {
    check_load(load, t, at);
    check_store(store, t, at);
  }
}

TEST_CASE("shared memory is permuted as the manual's pictures show") {
  struct Case {
    Swizzle swizzle;
    std::uint32_t inner;
  };
  Device load(load_kernel(2)), store(store_kernel(2, ""));
  for (const Case c : {Case{Swizzle::bytes32, 32}, Case{Swizzle::bytes64, 64},
                       Case{Swizzle::bytes128, 128}, Case{Swizzle::none, 128}}) {
    const Tensor t = tensor_of(TensorElement::bf16, {{c.inner, 70}, {c.inner / 2, 64}}, c.swizzle);
    CAPTURE(c.inner);
    for (const Coordinates at : {Coordinates{0, 0}, Coordinates{8, 3}, Coordinates{-8, 20}}) {
      check_load(load, t, at);
      check_store(store, t, at);
    }
  }
}

TEST_CASE("under every schedule a tile is the same") {
  for (const Schedule schedule : {Schedule::earliest, Schedule::latest, Schedule::random}) {
    for (const Check check : {Check::fail, Check::off}) {
      Device load(load_kernel(2)), store(store_kernel(2, ""));
      load.options.schedule = store.options.schedule = schedule;
      load.options.check = store.options.check = check;
      const Tensor t = tensor_of(TensorElement::bf16, {{64, 70}, {64, 64}}, Swizzle::bytes128);
      check_load(load, t, {0, 10});
      check_store(store, t, {-8, 9});
    }
  }
}

TEST_CASE("elements outside of the tensor are NaN where the map says so") {
  Device device(load_kernel(1));
  for (const TensorElement e : {TensorElement::f16, TensorElement::bf16, TensorElement::f32}) {
    Tensor t = tensor_of(e, {{16}, {16}});
    t.map.fill_nan = true;
    const auto bytes = static_cast<std::uint32_t>(t.map.box_bytes());
    const DeviceAddress tensor = device.upload(Bytes(t.bytes, 0)), r = device.reserve(bytes);
    check_clean(run_box(device, t, tensor, r, bytes, {8}));
    const auto got = device.download<std::uint8_t>(r, bytes);
    const auto each = static_cast<std::size_t>(bytes_of(e));
    for (std::size_t k = 0; k < 16; ++k) {
      std::uint32_t v = 0;
      std::memcpy(&v, &got[k * each], each);
      const std::uint32_t infinity = e == TensorElement::f16    ? 0x7c00u
                                     : e == TensorElement::bf16 ? 0x7f80u
                                                                : 0x7f800000u;
      CAPTURE(k);
      if (k < 8) {
        CHECK(v == 0);
      } else {
        CHECK(v > infinity);
        CHECK(v < infinity * 2);
      }
    }
  }
}

/// Reduces the box into the tensor of one dimension, and checks each element.
template <class T, class F>
void check_reduction(const std::string& op, TensorElement e, const std::vector<T>& old,
                     const std::vector<T>& given, F f) {
  CAPTURE(op);
  Device device(store_kernel(1, op));
  const Tensor t = tensor_of(e, {{old.size()}, {static_cast<std::uint32_t>(old.size())}});
  const DeviceAddress tensor = device.upload(old), r = device.upload(given);
  const auto bytes = static_cast<std::uint32_t>(t.map.box_bytes());
  check_clean(run_box(device, t, tensor, r, bytes, {}));
  const auto got = device.download<T>(tensor, old.size());
  for (std::size_t k = 0; k < old.size(); ++k) {
    CAPTURE(k);
    CHECK(got[k] == f(old[k], given[k]));
  }
}

TEST_CASE("reductions by a tensor map") {
  using U = std::uint32_t;
  using S = std::int32_t;
  const std::vector<U> a{0, 1, 5, 0xffffffff, 7, 7, 12, 0x80000000};
  const std::vector<U> b{1, 1, 3, 2, 8, 7, 10, 0x7fffffff};
  const auto u32 = TensorElement::u32;
  check_reduction(".add", u32, a, b, [](U x, U y) { return x + y; });
  check_reduction(".min", u32, a, b, [](U x, U y) { return std::min(x, y); });
  check_reduction(".max", u32, a, b, [](U x, U y) { return std::max(x, y); });
  check_reduction(".inc", u32, a, b, [](U x, U y) { return x >= y ? 0 : x + 1; });
  check_reduction(".dec", u32, a, b, [](U x, U y) { return x == 0 || x > y ? y : x - 1; });
  check_reduction(".and", u32, a, b, [](U x, U y) { return x & y; });
  check_reduction(".or", u32, a, b, [](U x, U y) { return x | y; });
  check_reduction(".xor", u32, a, b, [](U x, U y) { return x ^ y; });
  const std::vector<S> c{-5, 5, 0, -1}, d{3, -9, -2, -1};
  check_reduction(".min", TensorElement::s32, c, d, [](S x, S y) { return std::min(x, y); });
  check_reduction(".max", TensorElement::s32, c, d, [](S x, S y) { return std::max(x, y); });
  const std::vector<float> f{1.5f, -2.0f, 0.1f, 1e30f}, g{0.25f, 2.0f, 0.2f, 1e30f};
  check_reduction(".add", TensorElement::f32, f, g, [](float x, float y) { return x + y; });
  // 1 + 2^-8 is halfway between two bf16, and 3 + 1.5 is one.
  const std::vector<std::uint16_t> h{0x3f80, 0x4040, 0, 0, 0, 0, 0, 0};
  const std::vector<std::uint16_t> k{0x3b80, 0x3fc0, 0, 0, 0, 0, 0, 0};
  check_reduction(".add", TensorElement::bf16, h, k, [](std::uint16_t x, std::uint16_t) {
    return static_cast<std::uint16_t>(x == 0x3f80 ? 0x3f80 : x == 0x4040 ? 0x4090 : 0);
  });
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
