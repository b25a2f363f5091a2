#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace ptxmill::test {

/// The host's picture of a device buffer under test: guard, payload, guard. The guards hold a
/// pattern that a kernel must leave as it is; the payload of an output starts as NaN, so that an
/// element that nothing wrote never passes a comparison.
class RedZone {
 public:
  /// Enough to keep the payload aligned for any access.
  static constexpr std::size_t kGuardBytes = 1024;

  /// A payload of `payload_bytes`, poisoned: every byte is 0xff, a NaN in f16, bf16, f32 and f64.
  /// Where accesses out of bounds fault by themselves, `guard_bytes` is 0.
  explicit RedZone(std::size_t payload_bytes, std::size_t guard_bytes = kGuardBytes);

  /// A payload with these bytes.
  explicit RedZone(std::span<const std::byte> payload, std::size_t guard_bytes = kGuardBytes);

  /// What the whole device buffer holds before the kernel runs.
  const std::vector<std::byte>& image() const { return image_; }

  std::size_t payload_bytes() const { return image_.size() - 2 * guard_bytes_; }
  /// Where the payload begins in the image.
  std::size_t guard_bytes() const { return guard_bytes_; }

  /// The payload within an image of the same size.
  std::span<const std::byte> payload_of(std::span<const std::byte> image) const;

  /// Where `after`, the buffer as it is now, differs from what was put into the guards: "byte 3
  /// after the payload changed from 0x5a to 0x00"; nothing where they are intact.
  std::optional<std::string> guard_damage(std::span<const std::byte> after) const;

  /// The same for payload bytes from `begin` to `end`, which the kernel should not have written.
  std::optional<std::string> payload_damage(std::span<const std::byte> after, std::size_t begin,
                                            std::size_t end) const;

 private:
  std::optional<std::string> damage(std::span<const std::byte> after, std::size_t begin,
                                    std::size_t end) const;

  std::size_t guard_bytes_;
  std::vector<std::byte> image_;
};

}  // namespace ptxmill::test
