#include "tests/oracle/encoder_oracle.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstring>
#include <vector>

#include "runtime/counters.hpp"
#include "runtime/safetensors.hpp"
#include "tests/reference/encoder_block.hpp"
#include "tests/support/compare.hpp"

namespace ptxmill::test {

namespace {

template <class T>
std::vector<T> values_of(const rt::Safetensors& file, const std::string& name) {
  const rt::SafetensorsEntry& entry = file.at(name);
  REQUIRE(entry.dtype == rt::DTypeOf<T>::value);
  std::vector<T> values(entry.bytes.size() / sizeof(T));
  std::memcpy(values.data(), entry.bytes.data(), values.size() * sizeof(T));
  return values;
}

void check_nothing_moved(const rt::Counters& counters) {
  CHECK(counters.transfers_to_device == 0);
  CHECK(counters.bytes_to_device == 0);
  CHECK(counters.transfers_to_host == 0);
  CHECK(counters.bytes_to_host == 0);
  CHECK(counters.allocations == 0);
  CHECK(counters.frees == 0);
}

}  // namespace

void prepare_from_oracle(const DeviceFixture& fixture, rt::EncoderBlock& encoder,
                         const std::string& directory, const std::string& model,
                         std::int64_t max_batch, std::int64_t max_seq_len) {
  const auto weights =
      rt::Safetensors::open(directory + "/whisper-" + model + ".weights.safetensors");
  encoder.prepare(fixture.stream, weights.load_all(fixture.stream), max_batch, max_seq_len);
}

void check_against_oracle(const DeviceFixture& fixture, rt::EncoderBlock& encoder,
                          const std::string& directory, const std::string& model,
                          std::int64_t batch, std::int64_t seq_len) {
  const std::string name =
      "whisper-" + model + ".b" + std::to_string(batch) + "_s" + std::to_string(seq_len);
  CAPTURE(name);
  const auto file = rt::Safetensors::open(directory + "/" + name + ".safetensors");
  const rt::Shape shape{batch, seq_len, encoder.d_model()};
  REQUIRE(file.at("input").shape == std::vector<std::int64_t>{batch, seq_len, encoder.d_model()});
  const auto expected = reference::expect_block(values_of<double>(file, "output_f64"),
                                                values_of<float>(file, "output_f32"),
                                                static_cast<std::size_t>(encoder.d_model()));
  const auto x = fixture.input(values_of<float>(file, "input"), shape);

  const auto first = fixture.output(shape);
  encoder.forward(fixture.stream, x.tensor(), first.tensor());
  const auto result = first.read();
  const auto comparison =
      compare(result, expected.value, expected.bound,
              {static_cast<std::size_t>(batch), static_cast<std::size_t>(seq_len),
               static_cast<std::size_t>(encoder.d_model())});
  CHECK(comparison);
  MESSAGE(name << ": largest error " << comparison.largest_error << ", at most "
               << comparison.worst_ratio << " of the bound");

  const auto second = fixture.output(shape);
  rt::reset_counters();
  encoder.forward(fixture.stream, x.tensor(), second.tensor());
  fixture.stream.synchronize();
  check_nothing_moved(rt::counters());
  CHECK(compare_bits(second.read(), result));

  const auto replayed = fixture.output(shape);
  const auto graph = rt::Graph::capture(
      fixture.stream, [&] { encoder.forward(fixture.stream, x.tensor(), replayed.tensor()); });
  rt::reset_counters();
  graph.launch(fixture.stream);
  fixture.stream.synchronize();
  check_nothing_moved(rt::counters());
  CHECK(rt::counters().graph_launches == 1);
  CHECK(compare_bits(replayed.read(), result));
}

}  // namespace ptxmill::test
