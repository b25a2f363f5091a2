// A small encoder layer against what PyTorch computed for it; the files are in tests/oracle/data.
#include <doctest/doctest.h>

#include "tests/oracle/encoder_oracle.hpp"
#include "tests/templates/harness.hpp"

namespace ptxmill::test {
namespace {

TEST_CASE_FIXTURE(DeviceFixture, "oracle: a mini encoder layer, batch 1 and 2, three lengths") {
  const std::string directory = "tests/oracle/data";
  const GeneratedLibrary generated(device(), "", R"({ "name": "encoder", "block": "encoder",
    "dtype": "f32", "d_model": 64, "heads": 2, "ffn_dim": 128, "max_seq_len": 64 })");
  rt::EncoderBlock encoder = rt::EncoderBlock::open(generated.library());
  prepare_from_oracle(*this, encoder, directory, "mini", 2, 33);
  for (const std::int64_t batch : {1, 2}) {
    for (const std::int64_t seq_len : {1, 7, 33}) {
      check_against_oracle(*this, encoder, directory, "mini", batch, seq_len);
    }
  }
}

}  // namespace
}  // namespace ptxmill::test
