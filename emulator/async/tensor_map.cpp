#include "emulator/async/tensor_map.hpp"

#include <algorithm>

namespace ptxmill::emu {
namespace {

constexpr std::uint64_t magic = 0x70616d20726f736e;  // "nsor map"
constexpr std::uint64_t version = 1;

/// Which word of the encoding holds what.
constexpr std::size_t word_magic = 0, word_address = 1, word_form = 2, word_sizes = 3,
                      word_strides = 8, word_boxes = 12, word_steps = 14, word_check = 15;

std::uint64_t check_of(const EncodedTensorMap& bytes) {
  std::uint64_t sum = version;
  for (std::size_t k = 0; k < word_check; ++k) sum = (sum ^ bytes[k]) * 0x9e3779b97f4a7c15u;
  return sum;
}

/// Numbers of so many bits, one behind the other.
void put(EncodedTensorMap& bytes, std::size_t word, int bits, std::size_t index,
         std::uint64_t value) {
  const std::size_t each = 64 / static_cast<std::size_t>(bits);
  bytes[word + index / each] |= value << (index % each * static_cast<std::size_t>(bits));
}
std::uint64_t get(const EncodedTensorMap& bytes, std::size_t word, int bits, std::size_t index) {
  const std::size_t each = 64 / static_cast<std::size_t>(bits);
  const std::uint64_t mask = (std::uint64_t{1} << bits) - 1;
  return bytes[word + index / each] >> (index % each * static_cast<std::size_t>(bits)) & mask;
}

}  // namespace

int bytes_of(TensorElement e) {
  switch (e) {
    case TensorElement::u8: return 1;
    case TensorElement::u16:
    case TensorElement::f16:
    case TensorElement::bf16: return 2;
    case TensorElement::u64:
    case TensorElement::s64:
    case TensorElement::f64: return 8;
    default: return 4;
  }
}

bool is_float(TensorElement e) { return e >= TensorElement::f16; }

std::uint64_t TensorMap::box_bytes() const {
  std::uint64_t bytes = static_cast<std::uint64_t>(bytes_of(element)) * box[0];
  for (int d = 1; d < rank; ++d) bytes *= moved(d);
  return bytes;
}

const char* fault_of(const TensorMap& m) {
  if (m.rank < 1 || m.rank > max_tensor_rank) return "the rank is not 1 to 5";
  if (m.address % 16 != 0) return "the tensor's address is not a multiple of 16";
  for (std::size_t d = 0; d < static_cast<std::size_t>(m.rank); ++d) {
    if (m.size[d] == 0 || m.size[d] > std::uint64_t{1} << 32) return "a size is not 1 to 2^32";
    if (m.box[d] == 0 || m.box[d] > 256) return "a side of the box is not 1 to 256";
    if (m.step[d] == 0 || m.step[d] > 8) return "an element stride is not 1 to 8";
    if (d > 0 && (m.stride[d] % 16 != 0 || m.stride[d] >= std::uint64_t{1} << 40))
      return "a stride is not a multiple of 16 below 2^40";
  }
  const std::uint32_t inner = m.box[0] * static_cast<std::uint32_t>(bytes_of(m.element));
  if (inner % 16 != 0) return "the box's rows are not a multiple of 16 bytes";
  if (m.swizzle != Swizzle::none && inner > swizzle_span(m.swizzle))
    return "the box's rows are longer than the swizzle's span";
  if (m.fill_nan && !is_float(m.element)) return "integers are to be filled with NaN";
  return nullptr;
}

EncodedTensorMap encode(const TensorMap& m) {
  EncodedTensorMap bytes{};
  bytes[word_magic] = magic;
  bytes[word_address] = m.address;
  put(bytes, word_form, 8, 0, static_cast<std::uint64_t>(m.element));
  put(bytes, word_form, 8, 1, static_cast<std::uint64_t>(m.swizzle));
  put(bytes, word_form, 8, 2, m.fill_nan ? 1 : 0);
  put(bytes, word_form, 8, 3, static_cast<std::uint64_t>(m.rank));
  for (std::size_t d = 0; d < max_tensor_rank; ++d) {
    bytes[word_sizes + d] = m.size[d];
    if (d > 0) bytes[word_strides + d - 1] = m.stride[d];
    put(bytes, word_boxes, 16, d, m.box[d]);
    put(bytes, word_steps, 8, d, m.step[d]);
  }
  bytes[word_check] = check_of(bytes);
  return bytes;
}

std::optional<TensorMap> decode(const EncodedTensorMap& bytes) {
  if (bytes[word_magic] != magic || bytes[word_check] != check_of(bytes)) return std::nullopt;
  TensorMap m;
  m.address = bytes[word_address];
  m.element = static_cast<TensorElement>(get(bytes, word_form, 8, 0));
  m.swizzle = static_cast<Swizzle>(get(bytes, word_form, 8, 1));
  m.fill_nan = get(bytes, word_form, 8, 2) != 0;
  m.rank = static_cast<int>(get(bytes, word_form, 8, 3));
  for (std::size_t d = 0; d < max_tensor_rank; ++d) {
    m.size[d] = bytes[word_sizes + d];
    m.stride[d] =
        d == 0 ? static_cast<std::uint64_t>(bytes_of(m.element)) : bytes[word_strides + d - 1];
    m.box[d] = static_cast<std::uint32_t>(get(bytes, word_boxes, 16, d));
    m.step[d] = static_cast<std::uint32_t>(get(bytes, word_steps, 8, d));
  }
  // A text may forge even the check: what follows relies on the rules.
  if (m.element > TensorElement::tf32_ftz || m.swizzle > Swizzle::bytes128 ||
      fault_of(m) != nullptr)
    return std::nullopt;
  return m;
}

}  // namespace ptxmill::emu
