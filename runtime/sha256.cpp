#include "runtime/sha256.hpp"

#include <sys/types.h>

#include <sha256.h>

#include <cstdint>

namespace ptxmill::rt {

std::string sha256(std::initializer_list<std::string_view> parts) {
  SHA256_CTX context;
  SHA256_Init(&context);
  for (const std::string_view part : parts)
    SHA256_Update(&context, reinterpret_cast<const std::uint8_t*>(part.data()), part.size());
  std::uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256Final(digest, &context);
  std::string text;
  for (const std::uint8_t byte : digest) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

}  // namespace ptxmill::rt
