// compare_records HARDWARE EMULATOR: holds two records of libptxmill_recorder.so against each
// other. What kernels without approximate instructions computed must agree in every bit.
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <utility>

namespace {

struct Copy {
  std::string kernels;
  bool approximate = false;
  std::string bytes;
};

bool read(std::ifstream& in, Copy& copy) {
  std::string line, word, kind;
  std::size_t size = 0;
  if (!std::getline(in, line)) return false;
  std::istringstream words(line);
  words >> word >> size >> kind;
  copy.approximate = kind == "approx";
  copy.kernels.clear();
  while (words >> word) copy.kernels += (copy.kernels.empty() ? "" : " ") + word;
  copy.bytes.resize(size);
  in.read(copy.bytes.data(), static_cast<std::streamsize>(size));
  return static_cast<bool>(in);
}

/// The difference of two words as f32 in units of the larger one's last place; of words that are
/// something else it means little.
double units_apart(const char* a, const char* b) {
  std::uint32_t x = 0, y = 0;
  std::memcpy(&x, a, sizeof x);
  std::memcpy(&y, b, sizeof y);
  const auto place = [](std::uint32_t v) {
    const auto magnitude = static_cast<double>(v & 0x7fffffffu);
    return (v >> 31) != 0 ? -magnitude : magnitude;
  };
  return std::fabs(place(x) - place(y));
}

struct Sum {
  std::size_t copies = 0, equal = 0, words = 0, differing = 0;
  double units = 0;
};

void add(Sum& sum, const Copy& a, const Copy& b) {
  ++sum.copies;
  sum.words += a.bytes.size() / 4;
  if (a.bytes == b.bytes) {
    ++sum.equal;
    return;
  }
  for (std::size_t at = 0; at + 4 <= a.bytes.size(); at += 4) {
    if (std::memcmp(&a.bytes[at], &b.bytes[at], 4) == 0) continue;
    ++sum.differing;
    sum.units = std::fmax(sum.units, units_apart(&a.bytes[at], &b.bytes[at]));
  }
}

}  // namespace

int main(int count, char** words) {
  if (count != 3) {
    std::fprintf(stderr, "usage: compare_records HARDWARE EMULATOR\n");
    return 2;
  }
  std::ifstream first(words[1], std::ios::binary), second(words[2], std::ios::binary);
  // Kernels of one name may be of several libraries.
  std::map<std::pair<std::string, bool>, Sum> sums;
  std::size_t copies = 0, bad = 0;
  Copy a, b;
  for (; read(first, a); ++copies) {
    if (!read(second, b) || a.kernels != b.kernels || a.bytes.size() != b.bytes.size()) {
      std::printf("copy %zu: the records do not describe the same run (%s; %s)\n", copies,
                  a.kernels.c_str(), b.kernels.c_str());
      bad = 1;
      break;
    }
    if (!a.kernels.empty()) add(sums[{a.kernels, a.approximate}], a, b);
  }
  std::printf(
      "| kernels | copies | equal | words | differing words | ulp | "
      "|\n|---|---|---|---|---|---|---|\n");
  for (const auto& [key, s] : sums) {
    const auto& [name, approximate] = key;
    if (!approximate && s.equal != s.copies) ++bad;
    std::printf("| %s | %zu | %zu | %zu | %zu | %.4g | %s |\n", name.c_str(), s.copies, s.equal,
                s.words, s.differing, s.units, approximate ? "approximate" : "exact");
  }
  std::printf("%zu copies, %zu kernels differ that should not\n", copies, bad);
  return copies != 0 && bad == 0 ? 0 : 1;
}
