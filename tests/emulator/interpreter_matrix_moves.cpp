// Moves of matrices between shared memory and the registers of a warp.
#include <string>
#include <vector>

#include "interpreter_fixture.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

using U32 = std::uint32_t;

/// Each lane has 16 bytes, which count up from its number times 7, in %r0 to %r3; `code` follows.
std::string matrix_memory(const std::string& code) {
  return ".reg .b32 %r<8>, %lane, %row, %own;\n.reg .b64 %at;\n.reg .pred %p;\n"
         ".shared .align 16 .b8 tile[512];\nmov.u32 %lane, %tid.x;\nmov.u32 %own, tile;\n"
         "mad.lo.u32 %own, %lane, 16, %own;\nmad.lo.u32 %r0, %lane, 0x07070707, 0x03020100;\n"
         "add.u32 %r1, %r0, 0x04040404;\nadd.u32 %r2, %r0, 0x08080808;\n"
         "add.u32 %r3, %r0, 0x0c0c0c0c;\nld.param.u64 %at, [p_d];\n"
         "mad.wide.u32 %at, %lane, 16, %at;\n" +
         code + "\nret;";
}

/// Byte `i` of them.
U32 byte_of(U32 row, U32 i) { return row * 7 + i; }

TEST_CASE("ldmatrix, rows as lanes name them") {
  for (const bool transposed : {false, true}) {
    const std::string load = std::string("ldmatrix.sync.aligned.m8n8.x4") +
                             (transposed ? ".trans" : "") +
                             ".shared.b16 {%r4, %r5, %r6, %r7}, [%row];\n";
    // Lane l names row l ^ 3, of rows whose bytes are their lane's number and a count.
    Device device(module_text(
        ".param .u64 p_d",
        matrix_memory("shl.b32 %r0, %lane, 8;\nor.b32 %r1, %r0, 2;\nor.b32 %r2, %r0, 4;\n"
                      "or.b32 %r3, %r0, 6;\n"
                      "shl.b32 %r1, %r1, 16;\nor.b32 %r1, %r1, %r0;\n"
                      "st.shared.v4.b32 [%own], {%r0, %r1, %r2, %r3};\nbar.warp.sync -1;\n"
                      "xor.b32 %row, %lane, 3;\nmov.u32 %own, tile;\n"
                      "mad.lo.u32 %row, %row, 16, %own;\n" +
                      load + "st.global.v4.b32 [%at], {%r4, %r5, %r6, %r7};")));
    const DeviceAddress at = device.reserve(512);
    check_clean(device.run(Shape{}, at));
    const auto got = device.download<U32>(at, 128);
    for (U32 lane = 0; lane < 32; ++lane) {
      for (U32 n = 0; n < 4; ++n) {
        const auto element = [&](U32 row, U32 column) {
          const U32 from = (n * 8 + row) ^ 3, tag = from << 8;
          const U32 words[] = {tag, (tag | 2) << 16 | tag, tag | 4, tag | 6};
          return words[column / 2] >> (column % 2 * 16) & 0xffffu;
        };
        const U32 low = lane % 4 * 2, other = lane / 4;
        const U32 expected = transposed ? element(low, other) | element(low + 1, other) << 16
                                        : element(other, low) | element(other, low + 1) << 16;
        CHECK(got[lane * 4 + n] == expected);
      }
    }
  }
}

TEST_CASE("stmatrix undoes ldmatrix, movmatrix transposes") {
  const std::string fill = "st.shared.v4.b32 [%own], {%r0, %r1, %r2, %r3};\nbar.warp.sync -1;\n";
  for (const char* trans : {"", ".trans"}) {
    Device device(module_text(
        ".param .u64 p_d",
        matrix_memory(fill + "ldmatrix.sync.aligned.m8n8.x4" + trans +
                      ".shared.b16 {%r4, %r5, %r6, %r7}, [%own];\nmov.b32 %r0, 0;\n"
                      "st.shared.v4.b32 [%own], {%r0, %r0, %r0, %r0};\nbar.warp.sync -1;\n"
                      "stmatrix.sync.aligned.m8n8.x4" +
                      trans +
                      ".shared.b16 [%own], {%r4, %r5, %r6, %r7};\nbar.warp.sync -1;\n"
                      "ld.shared.v4.b32 {%r0, %r1, %r2, %r3}, [%own];\n"
                      "st.global.v4.b32 [%at], {%r0, %r1, %r2, %r3};")));
    const DeviceAddress at = device.reserve(512);
    check_clean(device.run(Shape{}, at));
    const auto got = device.download<std::uint8_t>(at, 512);
    for (U32 i = 0; i < 512; ++i) CHECK(got[i] == byte_of(i / 16, i % 16));
  }
  Device device(module_text(
      ".param .u64 p_d",
      matrix_memory(fill + "ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r4}, [%own];\n"
                           "ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%r5}, [%own];\n"
                           "movmatrix.sync.aligned.m8n8.trans.b16 %r6, %r4;\n"
                           "sub.u32 %r6, %r6, %r5;\nst.global.b32 [%at], %r6;")));
  const DeviceAddress at = device.reserve(512);
  check_clean(device.run(Shape{}, at));
  const auto got = device.download<U32>(at, 128);
  for (std::size_t lane = 0; lane < 32; ++lane) CHECK(got[lane * 4] == 0);
}

TEST_CASE("ldmatrix, bad rows are found") {
  const auto report = [](const std::string& code) {
    Device device(module_text(".param .u64 p_d", matrix_memory(code)));
    return device.run(Shape{}, device.reserve(512)).report;
  };
  const std::string load = "ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%r4, %r5}, [%own];\n";
  check_contains(report("add.u32 %own, %own, 8;\n" + load), {"misaligned", "16 bytes"});
  check_contains(report("add.u32 %own, %own, 304;\n" + load), {"out of bounds", "lane 13"});
  // Nothing was stored: what is loaded is undefined, and may not reach global memory.
  check_contains(report(load + "st.global.b32 [%at], %r4;"), {"undefined value stored"});
  // Addresses of lanes 16 and up do not count for two matrices.
  CHECK(report("setp.gt.u32 %p, %lane, 15;\n@%p mov.b32 %own, 3;\n" + load).empty());
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
