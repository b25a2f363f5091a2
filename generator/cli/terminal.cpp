#include "generator/cli/terminal.hpp"

#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include <fmt/format.h>

namespace ptxmill::cli {
namespace {

Color wanted = Color::automatic;

bool is_terminal(int file) {
  const char* kind = std::getenv("TERM");
  return isatty(file) != 0 && kind != nullptr && std::string_view(kind) != "dumb";
}

bool in_color(int file) {
  if (wanted != Color::automatic) return wanted == Color::always;
  const char* no = std::getenv("NO_COLOR");
  return (no == nullptr || *no == '\0') && is_terminal(file);
}

constexpr const char *red = "31", *green = "32", *yellow = "33", *cyan = "36", *bold = "1";

std::string painted(std::string_view text, const char* color) {
  return fmt::format("\x1b[{}m{}\x1b[0m", color, text);
}

void say(std::string_view word, const char* color, std::string_view message) {
  std::cerr << (in_color(STDERR_FILENO) ? painted(word, color) : std::string(word)) << ' '
            << message << '\n';
}

}  // namespace

void set_color(Color color) { wanted = color; }

void say_error(std::string_view message) { say("error:", red, message); }
void say_warning(std::string_view message) { say("warning:", yellow, message); }

void say_problems(const std::string& text) {
  if (!in_color(STDERR_FILENO)) {
    std::cerr << text;
    return;
  }
  constexpr std::string_view word = " error: ";
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    const std::string_view line = std::string_view(text).substr(at, end - at);
    const std::size_t found = line.find(word);
    if (found == line.npos)
      std::cerr << line << '\n';
    else
      std::cerr << painted(line.substr(0, found), bold) << ' ' << painted("error:", red) << ' '
                << line.substr(found + word.size()) << '\n';
    at = end == text.npos ? text.size() : end + 1;
  }
}

std::string colored_diff(const std::string& diff) {
  if (!in_color(STDOUT_FILENO)) return diff;
  std::string all;
  for (std::size_t at = 0; at < diff.size();) {
    const std::size_t end = std::min(diff.find('\n', at), diff.size());
    const std::string_view line = std::string_view(diff).substr(at, end - at);
    const bool head = line.starts_with("--- ") || line.starts_with("+++ ");
    const char* color = head                     ? bold
                        : line.starts_with("@@") ? cyan
                        : line.starts_with('-')  ? red
                        : line.starts_with('+')  ? green
                                                 : nullptr;
    all += color != nullptr ? painted(line, color) : std::string(line);
    if (end < diff.size()) all += '\n';
    at = end + 1;
  }
  return all;
}

Progress::Progress(std::string what) : what_(std::move(what)), shown_(is_terminal(STDERR_FILENO)) {}

Progress::~Progress() {
  if (shown_ && last_ != 0) std::cerr << "\r\x1b[K" << std::flush;
}

void Progress::operator()(std::size_t done, std::size_t all) {
  // A hundred steps are enough to see it move.
  if (!shown_ || (done != all && done < last_ + all / 100)) return;
  last_ = done;
  std::cerr << fmt::format("\r\x1b[K{}: {} of {}", what_, done, all) << std::flush;
}

}  // namespace ptxmill::cli
