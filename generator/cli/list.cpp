// list and schema: what a spec can say, from the templates' own declarations.
#include <algorithm>
#include <iostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "generator/cli/load.hpp"
#include "generator/cli/verbs.hpp"
#include "templates/block.hpp"
#include "templates/template.hpp"

namespace ptxmill::cli {
namespace {

using nlohmann::json;

template <class Family>
void list_families(std::ostream& out, const char* kind, const std::vector<Family>& families) {
  for (const Family& f : families) {
    out << fmt::format("{} {}: {}\n", kind, f.name, f.doc);
    const auto declared = f.make();
    for (const spec::Field* field : declared->fields())
      out << fmt::format(
          "    {:<16} {}{}\n", field->name(), field->doc(),
          field->required() ? " (required)" : fmt::format(" (default {})", field->default_text()));
  }
}

void list_library(std::ostream& out, const Library& library) {
  out << fmt::format("library {}: {}\n", library.name, library.spec_file);
  for (const BlockEntry& block : library.blocks)
    out << fmt::format("    {:<28} block {}\n", block.name, block.family);
  for (const KernelEntry& kernel : library.kernels) {
    // Targets whose forms are the same share a mention.
    std::vector<std::pair<std::string, std::string>> targets_of_forms;
    for (const KernelEntry::Variant& variant : kernel.variants) {
      std::string forms;
      for (const kernels::Form& form : variant.declared->settled_forms())
        if (!form.name.empty()) forms += (forms.empty() ? "; forms " : " ") + form.name;
      const auto known = std::find_if(targets_of_forms.begin(), targets_of_forms.end(),
                                      [&](const auto& t) { return t.second == forms; });
      if (known == targets_of_forms.end())
        targets_of_forms.emplace_back(variant.target.name(), forms);
      else
        known->first += " " + variant.target.name();
    }
    std::string text;
    for (const auto& [targets, forms] : targets_of_forms) text += "; " + targets + forms;
    out << fmt::format("    {:<28} template {}{}\n", kernel.name, kernel.family, text);
  }
}

json targets_schema() {
  json targets = json::array();
  for (const ptx::Target& t : ptx::Target::all()) targets.push_back(t.name());
  return {
      {"type", "array"}, {"items", {{"enum", targets}}}, {"minItems", 1}, {"uniqueItems", true}};
}

/// One schema an entry kind: the family word decides which fields are known.
template <class Family>
json entries_schema(const char* key, const std::vector<Family>& families) {
  json one_of = json::array();
  const json name{{"type", "string"}, {"pattern", "^[a-z](_?[a-z0-9])*_?$"}, {"maxLength", 64}};
  for (const Family& f : families) {
    const auto declared = f.make();
    json properties{{"name", name}, {key, {{"const", f.name}}}};
    if (key == std::string("template")) {
      properties["targets"] = targets_schema();
      properties["targets"]["description"] = "of this kernel, where others than the library's";
    }
    json required = json::array({"name", key});
    for (const spec::Field* field : declared->fields()) {
      properties[field->name()] = field->schema();
      properties[field->name()]["description"] = field->doc();
      if (field->required())
        required.push_back(field->name());
      else if (field->kind() != spec::FieldKind::dtype)  // one type follows another
        properties[field->name()]["default"] = field->value();
    }
    one_of.push_back({{"type", "object"},
                      {"description", f.doc},
                      {"properties", properties},
                      {"required", required},
                      {"additionalProperties", false}});
  }
  return {{"type", "array"}, {"items", {{"oneOf", one_of}}}};
}

}  // namespace

int list(std::ostream& out, const GenOptions& options) {
  if (!options.specs.empty()) {
    const std::vector<Library> libraries = load(options);
    for (const Library& library : libraries) list_library(out, library);
    return libraries.empty() ? exit_usage : exit_ok;
  }
  list_families(out, "template", kernels::families());
  list_families(out, "block", kernels::block_families());
  return exit_ok;
}

int schema(std::ostream& out) {
  const json properties{
      {"$schema", {{"type", "string"}}},
      {"schema_version", {{"const", 1}}},
      {"library", {{"type", "string"}, {"pattern", "^[a-z](_?[a-z0-9-])*_?$"}, {"maxLength", 64}}},
      {"targets", targets_schema()},
      {"kernels", entries_schema("template", kernels::families())},
      {"blocks", entries_schema("block", kernels::block_families())}};
  const json all{{"$schema", "http://json-schema.org/draft-07/schema#"},
                 {"title", "ptxmill kernel spec"},
                 {"type", "object"},
                 {"properties", properties},
                 {"required", {"schema_version", "library", "targets"}},
                 {"anyOf", json::array({{{"required", {"kernels"}}}, {{"required", {"blocks"}}}})},
                 {"additionalProperties", false}};
  out << all.dump(2) << "\n";
  return 0;
}

}  // namespace ptxmill::cli
