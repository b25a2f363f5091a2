// Running independent pieces of work on several threads. Private to the runtime.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <system_error>
#include <thread>
#include <vector>

namespace ptxmill::rt {

/// Calls `work(i)` for every i below `count`; when all have ended, rethrows the failure of the
/// lowest i.
template <class Work>
void in_parallel(std::size_t count, Work work) {
  const std::size_t threads =
      std::min<std::size_t>(count, std::max(1u, std::thread::hardware_concurrency()));
  std::atomic<std::size_t> next{0};
  std::vector<std::exception_ptr> failures(count);
  const auto run = [&] {
    for (std::size_t i = next++; i < count; i = next++) {
      try {
        work(i);
      } catch (...) {
        failures[i] = std::current_exception();
      }
    }
  };
  std::vector<std::thread> workers;
  workers.reserve(threads);
  try {
    for (std::size_t t = 1; t < threads; ++t) workers.emplace_back(run);
  } catch (const std::system_error&) {
    // No more threads to be had: those that there are do the work.
  }
  run();
  for (std::thread& worker : workers) worker.join();
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
}

}  // namespace ptxmill::rt
