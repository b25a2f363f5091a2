// explain: what a kernel or block of a spec is, without reading its PTX.
#include <iostream>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "generator/cli/load.hpp"
#include "generator/cli/terminal.hpp"
#include "generator/cli/verbs.hpp"
#include "generator/ptx/printer.hpp"
#include "generator/ptx/where.hpp"
#include "templates/emitter.hpp"

namespace ptxmill::cli {
namespace {

using nlohmann::json;

void print_fields(const spec::Declared& declared) {
  for (const spec::Field* f : declared.fields())
    std::cout << fmt::format("    {:<18} {:<12} {}\n", f->name(), f->value().dump(), f->doc());
}

std::string conditions(const kernels::Form& form) {
  std::string all;
  for (const kernels::When& w : form.when) {
    if (w.dim->is_static()) continue;
    if (!all.empty()) all += ", ";
    all += w.dim->name();
    if (w.min > 0) all += fmt::format(" >= {}", w.min);
    if (w.max < 0x7fffffff) all += fmt::format(" <= {}", w.max);
    if (w.multiple_of > 1) all += fmt::format(" a multiple of {}", w.multiple_of);
  }
  return all.empty() ? "always" : "when " + all;
}

void print_form(const KernelEntry& kernel, const ptx::Target& target, const kernels::Form& form) {
  const kernels::Template& t = kernel.on(target);
  kernels::Emitter k("explained", target, t, form);
  t.emit(k, form);
  k.recorder.finish(ptx::Where::here());
  const kernels::Launch launch = t.launch(form);
  std::cout << fmt::format("  {} form {}: {}\n", target.name(),
                           form.name.empty() ? "(only)" : form.name, conditions(form));
  std::cout << fmt::format("    launch           grid ({}, {}, {})  block ({}, {}, {})\n",
                           launch.grid[0].text(), launch.grid[1].text(), launch.grid[2].text(),
                           launch.block[0], launch.block[1], launch.block[2]);
  for (const auto& [what, into] : t.division(form, target))
    std::cout << fmt::format("    {:<16} {}\n", what, into);
  const int version = k.recorder.ptx_version();
  std::cout << fmt::format("    needs            PTX {}.{}, driver {} or newer\n", version / 10,
                           version % 10, isa::driver_for_ptx(version));
  std::cout << fmt::format("    shared memory    {} B{}\n", k.recorder.shared_bytes(),
                           k.recorder.shared_is_dynamic() ? ", dynamic" : "");
  const std::vector<std::int64_t> offsets = k.recorder.shared_offsets();
  for (std::size_t i = 0; i < k.recorder.shared_arrays().size(); ++i) {
    const ptx::SharedArray& a = k.recorder.shared_arrays()[i];
    std::cout << fmt::format("      {:>8}  {} .{}[{}]\n", offsets[i], a.name, isa::spelling(a.type),
                             a.count);
  }
  std::vector<std::string> phases;
  for (const ptx::Line& line : k.recorder.lines())
    if (line.kind == ptx::Line::Kind::open) phases.push_back(line.text);
  std::cout << fmt::format("    phases           {}\n", fmt::join(phases, " | "));
}

void print_arguments(const kernels::Template& t) {
  for (const kernels::Argument* a : t.arguments()) {
    if (!a->present()) continue;
    const auto* tensor = dynamic_cast<const kernels::Tensor*>(a);
    constexpr const char* directions[] = {"in", "out", "inout"};
    std::cout << fmt::format(
        "    {:<18} {:<12} {}\n", a->name(),
        tensor != nullptr ? fmt::format("{} {}", directions[static_cast<int>(tensor->direction())],
                                        spec::name(tensor->dtype()))
                          : std::string("f32 scalar"),
        a->doc() +
            (tensor != nullptr ? ": at least " + tensor->elements().text() + " elements" : ""));
  }
}

void print_kernel(const KernelEntry& kernel) {
  std::cout << fmt::format("kernel {}: template {}\n  fields\n", kernel.name, kernel.family);
  print_fields(*kernel.declared);
  std::cout << "  arguments\n";
  print_arguments(*kernel.declared);
  for (const KernelEntry::Variant& variant : kernel.variants)
    for (const kernels::Form& form : variant.declared->settled_forms())
      print_form(kernel, variant.target, form);
}

void print_block(const BlockEntry& block) {
  std::cout << fmt::format("block {}: {}\n  fields\n", block.name, block.family);
  print_fields(*block.declared);
  for (const auto& [target, builder] : block.plans) {
    const json plan = builder.target_plan();
    std::cout << fmt::format("  plan for {}\n", target.name());
    for (const json& step : plan["steps"]) {
      std::cout << fmt::format("    {:<18} {}\n", step["name"].get<std::string>(),
                               step["kernel"].get<std::string>());
      for (const auto& [parameter, binding] : step["args"].items())
        std::cout << fmt::format(
            "      {:<10} {}\n", parameter,
            binding.is_string()
                ? binding.get<std::string>()
                : fmt::format("{} from element {}", binding["value"].get<std::string>(),
                              binding["offset"].dump()));
    }
    std::cout << "  workspace\n";
    for (const json& b : plan["buffers"])
      std::cout << fmt::format("    slot {}  steps {} to {}  {} {}\n", b["slot"].dump(),
                               b["first"].dump(), b["last"].dump(), b["name"].get<std::string>(),
                               b["shape"].dump());
  }
}

}  // namespace

int explain(const std::string& what, const GenOptions& given) {
  const std::size_t hash = what.rfind('#');
  if (hash == what.npos) {
    say_error("expected SPEC#NAME, such as specs/core.json#add, got " + what);
    return exit_usage;
  }
  const std::string name = what.substr(hash + 1);
  GenOptions options = given;
  options.specs = {what.substr(0, hash)};
  const std::vector<Library> libraries = load(options);
  if (libraries.empty()) return exit_usage;
  std::vector<std::string> names;
  try {
    for (const BlockEntry& block : libraries[0].blocks) {
      names.push_back(block.name);
      if (block.name == name) return print_block(block), exit_ok;
    }
    for (const KernelEntry& kernel : libraries[0].kernels) {
      names.push_back(kernel.name);
      if (kernel.name == name) return print_kernel(kernel), exit_ok;
    }
  } catch (const ptx::BuildError& e) {
    say_error(e.what());
    return exit_usage;
  }
  const std::string meant = spec::nearest(name, names);
  say_error(fmt::format("{} has no \"{}\"{}; there are {}", options.specs[0], name,
                        meant.empty() ? "" : fmt::format("; did you mean \"{}\"?", meant),
                        fmt::join(names, ", ")));
  return exit_usage;
}

}  // namespace ptxmill::cli
