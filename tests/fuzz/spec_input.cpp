#include "tests/fuzz/spec_input.hpp"

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <utility>
#include <vector>

namespace ptxmill::test {
namespace {

/// Lengths of the lines, each with one column more: the place after the last character.
std::vector<long> columns(std::string_view text) {
  std::vector<long> all{1};
  for (const char c : text) {
    if (c == '\n')
      all.push_back(1);
    else
      ++all.back();
  }
  return all;
}

/// What is wrong with the complaints about a text, or empty.
std::string judge(std::string_view text, const std::string& complaints) {
  const std::vector<long> lines = columns(text);
  std::pair<long, long> last{0, 0};
  std::istringstream stream(complaints);
  for (std::string complaint; std::getline(stream, complaint);) {
    const std::string prefix = "file:";
    char* end = nullptr;
    const long line = std::strtol(complaint.c_str() + prefix.size(), &end, 10);
    const long column = *end == ':' ? std::strtol(end + 1, &end, 10) : 0;
    if (!complaint.starts_with(prefix) || !std::string_view(end).starts_with(": error: "))
      return "no position: " + complaint;
    if (line < 1 || line > static_cast<long>(lines.size()) || column < 1 ||
        column > lines[static_cast<std::size_t>(line - 1)])
      return "a position outside the file: " + complaint;
    if (std::pair(line, column) < last) return "out of order: " + complaint;
    last = {line, column};
    if (!std::all_of(complaint.begin(), complaint.end(), [](char c) { return c >= 32 && c < 127; }))
      return "not printable: " + complaint;
  }
  return {};
}

}  // namespace

SpecVerdict judge_spec(std::string_view text) {
  spec::Problems problems("file");
  SpecVerdict verdict;
  verdict.library = cli::read_spec(text, {}, problems);
  verdict.complaints = problems.text();
  if (verdict.library.has_value() != problems.empty())
    verdict.broken = "neither accepted nor refused";
  else
    verdict.broken = judge(text, verdict.complaints);
  return verdict;
}

}  // namespace ptxmill::test
