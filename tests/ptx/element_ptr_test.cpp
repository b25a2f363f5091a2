// ElementPtr: loads of every element type give f32, stores round to it. Run on the emulated driver
// and on a GPU, over every 16-bit value.
#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "generator/ptx/printer.hpp"
#include "generator/spec/document.hpp"
#include "templates/emitter.hpp"
#include "tests/isa/loaded_module.hpp"
#include "tests/isa/small_float.hpp"
#include "tests/support/device_fixture.hpp"

namespace ptxmill::test {
namespace {

using kernels::Dim;
using kernels::Direction;
using kernels::Dtype;
using kernels::DtypeField;
using kernels::Emitter;
using kernels::Form;
using kernels::Integer;
using kernels::Launch;
using kernels::Shape;
using kernels::Tensor;

/// out[i] = x[i], by `width` elements a thread.
class Convert final : public kernels::Template {
 public:
  DtypeField from{*this, "from", "element type of x", {Dtype::f32, Dtype::f16, Dtype::bf16}};
  DtypeField to{*this, "to", "element type of out", {Dtype::f32, Dtype::f16, Dtype::bf16}};
  Integer width{*this, "width", "elements a thread", {.max = 8}};
  Dim n{*this, "n", "elements", {.multiple_of = 4}};
  Tensor x{*this, "x", Direction::in, from, "the input", [this] { return Shape{n}; }};
  Tensor out{*this, "out", Direction::out, to, "the result", [this] { return Shape{n}; }};

  Launch launch(const Form&) const override { return {}; }
  void emit(Emitter& k, const Form& form) const override {
    const kernels::U32 i = k.let("i", (k.ctaid_x() * k.ntid_x() + k.tid_x()) * form.vector);
    k.exit_if(i >= k.dim(n));
    if (form.vector > 1) {
      k.store_vector(k.ptr(out) + i, k.load_vector(k.ptr(x) + i, form.vector));
      return;
    }
    const kernels::U64 wide = k.cvt<ptx::u64>(i);
    k.store(k.ptr(out) + wide, k.load(k.ptr(x) + wide));
  }
};

std::string kernel_text(const std::string& from, const std::string& to, int width) {
  Convert declared;
  spec::Problems problems("test");
  const std::string fields = R"({"from": ")" + from + R"(", "to": ")" + to +
                             R"(", "n": "dynamic", "width": )" + std::to_string(width) + "}";
  declared.read(spec::parse(fields, problems), "", {}, problems);
  REQUIRE_MESSAGE(problems.empty(), problems.text());
  const Form form{.vector = width};
  Emitter k("convert", {80, false}, declared, form);
  declared.emit(k, form);
  k.recorder.finish(ptx::Where::here());
  return ptx::print(k.recorder, {128, 1, 1}, {});
}

template <class To, class From>
std::vector<To> converted(const DeviceFixture& fixture, const std::string& from,
                          const std::string& to, int width, const std::vector<From>& values) {
  const LoadedModule module(DeviceFixture::device(), kernel_text(from, to, width));
  std::vector<To> results(values.size());
  module.launch(fixture.stream, "convert", std::as_bytes(std::span(values)),
                std::as_writable_bytes(std::span(results)), values.size());
  return results;
}

SmallFormat format_of(const std::string& name) {
  return name == "f16" ? half_format : bfloat_format;
}

TEST_CASE_FIXTURE(DeviceFixture, "all 16-bit values load as f32") {
  std::vector<std::uint16_t> all(0x10000);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
  for (const std::string type : {"f16", "bf16"})
    for (const int width : {1, 2, 4}) {
      const auto got = converted<float>(*this, type, "f32", width, all);
      std::size_t wrong = 0;
      for (std::size_t i = 0; i < all.size(); ++i) {
        const double expected = decode(format_of(type), all[i]);
        const bool same = std::isnan(expected) ? std::isnan(got[i])
                                               : got[i] == expected &&
                                                     std::signbit(got[i]) == std::signbit(expected);
        wrong += same ? 0 : 1;
      }
      CHECK_MESSAGE(wrong == 0, type << ", " << width << " a load");
    }
}

/// Each finite 16-bit value, what lies half-way to the next, and the f32 on both sides of that.
std::vector<float> around_ties(SmallFormat format) {
  std::vector<float> values{INFINITY,   -INFINITY, NAN,    0x1p-149f,
                            -0x1p-149f, 3e38f,     -3e38f, 65519.996f};
  for (int bits = 0; bits < 0x8000; ++bits) {
    const double low = decode(format, static_cast<std::uint16_t>(bits));
    const double high = decode(format, static_cast<std::uint16_t>(bits + 1));
    if (!std::isfinite(low) || !std::isfinite(high)) continue;
    const auto tie = static_cast<float>((low + high) / 2);
    for (const float v :
         {static_cast<float>(low), tie, std::nextafter(tie, 0.0f), std::nextafter(tie, INFINITY)})
      for (const float sign : {1.0f, -1.0f}) values.push_back(sign * v);
  }
  while (values.size() % 4 != 0) values.push_back(0);
  return values;
}

TEST_CASE_FIXTURE(DeviceFixture, "f32 rounds to the nearest 16-bit value, ties to even") {
  for (const std::string type : {"f16", "bf16"}) {
    const SmallFormat format = format_of(type);
    const std::vector<float> values = around_ties(format);
    for (const int width : {1, 2, 4}) {
      const auto got = converted<std::uint16_t>(*this, "f32", type, width, values);
      std::size_t wrong = 0;
      for (std::size_t i = 0; i < values.size(); ++i) {
        const bool same = std::isnan(values[i]) ? std::isnan(decode(format, got[i]))
                                                : got[i] == encode(format, values[i]);
        wrong += same ? 0 : 1;
      }
      CHECK_MESSAGE(wrong == 0, type << ", " << width << " a store");
    }
  }
}

TEST_CASE_FIXTURE(DeviceFixture, "f32 passes through") {
  std::vector<std::uint32_t> values;
  for (std::uint32_t i = 0; i < 4096; ++i) values.push_back(i * 1048583u);
  for (const int width : {1, 2, 4})
    CHECK(converted<std::uint32_t>(*this, "f32", "f32", width, values) == values);
}

TEST_CASE_FIXTURE(DeviceFixture, "16-bit values survive the way through f32") {
  for (const std::string type : {"f16", "bf16"}) {
    std::vector<std::uint16_t> all;
    for (int bits = 0; bits < 0x10000; ++bits)
      if (!std::isnan(decode(format_of(type), static_cast<std::uint16_t>(bits))))
        all.push_back(static_cast<std::uint16_t>(bits));
    while (all.size() % 8 != 0) all.push_back(0);
    for (const int width : {1, 2, 4, 8})
      CHECK_MESSAGE(converted<std::uint16_t>(*this, type, type, width, all) == all,
                    type << ", " << width << " an access");
  }
}

TEST_CASE("a vector of what no access takes is refused") {
  CHECK_THROWS_AS(kernel_text("f32", "f32", 8), ptx::BuildError);
  CHECK_THROWS_AS(kernel_text("f16", "f16", 6), ptx::BuildError);
  CHECK_THROWS_AS(kernel_text("bf16", "bf16", 3), ptx::BuildError);
}

}  // namespace
}  // namespace ptxmill::test
