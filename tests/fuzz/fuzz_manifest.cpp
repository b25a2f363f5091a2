// Bytes into the runtime's reader of manifests. Their digest is put right first, where a place for
// it is, or nothing behind that check would be reached.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "generator/manifest/sha256.hpp"
#include "runtime/error.hpp"
#include "runtime/manifest.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ptxmill;
  std::string text(reinterpret_cast<const char*>(data), size);
  const std::string place = "\"digest\": \"\"";
  if (const auto at = text.find(place); at != text.npos)
    text.insert(at + place.size() - 1, manifest::sha256(text));
  try {
    rt::Manifest::read(text, "input");
  } catch (const rt::Error& error) {
    if (error.code() != rt::ErrorCode::corrupt && error.code() != rt::ErrorCode::incompatible)
      std::abort();
  }
  return 0;
}
