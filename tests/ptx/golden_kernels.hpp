// Two small kernels that between them use every structure of the builder; golden/ holds their text.
#pragma once

#include <string>

namespace ptxmill::test {

std::string every_structure();
std::string dynamic_shared();

}  // namespace ptxmill::test
