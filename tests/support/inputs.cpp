#include "tests/support/inputs.hpp"

namespace ptxmill::test {

namespace {

float extreme(Random& random) {
  const double normal = random.normal();
  switch (random.integer(0, 7)) {
    case 0: return 0.0f;
    case 1: return -0.0f;
    case 2: return static_cast<float>(normal * 0x1p-130);
    case 3: return static_cast<float>(normal * 1e-30);
    case 4: return static_cast<float>(random.uniform() * 2e4 - 1e4);
    case 5: return static_cast<float>(normal * 100.0);
    default: return static_cast<float>(normal);
  }
}

}  // namespace

Inputs inputs_of_case(int index) {
  if (index % 4 == 3) return Inputs::small_integers;
  if (index % 7 == 5) return Inputs::extremes;
  return Inputs::normal;
}

const char* name_of(Inputs inputs) {
  switch (inputs) {
    case Inputs::normal: return "normal";
    case Inputs::small_integers: return "small integers";
    case Inputs::extremes: return "extremes";
  }
  return "?";
}

std::vector<float> draw(Random& random, std::size_t count, Inputs inputs) {
  std::vector<float> values(count);
  for (float& value : values) {
    switch (inputs) {
      case Inputs::normal: value = static_cast<float>(random.normal()); break;
      case Inputs::small_integers: value = static_cast<float>(random.integer(-4, 4)); break;
      case Inputs::extremes: value = extreme(random); break;
    }
  }
  return values;
}

}  // namespace ptxmill::test
