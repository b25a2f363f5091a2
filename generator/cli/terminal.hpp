// What goes to the terminal: colours and progress, where someone looks.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ptxmill::cli {

/// --color. `automatic` colours what goes to a terminal, unless NO_COLOR is set (no-color.org) or
/// the terminal is dumb.
enum class Color { automatic, always, never };

/// Set once, before a verb runs.
void set_color(Color color);

/// "error: " and the message, on stderr.
void say_error(std::string_view message);
void say_warning(std::string_view message);
/// Problems of a spec, a line each: the word "error:" in colour.
void say_problems(const std::string& text);

/// A unified diff for stdout: removed lines red, added ones green, where colours are wanted.
std::string colored_diff(const std::string& diff);

/// A line on stderr that counts and is wiped at the end. Nothing where stderr is no terminal.
class Progress {
 public:
  explicit Progress(std::string what);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void operator()(std::size_t done, std::size_t all);

 private:
  std::string what_;
  bool shown_;
  std::size_t last_ = 0;
};

}  // namespace ptxmill::cli
