#include "generator/cli/unified_diff.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

namespace ptxmill::cli {
namespace {

using Lines = std::vector<std::string_view>;

Lines split(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    if (end == text.npos) break;
    text.remove_prefix(end + 1);
  }
  return lines;
}

struct Edit {
  char kind;  // ' ', '-' or '+'
  std::size_t a, b;
};

/// The shortest edit script, found forwards and read back through the saved frontiers.
std::vector<Edit> script(const Lines& a, const Lines& b) {
  const auto n = static_cast<long>(a.size()), m = static_cast<long>(b.size());
  const long most = n + m;
  std::vector<long> v(static_cast<std::size_t>(2 * most + 3), 0);
  const auto at = [&](std::vector<long>& frontier, long k) -> long& {
    return frontier[static_cast<std::size_t>(k + most + 1)];
  };
  std::vector<std::vector<long>> trace;
  for (long d = 0; d <= most; ++d) {
    trace.push_back(v);
    bool done = false;
    for (long k = -d; k <= d && !done; k += 2) {
      long x = k == -d || (k != d && at(v, k - 1) < at(v, k + 1)) ? at(v, k + 1) : at(v, k - 1) + 1;
      while (x < n && x - k < m &&
             a[static_cast<std::size_t>(x)] == b[static_cast<std::size_t>(x - k)])
        ++x;
      at(v, k) = x;
      done = x >= n && x - k >= m;
    }
    if (done) break;
  }
  std::vector<Edit> edits;
  long x = n, y = m;
  for (long d = static_cast<long>(trace.size()) - 1; d >= 0; --d) {
    std::vector<long>& frontier = trace[static_cast<std::size_t>(d)];
    const long k = x - y;
    const long from =
        k == -d || (k != d && at(frontier, k - 1) < at(frontier, k + 1)) ? k + 1 : k - 1;
    const long px = d == 0 ? 0 : at(frontier, from), py = d == 0 ? 0 : px - from;
    while (x > px && y > py)
      edits.push_back({' ', static_cast<std::size_t>(--x), static_cast<std::size_t>(--y)});
    if (d == 0) break;
    if (x == px)
      edits.push_back({'+', static_cast<std::size_t>(x), static_cast<std::size_t>(--y)});
    else
      edits.push_back({'-', static_cast<std::size_t>(--x), static_cast<std::size_t>(y)});
  }
  std::reverse(edits.begin(), edits.end());
  return edits;
}

}  // namespace

std::string unified_diff(const std::string& name, std::string_view old_text,
                         std::string_view new_text) {
  if (old_text == new_text) return {};
  constexpr std::size_t context = 3;
  const Lines a = split(old_text), b = split(new_text);
  std::string out = fmt::format("--- {}\n+++ {}\n", old_text.empty() ? "/dev/null" : "a/" + name,
                                new_text.empty() ? "/dev/null" : "b/" + name);
  // A file that comes or goes whole needs no search.
  std::vector<Edit> edits;
  if (a.empty() || b.empty()) {
    for (std::size_t i = 0; i < a.size(); ++i) edits.push_back({'-', i, 0});
    for (std::size_t i = 0; i < b.size(); ++i) edits.push_back({'+', 0, i});
  } else {
    edits = script(a, b);
  }
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
      body += fmt::format("{}{}\n", e.kind, e.kind == '+' ? b[e.b] : a[e.a]);
    }
    out += fmt::format("@@ -{},{} +{},{} @@\n", edits[first].a + (olds > 0 ? 1 : 0), olds,
                       edits[first].b + (news > 0 ? 1 : 0), news) +
           body;
    i = end;
  }
  return out;
}

}  // namespace ptxmill::cli
