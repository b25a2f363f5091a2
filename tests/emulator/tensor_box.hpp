// Boxes of tensors as the tests of tensor copies have them: kernels that move one, and where each
// byte of it belongs, worked out by the manual's words and pictures.
#pragma once

#include <optional>

#include "emulator/async/tensor_map.hpp"
#include "hopper_ptx.hpp"
#include "interpreter_fixture.hpp"

namespace ptxmill::emu::interpreter_test {

using Bytes = std::vector<std::uint8_t>;

inline constexpr std::uint32_t tile_bytes = 16384;

inline std::string coordinates(int rank) {
  std::string list;
  for (int d = 0; d < rank; ++d) list += (d == 0 ? "%x" : ", %x") + std::to_string(d);
  return "{" + list + "}";
}

/// A kernel over a box whose coordinates are parameters: `code` moves it.
inline std::string box_kernel(std::string_view code) {
  std::string params = ".param .align 64 .b8 map[128], .param .u64 r, .param .u32 bytes";
  std::string body =
      ".reg .b64 %m, %r, %a;\n.reg .b32 %t, %z, %i, %v, %n, %x<5>;\n.reg .pred %k6, %k7, %k0;\n"
      ".shared .align 1024 .b8 tile[16384];\n"
      "mov.b64 %m, map;\ncvta.param.u64 %m, %m;\nld.param.u64 %r, [r];\nld.param.u32 %n, [bytes];\n"
      "mov.u32 %t, %tid.x;\nmov.u32 %z, tile;\nsetp.eq.u32 %k6, %t, 0;\n";
  for (int d = 0; d < max_tensor_rank; ++d) {
    const std::string k = std::to_string(d);
    params += ", .param .s32 x" + k;
    body += "ld.param.s32 %x" + k + ", [x" + k + "];\n";
  }
  return module_text(params, body + std::string(code) + "ret;\n", hopper);
}

/// Fetches a box, and copies the bytes of shared memory to r as they lie there.
inline std::string load_kernel(int rank) {
  return box_kernel(
      ".shared .align 8 .b64 bar;\n"
      "@%k6 mbarrier.init.shared::cta.b64 [bar], 1;\n"
      "@%k6 fence.mbarrier_init.release.cluster;\nbar.sync 0;\n"
      "@%k6 mbarrier.arrive.expect_tx.shared::cta.b64 _, [bar], %n;\n"
      "@%k6 cp.async.bulk.tensor." +
      std::to_string(rank) + "d.shared::cta.global.tile.mbarrier::complete_tx::bytes [%z], [%m, " +
      coordinates(rank) +
      "], [bar];\n"
      "W0:\nmbarrier.try_wait.parity.shared::cta.b64 %k7, [bar], 0;\n@!%k7 bra W0;\n"
      "shl.b32 %i, %t, 2;\n"
      "LOOP:\nsetp.ge.u32 %k0, %i, %n;\n@%k0 bra DONE;\nadd.u32 %v, %z, %i;\n"
      "cvt.u64.u32 %a, %i;\nadd.u64 %a, %a, %r;\n"
      "ld.shared.u32 %v, [%v];\nst.global.u32 [%a], %v;\n"
      "add.u32 %i, %i, 128;\nbra LOOP;\nDONE:\n");
}

/// Fills shared memory with the bytes of r as they lie there, and stores or reduces the box.
inline std::string store_kernel(int rank, const std::string& reduction) {
  const std::string copy = reduction.empty() ? "cp.async.bulk" : "cp.reduce.async.bulk";
  return box_kernel(
      "shl.b32 %i, %t, 2;\n"
      "LOOP:\nsetp.ge.u32 %k0, %i, %n;\n@%k0 bra DONE;\n"
      "cvt.u64.u32 %a, %i;\nadd.u64 %a, %a, %r;\nld.global.u32 %v, [%a];\n"
      "{\n.reg .b32 %at;\nadd.u32 %at, %z, %i;\nst.shared.u32 [%at], %v;\n}\n"
      "add.u32 %i, %i, 128;\nbra LOOP;\nDONE:\n"
      "fence.proxy.async.shared::cta;\nbar.sync 0;\n"
      "@!%k6 bra END;\n" +
      copy + ".tensor." + std::to_string(rank) + "d.global.shared::cta" + reduction +
      ".tile.bulk_group [%m, " + coordinates(rank) +
      "], [%z];\n"
      "cp.async.bulk.commit_group;\ncp.async.bulk.wait_group 0;\nEND:\n");
}

/// A tensor whose memory is exactly as large as its strides say.
struct Tensor {
  TensorMap map;
  std::uint64_t bytes = 0;
};

struct Sizes {
  std::vector<std::uint64_t> size;
  std::vector<std::uint32_t> box;
  std::vector<std::uint32_t> step{};
};

inline Tensor tensor_of(TensorElement element, const Sizes& s, Swizzle swizzle = Swizzle::none) {
  Tensor t;
  const int each = bytes_of(element);
  t.map.element = element;
  t.map.swizzle = swizzle;
  t.map.rank = static_cast<int>(s.size.size());
  std::uint64_t stride = static_cast<std::uint64_t>(each);
  for (std::size_t d = 0; d < s.size.size(); ++d) {
    t.map.size[d] = s.size[d];
    t.map.box[d] = s.box[d];
    t.map.step[d] = s.step.empty() ? 1 : s.step[d];
    t.map.stride[d] = stride;
    stride *= s.size[d];
    if (d == 0) stride = (stride + 15) / 16 * 16 + 16;  // rows with a gap behind them
  }
  t.bytes = stride;
  return t;
}

inline Bytes pattern(std::size_t bytes, unsigned seed) {
  Bytes out(bytes);
  for (std::size_t k = 0; k < bytes; ++k)
    out[k] = static_cast<std::uint8_t>((k * 2654435761u + seed * 40503u) >> 7);
  return out;
}

/// Where a chunk of 16 bytes is found, by its line of 128 bytes: the pictures of the manual
/// ("Tensor swizzling modes"), line by line.
inline std::uint32_t chunk_place(Swizzle s, std::uint32_t line, std::uint32_t chunk) {
  static constexpr std::uint32_t picture[8][8] = {
      {0, 1, 2, 3, 4, 5, 6, 7}, {1, 0, 3, 2, 5, 4, 7, 6}, {2, 3, 0, 1, 6, 7, 4, 5},
      {3, 2, 1, 0, 7, 6, 5, 4}, {4, 5, 6, 7, 0, 1, 2, 3}, {5, 4, 7, 6, 1, 0, 3, 2},
      {6, 7, 4, 5, 2, 3, 0, 1}, {7, 6, 5, 4, 3, 2, 1, 0}};
  switch (s) {
    case Swizzle::none: return chunk;
    case Swizzle::bytes32: return picture[line % 2][chunk];
    case Swizzle::bytes64: return picture[line % 4][chunk];
    case Swizzle::bytes128: return picture[line % 8][chunk];
  }
  return chunk;
}

inline std::uint32_t place_of(Swizzle s, std::uint32_t byte) {
  return byte / 128 * 128 + chunk_place(s, byte / 128, byte % 128 / 16) * 16 + byte % 16;
}

/// Calls f(byte of the box, byte of the tensor, or nothing where it lies outside).
template <class F>
void for_box(const Tensor& t, const Coordinates& at, F f) {
  const auto each = static_cast<std::uint32_t>(bytes_of(t.map.element));
  std::array<std::uint32_t, 5> count{1, 1, 1, 1, 1};
  for (int d = 0; d < t.map.rank; ++d) {
    const auto k = static_cast<std::size_t>(d);
    count[k] = 0;
    for (std::uint32_t n = 0; n < t.map.box[k]; n += t.map.step[k]) ++count[k];
  }
  std::uint32_t byte = 0;
  std::array<std::uint32_t, 5> n{};
  for (n[4] = 0; n[4] < count[4]; ++n[4])
    for (n[3] = 0; n[3] < count[3]; ++n[3])
      for (n[2] = 0; n[2] < count[2]; ++n[2])
        for (n[1] = 0; n[1] < count[1]; ++n[1])
          for (n[0] = 0; n[0] < count[0]; ++n[0]) {
            std::optional<std::uint64_t> offset = 0;
            for (std::size_t d = 0; d < static_cast<std::size_t>(t.map.rank); ++d) {
              const std::int64_t x = std::int64_t{at[d]} + std::int64_t{n[d]} * t.map.step[d];
              if (x < 0 || x >= static_cast<std::int64_t>(t.map.size[d])) {
                offset.reset();
                break;
              }
              *offset += static_cast<std::uint64_t>(x) * t.map.stride[d];
            }
            for (std::uint32_t b = 0; b < each; ++b, ++byte)
              f(byte, offset ? std::optional(*offset + b) : std::nullopt);
          }
}

inline ExecuteResult run_box(Device& device, const Tensor& t, DeviceAddress tensor, DeviceAddress r,
                             std::uint32_t bytes, const Coordinates& at) {
  TensorMap map = t.map;
  map.address = tensor;
  return device.run({}, encode(map), r, bytes, at[0], at[1], at[2], at[3], at[4]);
}

}  // namespace ptxmill::emu::interpreter_test
