// Builds messages out of parts. Light to compile, which the many files that complain repay.
#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace ptxmill::emu {

/// A number to be written in hexadecimal, with zeros in front up to `digits`.
struct Hex {
  std::uint64_t value = 0;
  int digits = 1;
};
inline Hex hex(std::uint64_t value, int digits = 1) { return {value, digits}; }

inline void append_text(std::string& out, std::string_view part) { out += part; }
inline void append_text(std::string& out, std::integral auto number) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, number);
  out.append(digits, end.ptr);
}
inline void append_text(std::string& out, Hex number) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, number.value, 16);
  out.append(
      static_cast<std::size_t>(number.digits) > static_cast<std::size_t>(end.ptr - digits)
          ? static_cast<std::size_t>(number.digits) - static_cast<std::size_t>(end.ptr - digits)
          : 0,
      '0');
  out.append(digits, end.ptr);
}

/// The parts one after another: strings, integers in decimal, and `hex(n)`.
template <class... Parts>
std::string text(const Parts&... parts) {
  std::string out;
  (append_text(out, parts), ...);
  return out;
}

}  // namespace ptxmill::emu
