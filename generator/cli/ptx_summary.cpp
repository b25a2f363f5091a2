#include "generator/cli/ptx_summary.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <sstream>

namespace ptxmill::cli {
namespace {

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

std::string_view trim(std::string_view s) {
  while (!s.empty() && std::isspace(static_cast<unsigned char>(s.front())) != 0) s.remove_prefix(1);
  while (!s.empty() && std::isspace(static_cast<unsigned char>(s.back())) != 0) s.remove_suffix(1);
  return s;
}

/// White space as one blank, none at the ends.
std::string squeezed(std::string_view s) {
  std::string text;
  for (const char c : trim(s))
    if (std::isspace(static_cast<unsigned char>(c)) == 0)
      text += c;
    else if (text.back() != ' ')
      text += ' ';
  return text;
}

/// The text without comments: // to the end of the line, and /* to */ over lines.
class Uncommented {
 public:
  std::string line(std::string_view text) {
    std::string code;
    while (!text.empty()) {
      const std::string_view mark = inside_ ? "*/" : "/";
      const std::size_t at = std::min(text.find(mark), text.size());
      if (!inside_) code += text.substr(0, at);
      text.remove_prefix(at);
      if (text.starts_with("//") && !inside_) break;
      if (inside_ ? text.starts_with("*/") : text.starts_with("/*")) {
        inside_ = !inside_;
        text.remove_prefix(2);
        code += ' ';
      } else if (!text.empty()) {
        code += text[0];
        text.remove_prefix(1);
      }
    }
    return code;
  }

 private:
  bool inside_ = false;
};

/// Renames registers by first appearance; special registers (%tid.x) and everything else stay.
class Renamer {
 public:
  /// The names that a `.reg` line declares; only those are renamed.
  void declare(std::string_view line) {
    for (std::size_t i = line.find('%'); i != line.npos; i = line.find('%', i + 1)) {
      std::size_t end = i + 1;
      while (end < line.size() && is_word(line[end])) ++end;
      const std::string name(line.substr(i, end - i));
      const bool range = end < line.size() && line[end] == '<';
      scopes_.back()[name] = {range, {}};
    }
  }
  void open() { scopes_.emplace_back(); }
  void close() {
    if (scopes_.size() > 1) scopes_.pop_back();
  }

  std::string rename(std::string_view line) {
    std::string out;
    for (std::size_t i = 0; i < line.size();) {
      if (line[i] != '%') {
        out += line[i++];
        continue;
      }
      std::size_t end = i + 1;
      while (end < line.size() && is_word(line[end])) ++end;
      out += canonical(std::string(line.substr(i, end - i)));
      i = end;
    }
    return out;
  }

 private:
  struct Declared {
    bool range;
    std::map<std::string, std::string> names;
  };

  std::string canonical(const std::string& name) {
    std::string stem = name;
    while (!stem.empty() && std::isdigit(static_cast<unsigned char>(stem.back())) != 0)
      stem.pop_back();
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope)
      for (const std::string& key : {name, stem}) {
        const auto it = scope->find(key);
        if (it == scope->end() || (key == stem && key != name && !it->second.range)) continue;
        auto [given, added] = it->second.names.emplace(name, "");
        if (added) given->second = "%" + std::to_string(next_++);
        return given->second;
      }
    return name;
  }

  std::vector<std::map<std::string, Declared>> scopes_{1};
  int next_ = 0;
};

long declared_bytes(std::string_view line) {
  static const std::map<std::string, long, std::less<>> sizes{
      {"b8", 1},  {"u8", 1},  {"b16", 2}, {"u16", 2}, {"b32", 4}, {"u32", 4},
      {"s32", 4}, {"f32", 4}, {"b64", 8}, {"u64", 8}, {"f64", 8}};
  long size = 0, count = 1;
  std::istringstream words{std::string(line)};
  for (std::string word; words >> word;) {
    if (word[0] == '.' && sizes.count(word.substr(1)) != 0)
      size = sizes.find(word.substr(1))->second;
    if (const auto open = word.find('['); open != word.npos)
      count = std::atol(word.c_str() + open + 1);
  }
  return size * count;
}

/// Renames %0, %1, ... by first appearance once more.
class Renumbered {
 public:
  std::string line(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size();) {
      const bool number = text[i] == '%' && i + 1 < text.size() && is_digit(text[i + 1]);
      out += text[i++];
      if (!number) continue;
      std::size_t end = i;
      while (end < text.size() && is_digit(text[end])) ++end;
      const std::string next = std::to_string(names_.size());
      out += names_.emplace(text.substr(i, end - i), next).first->second;
      i = end;
    }
    return out;
  }

 private:
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }
  std::map<std::string, std::string, std::less<>> names_;
};

class Reader {
 public:
  PtxSummary read(std::string_view ptx) {
    phase("");
    while (!ptx.empty()) {
      const std::size_t end = ptx.find('\n');
      line(ptx.substr(0, end));
      if (end == ptx.npos) break;
      ptx.remove_prefix(end + 1);
    }
    for (PhaseSummary& p : summary_.phases) {
      Renumbered own;
      p.own_code = own.line(p.code);
    }
    std::sort(summary_.limits.begin(), summary_.limits.end());
    std::sort(summary_.shared.begin(), summary_.shared.end());
    return std::move(summary_);
  }

 private:
  void phase(const std::string& name) {
    summary_.phases.push_back({name, "", ""});
    open_.push_back(summary_.phases.size() - 1);
  }

  void line(std::string_view text) {
    constexpr std::string_view banner = "// ---- ";
    if (const std::string_view s = trim(text); s.starts_with(banner)) {
      // The banner names the block that has just been opened.
      if (!open_.empty()) summary_.phases[open_.back()].name = std::string(s.substr(banner.size()));
      return;
    }
    const std::string s = squeezed(uncommented_.line(text));
    if (s.empty()) return;
    if (s == "{") return open();
    if (s == "}") return close();
    if (s[0] == '.' && directive(s)) return;
    summary_.phases[open_.back()].code += renamer_.rename(s) + "\n";
    if (s.back() == ';' && s[0] != '.') count(s);
  }

  /// Notes what is not part of the code.
  bool directive(const std::string& s) {
    if (s.starts_with(".version ")) return summary_.version = s.substr(9), true;
    if (s.starts_with(".target ")) return summary_.target = s.substr(8), true;
    if (s.starts_with(".reg ")) return renamer_.declare(s), true;
    for (const char* limit : {".maxntid", ".reqntid", ".minnctapersm", ".maxnreg"})
      if (s.starts_with(limit)) return summary_.limits.push_back(s), true;
    if (s.find(".shared ") == s.npos) return false;
    summary_.shared.push_back(s);
    summary_.shared_bytes += declared_bytes(s);
    return true;
  }

  void open() {
    renamer_.open();
    if (depth_++ > 0)
      phase("");
    else
      open_.push_back(0);
  }
  void close() {
    renamer_.close();
    if (depth_ > 0) --depth_;
    if (open_.size() > 1) open_.pop_back();
  }

  void count(std::string_view s) {
    if (s[0] == '@') s = trim(s.substr(std::min(s.find(' '), s.size())));
    ++summary_.mix[std::string(s.substr(0, s.find_first_of(" ;\t")))];
  }

  PtxSummary summary_;
  std::vector<std::size_t> open_;
  Uncommented uncommented_;
  Renamer renamer_;
  int depth_ = 0;
};

}  // namespace

PtxSummary summarize(std::string_view ptx) { return Reader().read(ptx); }

}  // namespace ptxmill::cli
