#pragma once

#include <cstdint>
#include <string>

#include "runtime/encoder_block.hpp"
#include "tests/support/device_fixture.hpp"

namespace ptxmill::test {

/// Loads the weights `<directory>/whisper-<model>.weights.safetensors` into `encoder`, for up to
/// `max_batch` x `max_seq_len`.
void prepare_from_oracle(const DeviceFixture& fixture, rt::EncoderBlock& encoder,
                         const std::string& directory, const std::string& model,
                         std::int64_t max_batch, std::int64_t max_seq_len);

/// Runs the input of `<directory>/whisper-<model>.b<batch>_s<seq_len>.safetensors` and checks that
///   - the output is within the bound of a block against PyTorch's in double precision;
///   - a second pass moves no byte between host and device, allocates nothing, and gives the same
///   bits;
///   - so does the pass recorded into a graph.
void check_against_oracle(const DeviceFixture& fixture, rt::EncoderBlock& encoder,
                          const std::string& directory, const std::string& model,
                          std::int64_t batch, std::int64_t seq_len);

}  // namespace ptxmill::test
