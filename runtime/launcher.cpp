#include "runtime/launcher.hpp"

#include <algorithm>
#include <bit>
#include <limits>

#include "runtime/storage.hpp"
#include "runtime/text.hpp"

namespace ptxmill::rt {
namespace {

constexpr std::array<std::int64_t, 3> most_grid{std::numeric_limits<std::int32_t>::max(), 65535,
                                                65535};

cu::TensorMapDataType tensor_map_type(DType dtype) {
  using Type = cu::TensorMapDataType;
  switch (dtype) {
    case DType::f64: return Type::f64;
    case DType::f32: return Type::f32;
    case DType::f16: return Type::f16;
    case DType::bf16: return Type::bf16;
    case DType::s64: return Type::s64;
    case DType::u64: return Type::u64;
    case DType::s32: return Type::s32;
    case DType::u32: return Type::u32;
    case DType::s16:
    case DType::u16: return Type::u16;
    default: return Type::u8;
  }
}

}  // namespace

std::size_t WorkspaceLayout::place(const ParameterInfo& parameter,
                                   std::span<const std::int64_t> values) {
  std::size_t& end = parameter.zeroed ? bytes.zeroed : bytes.plain;
  const auto align = static_cast<std::size_t>(std::max<std::int64_t>(parameter.align, 16));
  const std::size_t begin = (end + align - 1) / align * align;
  end = begin + static_cast<std::size_t>(parameter.elements.evaluate(values));
  return begin;
}

Launcher::Launcher(LibraryState& library, const VariantState& variant, const Stream& stream,
                   std::span<const std::int64_t> values, std::span<const Argument> arguments)
    : library_(library),
      variant_(variant),
      stream_(stream),
      values_(values),
      arguments_(take_workspace_argument(arguments)),
      form_(choose_form()),
      info_(*form_.info) {}

void Launcher::refuse(const std::string& why) const {
  throw Error(ErrorCode::invalid_argument, concat("kernel '", variant_.kernel->name, "': ", why));
}

void Launcher::refuse(const ParameterInfo& parameter, const std::string& why) const {
  refuse(concat("argument '", parameter.map ? parameter.map->tensor : parameter.name, "' (",
                name(parameter.kind), ") ", why));
}

std::span<const Argument> Launcher::take_workspace_argument(std::span<const Argument> arguments) {
  if (arguments.empty() || arguments.back().kind() != Argument::Kind::workspace) return arguments;
  workspace_ = &arguments.back();
  return arguments.first(arguments.size() - 1);
}

/// The first form whose conditions hold. With an extent of zero any will do: it launches nothing.
FormState& Launcher::choose_form() const {
  const auto holds = [&](const FormState& form) {
    return std::all_of(form.info->when.begin(), form.info->when.end(),
                       [&](const DimCondition& c) { return c.range.holds(values_[c.dim]); });
  };
  auto& forms = const_cast<VariantState&>(variant_).forms;
  const auto found = std::find_if(forms.begin(), forms.end(), holds);
  if (found != forms.end()) return *found;
  const std::vector<DimInfo>& dims = variant_.kernel->dims;
  std::string given, conditions;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (!dims[i].dynamic) continue;
    if (values_[i] == 0) return forms.back();
    given += concat(given.empty() ? "" : ", ", dims[i].name, " = ", values_[i]);
  }
  for (const FormState& form : forms) {
    conditions += concat("; form '", form.info->form, "':");
    for (const DimCondition& c : form.info->when)
      conditions += concat(' ', dims[c.dim].name, " is ", c.range.text());
  }
  refuse(concat("no form for ", variant_.target, " takes ", given, conditions));
}

void Launcher::check_count() const {
  if (arguments_.size() == variant_.arguments.size()) return;
  std::string names;
  for (const std::string& name : variant_.arguments) names += (names.empty() ? "" : ", ") + name;
  refuse(concat(arguments_.size(), " arguments were given; it takes ", variant_.arguments.size(),
                " (", names, ")"));
}

void Launcher::run() {
  Context& context = library_.context();
  context.check_alive();
  if (stream_.context().get() != &context)
    refuse("the stream is on another device than the library");
  check_count();
  // Dimensions first: the others' sizes depend on them.
  for (const bool dims : {true, false})
    for (std::size_t i = 0; i < info_.params.size(); ++i)
      if ((info_.params[i].kind == ParameterKind::dim) == dims) pack_parameter(i);
  if (!evaluate_grid()) return;
  if (zero_out_of_range_ != nullptr)
    refuse(*zero_out_of_range_, concat("is 0, and must be ", zero_out_of_range_->range.text()));
  if (form_.has_workspace) pack_workspaces();
  const cu::Function function = library_.function(form_, &stream_, &loaded_now_);
  if (info_.launch.cooperative) check_resident(function);
  if (context.trace() == TraceMode::launches) print();
  start(function);
  context.note_launch(form_.label, stream_.handle());
  count();
  if (context.blocking() && !stream_.capturing()) stream_.synchronize();
}

void Launcher::pack_parameter(std::size_t index) {
  const ParameterInfo& parameter = info_.params[index];
  const std::size_t at = form_.argument_of_parameter[index];
  pointers_[index] = &words_[index];
  if (parameter.kind == ParameterKind::dim) return pack_dim(index, parameter);
  if (parameter.kind == ParameterKind::workspace) return;
  const Argument& argument = arguments_[at];
  switch (parameter.kind) {
    case ParameterKind::scalar: return pack_scalar(index, parameter, argument);
    case ParameterKind::bytes: return pack_bytes(index, parameter, argument);
    case ParameterKind::tensor_map: return pack_tensor_map(index, parameter, argument);
    case ParameterKind::device_scalar:
      if (argument.has_mirror_ && !parameter.range.holds(argument.integer_))
        refuse(parameter, concat("is ", argument.integer_, " on the host's account, and must be ",
                                 parameter.range.text()));
      words_[index] = checked_pointer(parameter, argument, parameter.dtype, 1);
      return;
    case ParameterKind::pointer_table:
      words_[index] =
          checked_pointer(parameter, argument, DType::u64, parameter.elements.evaluate(values_));
      return;
    default:
      words_[index] = checked_pointer(parameter, argument, parameter.dtype,
                                      parameter.elements.evaluate(values_));
  }
}

void Launcher::pack_dim(std::size_t index, const ParameterInfo& parameter) {
  const std::int64_t value = values_[parameter.dim];
  if (value > std::numeric_limits<std::uint32_t>::max())
    refuse(parameter, concat("is ", value, ", and must be below 2^32"));
  if (!parameter.range.holds(value)) {
    // Zero may be out of the range and yet be a launch of nothing: the grid decides.
    if (value != 0)
      refuse(parameter, concat("is ", value, ", and must be ", parameter.range.text()));
    zero_out_of_range_ = &parameter;
  }
  words_[index] = static_cast<std::uint64_t>(value);
}

void Launcher::pack_scalar(std::size_t index, const ParameterInfo& parameter,
                           const Argument& argument) {
  using Kind = Argument::Kind;
  if (parameter.dtype == DType::f32) {
    if (argument.kind_ != Kind::real) refuse(parameter, "must be a floating-point number");
    words_[index] = std::bit_cast<std::uint32_t>(static_cast<float>(argument.real_));
    return;
  }
  if (argument.kind_ != Kind::integer && argument.kind_ != Kind::natural)
    refuse(parameter, concat("must be an integer (", name(parameter.dtype), ")"));
  const bool negative = argument.kind_ == Kind::integer && argument.integer_ < 0;
  const std::uint64_t bits = argument.kind_ == Kind::integer
                                 ? static_cast<std::uint64_t>(argument.integer_)
                                 : argument.natural_;
  bool fits = !negative;
  if (parameter.dtype == DType::u32)
    fits = fits && bits <= std::numeric_limits<std::uint32_t>::max();
  if (parameter.dtype == DType::s32)
    fits = negative ? argument.integer_ >= std::numeric_limits<std::int32_t>::min()
                    : bits <= std::numeric_limits<std::int32_t>::max();
  if (!fits)
    refuse(parameter, concat("is ", negative ? "-" : "", negative ? ~bits + 1 : bits,
                             ", which is no ", name(parameter.dtype)));
  words_[index] = bits;
}

void Launcher::pack_bytes(std::size_t index, const ParameterInfo& parameter,
                          const Argument& argument) {
  if (argument.kind_ != Argument::Kind::bytes || argument.elements_ != parameter.size)
    refuse(parameter, concat("must be ", parameter.size, " bytes by value"));
  pointers_[index] = const_cast<std::byte*>(argument.bytes_);
}

cu::DevicePointer Launcher::checked_pointer(const ParameterInfo& parameter,
                                            const Argument& argument, DType dtype,
                                            std::int64_t elements) const {
  if (argument.kind_ == Argument::Kind::null) {
    if (!parameter.optional && elements > 0) refuse(parameter, "is missing");
    return 0;
  }
  if (argument.kind_ != Argument::Kind::tensor) refuse(parameter, "must be a tensor");
  if (argument.dtype_ != dtype)
    refuse(parameter, concat("is ", name(argument.dtype_), ", and must be ", name(dtype)));
  if (argument.tensor_->storage()->context != library_.shared_context())
    refuse(parameter, "is on another device than the library");
  if (!argument.contiguous_)
    refuse(parameter, concat("is not contiguous: ", argument.tensor_->text()));
  if (argument.elements_ < elements)
    refuse(parameter, concat("has ", argument.elements_, " elements, and must have at least ",
                             elements, " (", parameter.elements.text(), ")"));
  // A power of two, as the manifest's reader has checked.
  if ((argument.pointer_ & (static_cast<std::uint64_t>(parameter.align) - 1)) != 0)
    refuse(parameter, concat("must be aligned to ", parameter.align, " bytes"));
  return argument.pointer_;
}

void Launcher::pack_tensor_map(std::size_t index, const ParameterInfo& parameter,
                               const Argument& argument) {
  const TensorMapRecipe& recipe = *parameter.map;
  const std::int64_t elements = parameter.elements.evaluate(values_);
  const cu::DevicePointer address = checked_pointer(parameter, argument, parameter.dtype, elements);
  cu::TensorMap& map = maps_[maps_used_++];
  pointers_[index] = &map;
  if (address == 0) return;  // no elements: there is nothing to launch
  const std::size_t rank = recipe.extents.size();
  TensorMapCache::Key key{address};
  for (std::size_t i = 0; i < rank; ++i) {
    key[1 + i] = static_cast<std::uint64_t>(recipe.extents[i].evaluate(values_));
    if (key[1 + i] == 0) return;
  }
  for (std::size_t i = 0; i + 1 < rank; ++i)
    key[6 + i] = static_cast<std::uint64_t>(recipe.strides[i].evaluate(values_));
  TensorMapCache& cache = *form_.maps[index];
  if (cache.find(key, map)) return;
  const cu::Driver& driver = cu::driver();
  if (!driver.tensor_map_encode_tiled)
    throw Error(ErrorCode::incompatible,
                concat("kernel '", form_.label, "': parameter '", parameter.name,
                       "' is a tensor map, and the driver ", driver.path, " (",
                       dotted_driver(driver.version), ") has no ",
                       driver.tensor_map_encode_tiled.symbol()));
  static constexpr std::array<std::uint32_t, 5> one_each{1, 1, 1, 1, 1};
  const cu::Result result = driver.tensor_map_encode_tiled.raw(
      &map, tensor_map_type(parameter.dtype), static_cast<std::uint32_t>(rank),
      reinterpret_cast<void*>(address), &key[1], &key[6], recipe.box.data(), one_each.data(),
      cu::TensorMapInterleave::none, recipe.swizzle, recipe.l2_promotion, recipe.fill);
  if (result != cu::Result::success)
    cu::fail(driver.tensor_map_encode_tiled.symbol(), result,
             concat("parameter '", parameter.name, "' of kernel '", form_.label, "'"));
  cache.insert(key, map);
}

/// The workspaces one after another, in the caller's memory or the stream's.
void Launcher::pack_workspaces() {
  WorkspaceLayout layout;
  for (std::size_t i = 0; i < info_.params.size(); ++i)
    if (info_.params[i].kind == ParameterKind::workspace)
      words_[i] = layout.place(info_.params[i], values_);
  std::array<cu::DevicePointer, 2> bases{};
  for (const bool zeroed : {false, true}) {
    const std::size_t bytes = zeroed ? layout.bytes.zeroed : layout.bytes.plain;
    if (bytes == 0) continue;
    if (workspace_ == nullptr) {
      bases[zeroed] = stream_.state()->workspace(bytes, zeroed);
      continue;
    }
    const Tensor& given = zeroed ? *workspace_->zeroed_ : *workspace_->tensor_;
    if (!given.valid() || !given.contiguous() || given.bytes() < bytes)
      refuse(concat("the ", zeroed ? "zeroed " : "", "workspace is ", given.text(),
                    ", and must have ", bytes, " bytes"));
    bases[zeroed] = given.pointer();
  }
  for (std::size_t i = 0; i < info_.params.size(); ++i) {
    const ParameterInfo& parameter = info_.params[i];
    if (parameter.kind != ParameterKind::workspace) continue;
    words_[i] += bases[parameter.zeroed];
    if (words_[i] % static_cast<std::uint64_t>(parameter.align) != 0)
      refuse(parameter, concat("must be aligned to ", parameter.align, " bytes"));
  }
}

/// False where an extent is zero: there is nothing to launch.
bool Launcher::evaluate_grid() {
  const LaunchInfo& launch = info_.launch;
  std::array<std::int64_t, 3> grid{};
  for (std::size_t i = 0; i < 3; ++i) grid[i] = launch.grid[i].evaluate(values_);
  if (std::find(grid.begin(), grid.end(), 0) != grid.end()) return false;
  for (std::size_t i = 0; i < 3; ++i) {
    if (grid[i] > most_grid[i])
      refuse(concat("the grid's extent ", "xyz"[i], " (", launch.grid[i].text(), ") is ", grid[i],
                    ", and can be at most ", most_grid[i]));
    grid_[i] = static_cast<unsigned>(grid[i]);
  }
  const std::int64_t shared = launch.shared_bytes.evaluate(values_);
  const std::int64_t most = library_.context().info().max_shared_bytes;
  if (shared > most)
    refuse(concat("it needs ", shared, " bytes of shared memory (", launch.shared_bytes.text(),
                  "), and the device offers ", most));
  shared_bytes_ = static_cast<unsigned>(shared);
  return true;
}

}  // namespace ptxmill::rt
