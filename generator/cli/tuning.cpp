#include "generator/cli/tuning.hpp"

#include <algorithm>
#include <memory>
#include <stdexcept>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "generator/cli/shipped_tuning.hpp"

namespace ptxmill::cli {
namespace {

using nlohmann::json;
using spec::Node;

json to_json(const Node& n) {
  switch (n.kind) {
    case Node::Kind::boolean: return n.boolean;
    case Node::Kind::integer: return n.integer;
    case Node::Kind::real: return n.real;
    case Node::Kind::string: return n.string;
    default: return nullptr;
  }
}

bool is_scalar(const Node& n) {
  return n.kind == Node::Kind::boolean || (n.kind == Node::Kind::integer && !n.huge) ||
         n.kind == Node::Kind::real || n.kind == Node::Kind::string;
}

bool is_list(const Node& n) {
  return n.kind == Node::Kind::array && !n.items.empty() &&
         std::all_of(n.items.begin(), n.items.end(), is_scalar);
}

spec::Field* find_field(const kernels::Template& t, const std::string& name) {
  for (spec::Field* f : t.fields())
    if (f->name() == name) return f;
  return nullptr;
}

/// Whether the field's value is what `wanted` says: a value, or limits of a static dimension.
bool fits(const spec::Field& field, const Node& wanted) {
  if (wanted.kind == Node::Kind::array)
    return std::any_of(wanted.items.begin(), wanted.items.end(),
                       [&](const Node& one) { return field.value() == to_json(one); });
  if (wanted.kind != Node::Kind::object) return field.value() == to_json(wanted);
  const auto* dim = dynamic_cast<const spec::Dim*>(&field);
  if (dim == nullptr || !dim->is_static()) return false;
  return std::all_of(wanted.members.begin(), wanted.members.end(), [&](const Node::Member& m) {
    const std::int64_t limit = m.value.integer;
    if (m.key == "min") return dim->get() >= limit;
    if (m.key == "max") return dim->get() <= limit;
    return dim->get() % limit == 0;
  });
}

}  // namespace

/// Checks a file's parts, each with its place.
class TuningReader {
 public:
  TuningReader(const Node& root, spec::Problems& problems, bool skip_unknown_templates)
      : root_(root), problems_(problems), skip_unknown_(skip_unknown_templates) {}

  Tuning::ForTarget read() {
    Tuning::ForTarget result;
    if (root_.kind != Node::Kind::object) {
      problems_.add(root_.at, "", "expected an object, got " + root_.describe());
      return result;
    }
    known_keys(root_, "", {"schema_version", "target", "measured", "choices"});
    const Node* version = required(root_, "", "schema_version");
    if (version != nullptr && (version->kind != Node::Kind::integer || version->integer != 1))
      problems_.add(version->at, "/schema_version",
                    "this generator reads schema_version 1, got " + version->describe());
    if (const Node* name = required(root_, "", "target")) {
      const auto target =
          name->kind == Node::Kind::string ? ptx::Target::parse(name->string) : std::nullopt;
      if (target)
        result.target = *target;
      else
        problems_.add(name->at, "/target",
                      "expected one of " + ptx::Target::known() + ", got " + name->describe());
    }
    const Node* choices = required(root_, "", "choices");
    if (choices != nullptr && choices->kind != Node::Kind::array)
      problems_.add(choices->at, "/choices", "expected a list, got " + choices->describe());
    else if (choices != nullptr)
      for (std::size_t i = 0; i < choices->items.size(); ++i)
        read_choice(choices->items[i], fmt::format("/choices/{}", i), result.choices);
    return result;
  }

 private:
  void known_keys(const Node& object, const std::string& pointer,
                  const std::vector<std::string>& known) {
    for (const Node::Member& m : object.members)
      if (std::find(known.begin(), known.end(), m.key) == known.end()) {
        const std::string meant = spec::nearest(m.key, known);
        problems_.add(
            m.at, pointer + "/" + spec::pointer_token(m.key),
            "unknown key" + (meant.empty() ? "" : fmt::format("; did you mean \"{}\"?", meant)));
      }
  }

  const Node* required(const Node& object, const std::string& pointer, const char* key) {
    const Node* value = object.find(key);
    if (value == nullptr) problems_.add(object.at, pointer, fmt::format("\"{}\" is missing", key));
    return value;
  }

  void read_choice(const Node& entry, const std::string& pointer,
                   std::vector<Tuning::Choice>& choices) {
    if (entry.kind != Node::Kind::object)
      return problems_.add(entry.at, pointer, "expected an object, got " + entry.describe());
    known_keys(entry, pointer, {"template", "when", "set", "measured"});
    const Node* name = required(entry, pointer, "template");
    const Node* set = required(entry, pointer, "set");
    if (name == nullptr || set == nullptr) return;
    const kernels::Family* family =
        name->kind == Node::Kind::string ? kernels::find_family(name->string) : nullptr;
    if (family == nullptr) {
      if (!skip_unknown_)
        problems_.add(name->at, pointer + "/template",
                      "this generator has no template " + name->describe());
      return;
    }
    const std::unique_ptr<kernels::Template> declared = family->make();
    Tuning::Choice choice{family->name, {}, *set};
    choice.when.kind = Node::Kind::object;
    if (const Node* when = entry.find("when")) {
      read_when(*when, pointer + "/when", *declared);
      choice.when = *when;
    }
    read_set(*set, pointer + "/set", *declared);
    choices.push_back(std::move(choice));
  }

  void read_when(const Node& when, const std::string& pointer, const kernels::Template& t) {
    if (when.kind != Node::Kind::object)
      return problems_.add(when.at, pointer, "expected an object, got " + when.describe());
    std::vector<std::string> names;
    for (const spec::Field* f : t.fields()) names.push_back(f->name());
    known_keys(when, pointer, names);
    for (const Node::Member& m : when.members) {
      const spec::Field* field = find_field(t, m.key);
      const std::string place = pointer + "/" + spec::pointer_token(m.key);
      const bool dimension = dynamic_cast<const spec::Dim*>(field) != nullptr;
      if (m.value.kind == Node::Kind::object && dimension)
        read_limits(m.value, place);
      else if (field != nullptr && !is_scalar(m.value) && !is_list(m.value))
        problems_.add(m.value.at, place,
                      std::string("expected a value") +
                          (dimension ? ", a list of values or limits: min, max, multiple_of"
                                     : " or a list of values") +
                          ", got " + m.value.describe());
    }
  }

  void read_limits(const Node& limits, const std::string& pointer) {
    known_keys(limits, pointer, {"min", "max", "multiple_of"});
    for (const Node::Member& m : limits.members)
      if (m.value.kind != Node::Kind::integer || m.value.huge || m.value.integer < 1)
        problems_.add(m.value.at, pointer + "/" + spec::pointer_token(m.key),
                      "expected an integer of 1 or more, got " + m.value.describe());
  }

  void read_set(const Node& set, const std::string& pointer, const kernels::Template& t) {
    if (set.kind != Node::Kind::object || set.members.empty())
      return problems_.add(set.at, pointer,
                           "expected an object with fields to set, got " +
                               (set.kind == Node::Kind::object ? "an empty one" : set.describe()));
    std::vector<std::string> names;
    for (const spec::Field* f : t.fields())
      if (f->tunable()) names.push_back(f->name());
    for (const Node::Member& m : set.members) {
      const std::string place = pointer + "/" + spec::pointer_token(m.key);
      if (std::find(names.begin(), names.end(), m.key) == names.end())
        problems_.add(m.at, place,
                      names.empty() ? "the template has no tunable fields"
                                    : fmt::format("is no tunable field; those are {}",
                                                  fmt::join(names, ", ")));
      // A field of a scratch copy judges the value.
      else if (const auto complaint = find_field(t, m.key)->take(m.value))
        problems_.add(m.value.at, place, *complaint);
    }
  }

  const Node& root_;
  spec::Problems& problems_;
  bool skip_unknown_;
};

const Tuning& Tuning::shipped() {
  static const Tuning all = [] {
    Tuning tuning;
    for (const ShippedTuning& file : shipped_tuning()) {
      spec::Problems problems(file.name);
      const Node root = spec::parse(file.text, problems);
      // A generator need not have every template that the files were measured for.
      if (problems.empty()) tuning.targets_.push_back(TuningReader(root, problems, true).read());
      if (!problems.empty()) throw std::logic_error(problems.text());
    }
    return tuning;
  }();
  return all;
}

void Tuning::read(std::string_view text, spec::Problems& problems) {
  const Node root = spec::parse(text, problems);
  if (!problems.empty()) return;
  ForTarget read = TuningReader(root, problems, false).read();
  if (!problems.empty()) return;
  targets_.erase(std::remove_if(targets_.begin(), targets_.end(),
                                [&](const ForTarget& t) { return t.target == read.target; }),
                 targets_.end());
  targets_.push_back(std::move(read));
}

std::vector<Node::Member> Tuning::additions(const std::string& family,
                                            const kernels::Template& declared,
                                            const ptx::Target& target) const {
  std::vector<Node::Member> added;
  const auto is_open = [&](const std::string& name) {
    const spec::Field* field = find_field(declared, name);
    return !field->given() && std::none_of(added.begin(), added.end(),
                                           [&](const Node::Member& m) { return m.key == name; });
  };
  for (const ForTarget& t : targets_) {
    if (!(t.target == target)) continue;
    for (const Choice& choice : t.choices) {
      if (choice.family != family) continue;
      const bool all_fit = std::all_of(
          choice.when.members.begin(), choice.when.members.end(),
          [&](const Node::Member& m) { return fits(*find_field(declared, m.key), m.value); });
      if (!all_fit) continue;
      for (const Node::Member& m : choice.set.members)
        if (is_open(m.key)) added.push_back(m);
    }
  }
  return added;
}

}  // namespace ptxmill::cli
