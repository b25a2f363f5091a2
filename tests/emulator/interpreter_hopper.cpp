// What texts for sm_90 say beside products and clusters: directives, hints, parameters by address.
#include <bit>

#include "hopper_fixture.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

using U32 = std::uint32_t;

/// Runs a body that leaves a word in %v, for one warp.
std::vector<U32> run_warp_words(const std::string& code, const std::string& declared = "") {
  const std::string body =
      ".reg .b64 %out, %w<8>;\n.reg .b32 %t, %z, %v, %x<12>;\n.reg .pred %p<4>;\n"
      ".shared .align 16 .b8 s[1024];\nmov.u32 %t, %tid.x;\nmov.u32 %z, s;\n" +
      code +
      "\nld.param.u64 %out, [p];\nmad.wide.u32 %out, %t, 4, %out;\nst.global.u32 [%out], %v;\n"
      "ret;\n";
  std::string text = hopper_text(".param .u64 p, .param .align 64 .b8 q[128]", body);
  if (!declared.empty()) text.replace(text.find("\n{"), 1, "\n" + declared + "\n");
  Device device(text);
  const auto out = device.reserve(128);
  std::array<U32, 32> map{};
  for (U32 i = 0; i < map.size(); ++i) map[i] = 7 * i;
  check_clean(device.run({}, out, map));
  return device.download<U32>(out, 32);
}

TEST_CASE("elect: one lane of those that are named") {
  const auto all = run_warp_words("elect.sync _|%p0, -1;\nselp.u32 %v, 1, 0, %p0;");
  const auto some = run_warp_words(
      "mov.u32 %v, 9;\nsetp.ge.u32 %p1, %t, 20;\n@%p1 elect.sync %x0|%p0, 0xfff00000;\n"
      "@!%p1 bra DONE;\nselp.u32 %x1, 100, 0, %p0;\nadd.u32 %v, %x0, %x1;\nDONE:");
  for (U32 l = 0; l < 32; ++l) {
    CHECK(all[l] == (l == 0 ? 1u : 0u));
    CHECK(some[l] == (l < 20 ? 9u : l == 20 ? 120u : 20u));
  }
}

TEST_CASE("a parameter by its generic address") {
  const auto words = run_warp_words(
      "mov.b64 %w0, q;\ncvta.param.u64 %w0, %w0;\nmad.wide.u32 %w1, %t, 4, %w0;\n"
      "ld.u32 %v, [%w1];\nprefetch.param.tensormap [q];");
  for (U32 l = 0; l < 32; ++l) CHECK(words[l] == 7 * l);
}

TEST_CASE("cache policies and hints change no value") {
  const auto words = run_warp_words(
      "createpolicy.fractional.L2::evict_last.b64 %w0, 1.0;\n"
      "createpolicy.fractional.L2::evict_first.L2::evict_unchanged.b64 %w1, 0.5;\n"
      "createpolicy.fractional.L2::evict_first.b64 %w2;\n"
      "ld.param.u64 %w3, [p];\nmad.wide.u32 %w3, %t, 4, %w3;\nadd.u32 %x0, %t, 5;\n"
      "st.global.L1::no_allocate.L2::cache_hint.u32 [%w3], %x0, %w0;\n"
      "ld.global.L1::no_allocate.L2::cache_hint.L2::128B.u32 %x1, [%w3], %w1;\n"
      "ld.global.L1::evict_last.L2::256B.u32 %x2, [%w3];\n"
      "red.global.add.L2::cache_hint.u32 [%w3], 1, %w2;\n"
      "ld.global.u32 %x3, [%w3];\nadd.u32 %v, %x1, %x2;\nadd.u32 %v, %v, %x3;");
  for (U32 l = 0; l < 32; ++l) CHECK(words[l] == 3 * (l + 5) + 1);
}

TEST_CASE("dependent launches, fences and directives") {
  const auto words = run_warp_words(
      "griddepcontrol.wait;\nfence.acq_rel.cluster;\nfence.sc.cluster;\n"
      "fence.proxy.async;\nfence.proxy.async.global;\nfence.proxy.async.shared::cta;\n"
      "griddepcontrol.launch_dependents;\nmov.u32 %v, %aggr_smem_size;",
      ".maxnreg 64\n.explicitcluster\n.maxclusterrank 8");
  for (const U32 v : words) CHECK(v == 1024);
  Device device(hopper_text("", "ret;\n"));
  CHECK(device.program().find("k")->required_cluster[0] == 0);
  std::string text = hopper_text("", "ret;\n");
  Device clustered(text.replace(text.find("\n{"), 1, "\n.reqnctapercluster 2, 4\n"));
  const auto& required = clustered.program().find("k")->required_cluster;
  CHECK(required[0] == 2);
  CHECK(required[1] == 4);
  CHECK(required[2] == 1);
}

/// The word of rows `row` and pair `pair` of matrix `n`, as a test numbers them.
U32 element(U32 n, U32 row, U32 column) { return n << 12 | row << 6 | column; }

TEST_CASE("stmatrix: every form") {
  for (const int count : {1, 2, 4}) {
    for (const bool transposed : {false, true}) {
      // Lane l of matrix n holds elements (l / 4, l % 4 * 2) and the next; rows go to 16 bytes
      // each.
      std::string code =
          "mad.lo.u32 %x10, %t, 16, %z;\nshr.u32 %x8, %t, 2;\nand.b32 %x9, %t, 3;\n"
          "shl.b32 %x8, %x8, 6;\nshl.b32 %x9, %x9, 1;\nor.b32 %x8, %x8, %x9;\n"
          "add.u32 %x9, %x8, 1;\nshl.b32 %x9, %x9, 16;\nor.b32 %x8, %x8, %x9;\n";
      for (int n = 0; n < count; ++n)
        code += "or.b32 %x" + std::to_string(n) + ", %x8, " +
                std::to_string(static_cast<U32>(n) * 0x10001000u) + ";\n";
      code += "stmatrix.sync.aligned.m8n8.x" + std::to_string(count) +
              (transposed ? ".trans" : "") + ".shared.b16 [%x10], " + register_list('x', count) +
              ";\nbar.sync 0;\n";
      for (int n = 0; n < count; ++n) {
        // Word l of the matrix: row l / 4, elements l % 4 * 2 and the next.
        const auto words =
            run_warp_words(code + "mad.lo.u32 %x11, %t, 4, %z;\nld.shared.u32 %v, [%x11+" +
                           std::to_string(128 * n) + "];");
        for (U32 l = 0; l < 32; ++l) {
          const auto k = static_cast<U32>(n);
          const U32 row = l / 4, column = l % 4 * 2;
          const U32 low = transposed ? element(k, column, row) : element(k, row, column);
          const U32 high = transposed ? element(k, column + 1, row) : element(k, row, column + 1);
          CHECK(words[l] == (low | high << 16));
        }
      }
    }
  }
}

}  // namespace
}  // namespace ptxmill::emu::interpreter_test
