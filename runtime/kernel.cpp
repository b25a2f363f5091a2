#include "runtime/kernel.hpp"

#include <algorithm>

#include "runtime/launcher.hpp"
#include "runtime/text.hpp"

namespace ptxmill::rt {
namespace {

constexpr std::int64_t unset = -1;

[[noreturn]] void refuse(const KernelInfo& kernel, const std::string& why) {
  throw Error(ErrorCode::invalid_argument, concat("kernel '", kernel.name, "': ", why));
}

void take_dim(const KernelInfo& kernel, const Dim& given, std::span<std::int64_t> values) {
  const auto found = std::find_if(kernel.dims.begin(), kernel.dims.end(),
                                  [&](const DimInfo& dim) { return dim.name == given.name; });
  if (found == kernel.dims.end()) {
    std::vector<std::string> names;
    for (const DimInfo& dim : kernel.dims) names.push_back(dim.name);
    refuse(kernel,
           concat("it has no dimension '", given.name, "'", did_you_mean(given.name, names)));
  }
  std::int64_t& value = values[static_cast<std::size_t>(found - kernel.dims.begin())];
  if (given.value < 0) refuse(kernel, concat("dimension '", given.name, "' is ", given.value));
  if (value != unset && value != given.value)
    refuse(kernel, concat("dimension '", given.name, "' is ", given.value, ", and ",
                          found->dynamic ? "was given before as " : "is fixed to ", value));
  value = given.value;
}

}  // namespace

void Kernel::launch_packed(const Stream& stream, std::span<const Dim> dims,
                           std::span<const Argument> arguments) const {
  const KernelInfo& kernel = info();
  std::array<std::int64_t, Manifest::most_dims> values;
  for (std::size_t i = 0; i < kernel.dims.size(); ++i)
    values[i] = kernel.dims[i].dynamic ? unset : kernel.dims[i].value;
  for (const Dim& dim : dims) take_dim(kernel, dim, std::span(values).first(kernel.dims.size()));
  for (std::size_t i = 0; i < kernel.dims.size(); ++i)
    if (values[i] == unset)
      refuse(kernel, concat("dimension '", kernel.dims[i].name, "' was not given"));
  launch_values(stream, std::span(values).first(kernel.dims.size()), arguments);
}

void Kernel::launch_values(const Stream& stream, std::span<const std::int64_t> dims,
                           std::span<const Argument> arguments) const {
  std::array<std::int64_t, Manifest::most_dims + 1> storage;
  Launcher(*library_, *variant_, stream, with_sm_count(dims, storage), arguments).run();
}

WorkspaceBytes Kernel::workspace_bytes(std::span<const std::int64_t> dims) const {
  std::array<std::int64_t, Manifest::most_dims + 1> storage;
  const std::span<const std::int64_t> values = with_sm_count(dims, storage);
  WorkspaceBytes most;
  for (const FormState& form : variant_->forms) {
    WorkspaceLayout layout;
    for (const ParameterInfo& parameter : form.info->params)
      if (parameter.kind == ParameterKind::workspace) layout.place(parameter, values);
    most.plain = std::max(most.plain, layout.bytes.plain);
    most.zeroed = std::max(most.zeroed, layout.bytes.zeroed);
  }
  return most;
}

/// The values of the dimensions, then the device's, as the kernel's expressions number them.
std::span<const std::int64_t> Kernel::with_sm_count(std::span<const std::int64_t> dims,
                                                    std::span<std::int64_t> storage) const {
  if (dims.size() != info().dims.size())
    refuse(info(), concat(dims.size(), " dimensions were given; it has ", info().dims.size()));
  std::copy(dims.begin(), dims.end(), storage.begin());
  storage[dims.size()] = library_->context().info().sm_count;
  return storage.first(dims.size() + 1);
}

const std::string& Kernel::name() const { return variant_->kernel->name; }

const std::string& Kernel::target() const { return variant_->target; }

const KernelInfo& Kernel::info() const { return *variant_->kernel; }

const std::vector<std::string>& Kernel::argument_names() const { return variant_->arguments; }

void Kernel::load() const {
  for (FormState& form : variant_->forms) library_->function(form, nullptr);
}

}  // namespace ptxmill::rt
