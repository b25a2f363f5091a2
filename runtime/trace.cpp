#include "runtime/trace.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <vector>

namespace ptxmill::rt {

void trace_values(const Stream& stream, const std::string& label, const Tensor& tensor) {
  std::vector<std::byte> bytes(tensor.bytes());
  tensor.peek_host(stream, bytes);
  const std::size_t size = size_of(tensor.dtype());
  // Welford's update: one pass, no cancellation of large squares.
  double mean = 0, squares = 0;
  double least = std::numeric_limits<double>::infinity(), most = -least;
  std::size_t finite = 0, others = 0;
  for (std::size_t i = 0; i + size <= bytes.size(); i += size) {
    const double value = decode(tensor.dtype(), bytes.data() + i);
    if (!std::isfinite(value)) {
      ++others;
      continue;
    }
    ++finite;
    const double step = value - mean;
    mean += step / static_cast<double>(finite);
    squares += step * (value - mean);
    least = std::min(least, value);
    most = std::max(most, value);
  }
  if (finite == 0) {
    std::fprintf(stderr, "ptxmill: trace %s %s: no finite element of %zu\n", label.c_str(),
                 tensor.text().c_str(), others);
    return;
  }
  std::fprintf(stderr, "ptxmill: trace %s %s: mean %.6g stddev %.6g min %.6g max %.6g",
               label.c_str(), tensor.text().c_str(), mean,
               std::sqrt(squares / static_cast<double>(finite)), least, most);
  if (others > 0) std::fprintf(stderr, ", %zu not finite", others);
  std::fprintf(stderr, "\n");
}

}  // namespace ptxmill::rt
