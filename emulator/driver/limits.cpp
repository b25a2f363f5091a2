#include "emulator/driver/limits.hpp"

#include <algorithm>

namespace ptxmill::emu::driver {
namespace {

constexpr Limits table[] = {
    {70, 2048, 32, 98304, 98304, 0},       {75, 1024, 16, 65536, 65536, 0},
    {80, 2048, 32, 167936, 166912, 1024},  {86, 1536, 16, 102400, 101376, 1024},
    {87, 1536, 16, 167936, 166912, 1024},  {89, 1536, 24, 102400, 101376, 1024},
    {90, 2048, 32, 233472, 232448, 1024},  {100, 2048, 32, 233472, 232448, 1024},
    {103, 2048, 32, 233472, 232448, 1024}, {120, 1536, 24, 102400, 101376, 1024},
    {121, 1536, 24, 102400, 101376, 1024},
};

constexpr std::int64_t warp_size = 32;
constexpr std::int64_t shared_granularity = 128;
constexpr std::int64_t register_granularity = 256;  // registers, for each warp
constexpr std::int64_t warp_granularity = 4;        // warps share a multiprocessor's four quarters

constexpr std::int64_t round_up(std::int64_t n, std::int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

}  // namespace

const Limits* limits_of(int compute_capability) {
  const auto it = std::find_if(std::begin(table), std::end(table), [&](const Limits& l) {
    return l.compute_capability == compute_capability;
  });
  return it == std::end(table) ? nullptr : it;
}

int blocks_per_sm(const Limits& limits, const EntryInfo& entry, int threads,
                  std::size_t dynamic_shared) {
  const auto optin = static_cast<std::size_t>(limits.shared_optin_per_block);
  if (threads > static_cast<int>(max_block_extent[0]) || dynamic_shared > optin ||
      entry.static_shared_bytes > optin - dynamic_shared) {
    return 0;
  }
  const std::int64_t warps = (threads + warp_size - 1) / warp_size;
  const std::int64_t by_warps = limits.threads_per_sm / warp_size / warps;
  const auto shared = static_cast<std::int64_t>(entry.static_shared_bytes + dynamic_shared);
  const std::int64_t shared_per_block =
      round_up(shared, shared_granularity) + limits.reserved_shared_per_block;
  const std::int64_t by_shared =
      shared_per_block == 0 ? limits.blocks_per_sm : limits.shared_per_sm / shared_per_block;
  const std::int64_t registers_per_warp =
      round_up(std::max(entry.registers, 1) * warp_size, register_granularity);
  const std::int64_t warps_by_registers =
      registers_per_sm / registers_per_warp / warp_granularity * warp_granularity;
  return static_cast<int>(std::min({static_cast<std::int64_t>(limits.blocks_per_sm), by_warps,
                                    by_shared, warps_by_registers / warps}));
}

}  // namespace ptxmill::emu::driver
