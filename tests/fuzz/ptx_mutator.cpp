#include "tests/fuzz/ptx_mutator.hpp"

#include <algorithm>
#include <cctype>

namespace ptxmill::test {
namespace {

bool begins(const std::string& line, std::string_view with) {
  return std::string_view(line).substr(0, with.size()) == with;
}

bool word_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '%' || c == '$' ||
         c == '.';
}

/// Where the words of a line lie: start and length.
std::vector<std::pair<std::size_t, std::size_t>> words(const std::string& line) {
  std::vector<std::pair<std::size_t, std::size_t>> out;
  for (std::size_t k = 0; k < line.size();) {
    if (!word_character(line[k])) {
      ++k;
      continue;
    }
    const std::size_t start = k;
    while (k < line.size() && word_character(line[k])) ++k;
    out.emplace_back(start, k - start);
  }
  return out;
}

}  // namespace

PtxMutator::PtxMutator(const std::vector<std::string>& texts, std::uint64_t seed) : random_(seed) {
  for (const std::string& text : texts) {
    Seed s;
    Lines* to = &s.common;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      std::string line = text.substr(at, end - at);
      at = end + 1;
      if (begins(line, ".visible .entry")) to = &s.entries.emplace_back();
      const bool closes = begins(line, "}");
      to->push_back(std::move(line));
      if (closes) to = &s.common;
    }
    if (!s.entries.empty()) seeds_.push_back(std::move(s));
  }
}

std::string PtxMutator::next() {
  const Seed& s = seeds_[below(seeds_.size())];
  Lines lines = s.common;
  const Lines& entry = s.entries[below(s.entries.size())];
  lines.insert(lines.end(), entry.begin(), entry.end());
  for (std::size_t n = below(2) == 0 ? 1 : 1 + below(4); n > 0; --n) mutate(lines);
  std::string text;
  for (const std::string& l : lines) text += l + "\n";
  if (below(50) == 0) text.resize(below(text.size()));
  return text;
}

std::string& PtxMutator::instruction(Lines& lines) {
  for (int attempt = 0; attempt < 20; ++attempt) {
    std::string& line = lines[lines.size() - 1 - below(std::min<std::size_t>(lines.size(), 400))];
    if (line.find(';') != std::string::npos) return line;
  }
  return lines[below(lines.size())];
}

void PtxMutator::swap_word(Lines& lines, bool opcode) {
  std::string& line = instruction(lines);
  const std::string other = instruction(lines);
  const auto mine = words(line), theirs = words(other);
  if (mine.empty() || theirs.empty()) return;
  const auto to = mine[opcode ? 0 : below(mine.size())];
  const auto from = theirs[opcode ? 0 : below(theirs.size())];
  line.replace(to.first, to.second, other.substr(from.first, from.second));
}

void PtxMutator::change_number(std::string& line) {
  static constexpr std::string_view numbers[] = {"0",
                                                 "1",
                                                 "-1",
                                                 "2",
                                                 "31",
                                                 "32",
                                                 "33",
                                                 "63",
                                                 "255",
                                                 "4096",
                                                 "65535",
                                                 "1048576",
                                                 "2147483647",
                                                 "2147483648",
                                                 "4294967295",
                                                 "4294967296",
                                                 "-2147483648",
                                                 "9223372036854775807",
                                                 "18446744073709551615",
                                                 "99999999999999999999999",
                                                 "0f7F800000",
                                                 "0d7FF0000000000000",
                                                 "0x7fffffffffffffff",
                                                 "1e400"};
  std::vector<std::pair<std::size_t, std::size_t>> digits;
  for (std::size_t k = 0; k < line.size();) {
    const std::size_t start = k;
    while (k < line.size() && std::isdigit(static_cast<unsigned char>(line[k])) != 0) ++k;
    if (k > start) {
      digits.emplace_back(start, k - start);
    } else {
      ++k;
    }
  }
  if (digits.empty()) return;
  const auto at = digits[below(digits.size())];
  line.replace(at.first, at.second, numbers[below(std::size(numbers))]);
}

void PtxMutator::change_type(std::string& line) {
  static constexpr std::string_view parts[] = {
      ".pred",     ".b8",      ".b16", ".b32",    ".b64",    ".u8",    ".u16",   ".u32",   ".u64",
      ".s8",       ".s16",     ".s32", ".s64",    ".f16",    ".bf16",  ".f32",   ".f64",   ".f16x2",
      ".bf16x2",   ".v2",      ".v4",  ".shared", ".global", ".local", ".param", ".const", ".rn",
      ".rz",       ".ftz",     ".sat", ".approx", ".wide",   ".lo",    ".hi",    ".sync",  ".uni",
      ".volatile", ".relaxed", ".gpu", ".add",    ".cas",    ".min"};
  std::vector<std::size_t> dots;
  for (std::size_t k = 0; k + 1 < line.size(); ++k)
    if (line[k] == '.' && std::isalpha(static_cast<unsigned char>(line[k + 1])) != 0)
      dots.push_back(k);
  if (dots.empty()) return;
  const std::size_t start = dots[below(dots.size())];
  std::size_t end = start + 1;
  while (end < line.size() && std::isalnum(static_cast<unsigned char>(line[end])) != 0) ++end;
  line.replace(start, end - start, parts[below(std::size(parts))]);
}

void PtxMutator::change_bytes(std::string& line) {
  static constexpr std::string_view bytes = "{}[]();,.:@!|+-%\"/*\\_<>=& \t\0\x7f\xff";
  for (std::size_t n = below(3); n < 3 && !line.empty(); ++n)
    line[below(line.size())] = bytes[below(bytes.size())];
}

void PtxMutator::mutate(Lines& lines) {
  if (lines.empty()) return;
  switch (below(10)) {
    case 0: swap_word(lines, true); break;
    case 1:
    case 2: swap_word(lines, false); break;
    case 3:
    case 4: change_number(instruction(lines)); break;
    case 5: change_type(instruction(lines)); break;
    case 6: lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(below(lines.size()))); break;
    case 7: {
      const std::string copy = instruction(lines);
      lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(below(lines.size() + 1)), copy);
      break;
    }
    case 8: std::swap(lines[below(lines.size())], instruction(lines)); break;
    default:
      below(4) == 0 ? change_bytes(instruction(lines)) : change_number(lines[below(lines.size())]);
      break;
  }
}

}  // namespace ptxmill::test
