// Bytes into the spec reader.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "tests/fuzz/spec_input.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto verdict = ptxmill::test::judge_spec(text);
  if (!verdict.broken.empty()) {
    std::fprintf(stderr, "%s\n", verdict.broken.c_str());
    std::abort();
  }
  return 0;
}
