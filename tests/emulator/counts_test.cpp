// What a launch counts: the rules of sectors and banks against their definitions, the classes of
// instructions, and facts about shipped kernels.
#include "emulator/counts.hpp"

#include <bit>
#include <map>
#include <numeric>
#include <random>
#include <set>

#include "interpreter_fixture.hpp"
#include "shipped_kernel.hpp"

namespace ptxmill::emu::interpreter_test {
namespace {

using Addresses = std::array<std::uint64_t, 32>;
using Class = InstructionClass;

Addresses strided(std::uint64_t base, std::uint64_t stride) {
  Addresses a;
  for (std::size_t l = 0; l < a.size(); ++l) a[l] = base + l * stride;
  return a;
}

/// By the definition: every byte of every lane, put into its sector.
GlobalTraffic expected_global(std::uint32_t mask, const Addresses& a, int bytes) {
  std::set<std::uint64_t> sectors, distinct;
  GlobalTraffic t;
  for (std::size_t l = 0; l < 32; ++l) {
    if ((mask >> l & 1u) == 0) continue;
    for (int b = 0; b < bytes; ++b) {
      const std::uint64_t at = a[l] + static_cast<std::uint64_t>(b);
      sectors.insert(at / 32);
      distinct.insert(at);
      ++t.bytes;
    }
  }
  t.sectors = sectors.size();
  t.least_sectors = (distinct.size() + 31) / 32;
  return t;
}

/// By the definition: in each group of lanes, the bank with the most different words.
SharedTraffic expected_shared(std::uint32_t mask, const Addresses& a, int bytes) {
  const std::size_t together = bytes == 16 ? 8 : bytes == 8 ? 16 : 32;
  SharedTraffic t;
  for (std::size_t first = 0; first < 32; first += together) {
    std::map<std::uint64_t, std::set<std::uint64_t>> words_of_bank;
    for (std::size_t l = first; l < first + together; ++l) {
      if ((mask >> l & 1u) == 0) continue;
      for (int b = 0; b < bytes; ++b) {
        const std::uint64_t word = (a[l] + static_cast<std::uint64_t>(b)) / 4;
        words_of_bank[word % 32].insert(word);
        ++t.bytes;
      }
    }
    std::uint64_t most = 0;
    for (const auto& [bank, words] : words_of_bank) most = std::max(most, words.size());
    t.wavefronts += most;
    t.least_wavefronts += most == 0 ? 0 : 1;
  }
  return t;
}

/// The totals of a launch that must succeed.
CountTotals counted(const LoadedKernel& kernel, const std::array<std::uint32_t, 3>& grid,
                    std::uint32_t block, std::uint32_t dynamic_shared = 0) {
  ExecuteOptions options;
  options.count = true;
  const ExecuteResult r = kernel.run(grid, block, dynamic_shared, options);
  INFO(r.report);
  REQUIRE(r.outcome == Outcome::ok);
  REQUIRE(r.counts != nullptr);
  const EntryInfo& entry = *kernel.program().entries().at(0);
  INFO(counts_table(kernel.program(), entry, *r.counts, 1));
  return total(kernel.program(), entry, *r.counts);
}

void check_coalesced(const GlobalTraffic& t, std::uint64_t bytes) {
  CHECK(t.bytes == bytes);
  CHECK(t.sectors == bytes / 32);
  CHECK(t.least_sectors == bytes / 32);
}

LoadedKernel loaded(std::string_view params, std::string_view body) {
  return LoadedKernel(module_text(params, body));
}

}  // namespace

TEST_CASE("sectors and wavefronts are what their definitions say") {
  std::mt19937 random(1);
  for (int round = 0; round < 400; ++round) {
    const int bytes = 1 << random() % 5;
    const auto size = static_cast<std::uint64_t>(bytes);
    const std::uint64_t span = std::uint64_t{64} << random() % 8;
    const std::uint32_t mask = round % 3 == 0 ? 0xffffffffu : static_cast<std::uint32_t>(random());
    Addresses a;
    for (auto& at : a) at = random() % (span / size) * size;
    CAPTURE(bytes);
    CAPTURE(span);
    CAPTURE(mask);
    CHECK(global_traffic(mask, a.data(), bytes) == expected_global(mask, a, bytes));
    CHECK(shared_traffic(mask, a.data(), bytes) == expected_shared(mask, a, bytes));
  }
}

TEST_CASE("sectors and wavefronts of well-known patterns") {
  const auto global = [](const Addresses& a, int bytes) {
    return global_traffic(0xffffffffu, a.data(), bytes);
  };
  CHECK(global(strided(0, 4), 4) == GlobalTraffic{128, 4, 4});
  CHECK(global(strided(4, 4), 4) == GlobalTraffic{128, 5, 4});
  CHECK(global(strided(0, 128), 4) == GlobalTraffic{128, 32, 4});
  CHECK(global(strided(0, 0), 4) == GlobalTraffic{128, 1, 1});
  CHECK(global(strided(0, 16), 16) == GlobalTraffic{512, 16, 16});
  const auto shared = [](const Addresses& a, int bytes) {
    return shared_traffic(0xffffffffu, a.data(), bytes);
  };
  CHECK(shared(strided(0, 4), 4) == SharedTraffic{128, 1, 1});
  CHECK(shared(strided(0, 0), 4) == SharedTraffic{128, 1, 1});     // one word for all
  CHECK(shared(strided(0, 8), 4) == SharedTraffic{128, 2, 1});     // every second bank
  CHECK(shared(strided(0, 128), 4) == SharedTraffic{128, 32, 1});  // a column of 32 words
  CHECK(shared(strided(0, 132), 4) == SharedTraffic{128, 1, 1});   // the same, padded
  CHECK(shared(strided(0, 1), 1) == SharedTraffic{32, 1, 1});
  CHECK(shared(strided(0, 16), 16) == SharedTraffic{512, 4, 4});
  CHECK(shared(strided(0, 32), 16) == SharedTraffic{512, 8, 4});
  CHECK(shared(strided(0, 8), 8) == SharedTraffic{256, 2, 2});
  const Addresses a = strided(0, 4);
  CHECK(shared_traffic(0, a.data(), 4) == SharedTraffic{});
  CHECK(global_traffic(0, a.data(), 4) == GlobalTraffic{});
}

TEST_CASE("instructions are counted by class, once each, with their lanes") {
  LoadedKernel kernel = loaded(".param .u64 p_at", R"(
  .reg .u64 %at, %wide;
  .reg .u32 %i, %j, %k;
  .reg .f32 %f;
  .reg .f64 %d;
  .reg .b16 %h;
  .reg .pred %p, %q;
  .shared .align 4 .b8 s[128];
  ld.param.u64 %at, [p_at];
  mov.u32 %i, %tid.x;
  mul.wide.u32 %wide, %i, 4;
  add.u64 %at, %at, %wide;
  cvt.rn.f32.u32 %f, %i;
  add.f32 %f, %f, %f;
  sqrt.approx.f32 %f, %f;
  cvt.f64.f32 %d, %f;
  fma.rn.f64 %d, %d, %d, %d;
  mov.b16 %h, 0;
  add.rn.f16 %h, %h, %h;
  shl.b32 %j, %i, 2;
  mov.u32 %k, s;
  add.u32 %j, %j, %k;
  st.shared.u32 [%j], %i;
  bar.sync 0;
  ld.shared.u32 %k, [%j];
  setp.lt.u32 %p, %i, 8;
  setp.lt.u32 %q, %i, 4;
  and.pred %q, %p, %q;
  @%p st.global.u32 [%at], %k;
  shfl.sync.idx.b32 %k, %k, 0, 31, 0xffffffff;
  @!%p bra end;
  red.global.add.u32 [%at], 1;
  ld.global.u32 %k, [%at];
end:
  ret;
)");
  kernel.set_arguments(kernel.reserve(128));
  const CountTotals t = counted(kernel, {1, 1, 1}, 32);
  const std::map<Class, std::uint64_t> expected = {
      {Class::param, 1},        {Class::move, 4},        {Class::integer, 3},
      {Class::conversion, 2},   {Class::f32, 1},         {Class::special_function, 1},
      {Class::f64, 1},          {Class::half, 1},        {Class::shared_store, 1},
      {Class::barrier, 1},      {Class::shared_load, 1}, {Class::predicate, 3},
      {Class::global_store, 1}, {Class::warp, 1},        {Class::branch, 2},
      {Class::atomic, 1},       {Class::global_load, 1}};
  std::uint64_t sum = 0;
  for (std::size_t k = 0; k < instruction_classes; ++k) {
    const auto c = static_cast<Class>(k);
    CAPTURE(name(c));
    const auto it = expected.find(c);
    CHECK(t.of(c) == (it == expected.end() ? 0 : it->second));
    sum += t.of(c);
  }
  CHECK(t.warp_instructions == sum);
  CHECK(t.thread_instructions == 32 * (sum - 3) + 8 + 24 + 8 + 8 - 32);
  CHECK(t.divergent_branches == 1);
  CHECK(t.written == GlobalTraffic{64, 2, 2});  // the store and the atomic, 8 lanes each
  CHECK(t.read == GlobalTraffic{32, 1, 1});
  CHECK(t.shared == SharedTraffic{256, 2, 2});
}

TEST_CASE("what an instruction is decoded into counts as one instruction") {
  // A 64-bit register takes a 32-bit element: a load and a conversion here.
  LoadedKernel kernel = loaded(".param .u64 p_at", R"(
  .reg .u64 %at, %v;
  ld.param.u64 %at, [p_at];
  ld.global.u32 %v, [%at];
  st.global.u32 [%at], %v;
  ret;
)");
  kernel.set_arguments(kernel.floats(1));
  const CountTotals t = counted(kernel, {1, 1, 1}, 1);
  CHECK(t.of(Class::global_load) == 1);
  CHECK(t.of(Class::global_store) == 1);
  CHECK(t.warp_instructions == 4);
  CHECK(t.read == GlobalTraffic{4, 1, 1});
  CHECK(t.written == GlobalTraffic{4, 1, 1});
}

TEST_CASE("generic accesses count where they go") {
  LoadedKernel kernel = loaded(".param .u64 p_at", R"(
  .reg .u64 %at, %here;
  .reg .u32 %i;
  .reg .pred %p;
  .shared .align 4 .b8 s[128];
  ld.param.u64 %at, [p_at];
  mov.u32 %i, %tid.x;
  mov.u64 %here, s;
  cvta.shared.u64 %here, %here;
  setp.lt.u32 %p, %i, 16;
  selp.u64 %at, %at, %here, %p;
  mad.wide.u32 %at, %i, 4, %at;
  st.u32 [%at], %i;
  ret;
)");
  kernel.set_arguments(kernel.reserve(128));
  const CountTotals t = counted(kernel, {1, 1, 1}, 32);
  CHECK(t.of(Class::generic_store) == 1);
  CHECK(t.written == GlobalTraffic{64, 2, 2});
  CHECK(t.shared == SharedTraffic{64, 1, 1});
}

TEST_CASE("the report names the instructions that waste the most") {
  LoadedKernel kernel = loaded(".param .u64 p_at", R"(
  .reg .u64 %at;
  .reg .u32 %i, %j;
  .shared .align 4 .b8 s[4096];
  ld.param.u64 %at, [p_at];
  mov.u32 %i, %tid.x;
  mad.wide.u32 %at, %i, 64, %at;
  // ---- spread "out"
  st.global.u32 [%at], %i;
  mov.u32 %j, s;
  mad.lo.u32 %j, %i, 128, %j;
  st.shared.u32 [%j], %i;
  ret;
)");
  kernel.set_arguments(kernel.reserve(32 * 64));
  ExecuteOptions options;
  options.count = true;
  const ExecuteResult r = kernel.run({1, 1, 1}, 32, 0, options);
  REQUIRE(r.outcome == Outcome::ok);
  const EntryInfo& entry = *kernel.program().entries().at(0);
  LaunchCounts twice = *r.counts;
  twice += *r.counts;
  check_contains(
      counts_table(kernel.program(), entry, twice, 2),
      {"kernel k: 2 launches, 16 warp instructions, 512 thread instructions",
       "global write  256 bytes, 64 sectors, 8.00 x the least", "64 wavefronts, 32.00 x the least",
       "62 (of 2) line ", "st.shared.u32 [%j], %i;  phase: spread \"out\"", "56 (of 8) line ",
       "st.global.u32 [%at], %i;"});
  check_contains(counts_json(kernel.program(), entry, twice, 2),
                 {"{\"kernel\": \"k\", \"launches\": 2, \"warp_instructions\": 16,",
                  "\"global_write\": {\"bytes\": 256, \"sectors\": 64, \"least_sectors\": 8}",
                  "\"worst_bank_conflicts\": [{\"line\": ",
                  "\"phase\": \"spread \\\"out\\\"\", \"extra\": 62, \"of\": 2}",
                  "\"worst_divergence\": []}"});
}

TEST_CASE("nothing is counted unless it is asked for") {
  LoadedKernel kernel = loaded("", "ret;");
  kernel.set_arguments();
  CHECK(kernel.run({1, 1, 1}, 32, 0, {}).counts == nullptr);
}

TEST_CASE("shipped kernels: elementwise is coalesced") {
  constexpr std::uint32_t rows = 16, cols = 256, count = rows * cols;
  for (const char* file : {"core/sm_80/add__vec4", "core/sm_80/add__scalar"}) {
    CAPTURE(file);
    LoadedKernel kernel = LoadedKernel::shipped(file);
    const auto x = kernel.floats(count), y = kernel.floats(count);
    kernel.set_arguments(x, y, kernel.reserve(count * 4), rows, cols);
    const std::uint32_t each = std::string_view(file).ends_with("vec4") ? 2048 : 1024;
    const CountTotals t = counted(kernel, {count / each, 1, 1}, 256);
    check_coalesced(t.read, 2 * count * 4);
    check_coalesced(t.written, count * 4);
    CHECK(t.shared == SharedTraffic{});
    CHECK(t.divergent_branches == 0);
  }
}

TEST_CASE("shipped kernels: layer_norm is coalesced and without bank conflicts") {
  constexpr std::uint32_t rows = 16, d = 512;
  LoadedKernel kernel = LoadedKernel::shipped("core/sm_80/layer_norm__short_vec4");
  const auto x = kernel.floats(rows * d), gamma = kernel.floats(d), beta = kernel.floats(d);
  kernel.set_arguments(x, gamma, beta, kernel.reserve(rows * d * 4), rows, d);
  const CountTotals t = counted(kernel, {rows / 8, 1, 1}, 256);
  check_coalesced(t.read, rows * d * 4 + 2 * rows * d * 4);  // gamma and beta once a row
  check_coalesced(t.written, rows * d * 4);
  CHECK(t.shared.wavefronts == t.shared.least_wavefronts);
  CHECK(t.divergent_branches == 0);
}

TEST_CASE("shipped kernels: transpose is coalesced and without bank conflicts") {
  constexpr std::uint32_t rows = 128, cols = 192;
  LoadedKernel kernel = LoadedKernel::shipped("core/sm_80/transpose__vec4");
  const auto x = kernel.floats(rows * cols);
  kernel.set_arguments(x, kernel.reserve(rows * cols * 4), std::uint32_t{1}, rows, cols);
  const CountTotals t = counted(kernel, {rows / 64 * cols / 64, 1, 1}, 256);
  check_coalesced(t.read, rows * cols * 4);
  check_coalesced(t.written, rows * cols * 4);
  CHECK(t.shared.wavefronts == t.shared.least_wavefronts);
}

TEST_CASE("shipped kernels: gemm is coalesced and without bank conflicts") {
  struct Tile {
    const char* file;
    std::uint32_t m, n, block, shared;
  };
  for (const Tile& tile : {Tile{"core/sm_80/gemm__t128x128", 128, 128, 256, 67584},
                           Tile{"core/sm_80/gemm__t32x64", 32, 64, 128, 38400}}) {
    CAPTURE(tile.file);
    const std::uint32_t m = tile.m, n = 2 * tile.n, k = 96;
    LoadedKernel kernel = LoadedKernel::shipped(tile.file);
    const auto a = kernel.floats(m * k), w = kernel.floats(n * k);
    kernel.set_arguments(a, w, kernel.reserve(m * n * 4), m, n, k);
    const CountTotals t = counted(kernel, {2, 1, 1}, tile.block, tile.shared);
    check_coalesced(t.read, (2 * m + n) * k * 4);  // each of the two blocks reads all of a
    check_coalesced(t.written, m * n * 4);
    CHECK(t.of(Class::f32) >= m * n * k / 32);
    CHECK(t.shared.wavefronts == t.shared.least_wavefronts);
  }
}

TEST_CASE("shipped kernels: attention is coalesced; few bank conflicts") {
  constexpr std::uint32_t heads = 1, length = 144, d = 64;
  LoadedKernel kernel = LoadedKernel::shipped("core/sm_80/attention_64");
  constexpr std::uint32_t count = heads * length * d;
  const auto q = kernel.floats(count), k = kernel.floats(count), v = kernel.floats(count);
  kernel.set_arguments(q, k, v, kernel.reserve(count * 4), kernel.reserve(heads * length * 4),
                       std::uint32_t{1}, heads, heads, length, length);
  const CountTotals t = counted(kernel, {length / 72, heads, 1}, 128, 72960);
  CHECK(t.read.sectors == t.read.least_sectors);
  CHECK(t.shared.wavefronts * 100 <= t.shared.least_wavefronts * 103);
}

}  // namespace ptxmill::emu::interpreter_test
