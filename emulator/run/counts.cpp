// The rules of sectors and banks.
#include "emulator/counts.hpp"

#include <algorithm>
#include <array>
#include <bit>

#include "emulator/decode/instruction.hpp"

namespace ptxmill::emu {
namespace {

constexpr std::uint64_t sector_bytes = 32;
constexpr std::uint64_t banks = 32, bank_bytes = 4;

/// The distinct values of f(address) of the active lanes.
template <class F>
std::size_t distinct(LaneMask mask, const std::uint64_t* addresses, F f) {
  std::array<std::uint64_t, lane_count> values;
  auto end = values.begin();
  for (std::size_t l = 0; l < lane_count; ++l)
    if ((mask >> l & 1u) != 0) *end++ = f(addresses[l]);
  std::sort(values.begin(), end);
  return static_cast<std::size_t>(std::unique(values.begin(), end) - values.begin());
}

/// Wavefronts of lanes that are served together: the most distinct words that one bank has to give.
std::uint64_t bank_rounds(LaneMask mask, const std::uint64_t* addresses, std::uint64_t bytes) {
  std::array<std::uint64_t, lane_count * 8> words;
  auto end = words.begin();
  for (std::size_t l = 0; l < lane_count; ++l) {
    if ((mask >> l & 1u) == 0) continue;
    for (std::uint64_t at = 0; at < bytes; at += bank_bytes)
      *end++ = (addresses[l] + at) / bank_bytes;
  }
  std::sort(words.begin(), end);
  end = std::unique(words.begin(), end);
  std::array<std::uint64_t, banks> of_bank{};
  for (auto w = words.begin(); w != end; ++w) ++of_bank[*w % banks];
  return *std::max_element(of_bank.begin(), of_bank.end());
}

}  // namespace

GlobalTraffic global_traffic(std::uint32_t mask, const std::uint64_t* addresses, int bytes) {
  const auto size = static_cast<std::uint64_t>(bytes);
  const auto lanes = static_cast<std::uint64_t>(std::popcount(mask));
  const auto touched = distinct(mask, addresses, [](std::uint64_t a) { return a / sector_bytes; });
  const auto elements = distinct(mask, addresses, [](std::uint64_t a) { return a; });
  const std::uint64_t sectors_each = (size + sector_bytes - 1) / sector_bytes;
  return {lanes * size, touched * sectors_each,
          (elements * size + sector_bytes - 1) / sector_bytes};
}

SharedTraffic shared_traffic(std::uint32_t mask, const std::uint64_t* addresses, int bytes) {
  const int together = bytes <= 4 ? 32 : bytes <= 8 ? 16 : 8;
  const auto size = static_cast<std::uint64_t>(bytes);
  SharedTraffic t;
  t.bytes = static_cast<std::uint64_t>(std::popcount(mask)) * size;
  for (int first = 0; first < lane_count; first += together) {
    const LaneMask group = together == 32 ? all_lanes : ((LaneMask{1} << together) - 1) << first;
    if ((mask & group) == 0) continue;
    t.wavefronts += bank_rounds(mask & group, addresses, size);
    ++t.least_wavefronts;
  }
  return t;
}

}  // namespace ptxmill::emu
