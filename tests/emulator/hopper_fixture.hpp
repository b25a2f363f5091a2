// Texts for the target sm_90a, and products of a warpgroup over matrices that a test gives.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "interpreter_fixture.hpp"

namespace ptxmill::emu::interpreter_test {

/// As module_text, for sm_90a.
inline std::string hopper_text(std::string_view params, std::string_view body,
                               std::string_view target = "sm_90a") {
  std::string text = module_text(params, body);
  text.replace(text.find("sm_80"), 5, target);
  return text;
}

/// "{%d0, %d1, ...}"
inline std::string register_list(char letter, int count) {
  std::string s;
  for (int i = 0; i < count; ++i)
    s += (s.empty() ? "%" : ", %") + std::string(1, letter) + std::to_string(i);
  return "{" + s + "}";
}

/// How a factor lies in shared memory.
struct FactorLayout {
  bool along_k = true;
  int width = 16;  ///< bytes of a swizzled row: 32, 64 or 128; 16: no swizzle
  std::uint32_t start = 0;

  /// The byte where element `k` of row or column `mn` begins (PTX ISA, "Shared Memory Matrix
  /// Layout"); tiles are packed without gaps.
  std::uint32_t place(int mn, int k, int bytes) const {
    int at = 0;
    if (along_k) {
      at = width == 16 ? mn / 8 * 256 + k * bytes / 16 * 128 + mn % 8 * 16 + k * bytes % 16
                       : mn / 8 * (8 * width) + mn % 8 * width + k * bytes;
    } else {
      const int across = width / bytes;  // elements of a swizzled row
      at = mn / across * stride_across() + k / 8 * 8 * width + k % 8 * width + mn % across * bytes;
    }
    const auto address = start + static_cast<std::uint32_t>(at);
    // Bits 4 and up are those of the chunk, bits 7 and up those of the line.
    const std::uint32_t bits = width == 128 ? 7 : width == 64 ? 3 : width == 32 ? 1 : 0;
    return address ^ ((address >> 7 & bits) << 4);
  }
  int stride_across() const { return 2 * 8 * width; }

  std::uint64_t descriptor() const {
    const std::uint64_t mode = width == 128 ? 1 : width == 64 ? 2 : width == 32 ? 3 : 0;
    int leading = 0, stride = 0;
    if (along_k) {
      leading = width == 16 ? 128 : 0;
      stride = width == 16 ? 256 : 8 * width;
    } else {
      leading = width == 16 ? 8 * width : stride_across();
      stride = width == 16 ? stride_across() : 8 * width;
    }
    return (start >> 4) | static_cast<std::uint64_t>(leading >> 4) << 16 |
           static_cast<std::uint64_t>(stride >> 4) << 32 | mode << 62;
  }
};

/// One product d = a * b + d of a warpgroup; element patterns in 32-bit words, by rows.
struct WarpgroupCase {
  std::string types = "f32.bf16.bf16";
  int n = 8, k = 16;
  int bytes = 2;           ///< of an element of a and b
  bool half = false;       ///< d is f16
  bool registers = false;  ///< a comes from registers
  FactorLayout a_layout{}, b_layout{true, 16, 16384};
  std::string scale = "1";
  std::string tail = ", 1, 1, 0, 0";  ///< what follows scale-d
  Schedule schedule = Schedule::earliest;
  std::vector<std::uint32_t> a, b, d;

  void resize() {
    a.resize(static_cast<std::size_t>(64 * k));
    b.resize(static_cast<std::size_t>(k * n));
    d.resize(static_cast<std::size_t>(64 * n));
  }
  std::uint32_t& at_a(int row, int column) { return a[static_cast<std::size_t>(row * k + column)]; }
  std::uint32_t& at_b(int row, int column) { return b[static_cast<std::size_t>(row * n + column)]; }
  std::uint32_t& at_d(int row, int column) { return d[static_cast<std::size_t>(row * n + column)]; }

  /// The result, by rows.
  std::vector<std::uint32_t> run();

 private:
  static constexpr std::uint32_t shared_bytes = 49152;
  int d_registers() const { return half ? n / 4 : n / 2; }
  std::string text() const;
  std::vector<std::uint8_t> image();
  /// Calls f(thread, register, part, row, column) for the elements of d.
  template <class F>
  void for_d(F f) const {
    for (int t = 0; t < 128; ++t) {
      const int lane = t % 32, warp = t / 32;
      for (int r = 0; r < d_registers(); ++r) {
        for (int part = 0; part < (half ? 2 : 1); ++part) {
          const int row = 16 * warp + lane / 4 + 8 * (half ? r % 2 : r / 2 % 2);
          const int column = 8 * (half ? r / 2 : r / 4) + 2 * (lane % 4) + (half ? part : r % 2);
          f(t, r, part, row, column);
        }
      }
    }
  }
};

inline std::string WarpgroupCase::text() const {
  const int count = d_registers();
  std::string body =
      ".reg .b64 %at, %to, %da, %db;\n.reg .b32 %t, %i, %s, %v;\n.reg .pred %more, %scale;\n"
      ".reg .b32 %a<4>;\n.reg .b32 %d<" +
      std::to_string(count) + ">;\n.shared .align 1024 .b8 s[" + std::to_string(shared_bytes) +
      "];\nmov.u32 %t, %tid.x;\nmov.u32 %s, s;\nmov.u32 %i, %t;\nCOPY:\n"
      "ld.param.u64 %at, [p_image];\nmad.wide.u32 %at, %i, 4, %at;\nld.global.b32 %v, [%at];\n"
      "{\n.reg .b32 %to32;\n"
      "mad.lo.u32 %to32, %i, 4, %s;\nst.shared.b32 [%to32], %v;\n}\nadd.u32 %i, %i, 128;\n"
      "setp.lt.u32 %more, %i, " +
      std::to_string(shared_bytes / 4) +
      ";\n@%more bra COPY;\nfence.proxy.async.shared::cta;\nbar.sync 0;\n"
      "ld.param.u64 %to, [p_d];\nmad.wide.u32 %to, %t, " +
      std::to_string(4 * count) + ", %to;\n";
  for (int r = 0; r < count; ++r)
    body += "ld.global.b32 %d" + std::to_string(r) + ", [%to+" + std::to_string(4 * r) + "];\n";
  body +=
      "ld.param.u64 %at, [p_a];\nmad.wide.u32 %at, %t, 16, %at;\n"
      "ld.global.v4.b32 {%a0, %a1, %a2, %a3}, [%at];\n"
      "ld.param.u64 %da, [p_da];\nld.param.u64 %db, [p_db];\nsetp.ne.u32 %scale, %t, 1000;\n"
      "wgmma.fence.sync.aligned;\nwgmma.mma_async.sync.aligned.m64n" +
      std::to_string(n) + "k" + std::to_string(k) + "." + types + " " + register_list('d', count) +
      ", " + (registers ? register_list('a', 4) : "%da") + ", %db, " + scale + tail +
      ";\nwgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;\n";
  for (int r = 0; r < count; ++r)
    body += "st.global.b32 [%to+" + std::to_string(4 * r) + "], %d" + std::to_string(r) + ";\n";
  return hopper_text(
      ".param .u64 p_image, .param .u64 p_a, .param .u64 p_d, .param .u64 p_da, .param .u64 p_db",
      body + "ret;\n");
}

inline std::vector<std::uint8_t> WarpgroupCase::image() {
  std::vector<std::uint8_t> out(shared_bytes, 0xee);
  const auto put = [&](std::uint32_t at, std::uint32_t v) {
    for (int byte = 0; byte < bytes; ++byte)
      out[at + static_cast<std::uint32_t>(byte)] = static_cast<std::uint8_t>(v >> (8 * byte));
  };
  for (int i = 0; i < k; ++i) {
    for (int row = 0; row < 64; ++row) put(a_layout.place(row, i, bytes), at_a(row, i));
    for (int column = 0; column < n; ++column)
      put(b_layout.place(column, i, bytes), at_b(i, column));
  }
  return out;
}

inline std::vector<std::uint32_t> WarpgroupCase::run() {
  const int count = d_registers(), packed = 4 / bytes;
  std::vector<std::uint32_t> as(128 * 4, 0), ds(static_cast<std::size_t>(128 * count), 0);
  for (int t = 0; t < 128 && registers; ++t) {
    for (int r = 0; r < 4; ++r) {
      for (int p = 0; p < packed; ++p) {
        const int row = 16 * (t / 32) + t % 32 / 4 + 8 * (r % 2);
        const int column = r / 2 * 4 * packed + t % 4 * packed + p;
        as[static_cast<std::size_t>(4 * t + r)] |= at_a(row, column) << (8 * bytes * p % 32);
      }
    }
  }
  for_d([&](int t, int r, int part, int row, int column) {
    ds[static_cast<std::size_t>(t * count + r)] |= at_d(row, column) << (16 * part);
  });
  const std::string code = text();
  CAPTURE(types);
  CAPTURE(n);
  Device device(code);
  device.options.schedule = schedule;
  const auto out = device.upload(ds);
  Shape shape;
  shape.block = {128, 1, 1};
  check_clean(device.run(shape, device.upload(image()), device.upload(as), out,
                         a_layout.descriptor(), b_layout.descriptor()));
  ds = device.download<std::uint32_t>(out, ds.size());
  std::vector<std::uint32_t> result(d.size());
  for_d([&](int t, int r, int part, int row, int column) {
    const std::uint32_t v = ds[static_cast<std::size_t>(t * count + r)];
    result[static_cast<std::size_t>(row * n + column)] = half ? v >> (16 * part) & 0xffffu : v;
  });
  return result;
}

}  // namespace ptxmill::emu::interpreter_test
