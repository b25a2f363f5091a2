// Unified diffs: what they look like, and that applying one gives the new text.
#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include "generator/cli/unified_diff.hpp"

namespace ptxmill::test {
namespace {

using cli::unified_diff;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
    lines.push_back(text.substr(at, end - at));
    at = end;
  }
  return lines;
}

/// Applies a unified diff (POSIX, "diff -u") to a text; throws where it does not fit.
std::string patched(const std::string& text, const std::string& diff) {
  const std::vector<std::string> old_lines = lines_of(text), diff_lines = lines_of(diff);
  std::string result;
  std::size_t next = 0;  // of old_lines
  for (std::size_t i = 2; i < diff_lines.size();) {
    unsigned long old_start = 0, old_count = 0, new_start = 0, new_count = 0;
    if (std::sscanf(diff_lines[i].c_str(), "@@ -%lu,%lu +%lu,%lu @@", &old_start, &old_count,
                    &new_start, &new_count) != 4)
      throw std::runtime_error("no hunk header: " + diff_lines[i]);
    // A hunk without old lines stands after the line that it names.
    const std::size_t first = old_count == 0 ? old_start : old_start - 1;
    while (next < first) result += old_lines.at(next++);
    if (lines_of(result).size() + (new_count == 0 ? 0 : 1) != new_start)
      throw std::runtime_error("wrong new start");
    for (++i; i < diff_lines.size() && old_count + new_count > 0; ++i) {
      const char kind = diff_lines[i][0];
      std::string line = diff_lines[i].substr(1);
      if (i + 1 < diff_lines.size() && diff_lines[i + 1][0] == '\\') line.pop_back();
      if (kind != '+') {
        if (old_lines.at(next++) != line) throw std::runtime_error("the old text differs");
        --old_count;
      }
      if (kind != '-') {
        result += line;
        --new_count;
      }
      if (i + 1 < diff_lines.size() && diff_lines[i + 1][0] == '\\') ++i;
    }
    if (old_count + new_count != 0) throw std::runtime_error("a hunk ends early");
  }
  while (next < old_lines.size()) result += old_lines[next++];
  return result;
}

TEST_CASE("equal texts have no difference") {
  CHECK(unified_diff("f", "", "").empty());
  CHECK(unified_diff("f", "a\nb\n", "a\nb\n").empty());
}

TEST_CASE("a change stands between three lines of context") {
  CHECK(
      unified_diff("sm_80/x.ptx", "1\n2\n3\n4\n5\n6\n7\n8\n9\n",
                   "1\n2\n3\n4\nfive\n6\n7\n8\n9\n") ==
      "--- a/sm_80/x.ptx\n+++ b/sm_80/x.ptx\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
}

TEST_CASE("changes far apart are hunks of their own, close ones are not") {
  const std::string old_text = "a\n1\n2\n3\n4\n5\n6\nb\n1\n2\n3\n4\n5\n6\n7\nc\n";
  const std::string new_text = "A\n1\n2\n3\n4\n5\n6\nB\n1\n2\n3\n4\n5\n6\n7\nC\n";
  CHECK(unified_diff("f", old_text, new_text) ==
        "--- a/f\n+++ b/f\n@@ -1,11 +1,11 @@\n-a\n+A\n 1\n 2\n 3\n 4\n 5\n 6\n-b\n+B\n 1\n 2\n 3\n"
        "@@ -13,4 +13,4 @@\n 5\n 6\n 7\n-c\n+C\n");
}

TEST_CASE("files that come and go") {
  CHECK(unified_diff("f", "", "a\nb\n") == "--- /dev/null\n+++ b/f\n@@ -0,0 +1,2 @@\n+a\n+b\n");
  CHECK(unified_diff("f", "a\n", "") == "--- a/f\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-a\n");
}

TEST_CASE("a missing last newline is a difference") {
  CHECK(unified_diff("f", "a\nb\n", "a\nb") ==
        "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n a\n-b\n+b\n\\ No newline at end of file\n");
}

TEST_CASE("texts with nothing in common are replaced without a long search") {
  std::string old_text, new_text;
  for (int i = 0; i < 20000; ++i) {
    old_text += "old " + std::to_string(i) + "\n";
    new_text += "new " + std::to_string(i) + "\n";
  }
  const std::string diff =
      unified_diff("f", "same\n" + old_text + "end\n", "same\n" + new_text + "end\n");
  CHECK(patched("same\n" + old_text + "end\n", diff) == "same\n" + new_text + "end\n");
}

/// Lines out of a few, so that texts have much in common; sometimes without the last newline.
rc::Gen<std::string> texts() {
  return rc::gen::map(rc::gen::pair(rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 4)),
                                    rc::gen::inRange(0, 5)),
                      [](const std::pair<std::vector<int>, int>& drawn) {
                        std::string text;
                        for (const int line : drawn.first)
                          text += std::string(static_cast<std::size_t>(line), 'x') + "\n";
                        if (!text.empty() && drawn.second == 0) text += "last";
                        return text;
                      });
}

TEST_CASE("applying the difference gives the new text") {
  CHECK(rc::check([] {
    const std::string old_text = *texts(), new_text = *texts();
    const std::string diff = unified_diff("f", old_text, new_text);
    RC_ASSERT(diff.empty() == (old_text == new_text));
    if (!diff.empty()) RC_ASSERT(patched(old_text, diff) == new_text);
  }));
}

TEST_CASE("the difference is as short as possible") {
  CHECK(rc::check([] {
    const std::string old_text = *texts(), new_text = *texts();
    const auto a = lines_of(old_text), b = lines_of(new_text);
    // Lines that stay: the longest common subsequence, by its recurrence.
    std::vector<std::vector<std::size_t>> kept(a.size() + 1,
                                               std::vector<std::size_t>(b.size() + 1, 0));
    for (std::size_t i = 1; i <= a.size(); ++i)
      for (std::size_t j = 1; j <= b.size(); ++j)
        kept[i][j] = a[i - 1] == b[j - 1] ? kept[i - 1][j - 1] + 1
                                          : std::max(kept[i - 1][j], kept[i][j - 1]);
    std::size_t changed = 0;
    const auto diff = lines_of(unified_diff("f", old_text, new_text));
    for (std::size_t i = 2; i < diff.size(); ++i)
      changed += diff[i][0] == '-' || diff[i][0] == '+' ? 1 : 0;
    RC_ASSERT(changed == a.size() + b.size() - 2 * kept[a.size()][b.size()]);
  }));
}

}  // namespace
}  // namespace ptxmill::test
