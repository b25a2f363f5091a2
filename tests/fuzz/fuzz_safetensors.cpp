// Bytes into the reader of safetensors files.
#include <cstdint>
#include <cstdlib>
#include <span>

#include "runtime/error.hpp"
#include "runtime/safetensors.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ptxmill::rt;
  const std::span<const std::byte> file(reinterpret_cast<const std::byte*>(data), size);
  try {
    const Safetensors tensors = Safetensors::parse(file, "input");
    for (const auto& [name, entry] : tensors.entries()) {
      // What the entry promises lies within the file.
      if (!entry.bytes.empty() && (entry.bytes.data() < file.data() ||
                                   entry.bytes.data() + entry.bytes.size() > file.data() + size))
        std::abort();
    }
  } catch (const Error& error) {
    if (error.code() != ErrorCode::corrupt) std::abort();
  }
  return 0;
}
