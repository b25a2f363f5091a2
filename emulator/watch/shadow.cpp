#include "emulator/watch/shadow.hpp"

#include <algorithm>
#include <cstring>

namespace ptxmill::emu {

Shadow::Bytes& Shadow::split(std::uint64_t word_index) {
  Cell& cell = (*this)[word_index];
  const auto [it, inserted] = bytes_.try_emplace(word_index);
  if (cell.write == apart) return it->second;
  it->second.fill(cell);
  cell = {};
  cell.write = apart;
  return it->second;
}

void Shadow::unite(std::uint64_t word_index, const Cell& cell) {
  bytes_.erase(word_index);
  (*this)[word_index] = cell;
}

void Shadow::forget(std::uint64_t first, std::uint64_t last) {
  const std::uint64_t whole_first = (first + word - 1) / word, whole_last = last / word;
  const auto forget_bytes = [&](std::uint64_t from, std::uint64_t to) {
    for (std::uint64_t b = from; b < to; ++b) split(b / word)[b % word] = {};
  };
  if (whole_first >= whole_last) return forget_bytes(first, last);
  forget_bytes(first, whole_first * word);
  forget_bytes(whole_last * word, last);
  std::memset(static_cast<void*>(data() + whole_first), 0,
              (whole_last - whole_first) * sizeof(Cell));
  if (!bytes_.empty())
    std::erase_if(bytes_,
                  [&](const auto& e) { return e.first >= whole_first && e.first < whole_last; });
}

}  // namespace ptxmill::emu
