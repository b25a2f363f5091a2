#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <numeric>

#include "runtime/counters.hpp"
#include "runtime/kernel.hpp"
#include "tests/runtime/fixture_kernels.hpp"
#include "tests/support/device_fixture.hpp"

namespace {

using namespace ptxmill::rt;
using ptxmill::test::ManifestFixture;
using ptxmill::test::Thrown;
using ptxmill::test::thrown_by;

struct LaunchFixture : ptxmill::test::DeviceFixture {
  LaunchFixture() : fixture(ptxmill::test::fixture_library()), library(fixture.open(device())) {}

  Tensor upload(const std::vector<float>& values) const {
    return Tensor::from_host(stream, values, {static_cast<std::int64_t>(values.size())});
  }
  /// A tensor of `count` elements, each 77.
  Tensor poisoned(std::int64_t count, DType dtype = DType::f32) const {
    Tensor tensor = Tensor::empty(stream, dtype, {count});
    tensor.fill(stream, 77);
    return tensor;
  }

  ManifestFixture fixture;
  KernelLibrary library;
};

std::vector<float> counting(std::size_t count, float first = 0.f) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), first);
  return values;
}

}  // namespace

TEST_CASE_FIXTURE(LaunchFixture, "launch: add, at sizes around the block's") {
  const Kernel add = library.kernel("add");
  CHECK(add.argument_names() == std::vector<std::string>{"x", "y", "out"});
  for (const std::size_t n : {1u, 2u, 127u, 128u, 129u, 1000u}) {
    const std::vector<float> x = counting(n), y = counting(n, 0.5f);
    const Tensor out = poisoned(static_cast<std::int64_t>(n));
    add.launch(stream, {{"n", static_cast<std::int64_t>(n)}}, upload(x), upload(y), out);
    std::vector<float> expected(n);
    for (std::size_t i = 0; i < n; ++i) expected[i] = x[i] + y[i];
    CHECK(out.to_host<float>(stream) == expected);
  }
}

TEST_CASE_FIXTURE(LaunchFixture, "launch: scalars of each kind") {
  const Tensor out = poisoned(3);
  library.kernel("scale").launch(stream, {{"n", 3}}, upload({1, 2, 3}), 2.5f, out);
  CHECK(out.to_host<float>(stream) == std::vector<float>{2.5f, 5.f, 7.5f});
  const Tensor x = Tensor::from_host(stream, std::vector<std::uint32_t>{1, 2, 3}, {3});
  const Tensor whole = poisoned(3, DType::u32);
  library.kernel("scale_u").launch(stream, {{"n", 3}}, x, 0x80000001u, whole);
  CHECK(whole.to_host<std::uint32_t>(stream) ==
        std::vector<std::uint32_t>{0x80000001u, 2u, 0x80000003u});
}

TEST_CASE_FIXTURE(LaunchFixture, "launch: scalars that do not fit are refused") {
  const Tensor x = upload({1}), out = poisoned(1);
  const Kernel scale = library.kernel("scale");
  CHECK(thrown_by([&] {
          scale.launch(stream, {{"n", 1}}, x, 2, out);
        }).says("argument 'factor' (scalar) must be a floating-point number"));
  const Tensor u = poisoned(1, DType::u32);
  const Kernel scale_u = library.kernel("scale_u");
  CHECK(thrown_by([&] {
          scale_u.launch(stream, {{"n", 1}}, u, -1, u);
        }).says("is -1, which is no u32"));
  CHECK(thrown_by([&] {
          scale_u.launch(stream, {{"n", 1}}, u, 1LL << 32, u);
        }).says("4294967296, which is no u32"));
  CHECK(thrown_by([&] {
          scale_u.launch(stream, {{"n", 1}}, u, 1.0, u);
        }).says("must be an integer"));
  CHECK(thrown_by([&] { scale_u.launch(stream, {{"n", 1}}, u, u, u); }).says("must be an integer"));
}

TEST_CASE_FIXTURE(LaunchFixture, "launch: every wrong argument is named, and nothing is written") {
  const Kernel add = library.kernel("add");
  const Tensor x = upload(counting(8)), y = upload(counting(8)), out = poisoned(8);
  struct Case {
    std::string words;
    std::function<void()> call;
  };
  const Tensor wide = poisoned(8, DType::f64);
  const Tensor grid = upload(counting(16)).reshape({4, 4});
  const Tensor odd = Tensor::wrap(device(), x.pointer() + 2, DType::f32, {7});
  const Case cases[] = {
      {"2 arguments were given; it takes 3 (x, y, out)",
       [&] {
         add.launch(stream, {{"n", 8}}, x, out);
       }},
      {"4 arguments were given",
       [&] {
         add.launch(stream, {{"n", 8}}, x, y, y, out);
       }},
      {"argument 'y' (in) must be a tensor",
       [&] {
         add.launch(stream, {{"n", 8}}, x, 1.f, out);
       }},
      {"argument 'x' (in) is missing",
       [&] {
         add.launch(stream, {{"n", 8}}, nullptr, y, out);
       }},
      {"argument 'x' (in) is missing",
       [&] {
         add.launch(stream, {{"n", 8}}, Tensor(), y, out);
       }},
      {"argument 'y' (in) is f64, and must be f32",
       [&] {
         add.launch(stream, {{"n", 8}}, x, wide, out);
       }},
      {"argument 'x' (in) has 4 elements, and must have at least 8 (n)",
       [&] {
         add.launch(stream, {{"n", 8}}, x.slice(0, 0, 4), y, out);
       }},
      {"argument 'out' (out) has 8 elements, and must have at least 9",
       [&] {
         add.launch(stream, {{"n", 9}}, grid.reshape({16}), grid.reshape({16}), out);
       }},
      {"argument 'x' (in) is not contiguous: f32[4, 2] (strided)",
       [&] {
         add.launch(stream, {{"n", 8}}, grid.slice(1, 0, 2), y, out);
       }},
      {"argument 'x' (in) must be aligned to 4 bytes",
       [&] {
         add.launch(stream, {{"n", 7}}, odd, y, out);
       }},
      {"it has no dimension 'm'",
       [&] {
         add.launch(stream, {{"m", 8}}, x, y, out);
       }},
      {"dimension 'n' was not given", [&] { add.launch(stream, {}, x, y, out); }},
      {"dimension 'n' is -1",
       [&] {
         add.launch(stream, {{"n", -1}}, x, y, out);
       }},
      {"was given before as 8",
       [&] {
         add.launch(stream, {{"n", 8}, {"n", 7}}, x, y, out);
       }},
      {"must be below 2^32",
       [&] {
         add.launch(stream, {{"n", 1LL << 32}}, x, y, out);
       }},
  };
  for (const Case& c : cases) {
    const Thrown thrown = thrown_by(c.call);
    CAPTURE(c.words);
    CAPTURE(thrown.what);
    CHECK(thrown.code == ErrorCode::invalid_argument);
    CHECK(thrown.says("kernel 'add'"));
    CHECK(thrown.says(c.words));
  }
  CHECK(out.to_host<float>(stream) == std::vector<float>(8, 77.f));
}

TEST_CASE_FIXTURE(LaunchFixture, "launch: zero elements are a success without a launch") {
  reset_counters();
  const Tensor none = Tensor::empty(stream, DType::f32, {0}), out = poisoned(4);
  library.kernel("add").launch(stream, {{"n", 0}}, none, none, out);
  library.kernel("add").launch(stream, {{"n", 0}}, nullptr, nullptr, out);
  CHECK(counters().launches == 0);
  CHECK(library.counters().misses == 0);
  CHECK(out.to_host<float>(stream) == std::vector<float>(4, 77.f));
  CHECK(thrown_by([&] { library.kernel("add").launch(stream, {{"n", 0}}, none, none); }).any);
}

TEST_CASE_FIXTURE(LaunchFixture, "launch: a fixed dimension may be named, and must agree") {
  const Kernel fixed = library.kernel("fixed");
  const std::vector<float> x = counting(64);
  const Tensor out = poisoned(64);
  fixed.launch(stream, {}, upload(x), upload(x), out);
  CHECK(out.to_host<float>(stream)[63] == 126.f);
  fixed.launch(stream, {{"n", 64}}, upload(x), upload(x), out);
  CHECK(thrown_by([&] {
          fixed.launch(stream, {{"n", 65}}, out, out, out);
        }).says("dimension 'n' is 65, and is fixed to 64"));
}

TEST_CASE("launch: ranges of dimensions, and zero below the least") {
  ptxmill::test::DeviceFixture on;
  ManifestFixture fixture = ptxmill::test::fixture_library();
  fixture.kernel_named("add")["targets"]["sm_80"]["forms"][0]["params"][3].update(
      {{"min", 4}, {"max", 64}, {"multiple_of", 4}});
  const KernelLibrary library = fixture.open(on.device());
  const Tensor t = Tensor::empty(on.stream, DType::f32, {128});
  const Kernel add = library.kernel("add");
  t.fill(on.stream, 1);
  add.launch(on.stream, {{"n", 64}}, t, t, t);
  for (const std::int64_t n : {1, 2, 5, 63, 68})
    CHECK(thrown_by([&] {
            add.launch(on.stream, {{"n", n}}, t, t, t);
          })
              .says("argument 'n' (dim) is " + std::to_string(n) +
                    ", and must be a multiple of 4 from 4 to 64"));
  add.launch(on.stream, {{"n", 0}}, t, t, t);
}

TEST_CASE_FIXTURE(LaunchFixture, "launch: dynamic shared memory below and beyond 48 KiB") {
  const Kernel reverse = library.kernel("reverse");
  for (const std::size_t n : {1u, 300u, 12288u, 16384u}) {
    const std::vector<float> x = counting(n);
    const Tensor out = poisoned(static_cast<std::int64_t>(n));
    reverse.launch(stream, {{"n", static_cast<std::int64_t>(n)}}, upload(x), out);
    CHECK(out.to_host<float>(stream) == std::vector<float>(x.rbegin(), x.rend()));
  }
  const Tensor large = poisoned(1 << 20);
  CHECK(thrown_by([&] {
          reverse.launch(stream, {{"n", 1 << 20}}, large, large);
        }).says("bytes of shared memory (n * 4)"));
}

TEST_CASE_FIXTURE(LaunchFixture, "launch: workspace from the stream, once, and from the caller") {
  const Kernel through = library.kernel("through");
  CHECK(through.argument_names() == std::vector<std::string>{"x", "out"});
  const Stream own(device());
  const Tensor x = upload(counting(1000)), out = poisoned(1000);
  stream.synchronize();
  through.launch(own, {{"n", 1000}}, x, out);
  CHECK(out.to_host<float>(own) == counting(1000));
  reset_counters();
  through.launch(own, {{"n", 1000}}, x, out);
  through.launch(own, {{"n", 10}}, x, out);
  CHECK(counters().allocations == 0);
  own.synchronize();
  const Tensor memory = poisoned(1000), small = poisoned(999);
  through.launch(stream, {{"n", 1000}}, x, out, Workspace{memory, Tensor()});
  CHECK(memory.to_host<float>(stream) == counting(1000));
  CHECK(thrown_by([&] {
          through.launch(stream, {{"n", 1000}}, x, out, Workspace{small, Tensor()});
        }).says("must have 4000 bytes"));
}

TEST_CASE_FIXTURE(LaunchFixture, "launch: zeroed workspace is zero each time") {
  const Kernel accumulate = library.kernel("accumulate");
  const Tensor out = poisoned(1, DType::u32);
  for (const std::uint32_t n : {5u, 7u, 1u}) {
    accumulate.launch(stream, {{"n", n}}, out);
    CHECK(out.to_host<std::uint32_t>(stream) == std::vector<std::uint32_t>{n});
  }
  // A workspace that a plain kernel dirties does not disturb it.
  const Tensor x = upload(counting(64)), y = poisoned(64);
  library.kernel("through").launch(stream, {{"n", 64}}, x, y);
  accumulate.launch(stream, {{"n", 3}}, out);
  CHECK(out.to_host<std::uint32_t>(stream) == std::vector<std::uint32_t>{3});
}

TEST_CASE_FIXTURE(LaunchFixture,
                  "launch: a device scalar is read on the device, its mirror checked") {
  const Kernel pick = library.kernel("pick");
  const Tensor x = upload(counting(8)), out = poisoned(8);
  const Tensor position = Tensor::from_host(stream, std::vector<std::uint32_t>{5}, {1});
  pick.launch(stream, {{"n", 8}}, x, position, out);
  CHECK(out.to_host<float>(stream) == std::vector<float>(8, 5.f));
  pick.launch(stream, {{"n", 8}}, x, DeviceScalar{position, 5}, out);
  const Thrown thrown = thrown_by([&] {
    pick.launch(stream, {{"n", 8}}, x, DeviceScalar{position, 8}, out);
  });
  CHECK(thrown.says("argument 'position' (device_scalar) is 8"));
  CHECK(thrown.says("a value from 0 to 7"));
}

TEST_CASE_FIXTURE(LaunchFixture, "launch: a cooperative grid that cannot be resident is refused") {
  const Kernel together = library.kernel("together");
  const int sms = device().info().sm_count;
  const Tensor out = poisoned(sms, DType::u32);
  together.launch(stream, {{"n", sms}}, out);
  std::vector<std::uint32_t> expected(static_cast<std::size_t>(sms));
  std::iota(expected.begin(), expected.end(), 0u);
  CHECK(out.to_host<std::uint32_t>(stream) == expected);
  const std::int64_t many = std::int64_t{sms} * 64;
  const Tensor large = poisoned(many, DType::u32);
  const Thrown thrown = thrown_by([&] { together.launch(stream, {{"n", many}}, large); });
  CHECK(thrown.code == ErrorCode::incompatible);
  CHECK(thrown.says(std::to_string(many) + " blocks of 1024 threads"));
  CHECK(thrown.says("resident on " + std::to_string(sms) + " multiprocessors"));
}

TEST_CASE_FIXTURE(LaunchFixture, "launch: counted for the process and for each tensor") {
  const Tensor x = upload(counting(8)), out = poisoned(8);
  reset_counters();
  library.kernel("add").launch(stream, {{"n", 8}}, x, x.slice(0, 0, 8), out);
  library.kernel("scale").launch(stream, {{"n", 8}}, out, 1.f, out);
  CHECK(counters().launches == 2);
  CHECK(x.counters().launches == 2);
  CHECK(out.counters().launches == 3);
}

TEST_CASE("launch: the first form whose conditions hold") {
  ptxmill::test::DeviceFixture on;
  ManifestFixture fixture = ptxmill::test::fixture_library();
  // "small" is the same entry under another name; it is told apart by a lower limit on its shape.
  auto& kernel = fixture.kernel_named("add");
  auto& forms = kernel["targets"]["sm_80"]["forms"];
  auto small = forms[0];
  small["form"] = "small";
  small["when"]["n"] = {{"max", 4}};
  small["launch"]["grid"][0] = "1";
  forms.insert(forms.begin(), small);
  forms[1]["form"] = "large";
  forms[1]["when"]["n"] = {{"multiple_of", 2}};
  const KernelLibrary library = fixture.open(on.device());
  const Kernel add = library.kernel("add");
  const Tensor t = Tensor::empty(on.stream, DType::f32, {8});
  t.fill(on.stream, 1);
  add.launch(on.stream, {{"n", 3}}, t, t, t);
  CHECK(library.counters().misses == 1);
  add.launch(on.stream, {{"n", 4}}, t, t, t);
  CHECK(library.counters().misses == 1);
  add.launch(on.stream, {{"n", 6}}, t, t, t);
  CHECK(library.counters().misses == 2);
  CHECK(t.to_host<float>(on.stream) == std::vector<float>{8, 8, 8, 4, 2, 2, 1, 1});
  const Thrown thrown = thrown_by([&] { add.launch(on.stream, {{"n", 7}}, t, t, t); });
  CHECK(thrown.says("no form for sm_80 takes n = 7"));
  CHECK(thrown.says("form 'large': n is a multiple of 2"));
}
