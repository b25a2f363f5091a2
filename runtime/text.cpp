#include "runtime/text.hpp"

#include <algorithm>
#include <numeric>

namespace ptxmill::rt {
namespace {

/// Levenshtein distance: the least number of insertions, deletions and replacements.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replace});
    }
  }
  return row[b.size()];
}

}  // namespace

std::vector<std::string> nearest(std::string_view wanted,
                                 const std::vector<std::string>& candidates, std::size_t limit) {
  struct Ranked {
    std::size_t distance;
    const std::string* text;
  };
  std::vector<Ranked> ranked;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(wanted, candidate);
    const bool contains = !wanted.empty() && (candidate.find(wanted) != std::string::npos ||
                                              wanted.find(candidate) != std::string_view::npos);
    if (contains || distance * 2 <= wanted.size()) ranked.push_back({distance, &candidate});
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const Ranked& a, const Ranked& b) { return a.distance < b.distance; });
  std::vector<std::string> result;
  for (const Ranked& entry : ranked) {
    if (result.size() == limit) break;
    result.push_back(*entry.text);
  }
  return result;
}

std::string did_you_mean(std::string_view wanted, const std::vector<std::string>& candidates) {
  const std::vector<std::string> names = nearest(wanted, candidates);
  if (names.empty()) return "";
  std::string text = "; did you mean ";
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? " or " : ", ";
    text += "'" + names[i] + "'";
  }
  return text + "?";
}

std::string dotted_capability(int capability) {
  return concat(capability / 10, '.', capability % 10);
}

std::string dotted_driver(int version) { return concat(version / 1000, '.', version % 1000 / 10); }

}  // namespace ptxmill::rt
