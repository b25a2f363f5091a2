// What the other tests lean on must itself be able to fail.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <sstream>
#include <vector>

#include "tests/support/case_budget.hpp"
#include "tests/support/compare.hpp"
#include "tests/support/inputs.hpp"
#include "tests/support/random.hpp"
#include "tests/support/red_zone.hpp"
#include "tests/support/shapes.hpp"

namespace ptxmill::test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

bool accepts(float actual, double expected, double bound) {
  return static_cast<bool>(compare(std::vector<float>{actual}, std::vector<double>{expected},
                                   std::vector<double>{bound}));
}

TEST_CASE("compare: bounds are inclusive, and exact where the bound is zero") {
  CHECK(accepts(1.5f, 1.0, 0.5));
  CHECK_FALSE(accepts(1.5f, 1.0, 0.4999));
  CHECK(accepts(1.0f, 1.0, 0.0));
  CHECK_FALSE(accepts(std::nextafter(1.0f, 2.0f), 1.0, 0.0));
}

TEST_CASE("compare: NaN never passes, an infinity only as itself") {
  CHECK_FALSE(accepts(kNan, 1.0, 1e30));
  CHECK_FALSE(accepts(kNan, kNan, 1e30));
  CHECK_FALSE(accepts(1.0f, kNan, 1e30));
  CHECK_FALSE(accepts(1.5f, 1.0, kNan));
  CHECK(accepts(-kInfinity, -kInfinity, 0.0));
  CHECK_FALSE(accepts(kInfinity, -kInfinity, kInfinity));
  CHECK_FALSE(accepts(kInfinity, 1.0, kInfinity));
}

TEST_CASE("compare: looks at every element, names the worst, refuses another length") {
  const std::vector<double> expected(6, 0.0);
  const std::vector<double> bound(6, 0.1);
  const auto result =
      compare(std::vector<float>{0.f, 0.2f, 0.f, 0.f, 0.5f, 0.05f}, expected, bound, {2, 3});
  CHECK(result.failures == 2);
  CHECK(result.worst == 4);
  CHECK(result.worst_ratio == doctest::Approx(5.0));
  CHECK(result.report.find("2 of 6") != std::string::npos);
  CHECK(result.report.find("[1, 1]") != std::string::npos);
  CHECK_FALSE(compare(std::vector<float>(5, 0.f), expected, bound));
}

TEST_CASE("compare_bits: the sign of zero counts, a NaN equals itself") {
  const std::vector<float> values = {0.0f, kNan, 1.0f};
  CHECK(compare_bits(values, values));
  const auto result = compare_bits(std::vector<float>{-0.0f, kNan, 1.0f}, values);
  CHECK(result.failures == 1);
  CHECK(result.report.find("0x80000000") != std::string::npos);
}

TEST_CASE("random: a name gives one sequence, another name another") {
  Random a = random_for("a");
  Random again = random_for("a");
  Random b = random_for("b");
  CHECK(a.next() == again.next());
  CHECK(a.next() != b.next());
}

TEST_CASE("random: integers reach both ends, normals have mean 0 and variance 1") {
  Random random(7);
  bool low = false;
  bool high = false;
  double sum = 0.0;
  double squares = 0.0;
  constexpr int kDraws = 20000;
  for (int i = 0; i < kDraws; ++i) {
    const auto value = random.integer(-2, 2);
    CHECK((value >= -2 && value <= 2));
    low |= value == -2;
    high |= value == 2;
    const double normal = random.normal();
    sum += normal;
    squares += normal * normal;
  }
  CHECK(low);
  CHECK(high);
  CHECK(std::abs(sum / kDraws) < 0.05);
  CHECK(std::abs(squares / kDraws - 1.0) < 0.05);
}

TEST_CASE("inputs: at least a fifth of the cases are small integers, and those are exact") {
  int small = 0;
  for (int i = 0; i < 100; ++i) small += inputs_of_case(i) == Inputs::small_integers ? 1 : 0;
  CHECK(small >= 20);
  Random random(3);
  for (const float value : draw(random, 1000, Inputs::small_integers)) {
    CHECK(value == std::round(value));
    CHECK(std::abs(value) <= 4.0f);
  }
}

TEST_CASE("shapes: a tile brings its neighbours, random sizes stay in range") {
  const auto sizes = edge_sizes({64});
  for (const int size : {1, 2, 63, 64, 65}) {
    CHECK(std::count(sizes.begin(), sizes.end(), size) == 1);
  }
  Random random(5);
  for (int i = 0; i < 1000; ++i) {
    const auto size = random_size(random, 100);
    CHECK((size >= 1 && size <= 100));
  }
}

TEST_CASE("red zone: a changed byte is found before, after and inside the payload") {
  const RedZone zone(8);
  auto buffer = zone.image();
  CHECK(zone.payload_bytes() == 8);
  CHECK_FALSE(zone.guard_damage(buffer));
  buffer[RedZone::kGuardBytes + 2] = std::byte{1};
  CHECK_FALSE(zone.guard_damage(buffer));
  CHECK(zone.payload_damage(buffer, 0, 8) == "payload byte 2 changed from 0xff to 0x01");
  CHECK_FALSE(zone.payload_damage(buffer, 3, 8));

  buffer[RedZone::kGuardBytes - 1] ^= std::byte{1};
  REQUIRE(zone.guard_damage(buffer));
  CHECK(zone.guard_damage(buffer)->find("byte 1 before the payload") == 0);
  buffer[RedZone::kGuardBytes - 1] ^= std::byte{1};
  buffer[RedZone::kGuardBytes + 8] ^= std::byte{1};
  REQUIRE(zone.guard_damage(buffer));
  CHECK(zone.guard_damage(buffer)->find("byte 0 after the payload") == 0);
}

TEST_CASE("case budget: on the emulator large cases are passed over by name, elsewhere none is") {
  const char* before = std::getenv("PTXMILL_DRIVER");
  const std::string driver = before != nullptr ? before : "";
  unsetenv("PTXMILL_DRIVER");
  unsetenv("PTXMILL_LEFT_TO_HARDWARE");
  CHECK(CaseBudget(10, 10).allows("anything", 1'000'000));

  setenv("PTXMILL_DRIVER", "emulator", 1);
  CaseBudget budget(100, 150);
  CHECK(budget.allows("small", 100));
  CHECK_FALSE(budget.allows("large", 101));
  CHECK_FALSE(budget.allows("over the total", 60));
  CHECK(budget.allows("still fits", 50));
  std::ostringstream report;
  report_left_to_hardware(report);
  CHECK(report.str().find("2 cases: large, over the total") != std::string::npos);
  if (driver.empty()) unsetenv("PTXMILL_DRIVER");
}

}  // namespace
}  // namespace ptxmill::test
