// Complaints about a PTX text, worded as ptxas words them.
#pragma once

#include <string>
#include <string_view>

namespace ptxmill::emu {

/// A place in a PTX text; both count from 1.
struct Position {
  int line = 0;
  int column = 0;
};

/// Thrown where a text cannot be accepted; the message does not name the place.
struct SyntaxError {
  Position at;
  std::string message;
};

/// Collects the complaints about one text.
class Diagnostics {
 public:
  /// Adds "ptxas application ptx input, line N; error   : <message> (column M)".
  void error(Position at, std::string_view message);
  /// As `error`, for a text that is sound but made for another machine.
  void unsupported(Position at, std::string_view message);

  bool failed() const { return errors_ > 0; }
  /// True where every complaint was `unsupported`.
  bool only_unsupported() const { return errors_ > 0 && errors_ == unsupported_; }
  /// True once so many complaints came that more would not help a reader.
  bool full() const { return errors_ >= 50; }
  /// All lines, closed by ptxas's last line where there was a complaint.
  std::string text() const;

 private:
  std::string lines_;
  int errors_ = 0;
  int unsupported_ = 0;
};

}  // namespace ptxmill::emu
