#include "generator/cli/spec_file.hpp"

#include <algorithm>
#include <map>
#include <stdexcept>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace ptxmill::cli {
namespace {

using spec::Node;

bool is_name(std::string_view s, bool dash_allowed) {
  if (s.empty() || s.size() > 64 || s[0] < 'a' || s[0] > 'z' || s.find("__") != s.npos)
    return false;
  return std::all_of(s.begin(), s.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           (c == '-' && dash_allowed);
  });
}

class Reader {
 public:
  Reader(std::string_view text, const std::vector<ptx::Target>& targets, spec::Problems& problems,
         const Tuning& tuning)
      : problems_(problems),
        root_(spec::parse(text, problems)),
        targets_(targets),
        tuning_(tuning) {}

  std::optional<Library> read() {
    if (!problems_.empty()) return std::nullopt;
    if (root_.kind != Node::Kind::object) {
      problems_.add(root_.at, "", "expected an object, got " + root_.describe());
      return std::nullopt;
    }
    const std::string& file = problems_.file();
    library_.spec_file = file.substr(file.rfind('/') + 1);
    read_head();
    for_each("kernels",
             [&](const Node& entry, const std::string& pointer) { read_kernel(entry, pointer); });
    for_each("blocks",
             [&](const Node& entry, const std::string& pointer) { read_block(entry, pointer); });
    if (!problems_.empty()) return std::nullopt;
    for (BlockEntry& block : library_.blocks) expand(block);
    if (!problems_.empty()) return std::nullopt;
    const auto by_name = [](const auto& a, const auto& b) { return a.name < b.name; };
    std::sort(library_.kernels.begin(), library_.kernels.end(), by_name);
    std::sort(library_.blocks.begin(), library_.blocks.end(), by_name);
    return std::move(library_);
  }

 private:
  void read_head();
  void read_targets();
  std::vector<ptx::Target> target_list(const Node& list, const std::string& pointer);
  void read_kernel(const Node& entry, const std::string& pointer);
  void read_block(const Node& entry, const std::string& pointer);
  void expand(BlockEntry& block);
  void add_planned(BlockEntry& block, const kernels::PlannedKernel& planned,
                   const ptx::Target& target);
  void add_variant(KernelEntry& kernel, const ptx::Target& target, const Node& fields,
                   const std::string& pointer);
  std::optional<std::string> read_name(const Node& entry, const std::string& pointer);

  /// The families' member of an entry: its template or block.
  template <class Families>
  const std::string* family(const Node& entry, const std::string& pointer, const char* key,
                            const Families& families) {
    const Node* value = entry.find(key);
    std::vector<std::string> names;
    for (const auto& f : families) names.push_back(f.name);
    if (value == nullptr) {
      problems_.add(entry.at, pointer, fmt::format("\"{}\" is missing", key));
      return nullptr;
    }
    if (value->kind == Node::Kind::string &&
        std::find(names.begin(), names.end(), value->string) != names.end())
      return &value->string;
    const std::string meant =
        value->kind == Node::Kind::string ? spec::nearest(value->string, names) : "";
    std::string known;
    for (const std::string& n : names) known += (known.empty() ? "" : ", ") + n;
    problems_.add(value->at, pointer + "/" + key,
                  fmt::format("expected one of {}, got {}{}", known, value->describe(),
                              meant.empty() ? "" : fmt::format("; did you mean \"{}\"?", meant)));
    return nullptr;
  }

  template <class F>
  void for_each(const char* key, F read_entry) {
    const Node* list = root_.find(key);
    if (list == nullptr) return;
    if (list->kind != Node::Kind::array) {
      problems_.add(list->at, fmt::format("/{}", key), "expected a list, got " + list->describe());
      return;
    }
    for (std::size_t i = 0; i < list->items.size(); ++i) {
      const std::string pointer = fmt::format("/{}/{}", key, i);
      if (list->items[i].kind != Node::Kind::object)
        problems_.add(list->items[i].at, pointer,
                      "expected an object, got " + list->items[i].describe());
      else
        read_entry(list->items[i], pointer);
    }
  }

  spec::Problems& problems_;
  Node root_;
  std::vector<ptx::Target> targets_;
  const Tuning& tuning_;
  Library library_;
  std::map<std::string, spec::Position> names_;
  std::map<std::string, std::size_t> planned_;  ///< places in library_.kernels
};

void Reader::read_head() {
  const std::vector<std::string> known{"$schema", "schema_version", "library",
                                       "targets", "kernels",        "blocks"};
  for (const Node::Member& m : root_.members)
    if (std::find(known.begin(), known.end(), m.key) == known.end()) {
      const std::string meant = spec::nearest(m.key, known);
      problems_.add(
          m.at, "/" + spec::pointer_token(m.key),
          "unknown key" + (meant.empty() ? "" : fmt::format("; did you mean \"{}\"?", meant)));
    }
  if (const Node* schema = root_.find("$schema");
      schema != nullptr && schema->kind != Node::Kind::string)
    problems_.add(schema->at, "/$schema", "expected a string, got " + schema->describe());
  const Node* version = root_.find("schema_version");
  if (version == nullptr)
    problems_.add(root_.at, "", "\"schema_version\" is missing; this generator reads 1");
  else if (version->kind != Node::Kind::integer || version->integer != 1)
    problems_.add(version->at, "/schema_version",
                  "this generator reads schema_version 1, got " + version->describe());
  const Node* name = root_.find("library");
  if (name == nullptr)
    problems_.add(root_.at, "", "\"library\" is missing: the name of what is generated");
  else if (name->kind != Node::Kind::string || !is_name(name->string, true))
    problems_.add(name->at, "/library",
                  "expected a name: a-z, then a-z, 0-9, '_' and '-', no \"__\", at most 64, got " +
                      name->describe());
  else
    library_.name = name->string;
  if (root_.find("kernels") == nullptr && root_.find("blocks") == nullptr)
    problems_.add(root_.at, "", "the spec names neither \"kernels\" nor \"blocks\"");
  read_targets();
}

void Reader::read_targets() {
  library_.targets = targets_;
  const Node* list = root_.find("targets");
  if (list == nullptr) {
    if (targets_.empty())
      problems_.add(root_.at, "", "\"targets\" is missing: a list of " + ptx::Target::known());
    return;
  }
  const std::vector<ptx::Target> given = target_list(*list, "/targets");
  if (targets_.empty()) library_.targets = given;
}

std::vector<ptx::Target> Reader::target_list(const Node& list, const std::string& pointer) {
  std::vector<ptx::Target> given;
  if (list.kind != Node::Kind::array || list.items.empty()) {
    problems_.add(list.at, pointer,
                  "expected a list of " + ptx::Target::known() + ", got " + list.describe());
    return given;
  }
  for (std::size_t i = 0; i < list.items.size(); ++i) {
    const Node& item = list.items[i];
    const auto target =
        item.kind == Node::Kind::string ? ptx::Target::parse(item.string) : std::nullopt;
    if (!target)
      problems_.add(item.at, fmt::format("{}/{}", pointer, i),
                    "expected one of " + ptx::Target::known() + ", got " + item.describe());
    else if (std::find(given.begin(), given.end(), *target) != given.end())
      problems_.add(item.at, fmt::format("{}/{}", pointer, i), item.describe() + " stands twice");
    else
      given.push_back(*target);
  }
  return given;
}

std::optional<std::string> Reader::read_name(const Node& entry, const std::string& pointer) {
  const Node* name = entry.find("name");
  if (name == nullptr) {
    problems_.add(entry.at, pointer, "\"name\" is missing");
    return std::nullopt;
  }
  if (name->kind != Node::Kind::string || !is_name(name->string, false)) {
    problems_.add(name->at, pointer + "/name",
                  "expected a name: a-z, then a-z, 0-9 and '_', no \"__\", at most 64, got " +
                      name->describe());
    return std::nullopt;
  }
  const auto [first, added] = names_.emplace(name->string, name->at);
  if (!added) {
    problems_.add(
        name->at, pointer + "/name",
        fmt::format("the name \"{}\" is taken at line {}", name->string, first->second.line));
    return std::nullopt;
  }
  return name->string;
}

void Reader::read_kernel(const Node& entry, const std::string& pointer) {
  const std::optional<std::string> name = read_name(entry, pointer);
  const std::string* family_name = family(entry, pointer, "template", kernels::families());
  if (family_name == nullptr) return;
  std::unique_ptr<kernels::Template> declared = kernels::find_family(*family_name)->make();
  declared->read(entry, pointer, {"name", "template", "targets"}, problems_);
  std::vector<ptx::Target> targets = library_.targets;
  if (const Node* own = entry.find("targets")) {
    const std::vector<ptx::Target> given = target_list(*own, pointer + "/targets");
    if (targets_.empty()) targets = given;
  }
  if (!name) return;
  library_.kernels.push_back(
      {*name, *family_name, "kernels[" + *name + "]", std::move(declared), {}});
  if (!problems_.empty()) return;
  Node fields = entry;
  std::erase_if(fields.members, [](const Node::Member& m) {
    return m.key == "name" || m.key == "template" || m.key == "targets";
  });
  for (const ptx::Target& target : targets)
    add_variant(library_.kernels.back(), target, fields, pointer);
}

/// Reads the entry for a target, with what measurements chose for fields that it leaves open. What
/// the target alone makes impossible is refused here.
void Reader::add_variant(KernelEntry& kernel, const ptx::Target& target, const Node& fields,
                         const std::string& pointer) {
  const auto declare = [&] {
    std::unique_ptr<kernels::Template> made = kernels::find_family(kernel.family)->make();
    made->set_target(target);
    return made;
  };
  std::unique_ptr<kernels::Template> declared = declare();
  declared->read(fields, pointer, {}, problems_);
  if (!problems_.empty()) return;
  std::vector<Node::Member> added = tuning_.additions(kernel.family, *declared, target);
  if (added.empty()) {
    kernel.variants.push_back({target, std::move(declared)});
    return;
  }
  Node tuned = fields;
  for (Node::Member& m : added) tuned.members.push_back(std::move(m));
  declared = declare();
  spec::Problems complaints("tuning for " + target.name());
  declared->read(tuned, "", {}, complaints);
  if (complaints.empty())
    kernel.variants.push_back({target, std::move(declared), true});
  else
    problems_.add(fields.at, "",
                  fmt::format("what tuning chooses for \"{}\" does not fit it:\n  {}", kernel.name,
                              complaints.text().substr(0, complaints.text().find('\n'))));
}

void Reader::read_block(const Node& entry, const std::string& pointer) {
  const std::optional<std::string> name = read_name(entry, pointer);
  const std::string* family_name = family(entry, pointer, "block", kernels::block_families());
  if (family_name == nullptr) return;
  std::unique_ptr<kernels::Block> declared = kernels::find_block_family(*family_name)->make();
  declared->read(entry, pointer, {"name", "block"}, problems_);
  if (name) library_.blocks.push_back({*name, *family_name, std::move(declared), {}});
}

void Reader::expand(BlockEntry& block) {
  for (const ptx::Target& target : library_.targets) {
    kernels::PlanBuilder plan(block.name);
    block.declared->plan(plan, target);
    for (const kernels::PlannedKernel& planned : plan.kernels())
      add_planned(block, planned, target);
    block.plans.emplace_back(target, std::move(plan));
  }
}

void Reader::add_planned(BlockEntry& block, const kernels::PlannedKernel& planned,
                         const ptx::Target& target) {
  const std::string name = block.name + "__" + planned.role;
  const kernels::Family* f = kernels::find_family(planned.family);
  if (f == nullptr)
    throw std::logic_error(name + ": this generator has no template " + planned.family);
  std::unique_ptr<kernels::Template> declared = f->make();
  spec::Problems problems(block.family + "." + planned.role);
  const Node fields = spec::parse(planned.fields, problems);
  declared->read(fields, "", {}, problems);
  if (!problems.empty())
    throw std::logic_error("the plan of block " + block.name + " is wrong:\n" + problems.text());
  const auto [place, added] = planned_.emplace(name, library_.kernels.size());
  if (!added) {
    KernelEntry& known = library_.kernels[place->second];
    if (known.declared->normalised() != declared->normalised())
      throw std::logic_error(name + " differs between targets; a role's fields must not");
    if (!(known.variants.back().target == target)) add_variant(known, target, fields, name);
    return;
  }
  library_.kernels.push_back({name,
                              planned.family,
                              fmt::format("blocks[{}].{}", block.name, planned.role),
                              std::move(declared),
                              {}});
  add_variant(library_.kernels.back(), target, fields, name);
}

}  // namespace

std::optional<Library> read_spec(std::string_view text, const std::vector<ptx::Target>& targets,
                                 spec::Problems& problems, const Tuning& tuning) {
  return Reader(text, targets, problems, tuning).read();
}

const kernels::Template& KernelEntry::on(const ptx::Target& target) const {
  for (const Variant& v : variants)
    if (v.target == target) return *v.declared;
  throw std::logic_error(name + " is not made for " + target.name());
}

}  // namespace ptxmill::cli
