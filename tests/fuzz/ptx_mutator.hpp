// PTX that is nearly right, made from PTX that is.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace ptxmill::test {

class PtxMutator {
 public:
  /// `texts` are modules; each is taken apart, so that a case has one entry.
  PtxMutator(const std::vector<std::string>& texts, std::uint64_t seed);

  /// The next module, with a few mutations.
  std::string next();

 private:
  struct Seed {
    std::vector<std::string> common;  ///< all but the entries
    std::vector<std::vector<std::string>> entries;
  };
  using Lines = std::vector<std::string>;

  std::size_t below(std::size_t n) { return n == 0 ? 0 : random_() % n; }
  void mutate(Lines& lines);
  /// A line that does something, of the entry where that is possible.
  std::string& instruction(Lines& lines);
  void swap_word(Lines& lines, bool opcode);
  void change_number(std::string& line);
  void change_type(std::string& line);
  void change_bytes(std::string& line);

  std::vector<Seed> seeds_;
  std::mt19937_64 random_;
};

}  // namespace ptxmill::test
