#include "runtime/safetensors.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "tests/support/manifest_fixture.hpp"
#include "tests/support/random.hpp"

namespace {

using namespace ptxmill::rt;
using ptxmill::test::TemporaryDirectory;
using ptxmill::test::Thrown;
using ptxmill::test::thrown_by;

/// A file of this header and this many bytes of data.
std::vector<std::byte> file_of(const std::string& header, std::size_t data_bytes) {
  std::vector<std::byte> file(8 + header.size() + data_bytes);
  for (std::size_t i = 0; i < 8; ++i)
    file[i] = static_cast<std::byte>(header.size() >> (8 * i) & 0xff);
  std::memcpy(file.data() + 8, header.data(), header.size());
  for (std::size_t i = 0; i < data_bytes; ++i)
    file[8 + header.size() + i] = static_cast<std::byte>(i);
  return file;
}

Thrown refusal(const std::string& header, std::size_t data_bytes) {
  const std::vector<std::byte> file = file_of(header, data_bytes);
  return thrown_by([&] { Safetensors::parse(file, "w.safetensors"); });
}

std::string entry(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

const std::string good_header =
    R"({"__metadata__":{"format":"pt"},"a":)" + entry("F32", "[2,3]", "[0,24]") + R"(,"b":)" +
    entry("BF16", "[4]", "[24,32]") + R"(,"none":)" + entry("U8", "[0,7]", "[32,32]") +
    R"(,"one":)" + entry("I64", "[]", "[32,40]") + "}";

}  // namespace

TEST_CASE("safetensors: a good file") {
  const std::vector<std::byte> file = file_of(good_header, 40);
  const Safetensors tensors = Safetensors::parse(file, "good");
  REQUIRE(tensors.entries().size() == 4);
  CHECK(tensors.metadata().at("format") == "pt");
  CHECK(tensors.at("a").dtype == DType::f32);
  CHECK(tensors.at("a").shape == std::vector<std::int64_t>{2, 3});
  CHECK(tensors.at("b").bytes.data() == file.data() + 8 + good_header.size() + 24);
  CHECK(tensors.at("none").bytes.empty());
  CHECK(tensors.at("one").bytes.size() == 8);
  const Thrown missing = thrown_by([&] { tensors.at("nome"); });
  CHECK(missing.code == ErrorCode::not_found);
  CHECK(missing.says("did you mean 'none' or 'one'?"));
}

TEST_CASE("safetensors: an empty file of tensors") {
  const std::vector<std::byte> file = file_of("{}", 0);
  CHECK(Safetensors::parse(file, "empty").entries().empty());
}

TEST_CASE("safetensors: what is refused, by name") {
  struct Case {
    std::string words;
    std::string header;
    std::size_t data;
  };
  const Case cases[] = {
      {"not within the file", R"({"a":)" + entry("F32", "[2]", "[0,8]") + "}", 7},
      {"/a/data_offsets", R"({"a":)" + entry("F32", "[2]", "[8,16]") + "}", 8},
      {"'b' begins at byte 4, within the one before",
       R"({"a":)" + entry("F32", "[2]", "[0,8]") + R"(,"b":)" + entry("F32", "[2]", "[4,12]") + "}",
       12},
      {"'b' begins at byte 12, after a hole",
       R"({"a":)" + entry("F32", "[2]", "[0,8]") + R"(,"b":)" + entry("F32", "[1]", "[12,16]") +
           "}",
       16},
      {"'a' begins at byte 4, after a hole", R"({"a":)" + entry("F32", "[1]", "[4,8]") + "}", 8},
      {"4 bytes follow the last tensor 'a'", R"({"a":)" + entry("F32", "[1]", "[0,4]") + "}", 8},
      {"8 bytes follow the last tensor", "{}", 8},
      {"/a: the shape and dtype ask for 8 bytes, the offsets give 4",
       R"({"a":)" + entry("F32", "[2]", "[0,4]") + "}", 4},
      {"too many", R"({"a":)" + entry("F32", "[4294967296,4294967296,4]", "[0,4]") + "}", 4},
      {"/a/shape/0", R"({"a":)" + entry("F32", "[-1]", "[0,4]") + "}", 4},
      {"/a/shape/0", R"({"a":)" + entry("F32", "[1.0]", "[0,4]") + "}", 4},
      {"/a/shape/0", R"({"a":)" + entry("F32", "[9223372036854775808]", "[0,4]") + "}", 4},
      {"/a/data_offsets/0", R"({"a":)" + entry("F32", "[1]", "[-4,0]") + "}", 4},
      {"not within the file", R"({"a":)" + entry("F32", "[1]", "[4,0]") + "}", 4},
      {"two offsets", R"({"a":)" + entry("F32", "[1]", "[0,4,8]") + "}", 4},
      {"the dtype 'F33' is not known", R"({"a":)" + entry("F33", "[1]", "[0,4]") + "}", 4},
      {"the key 'a' stands twice",
       R"({"a":)" + entry("U8", "[4]", "[0,4]") + R"(,"a":)" + entry("U8", "[4]", "[0,4]") + "}",
       4},
      {"the key 'dtype' is missing", R"({"a":{"shape":[4],"data_offsets":[0,4]}})", 4},
      {"the key 'color' is unknown",
       R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4],"color":1}})", 4},
      {"an object was expected", R"({"a":[1]})", 0},
      {"an object was expected", "[]", 0},
      {"an object was expected", "3", 0},
      {"a string was expected", R"({"__metadata__":{"n":1}})", 0},
      {"parse error", R"({"a":)", 0},
      {"parse error", "{} {}", 0},
      {"parse error", "{\"a\xff\":1}", 0},
      {"nested more than 64", std::string(100, '['), 0},
      {"parse error", "", 0},
  };
  for (const Case& c : cases) {
    const Thrown thrown = refusal(c.header, c.data);
    CAPTURE(c.words);
    CAPTURE(c.header);
    CAPTURE(thrown.what);
    CHECK(thrown.any);
    CHECK(thrown.code == ErrorCode::corrupt);
    CHECK(thrown.says("w.safetensors"));
    CHECK(thrown.says(c.words));
  }
}

TEST_CASE("safetensors: header lengths beyond the file or beyond 100 MB") {
  std::vector<std::byte> file = file_of(good_header, 40);
  file[3] = std::byte{1};  // 16 MiB more than there is
  CHECK(thrown_by([&] { Safetensors::parse(file, "w"); }).says("and the file only"));
  file[7] = std::byte{0xff};
  CHECK(thrown_by([&] { Safetensors::parse(file, "w"); }).says("may have 100000000"));
  for (std::size_t length = 0; length < 8; ++length)
    CHECK(thrown_by([&] {
            Safetensors::parse(std::span(file).first(length), "w");
          }).says("it has only"));
}

TEST_CASE("safetensors: every truncation is refused") {
  const std::vector<std::byte> file = file_of(good_header, 40);
  for (std::size_t length = 0; length < file.size(); ++length)
    if (thrown_by([&] { Safetensors::parse(std::span(file).first(length), "w"); }).code !=
        ErrorCode::corrupt)
      FAIL("length ", length);
}

TEST_CASE("safetensors: random damage is read or refused, and stays within the file") {
  const std::vector<std::byte> good = file_of(good_header, 40);
  std::mt19937_64 random(ptxmill::test::run_seed());
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::byte> bad = good;
    for (std::uint64_t edits = random() % 4 + 1; edits > 0; --edits) {
      const std::size_t at = random() % bad.size();
      switch (random() % 4) {
        case 0: bad[at] = static_cast<std::byte>(random()); break;
        case 1: bad[at] ^= static_cast<std::byte>(1 << (random() % 8)); break;
        case 2: bad.insert(bad.begin() + static_cast<std::ptrdiff_t>(at), std::byte{'9'}); break;
        default: bad.erase(bad.begin() + static_cast<std::ptrdiff_t>(at));
      }
    }
    std::uint64_t sum = 0;
    const Thrown thrown = thrown_by([&] {
      const Safetensors tensors = Safetensors::parse(bad, "w");
      for (const auto& [name, tensor] : tensors.entries())
        for (const std::byte byte : tensor.bytes) sum += std::to_integer<std::uint64_t>(byte);
    });
    if (thrown.any && thrown.code != ErrorCode::corrupt) FAIL(thrown.what);
  }
}

TEST_CASE("safetensors: what is written is read back, and is the same file again") {
  const TemporaryDirectory directory;
  const std::vector<float> a{1.5f, -2.f, 0.25f};
  const std::vector<std::uint8_t> b{1, 2, 3, 4, 5};
  const std::vector<double> c{3.0};
  std::map<std::string, SafetensorsEntry, std::less<>> entries;
  entries["b"] = {DType::u8, {5}, std::as_bytes(std::span(b))};
  entries["a/\"quoted\""] = {DType::f32, {3, 1}, std::as_bytes(std::span(a))};
  entries["c"] = {DType::f64, {}, std::as_bytes(std::span(c))};
  entries["nothing"] = {DType::f16, {0}, {}};
  write_safetensors(directory.file("w.safetensors"), entries, {{"made", "by a test"}});
  const Safetensors read = Safetensors::open(directory.file("w.safetensors"));
  CHECK(read.metadata().at("made") == "by a test");
  REQUIRE(read.entries().size() == 4);
  for (const auto& [name, entry] : entries) {
    const SafetensorsEntry& got = read.at(name);
    CHECK(got.dtype == entry.dtype);
    CHECK(got.shape == entry.shape);
    REQUIRE(got.bytes.size() == entry.bytes.size());
    CHECK(std::equal(got.bytes.begin(), got.bytes.end(), entry.bytes.begin()));
    CHECK(reinterpret_cast<std::uintptr_t>(got.bytes.data()) % size_of(got.dtype) == 0);
  }
  write_safetensors(directory.file("again.safetensors"), read.entries(), read.metadata());
  const auto slurp = [&](const std::string& name) {
    std::ifstream in(directory.file(name), std::ios::binary);
    return std::string((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  };
  CHECK(slurp("w.safetensors") == slurp("again.safetensors"));
  CHECK(slurp("w.safetensors").size() > 0);
}

TEST_CASE("safetensors: files that cannot be read or written") {
  const TemporaryDirectory directory;
  CHECK(thrown_by([&] { Safetensors::open(directory.file("none")); }).code == ErrorCode::not_found);
  CHECK(thrown_by([&] { Safetensors::open(directory.path().string()); }).code ==
        ErrorCode::not_found);
  std::ofstream(directory.file("empty")).flush();
  CHECK(thrown_by([&] { Safetensors::open(directory.file("empty")); }).code == ErrorCode::corrupt);
  CHECK(thrown_by([&] { write_safetensors(directory.file("no/such"), {}); }).code ==
        ErrorCode::not_found);
  std::map<std::string, SafetensorsEntry, std::less<>> wrong;
  wrong["a"] = {DType::f32, {3}, {}};
  CHECK(thrown_by([&] { write_safetensors(directory.file("w"), wrong); }).code ==
        ErrorCode::invalid_argument);
}
