#include "tests/reference/parallel.hpp"

#include <algorithm>
#include <thread>
#include <vector>

namespace ptxmill::reference {

void for_each_row(std::size_t rows, std::size_t work_per_row,
                  const std::function<void(std::size_t)>& body) {
  constexpr std::size_t kWorthAThread = 4'000'000;
  const std::size_t cores = std::max(1u, std::thread::hardware_concurrency());
  const std::size_t threads =
      std::clamp(rows * work_per_row / kWorthAThread, std::size_t{1}, cores);
  const auto run = [&](std::size_t first) {
    for (std::size_t row = first; row < rows; row += threads) body(row);
  };
  std::vector<std::thread> helpers;
  for (std::size_t i = 1; i < threads; ++i) helpers.emplace_back(run, i);
  run(0);
  for (auto& helper : helpers) helper.join();
}

}  // namespace ptxmill::reference
