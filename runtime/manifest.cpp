#include "runtime/manifest.hpp"

#include <algorithm>

#include "runtime/manifest_reading.hpp"
#include "runtime/sha256.hpp"

namespace ptxmill::rt {
namespace {

struct KindName {
  ParameterKind kind;
  std::string_view name;
};
constexpr KindName kind_names[] = {
    {ParameterKind::in, "in"},
    {ParameterKind::out, "out"},
    {ParameterKind::inout, "inout"},
    {ParameterKind::dim, "dim"},
    {ParameterKind::scalar, "scalar"},
    {ParameterKind::device_scalar, "device_scalar"},
    {ParameterKind::tensor_map, "tensor_map"},
    {ParameterKind::pointer_table, "pointer_table"},
    {ParameterKind::workspace, "workspace"},
    {ParameterKind::bytes, "bytes"},
};

ParameterKind read_kind(const JsonNode& node) {
  const std::string text = node.text();
  for (const KindName& row : kind_names)
    if (row.name == text) return row.kind;
  node.fail(concat("'", text, "' is no kind of parameter"));
}

std::string read_digest(const JsonNode& node) {
  std::string text = node.text();
  const bool hex = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
  if (text.size() != 64 || !hex) node.fail("64 lower-case hex digits were expected");
  return text;
}

std::int64_t read_align(const JsonNode& node, const char* key) {
  if (!node.has(key)) return 1;
  const std::int64_t align = node.member(key).integer(1, 4096);
  if ((align & (align - 1)) != 0) node.member(key).fail("a power of two was expected");
  return align;
}

/// The position of the dynamic dimension `name`.
std::size_t find_dynamic(const KernelInfo& kernel, const std::string& name, const JsonNode& node) {
  for (std::size_t i = 0; i < kernel.dims.size(); ++i) {
    if (kernel.dims[i].name != name) continue;
    if (!kernel.dims[i].dynamic) node.fail(concat("the dimension '", name, "' is not dynamic"));
    return i;
  }
  node.fail(concat("the kernel has no dimension '", name, "'"));
}

template <class Value>
Value read_choice(const JsonNode& node,
                  std::initializer_list<std::pair<std::string_view, Value>> choices) {
  const std::string text = node.text();
  std::string known;
  for (const auto& [name, value] : choices) {
    if (name == text) return value;
    known += concat(known.empty() ? "" : ", ", name);
  }
  node.fail(concat("one of ", known, " was expected, not '", text, "'"));
}

TensorMapRecipe read_map(const JsonNode& node, const std::vector<std::string>& variables) {
  using L2 = cu::TensorMapL2Promotion;
  using Swizzle = cu::TensorMapSwizzle;
  constexpr std::size_t most_rank = 5;
  TensorMapRecipe map;
  map.tensor = node.member("tensor").nonempty_text();
  map.direction = read_choice<ParameterKind>(
      node.member("direction"),
      {{"in", ParameterKind::in}, {"out", ParameterKind::out}, {"inout", ParameterKind::inout}});
  map.extents = read_expressions(node.member("extents"), variables);
  map.strides = read_expressions(node.member("strides"), variables);
  node.member("box").each_element([&](const JsonNode& extent) {
    map.box.push_back(static_cast<std::uint32_t>(extent.integer(1, 256)));
  });
  if (map.extents.empty() || map.extents.size() > most_rank)
    node.member("extents").fail("one to five extents were expected");
  if (map.strides.size() + 1 != map.extents.size())
    node.member("strides").fail("one stride less than there are extents was expected");
  if (map.box.size() != map.extents.size())
    node.member("box").fail("as many as there are extents were expected");
  map.swizzle = read_choice<Swizzle>(node.member("swizzle"), {{"none", Swizzle::none},
                                                              {"32B", Swizzle::bytes_32},
                                                              {"64B", Swizzle::bytes_64},
                                                              {"128B", Swizzle::bytes_128}});
  if (node.has("l2_promotion"))
    map.l2_promotion = read_choice<L2>(node.member("l2_promotion"), {{"none", L2::none},
                                                                     {"64B", L2::bytes_64},
                                                                     {"128B", L2::bytes_128},
                                                                     {"256B", L2::bytes_256}});
  if (node.has("fill"))
    map.fill =
        read_choice<cu::TensorMapFill>(node.member("fill"), {{"none", cu::TensorMapFill::zeros},
                                                             {"zeros", cu::TensorMapFill::zeros},
                                                             {"nan", cu::TensorMapFill::nan}});
  return map;
}

/// Whether a scalar parameter may have this type.
bool scalar_type(DType dtype) {
  return dtype == DType::f32 || dtype == DType::u32 || dtype == DType::s32 || dtype == DType::u64;
}

ParameterInfo read_parameter(const JsonNode& node, const KernelInfo& kernel,
                             const std::vector<std::string>& variables) {
  ParameterInfo result;
  result.name = node.member("name").nonempty_text();
  result.kind = read_kind(node.member("kind"));
  switch (result.kind) {
    case ParameterKind::in:
    case ParameterKind::out:
    case ParameterKind::inout:
      node.only({"name", "kind", "dtype", "align", "elements", "optional"});
      result.dtype = read_dtype(node.member("dtype"));
      result.align = read_align(node, "align");
      result.elements = read_expression(node.member("elements"), variables);
      result.optional = node.has("optional") && node.member("optional").boolean();
      break;
    case ParameterKind::dim:
      node.only({"name", "kind", "min", "max", "multiple_of"});
      result.range = read_range(node);
      result.dim = find_dynamic(kernel, result.name, node);
      break;
    case ParameterKind::scalar:
      node.only({"name", "kind", "dtype"});
      result.dtype = read_dtype(node.member("dtype"));
      if (!scalar_type(result.dtype))
        node.member("dtype").fail("f32, u32, s32 or u64 was expected");
      break;
    case ParameterKind::device_scalar:
      node.only({"name", "kind", "dtype", "min", "max"});
      result.dtype = read_dtype(node.member("dtype"));
      result.range = read_range(node);
      result.align = static_cast<std::int64_t>(size_of(result.dtype));
      break;
    case ParameterKind::tensor_map:
      node.only({"name", "kind", "tensor", "direction", "dtype", "align", "elements", "extents",
                 "strides", "box", "swizzle", "l2_promotion", "fill"});
      result.dtype = read_dtype(node.member("dtype"));
      result.align = std::max<std::int64_t>(read_align(node, "align"), 16);
      result.elements = read_expression(node.member("elements"), variables);
      result.map = read_map(node, variables);
      break;
    case ParameterKind::pointer_table:
      node.only({"name", "kind", "dtype", "count"});
      result.dtype = read_dtype(node.member("dtype"));
      result.elements = read_expression(node.member("count"), variables);
      result.align = 8;
      break;
    case ParameterKind::workspace:
      node.only({"name", "kind", "bytes", "align", "zeroed"});
      result.elements = read_expression(node.member("bytes"), variables);
      result.align = read_align(node, "align");
      result.zeroed = node.has("zeroed") && node.member("zeroed").boolean();
      break;
    case ParameterKind::bytes:
      node.only({"name", "kind", "size", "align"});
      result.size = node.member("size").integer(1, 4096);
      result.align = read_align(node, "align");
      break;
  }
  return result;
}

std::array<unsigned, 3> read_extents(const JsonNode& node, unsigned most) {
  std::array<unsigned, 3> result{1, 1, 1};
  if (node.size() != 3) node.fail("three numbers were expected");
  std::size_t product = 1;
  for (std::size_t i = 0; i < 3; ++i) {
    result[i] = static_cast<unsigned>(node.element(i).integer(1, most));
    product *= result[i];
  }
  if (product > most) node.fail(concat("the product is beyond ", most));
  return result;
}

LaunchInfo read_launch(const JsonNode& node, const std::vector<std::string>& variables) {
  constexpr unsigned most_threads = 1024, most_cluster = 16;
  node.only(
      {"grid", "block", "cluster", "shared_bytes", "cooperative", "programmatic_dependent_launch"});
  LaunchInfo launch;
  const std::vector<Expression> grid = read_expressions(node.member("grid"), variables);
  if (grid.size() != 3) node.member("grid").fail("three expressions were expected");
  std::copy(grid.begin(), grid.end(), launch.grid.begin());
  launch.block = read_extents(node.member("block"), most_threads);
  launch.cluster = read_extents(node.member("cluster"), most_cluster);
  launch.shared_bytes = read_expression(node.member("shared_bytes"), variables);
  launch.cooperative = node.member("cooperative").boolean();
  launch.programmatic_dependent_launch = node.member("programmatic_dependent_launch").boolean();
  return launch;
}

/// A path below the manifest's directory: it must not lead out of it.
std::string read_file_name(const JsonNode& node) {
  std::string path = node.nonempty_text();
  std::size_t begin = 0;
  for (;;) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = std::string_view(path).substr(begin, end - begin);
    if (part.empty() || part == "." || part == ".." || part.find('\\') != std::string_view::npos)
      node.fail("a path below the manifest's directory was expected");
    if (end == path.size()) return path;
    begin = end + 1;
  }
}

FormInfo read_form(const JsonNode& node, const KernelInfo& kernel, const std::string& target) {
  node.only({"form", "file", "sha256", "entry", "target", "ptx_version", "driver", "when",
             "requires", "params", "launch"});
  const std::vector<std::string> variables = kernel.variables();
  FormInfo form;
  form.form = node.member("form").text();
  form.file = read_file_name(node.member("file"));
  form.sha256 = read_digest(node.member("sha256"));
  form.entry = node.member("entry").nonempty_text();
  form.target = node.member("target").text();
  if (form.target != target) node.member("target").fail(concat("'", target, "' was expected"));
  form.ptx_version = node.member("ptx_version").nonempty_text();
  form.driver = static_cast<int>(node.member("driver").integer(0, 1'000'000));
  node.member("when").each_member([&](const std::string& dim, const JsonNode& range) {
    range.only({"min", "max", "multiple_of"});
    form.when.push_back({find_dynamic(kernel, dim, range), read_range(range)});
  });
  if (node.has("requires")) {
    const JsonNode needs = node.member("requires");
    needs.only({"sm_count"});
    if (needs.has("sm_count"))
      form.sm_count = static_cast<int>(needs.member("sm_count").integer(1, 100'000));
  }
  node.member("params").each_element([&](const JsonNode& parameter) {
    form.params.push_back(read_parameter(parameter, kernel, variables));
    for (std::size_t i = 0; i + 1 < form.params.size(); ++i)
      if (form.params[i].name == form.params.back().name)
        parameter.fail(concat("the name '", form.params[i].name, "' stands twice"));
  });
  if (form.params.size() > Manifest::most_parameters)
    node.member("params").fail(concat("at most ", Manifest::most_parameters, " were expected"));
  const auto maps = static_cast<std::size_t>(
      std::count_if(form.params.begin(), form.params.end(),
                    [](const ParameterInfo& parameter) { return parameter.map.has_value(); }));
  if (maps > Manifest::most_tensor_maps)
    node.member("params").fail(
        concat("at most ", Manifest::most_tensor_maps, " tensor maps were expected"));
  form.launch = read_launch(node.member("launch"), variables);
  return form;
}

KernelInfo read_kernel(const JsonNode& node) {
  node.only({"name", "template", "dtypes", "dims", "options", "targets"});
  KernelInfo kernel;
  kernel.name = node.member("name").nonempty_text();
  kernel.template_name = node.member("template").nonempty_text();
  kernel.dtypes = read_dtypes(node.member("dtypes"));
  kernel.options = read_options(node.member("options"));
  node.member("dims").each_member([&](const std::string& name, const JsonNode& value) {
    DimInfo dim{name, 0, value.json().is_string()};
    if (name == "sm_count") value.fail("the name is taken: it is the device's");
    if (!dim.dynamic) dim.value = value.integer(0);
    if (dim.dynamic && value.text() != "dynamic")
      value.fail("an integer or 'dynamic' was expected");
    kernel.dims.push_back(std::move(dim));
  });
  if (kernel.dims.size() > Manifest::most_dims)
    node.member("dims").fail(concat("at most ", Manifest::most_dims, " were expected"));
  node.member("targets").each_member([&](const std::string& target, const JsonNode& forms) {
    forms.only({"forms"});
    TargetForms& entry = kernel.targets.emplace_back(TargetForms{target, {}});
    forms.member("forms").each_element(
        [&](const JsonNode& form) { entry.forms.push_back(read_form(form, kernel, target)); });
    if (entry.forms.empty()) forms.fail("at least one form was expected");
  });
  if (kernel.targets.empty()) node.member("targets").fail("at least one target was expected");
  return kernel;
}

/// Compares the manifest's digest with that of its bytes, before anything in it is believed.
void check_digest(std::string_view text, const std::string& file) {
  constexpr std::string_view key = "\"digest\": \"";
  constexpr std::size_t digits = 64;
  const std::size_t at = text.find(key);
  const std::size_t value = at + key.size();
  if (at == std::string_view::npos || value + digits >= text.size() || text[value + digits] != '"')
    throw Error(ErrorCode::corrupt, concat(file, ": it has no digest of 64 hex digits"));
  const std::string_view expected = text.substr(value, digits);
  const std::string actual = sha256({text.substr(0, value), text.substr(value + digits)});
  if (expected != actual)
    throw Error(ErrorCode::corrupt, concat(file,
                                           ": the manifest was changed after it was written: "
                                           "expected digest ",
                                           expected, ", actual ", actual));
}

template <class Items>
void require_unique_names(const Items& items, const JsonNode& node) {
  for (std::size_t i = 1; i < items.size(); ++i)
    if (!(items[i - 1].name < items[i].name))
      node.element(i).fail(concat("the names must be sorted and unique: '", items[i].name,
                                  "' stands after '", items[i - 1].name, "'"));
}

}  // namespace

std::string_view name(ParameterKind kind) {
  for (const KindName& row : kind_names)
    if (row.kind == kind) return row.name;
  return "unknown";
}

std::string Range::text() const {
  const bool bounded = max != std::numeric_limits<std::int64_t>::max();
  std::string result = multiple_of == 1 ? "a value" : concat("a multiple of ", multiple_of);
  return result + (bounded ? concat(" from ", min, " to ", max) : concat(" of at least ", min));
}

std::vector<std::string> KernelInfo::variables() const {
  std::vector<std::string> result;
  for (const DimInfo& dim : dims) result.push_back(dim.name);
  result.emplace_back("sm_count");
  return result;
}

Manifest Manifest::read(std::string_view text, const std::string& file) {
  constexpr std::int64_t known_format = 1;
  check_digest(text, file);
  const nlohmann::json document = parse_strictly(text, file);
  const JsonNode root(document, file);
  const std::int64_t format = root.member("format_version").integer(0);
  if (format != known_format)
    throw Error(ErrorCode::incompatible,
                concat(file, ": format version ", format, "; this runtime reads version ",
                       known_format, "; use the runtime that belongs to the generator"));
  root.only({"digest", "format_version", "generator_version", "library", "spec_digest", "kernels",
             "plans"});
  Manifest manifest;
  manifest.digest = read_digest(root.member("digest"));
  manifest.spec_digest = read_digest(root.member("spec_digest"));
  manifest.generator_version = root.member("generator_version").nonempty_text();
  manifest.library = root.member("library").nonempty_text();
  const JsonNode kernels = root.member("kernels");
  kernels.each_element(
      [&](const JsonNode& node) { manifest.kernels.push_back(read_kernel(node)); });
  require_unique_names(manifest.kernels, kernels);
  const JsonNode plans = root.member("plans");
  plans.each_element([&](const JsonNode& node) { manifest.plans.push_back(read_plan(node)); });
  require_unique_names(manifest.plans, plans);
  return manifest;
}

}  // namespace ptxmill::rt
