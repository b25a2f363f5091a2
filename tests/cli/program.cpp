#include "tests/cli/program.hpp"

#include <sys/wait.h>

#include <cstdlib>
#include <stdexcept>

namespace ptxmill::test {

std::string executable() { return PTXMILL_EXECUTABLE; }

Ran shell(const Workplace& place, const std::string& command) {
  const std::string at =
      "cd '" + place.path().string() + "' && { " + command + "; } >stdout.txt 2>stderr.txt";
  const int status = std::system(at.c_str());
  if (!WIFEXITED(status)) throw std::runtime_error(command + " was killed");
  return {WEXITSTATUS(status), place.read("stdout.txt"), place.read("stderr.txt")};
}

Ran ptxmill(const Workplace& place, const std::string& arguments, const std::string& before) {
  return shell(place, before + " '" + executable() + "' " + arguments);
}

}  // namespace ptxmill::test
