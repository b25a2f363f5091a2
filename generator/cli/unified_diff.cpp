#include "generator/cli/unified_diff.hpp"

#include <algorithm>
#include <span>
#include <vector>

#include <fmt/format.h>

namespace ptxmill::cli {
namespace {

/// Lines with the newlines that end them.
using Lines = std::span<const std::string_view>;

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return lines;
}

struct Edit {
  char kind;  // ' ', '-' or '+'
  std::size_t a, b;
};

/// Texts that differ by more lines than this are shown as replaced: the search takes time and
/// memory in the square of it.
constexpr int most_differences = 1000;

/// How far the edit scripts of `d` steps reach: by diagonal from -d - 1 to d + 1, lines of `a`.
class Frontier {
 public:
  explicit Frontier(int d) : reach_(static_cast<std::size_t>(2 * d + 3), 0), d_(d) {}
  int& operator[](int k) { return reach_[static_cast<std::size_t>(k + d_ + 1)]; }
  /// The diagonal from which the best script of the next step comes to `k`.
  int source(int k, int step) {
    const bool down = k == -step || (k != step && (*this)[k - 1] < (*this)[k + 1]);
    return down ? k + 1 : k - 1;
  }

 private:
  std::vector<int> reach_;
  int d_;
};

/// The frontiers before each step of the shortest edit script; empty where it is too long.
std::vector<Frontier> search(Lines a, Lines b) {
  const int n = static_cast<int>(a.size()), m = static_cast<int>(b.size());
  std::vector<Frontier> before;
  Frontier now(0);
  for (int d = 0; d <= std::min(n + m, most_differences); ++d) {
    before.push_back(now);
    Frontier next(d + 1);
    for (int k = -d; k <= d; k += 2) {
      const int from = now.source(k, d);
      int x = d == 0 ? 0 : from > k ? now[from] : now[from] + 1;
      while (x < n && x - k < m &&
             a[static_cast<std::size_t>(x)] == b[static_cast<std::size_t>(x - k)])
        ++x;
      next[k] = x;
      if (x >= n && x - k >= m) return before;
    }
    now = std::move(next);
  }
  return {};
}

/// The edits between two texts without a common line at their ends, whose first lines are `a0`,
/// `b0`.
std::vector<Edit> differing(Lines a, Lines b, std::size_t a0, std::size_t b0) {
  std::vector<Edit> edits;
  std::vector<Frontier> before = search(a, b);
  if (before.empty()) {
    for (std::size_t i = 0; i < a.size(); ++i) edits.push_back({'-', a0 + i, b0});
    for (std::size_t i = 0; i < b.size(); ++i) edits.push_back({'+', a0 + a.size(), b0 + i});
    return edits;
  }
  int x = static_cast<int>(a.size()), y = static_cast<int>(b.size());
  const auto put = [&](char kind) {
    edits.push_back({kind, a0 + static_cast<std::size_t>(x), b0 + static_cast<std::size_t>(y)});
  };
  const auto back_along_diagonal = [&](int px, int py) {
    while (x > px && y > py) {
      --x, --y;
      put(' ');
    }
  };
  for (int d = static_cast<int>(before.size()) - 1; d > 0; --d) {
    Frontier& frontier = before[static_cast<std::size_t>(d)];
    const int from = frontier.source(x - y, d);
    const int px = frontier[from], py = px - from;
    const bool insertion = from > x - y;
    back_along_diagonal(insertion ? px : px + 1, insertion ? py + 1 : py);
    insertion ? --y : --x;
    put(insertion ? '+' : '-');
  }
  back_along_diagonal(0, 0);
  std::reverse(edits.begin(), edits.end());
  return edits;
}

/// The shortest edit script, found forwards and read back through the saved frontiers.
std::vector<Edit> script(Lines a, Lines b) {
  std::size_t head = 0, tail = 0;
  const std::size_t shorter = std::min(a.size(), b.size());
  while (head < shorter && a[head] == b[head]) ++head;
  while (tail < shorter - head && a[a.size() - 1 - tail] == b[b.size() - 1 - tail]) ++tail;
  std::vector<Edit> edits;
  for (std::size_t i = 0; i < head; ++i) edits.push_back({' ', i, i});
  const std::vector<Edit> middle = differing(a.subspan(head, a.size() - head - tail),
                                             b.subspan(head, b.size() - head - tail), head, head);
  edits.insert(edits.end(), middle.begin(), middle.end());
  for (std::size_t i = tail; i > 0; --i) edits.push_back({' ', a.size() - i, b.size() - i});
  return edits;
}

/// A line of a hunk.
std::string marked(char kind, std::string_view line) {
  const bool ended = line.ends_with('\n');
  return fmt::format("{}{}{}", kind, line, ended ? "" : "\n\\ No newline at end of file\n");
}

}  // namespace

std::string unified_diff(const std::string& name, std::string_view old_text,
                         std::string_view new_text) {
  if (old_text == new_text) return {};
  constexpr std::size_t context = 3;
  const std::vector<std::string_view> a = split(old_text), b = split(new_text);
  std::string out = fmt::format("--- {}\n+++ {}\n", old_text.empty() ? "/dev/null" : "a/" + name,
                                new_text.empty() ? "/dev/null" : "b/" + name);
  const std::vector<Edit> edits = script(a, b);
  for (std::size_t i = 0; i < edits.size();) {
    if (edits[i].kind == ' ') {
      ++i;
      continue;
    }
    std::size_t first = i - std::min(i, context), last = i, quiet = 0;
    for (std::size_t j = i; j < edits.size() && quiet <= 2 * context; ++j) {
      quiet = edits[j].kind == ' ' ? quiet + 1 : 0;
      if (quiet == 0) last = j;
    }
    const std::size_t end = std::min(edits.size(), last + context + 1);
    std::size_t olds = 0, news = 0;
    std::string body;
    for (std::size_t j = first; j < end; ++j) {
      const Edit& e = edits[j];
      olds += e.kind != '+' ? 1 : 0;
      news += e.kind != '-' ? 1 : 0;
      body += marked(e.kind, e.kind == '+' ? b[e.b] : a[e.a]);
    }
    out += fmt::format("@@ -{},{} +{},{} @@\n", edits[first].a + (olds > 0 ? 1 : 0), olds,
                       edits[first].b + (news > 0 ? 1 : 0), news) +
           body;
    i = end;
  }
  return out;
}

}  // namespace ptxmill::cli
