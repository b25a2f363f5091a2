// What is refused of memory and targets while a kernel is generated.
#include "tests/ptx/scratch_kernel.hpp"

namespace ptxmill::test {
namespace {

template <class F>
void refused(const std::string& message, F offend) {
  check_refused(__FILE__, message, offend);
}

std::string alignment(const std::string& what, int bytes, int known) {
  return what + " needs an address aligned to " + std::to_string(bytes) + " bytes, and only " +
         std::to_string(known) + " are known";
}

TEST_CASE("vector accesses are aligned") {
  ScratchKernel k;
  k.load<4>(k.x);
  k.load<4>(k.x + 4);
  k.load<4>(k.x + k.n * 4);
  k.load<2>(k.x + 2);
  refused(alignment("ld.global.v4", 16, 4), [&](int& line) {
    line = __LINE__ + 1;
    k.load<4>(k.x + 1);
  });
  refused(alignment("ld.global.v4", 16, 8), [&](int& line) {
    line = __LINE__ + 1;
    k.load<4>(k.x + k.n * 2);
  });
  refused(alignment("ld.global.v2", 8, 4), [&](int& line) {
    line = __LINE__ + 1;
    k.load<2>(k.x + k.n);
  });
  const auto four = k.load<4>(k.x);
  refused(alignment("st.global.v4", 16, 4), [&](int& line) {
    line = __LINE__ + 1;
    k.store(k.out + 7, four);
  });
  const auto s = k.shared<f32>("s", 64, 16);
  refused(alignment("ld.shared.v4", 16, 8), [&](int& line) {
    line = __LINE__ + 1;
    k.load<4>(s + 2);
  });
}

TEST_CASE("what is known of a value's divisor reaches the access") {
  ScratchKernel k;
  const U32 rows = k.scalar_param<u32>("rows", 8);
  k.load<4>(k.x + rows);
  k.load<4>(k.x + (rows + 4));
  k.load<4>(k.x + rows * k.n);
  k.load<4>(k.x + (k.n << 2));
  k.load<4>(k.x + k.mad_wide(rows, k.n, k.cvt<u64>(rows)));
  k.load<4>(k.x + k.assume_multiple(k.tid_x(), 4));
  k.for_range("i", 0, k.n, 4, [&](const U32& i) { k.load<4>(k.x + i); });
  refused(alignment("ld.global.v4", 16, 4), [&](int& line) {
    line = __LINE__ + 1;
    k.load<4>(k.x + (rows + 1));
  });
  refused(alignment("ld.global.v4", 16, 8), [&](int& line) {
    k.for_range("j", 0, k.n, 2, [&](const U32& j) {
      line = __LINE__ + 1;
      k.load<4>(k.x + j);
    });
  });
}

TEST_CASE("scalar accesses are aligned too") {
  ScratchKernel k;
  const auto bytes = k.pointer_param<u16>("bytes", 2);
  k.load(bytes + k.n);
  refused(alignment("ld.global", 4, 2), [&](int& line) {
    line = __LINE__ + 1;
    k.load(bytes.as<f32>());
  });
  refused(alignment("atom.global.add", 4, 2), [&](int& line) {
    line = __LINE__ + 1;
    k.atom_global_add(bytes.as<u32>(), 1);
  });
}

TEST_CASE("shared memory stays within the target's limit") {
  for (const auto& [name, kib] :
       {std::pair("sm_80", 163), {"sm_86", 99}, {"sm_89", 99}, {"sm_90", 227}, {"sm_90a", 227}}) {
    ScratchKernel k(*Target::parse(name));
    const int most = kib * 1024;
    k.shared<f32>("all", most / 4 - 1);
    k.shared<u32>("last", 1, 4);
    CHECK(k.recorder.shared_bytes() == most);
    refused("shared memory of " + std::to_string(most + 16) + " bytes with 'more' exceeds the " +
                std::to_string(most) + " of " + name,
            [&](int& line) {
              line = __LINE__ + 1;
              k.shared<f32>("more", 4);
            });
  }
}

TEST_CASE("shared arrays are laid out once, by name") {
  ScratchKernel k;
  k.shared<f32>("tile", 4);
  refused("shared array 'tile' is declared twice", [&](int& line) {
    line = __LINE__ + 1;
    k.shared<f32>("tile", 4);
  });
  refused("shared array 'none' has no elements", [&](int& line) {
    line = __LINE__ + 1;
    k.shared<f32>("none", 0);
  });
  for (const int align : {2, 24, 2048})
    refused("shared array 'odd': alignment must be a power of two from 4 to 1024", [&](int& line) {
      line = __LINE__ + 1;
      k.shared<f32>("odd", 4, align);
    });
  for (const char* taken : {"smem", "scratch"})
    refused("a shared array may not be called '" + std::string(taken) + "'", [&](int& line) {
      line = __LINE__ + 1;
      k.shared<f32>(taken, 4);
    });
  for (const char* malformed : {"", "4th", "a-b", "caf\xc3\xa9"})
    refused(
        "'" + std::string(malformed) + "' is no name: a letter, then letters, digits and '_' are",
        [&](int& line) {
          line = __LINE__ + 1;
          k.shared<f32>(malformed, 4);
        });
}

TEST_CASE("static offsets stay inside their array") {
  ScratchKernel k;
  const auto s = k.shared<f32>("s", 8);
  k.shared<f32>("next", 8);
  k.load(s + 7);
  k.load<4>(s + 4);
  refused("offset 32 is outside the shared array 's' of 32 bytes", [&](int& line) {
    line = __LINE__ + 1;
    k.load(s + 8);
  });
  refused("offset 32 is outside the shared array 's' of 32 bytes", [&](int& line) {
    line = __LINE__ + 1;
    k.store(s + 8, 0);
  });
}

TEST_CASE("parameters are declared once") {
  ScratchKernel k;
  refused("parameter 'n' is declared twice", [&](int& line) {
    line = __LINE__ + 1;
    k.scalar_param<u32>("n");
  });
}

TEST_CASE("instructions exist on the target") {
  ScratchKernel k(Target{75, false});
  refused("redux.sync.add needs sm_80 or higher, and the target is sm_75", [&](int& line) {
    line = __LINE__ + 1;
    k.redux_sync_add(k.n);
  });
  refused("min.NaN needs sm_80 or higher, and the target is sm_75", [&](int& line) {
    line = __LINE__ + 1;
    k.min_nan(k.load(k.x), 0);
  });
  k.tanh_approx(k.load(k.x));
}

}  // namespace
}  // namespace ptxmill::test
