#include "tests/support/red_zone.hpp"

#include <algorithm>
#include <cstdio>

namespace ptxmill::test {

namespace {

// Not constant, so that a kernel that copies guard bytes onto guard bytes is noticed too.
std::byte guard_byte(std::size_t index) {
  return static_cast<std::byte>(0x5a ^ (index * 37 & 0xff));
}

}  // namespace

RedZone::RedZone(std::size_t payload_bytes, std::size_t guard_bytes)
    : guard_bytes_(guard_bytes), image_(payload_bytes + 2 * guard_bytes, std::byte{0xff}) {
  for (std::size_t i = 0; i < guard_bytes_; ++i) {
    image_[i] = guard_byte(i);
    image_[guard_bytes_ + payload_bytes + i] = guard_byte(guard_bytes_ + i);
  }
}

RedZone::RedZone(std::span<const std::byte> payload, std::size_t guard_bytes)
    : RedZone(payload.size(), guard_bytes) {
  std::copy(payload.begin(), payload.end(),
            image_.begin() + static_cast<std::ptrdiff_t>(guard_bytes_));
}

std::span<const std::byte> RedZone::payload_of(std::span<const std::byte> image) const {
  return image.subspan(guard_bytes_, payload_bytes());
}

std::optional<std::string> RedZone::guard_damage(std::span<const std::byte> after) const {
  if (auto before_payload = damage(after, 0, guard_bytes_)) return before_payload;
  return damage(after, guard_bytes_ + payload_bytes(), image_.size());
}

std::optional<std::string> RedZone::payload_damage(std::span<const std::byte> after,
                                                   std::size_t begin, std::size_t end) const {
  return damage(after, guard_bytes_ + begin, guard_bytes_ + end);
}

std::optional<std::string> RedZone::damage(std::span<const std::byte> after, std::size_t begin,
                                           std::size_t end) const {
  if (after.size() != image_.size()) {
    return "the buffer has " + std::to_string(after.size()) + " bytes, expected " +
           std::to_string(image_.size());
  }
  const auto [was, is] = std::mismatch(image_.begin() + static_cast<std::ptrdiff_t>(begin),
                                       image_.begin() + static_cast<std::ptrdiff_t>(end),
                                       after.begin() + static_cast<std::ptrdiff_t>(begin));
  const auto at = static_cast<std::size_t>(was - image_.begin());
  if (at == end) return std::nullopt;
  std::string where;
  if (at < guard_bytes_) {
    where = "byte " + std::to_string(guard_bytes_ - at) + " before the payload";
  } else if (at < guard_bytes_ + payload_bytes()) {
    where = "payload byte " + std::to_string(at - guard_bytes_);
  } else {
    where = "byte " + std::to_string(at - guard_bytes_ - payload_bytes()) + " after the payload";
  }
  char change[48];
  std::snprintf(change, sizeof change, " changed from 0x%02x to 0x%02x",
                std::to_integer<unsigned>(*was), std::to_integer<unsigned>(*is));
  return where + change;
}

}  // namespace ptxmill::test
