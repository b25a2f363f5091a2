#include "runtime/safetensors.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "runtime/json_node.hpp"
#include "runtime/manifest_reading.hpp"

namespace ptxmill::rt {
namespace {

constexpr std::uint64_t most_header = 100'000'000;
constexpr std::size_t length_bytes = 8;
constexpr const char* metadata_key = "__metadata__";

struct TypeName {
  DType dtype;
  std::string_view name;
};
constexpr TypeName type_names[] = {
    {DType::f64, "F64"},      {DType::f32, "F32"},      {DType::f16, "F16"}, {DType::bf16, "BF16"},
    {DType::e4m3, "F8_E4M3"}, {DType::e5m2, "F8_E5M2"}, {DType::s64, "I64"}, {DType::u64, "U64"},
    {DType::s32, "I32"},      {DType::u32, "U32"},      {DType::s16, "I16"}, {DType::u16, "U16"},
    {DType::s8, "I8"},        {DType::u8, "U8"},
};

/// The bytes of a tensor; nothing where the product leaves 63 bits.
std::optional<std::uint64_t> byte_size(const SafetensorsEntry& entry) {
  std::int64_t bytes = static_cast<std::int64_t>(size_of(entry.dtype));
  for (const std::int64_t extent : entry.shape)
    if (__builtin_mul_overflow(bytes, extent, &bytes)) return std::nullopt;
  return static_cast<std::uint64_t>(bytes);
}

DType read_type(const JsonNode& node) {
  const std::string text = node.text();
  for (const TypeName& row : type_names)
    if (row.name == text) return row.dtype;
  node.fail(concat("the dtype '", text, "' is not known"));
}

struct Placed {
  std::uint64_t begin, end;
  std::string name;
};

/// Reads one member of the header and places its bytes in `data`.
SafetensorsEntry read_entry(const std::string& name, const JsonNode& node,
                            std::span<const std::byte> data, std::vector<Placed>& placed) {
  node.only({"dtype", "shape", "data_offsets"});
  SafetensorsEntry entry;
  entry.dtype = read_type(node.member("dtype"));
  node.member("shape").each_element(
      [&](const JsonNode& extent) { entry.shape.push_back(extent.integer(0)); });
  const JsonNode offsets = node.member("data_offsets");
  if (offsets.size() != 2) offsets.fail("two offsets were expected");
  const auto begin = static_cast<std::uint64_t>(offsets.element(0).integer(0));
  const auto end = static_cast<std::uint64_t>(offsets.element(1).integer(0));
  if (begin > end || end > data.size())
    offsets.fail(concat("the bytes ", begin, " to ", end, " are not within the file, which has ",
                        data.size(), " after its header"));
  const std::optional<std::uint64_t> bytes = byte_size(entry);
  if (bytes != end - begin)
    node.fail(concat("the shape and dtype ask for ", bytes ? concat(*bytes) : "too many",
                     " bytes, the offsets give ", end - begin));
  entry.bytes = data.subspan(begin, end - begin);
  placed.push_back({begin, end, name});
  return entry;
}

/// The tensors must lie one after another, from the first byte after the header to the last.
void check_cover(std::vector<Placed>& placed, std::uint64_t size, const std::string& file) {
  std::sort(placed.begin(), placed.end(), [](const Placed& a, const Placed& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  std::uint64_t at = 0;
  for (const Placed& tensor : placed) {
    if (tensor.begin != at)
      throw Error(ErrorCode::corrupt,
                  concat(file, ": tensor '", tensor.name, "' begins at byte ", tensor.begin,
                         tensor.begin < at ? ", within the one before" : ", after a hole",
                         ", and not at ", at));
    at = tensor.end;
  }
  if (at != size)
    throw Error(
        ErrorCode::corrupt,
        concat(file, ": ", size - at, " bytes follow the last tensor", placed.empty() ? "" : " '",
               placed.empty() ? "" : placed.back().name, placed.empty() ? "" : "'"));
}

}  // namespace

Safetensors Safetensors::open(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status {};
  if (file < 0 || fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
    const int reason = file < 0 ? errno : EINVAL;
    if (file >= 0) close(file);
    throw Error(ErrorCode::not_found, concat("cannot read ", path, ": ", std::strerror(reason)));
  }
  const auto size = static_cast<std::size_t>(status.st_size);
  void* address = size == 0 ? nullptr : mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
  close(file);
  if (address == MAP_FAILED)
    throw Error(ErrorCode::not_found, concat("cannot map ", path, ": ", std::strerror(errno)));
  Safetensors result;
  result.name_ = path;
  if (address != nullptr)
    result.mapping_ = std::shared_ptr<const void>(
        address, [size](const void* held) { munmap(const_cast<void*>(held), size); });
  result.read({static_cast<const std::byte*>(address), size});
  return result;
}

Safetensors Safetensors::parse(std::span<const std::byte> file, const std::string& name) {
  Safetensors result;
  result.name_ = name;
  result.read(file);
  return result;
}

void Safetensors::read(std::span<const std::byte> file) {
  const auto corrupt = [&](const std::string& why) {
    return Error(ErrorCode::corrupt, concat(name_, ": ", why));
  };
  if (file.size() < length_bytes) throw corrupt(concat("it has only ", file.size(), " bytes"));
  std::uint64_t header = 0;
  for (std::size_t i = 0; i < length_bytes; ++i)
    header |= std::uint64_t{std::to_integer<std::uint8_t>(file[i])} << (8 * i);
  if (header > most_header)
    throw corrupt(concat("its header has ", header, " bytes, and may have ", most_header));
  if (header > file.size() - length_bytes)
    throw corrupt(concat("its header has ", header, " bytes, and the file only ", file.size()));
  const std::string_view text(reinterpret_cast<const char*>(file.data()) + length_bytes, header);
  const std::span<const std::byte> data = file.subspan(length_bytes + header);
  const nlohmann::json document = parse_strictly(text, name_);
  std::vector<Placed> placed;
  JsonNode(document, name_).each_member([&](const std::string& key, const JsonNode& node) {
    if (key != metadata_key) {
      entries_.emplace(key, read_entry(key, node, data, placed));
      return;
    }
    node.each_member([&](const std::string& name, const JsonNode& value) {
      metadata_.emplace(name, value.text());
    });
  });
  check_cover(placed, data.size(), name_);
}

const SafetensorsEntry& Safetensors::at(std::string_view name) const {
  const auto found = entries_.find(name);
  if (found != entries_.end()) return found->second;
  std::vector<std::string> names;
  for (const auto& [known, unused] : entries_) names.push_back(known);
  throw Error(ErrorCode::not_found,
              concat(name_, " has no tensor '", name, "'", did_you_mean(name, names)));
}

Tensor Safetensors::load(const Stream& stream, std::string_view name) const {
  const SafetensorsEntry& entry = at(name);
  return Tensor::from_host(stream, entry.dtype, Shape(entry.shape), entry.bytes);
}

Tensors Safetensors::load_all(const Stream& stream, std::string_view prefix) const {
  Tensors result;
  for (const auto& [name, entry] : entries_)
    if (name.starts_with(prefix))
      result.emplace(name.substr(prefix.size()),
                     Tensor::from_host(stream, entry.dtype, Shape(entry.shape), entry.bytes));
  return result;
}

void write_safetensors(const std::string& path,
                       const std::map<std::string, SafetensorsEntry, std::less<>>& entries,
                       const std::map<std::string, std::string>& metadata) {
  nlohmann::json header = nlohmann::json::object();
  if (!metadata.empty()) header[metadata_key] = metadata;
  using Item = std::pair<const std::string, SafetensorsEntry>;
  std::vector<const Item*> order;
  for (const Item& item : entries) order.push_back(&item);
  std::stable_sort(order.begin(), order.end(), [](const Item* a, const Item* b) {
    return size_of(a->second.dtype) > size_of(b->second.dtype);
  });
  std::uint64_t at = 0;
  for (const Item* item : order) {
    const SafetensorsEntry& entry = item->second;
    if (byte_size(entry) != entry.bytes.size())
      throw Error(ErrorCode::invalid_argument,
                  concat("write_safetensors: tensor '", item->first, "' has ", entry.bytes.size(),
                         " bytes, which its shape and dtype do not"));
    const TypeName* type =
        std::find_if(std::begin(type_names), std::end(type_names),
                     [&](const TypeName& row) { return row.dtype == entry.dtype; });
    header[item->first] = {{"dtype", type->name},
                           {"shape", entry.shape},
                           {"data_offsets", {at, at + entry.bytes.size()}}};
    at += entry.bytes.size();
  }
  std::string text = header.dump();
  text.resize((text.size() + length_bytes - 1) / length_bytes * length_bytes, ' ');
  std::array<char, length_bytes> length{};
  for (std::size_t i = 0; i < length_bytes; ++i)
    length[i] = static_cast<char>(std::uint64_t{text.size()} >> (8 * i) & 0xff);
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(length.data(), length.size());
  out.write(text.data(), static_cast<std::streamsize>(text.size()));
  for (const Item* item : order)
    out.write(reinterpret_cast<const char*>(item->second.bytes.data()),
              static_cast<std::streamsize>(item->second.bytes.size()));
  out.flush();
  if (!out) throw Error(ErrorCode::not_found, concat("cannot write ", path));
}

}  // namespace ptxmill::rt
