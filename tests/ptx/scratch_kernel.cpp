#include "tests/ptx/scratch_kernel.hpp"

#include <sstream>

namespace ptxmill::test {

std::string instructions(const Recorder& recorder) {
  std::istringstream text(print(recorder, {}, {}));
  std::string all;
  bool body = false;
  int parameters = 5;
  for (std::string line; std::getline(text, line);) {
    body = body || line == "{";
    const bool declaration = line.find(".reg ") != line.npos || line.find(".shared ") == 4;
    if (!body || line.find(';') == line.npos || declaration || parameters-- > 0) continue;
    std::istringstream words(line);
    std::string normal;
    for (std::string word; words >> word;) normal += (normal.empty() ? "" : " ") + word;
    all += normal + "\n";
  }
  return all;
}

}  // namespace ptxmill::test
