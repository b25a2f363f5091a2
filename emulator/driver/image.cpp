#include "emulator/driver/image.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>

namespace ptxmill::emu::driver {
namespace {

constexpr unsigned char elf_magic[] = {0x7f, 'E', 'L', 'F'};
constexpr unsigned char fat_magic[] = {0x50, 0xed, 0x55, 0xba};

/// Takes the text apart at white space and comments.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  std::string_view word() {
    skip();
    const auto length = std::min(rest_.find_first_of(" \t\r\n,;/{"), rest_.size());
    const std::string_view result = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return result;
  }

 private:
  void skip() {
    for (;;) {
      const auto n = std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size());
      rest_.remove_prefix(n);
      std::size_t end = 0;
      if (rest_.starts_with("//")) {
        end = rest_.find('\n');
      } else if (rest_.starts_with("/*")) {
        end = rest_.find("*/", 2);
        if (end != rest_.npos) end += 2;
      } else {
        return;
      }
      rest_.remove_prefix(std::min(end, rest_.size()));
    }
  }

  std::string_view rest_;
};

/// The integer at the start of the text, which it is removed from; 0 where there is none.
int take_integer(std::string_view* text) {
  int value = 0;
  const auto result = std::from_chars(text->data(), text->data() + text->size(), value);
  text->remove_prefix(static_cast<std::size_t>(result.ptr - text->data()));
  return value;
}

}  // namespace

bool is_binary(const void* image) {
  // A PTX text of fewer than four characters ends within the comparison: strncmp stops there.
  const auto starts_with = [&](const unsigned char(&magic)[4]) {
    return std::strncmp(static_cast<const char*>(image), reinterpret_cast<const char*>(magic), 4) ==
           0;
  };
  return starts_with(elf_magic) || starts_with(fat_magic);
}

std::optional<PtxHeader> read_ptx_header(std::string_view text) {
  Scanner scanner(text);
  if (scanner.word() != ".version") return std::nullopt;
  PtxHeader header;
  std::string_view version = scanner.word();
  header.version = 10 * take_integer(&version);
  if (version.starts_with(".")) {
    version.remove_prefix(1);
    header.version += take_integer(&version);
  }
  if (scanner.word() != ".target") return header;
  std::string_view target = scanner.word();
  if (target.starts_with("sm_")) {
    target.remove_prefix(3);
    header.target = take_integer(&target);
  }
  return header;
}

}  // namespace ptxmill::emu::driver
