// The safetensors format: https://github.com/huggingface/safetensors (an 8-byte little-endian
// length, a JSON header, then the bytes).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/plan.hpp"
#include "runtime/tensor.hpp"

namespace ptxmill::rt {

/// One tensor of a file; its bytes live as long as the file object.
struct SafetensorsEntry {
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
};

/// A safetensors file, mapped into memory and checked in full when it is opened: the header is
/// below 100 MB, no name stands twice, each shape and dtype give the bytes that the offsets do, and
/// the tensors cover the rest of the file without overlap or hole.
class Safetensors {
 public:
  /// Throws `not_found` where the file cannot be read, `corrupt` naming the file and the tensor.
  static Safetensors open(const std::string& path);
  /// Checks a whole file that is in memory, which must outlive the object; `name` is for messages.
  static Safetensors parse(std::span<const std::byte> file, const std::string& name);

  const std::map<std::string, SafetensorsEntry, std::less<>>& entries() const { return entries_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  /// Throws `not_found` with the nearest names.
  const SafetensorsEntry& at(std::string_view name) const;

  /// Copies one tensor to the device.
  Tensor load(const Stream& stream, std::string_view name) const;
  /// Copies every tensor whose name begins with `prefix`, under the rest of its name.
  Tensors load_all(const Stream& stream, std::string_view prefix = {}) const;

 private:
  Safetensors() = default;
  void read(std::span<const std::byte> file);

  std::string name_;
  std::shared_ptr<const void> mapping_;
  std::map<std::string, SafetensorsEntry, std::less<>> entries_;
  std::map<std::string, std::string> metadata_;
};

/// Writes the tensors, those of wider elements first and then by name, so that each is aligned and
/// the same tensors give the same file. Throws `invalid_argument` where the bytes of a tensor do
/// not fit its shape, `not_found` where the file cannot be written.
void write_safetensors(const std::string& path,
                       const std::map<std::string, SafetensorsEntry, std::less<>>& entries,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace ptxmill::rt
