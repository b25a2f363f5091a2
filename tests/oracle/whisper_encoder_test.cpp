// Whisper's encoder layers in their real sizes against what PyTorch computed on the same machine.
// PTXMILL_ORACLE_DIR names the directory that make_whisper_encoder.py wrote.
#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

#include "tests/oracle/encoder_oracle.hpp"
#include "tests/support/case_budget.hpp"

namespace ptxmill::test {
namespace {

void check_model(const DeviceFixture& fixture, const std::string& model) {
  const char* directory = std::getenv("PTXMILL_ORACLE_DIR");
  REQUIRE_MESSAGE(directory != nullptr,
                  "PTXMILL_ORACLE_DIR must name what tests/oracle/make_whisper_encoder.py wrote");
  const auto library =
      rt::KernelLibrary::open(DeviceFixture::device(), "generated/whisper-" + model);
  rt::EncoderBlock encoder = rt::EncoderBlock::open(library);
  prepare_from_oracle(fixture, encoder, directory, model, 3, 1500);
  CaseBudget budget{1'000'000'000, 10'000'000'000};
  const std::int64_t d = model == "tiny" ? 384 : 512;
  for (const std::int64_t batch : {1, 3}) {
    for (const std::int64_t seq_len : {1, 7, 100, 733, 1500}) {
      const std::int64_t cost = batch * seq_len * (12 * d * d + 2 * seq_len * d);
      const std::string name = "oracle " + model + " batch " + std::to_string(batch) + " seq_len " +
                               std::to_string(seq_len);
      if (!budget.allows(name, static_cast<std::uint64_t>(cost))) continue;
      check_against_oracle(fixture, encoder, directory, model, batch, seq_len);
    }
  }
}

TEST_CASE_FIXTURE(DeviceFixture, "oracle: whisper-tiny") { check_model(*this, "tiny"); }

TEST_CASE_FIXTURE(DeviceFixture, "oracle: whisper-base") { check_model(*this, "base"); }

}  // namespace
}  // namespace ptxmill::test
