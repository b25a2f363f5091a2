#include "runtime/dtype.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "tests/support/manifest_fixture.hpp"

namespace {

using ptxmill::rt::decode;
using ptxmill::rt::DType;
using ptxmill::rt::encode;
using ptxmill::test::thrown_by;

double decoded(DType dtype, std::uint64_t bits) {
  std::byte bytes[8];
  std::memcpy(bytes, &bits, sizeof bits);
  return decode(dtype, bytes);
}

}  // namespace

TEST_CASE("dtype: names and sizes") {
  for (const char* name : {"f64", "f32", "f16", "bf16", "e4m3", "e5m2", "s64", "u64", "s32", "u32",
                           "s16", "u16", "s8", "u8"}) {
    const auto dtype = ptxmill::rt::dtype_named(name);
    REQUIRE(dtype);
    CHECK(ptxmill::rt::name(*dtype) == name);
  }
  CHECK_FALSE(ptxmill::rt::dtype_named("float"));
  CHECK(ptxmill::rt::size_of(DType::bf16) == 2);
  CHECK(ptxmill::rt::size_of(DType::f64) == 8);
  CHECK(ptxmill::rt::size_of(DType::e4m3) == 1);
}

TEST_CASE("dtype: encoding half precision") {
  // From the layouts of IEEE 754 binary16 and of bfloat16.
  CHECK(encode(DType::f16, 0.0) == 0x0000);
  CHECK(encode(DType::f16, -0.0) == 0x8000);
  CHECK(encode(DType::f16, 1.0) == 0x3c00);
  CHECK(encode(DType::f16, -2.0) == 0xc000);
  CHECK(encode(DType::f16, 65504.0) == 0x7bff);
  CHECK(encode(DType::f16, 65519.0) == 0x7bff);
  CHECK(encode(DType::f16, 65520.0) == 0x7c00);
  CHECK(encode(DType::f16, std::ldexp(1.0, -24)) == 0x0001);
  CHECK(encode(DType::f16, std::ldexp(1.0, -25)) == 0x0000);      // a tie, to even
  CHECK(encode(DType::f16, std::ldexp(3.0, -25)) == 0x0002);      // a tie, to even
  CHECK(encode(DType::f16, std::ldexp(1023.75, -24)) == 0x0400);  // rounds up into the normals
  CHECK(encode(DType::f16, 1.0 + std::ldexp(1.0, -11)) == 0x3c00);
  CHECK(encode(DType::f16, 1.0 + std::ldexp(3.0, -11)) == 0x3c02);
  CHECK(encode(DType::f16, std::numeric_limits<double>::infinity()) == 0x7c00);
  CHECK(encode(DType::bf16, 1.0) == 0x3f80);
  CHECK(encode(DType::bf16, -1.0 / 3) == 0xbeab);
  CHECK(encode(DType::bf16, 3.4e38) == 0x7f80);
  CHECK(std::isnan(decoded(DType::f16, encode(DType::f16, std::nan("")))));
  CHECK(std::isnan(decoded(DType::bf16, encode(DType::bf16, std::nan("")))));
}

TEST_CASE("dtype: every half decodes to a value that encodes to it") {
  for (const DType dtype : {DType::f16, DType::bf16})
    for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
      const double value = decoded(dtype, bits);
      if (std::isnan(value)) continue;
      if (encode(dtype, value) != bits) FAIL("bits ", bits, " of ", ptxmill::rt::name(dtype));
    }
  // bfloat16 is the upper half of binary32.
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = std::bit_cast<float>(bits << 16);
    if (!std::isnan(value) && decoded(DType::bf16, bits) != static_cast<double>(value))
      FAIL("bits ", bits);
  }
}

TEST_CASE("dtype: eight-bit floats decode") {
  CHECK(decoded(DType::e4m3, 0x38) == 1.0);
  CHECK(decoded(DType::e4m3, 0x7e) == 448.0);
  CHECK(std::isnan(decoded(DType::e4m3, 0x7f)));
  CHECK(decoded(DType::e4m3, 0x01) == std::ldexp(1.0, -9));
  CHECK(decoded(DType::e5m2, 0x3c) == 1.0);
  CHECK(decoded(DType::e5m2, 0x7b) == 57344.0);
  CHECK(std::isinf(decoded(DType::e5m2, 0xfc)));
  CHECK(encode(DType::e4m3, 0) == 0);
  CHECK(thrown_by([] { encode(DType::e4m3, 1); }).any);
}

TEST_CASE("dtype: integers are exact or refused") {
  CHECK(encode(DType::s8, -1) == 0xff);
  CHECK(encode(DType::u8, 255) == 0xff);
  CHECK(encode(DType::s32, -2147483648.0) == 0x80000000u);
  CHECK(encode(DType::s64, -1) == ~std::uint64_t{0});
  CHECK(decoded(DType::s16, 0x8000) == -32768);
  CHECK(thrown_by([] { encode(DType::u8, 256); }).says("256 is no u8"));
  CHECK(thrown_by([] { encode(DType::u8, -1); }).any);
  CHECK(thrown_by([] { encode(DType::s8, 128); }).any);
  CHECK(thrown_by([] { encode(DType::s32, 0.5); }).any);
  CHECK(thrown_by([] { encode(DType::u64, std::ldexp(1.0, 64)); }).any);
  CHECK(thrown_by([] { encode(DType::s64, std::nan("")); }).any);
}
