#include "generator/spec/field.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace ptxmill::spec {
namespace {

using nlohmann::json;
using Complaint = std::optional<std::string>;

std::string in_quotes(const std::vector<std::string>& words) {
  std::vector<std::string> q;
  for (const std::string& w : words) q.push_back("\"" + w + "\"");
  return fmt::format("{}", fmt::join(q, ", "));
}

/// Checks an integer against a rule before it is narrowed.
Complaint check_integer(const Node& v, std::int64_t min, std::int64_t max,
                        std::int64_t multiple_of) {
  const std::string range = fmt::format("an integer from {} to {}", min, max);
  if (v.kind != Node::Kind::integer || v.huge || v.integer < min || v.integer > max)
    return fmt::format("expected {}, got {}", range, v.describe());
  if (v.integer % multiple_of != 0)
    return fmt::format("expected a multiple of {}, got {}", multiple_of, v.integer);
  return std::nullopt;
}

json integer_schema(std::int64_t min, std::int64_t max, std::int64_t multiple_of) {
  json s{{"type", "integer"}, {"minimum", min}, {"maximum", max}};
  if (multiple_of != 1) s["multipleOf"] = multiple_of;
  return s;
}

Complaint check_word(const Node& v, const std::vector<std::string>& words) {
  const std::string expected = words.size() == 1 ? in_quotes(words) : "one of " + in_quotes(words);
  if (v.kind != Node::Kind::string)
    return fmt::format("expected {}, got {}", expected, v.describe());
  if (std::find(words.begin(), words.end(), v.string) != words.end()) return std::nullopt;
  const std::string meant = nearest(v.string, words);
  return fmt::format("expected {}, got {}{}", expected, v.describe(),
                     meant.empty() ? "" : "; did you mean \"" + meant + "\"?");
}

}  // namespace

// ---- Declared

void Declared::read(const Node& entry, const std::string& pointer,
                    const std::vector<std::string>& own_keys, Problems& problems) {
  problems_ = &problems;
  pointer_ = pointer;
  at_ = entry.at;
  const std::size_t before = problems.count();
  std::vector<std::string> known = own_keys;
  for (const Field* f : fields_) known.push_back(f->name());
  for (const Node::Member& m : entry.members)
    if (std::find(known.begin(), known.end(), m.key) == known.end()) {
      const std::string meant = nearest(m.key, known);
      problems.add(m.at, pointer + "/" + pointer_token(m.key),
                   meant.empty() ? "unknown key; known are " + in_quotes(known)
                                 : fmt::format("unknown key; did you mean \"{}\"?", meant));
    }
  for (Field* f : fields_) {
    const Node* value = entry.find(f->name());
    f->given_ = value != nullptr;
    f->at_ = value != nullptr ? value->at : entry.at;
    if (value == nullptr) {
      if (f->required())
        problems.add(entry.at, pointer, fmt::format("\"{}\" is missing: {}", f->name(), f->doc()));
    } else if (const Complaint complaint = f->take(*value)) {
      problems.add(value->at, pointer + "/" + f->name(), *complaint);
    }
  }
  if (problems.count() == before) check();
}

void Declared::refuse(const Field& field, const std::string& message) const {
  problems_->add(field.given_ ? field.at_ : at_, pointer_ + "/" + field.name(), message);
}

void Declared::tunable(Field& field) { field.tunable_ = true; }

json Declared::normalised() const {
  json all = json::object();
  for (const Field* f : fields_)
    if (!f->is_implied()) all[f->name()] = f->value();
  return all;
}

json Declared::normalised(FieldKind kind) const {
  json some = json::object();
  for (const Field* f : fields_)
    if (f->kind() == kind && !f->is_implied()) some[f->name()] = f->value();
  return some;
}

Field::Field(Declared& owner, FieldKind kind, std::string name, std::string doc)
    : name_(std::move(name)), doc_(std::move(doc)), kind_(kind) {
  owner.fields_.push_back(this);
}

std::string Field::default_text() const { return value().dump(); }

// ---- dtype

std::string name(Dtype dtype) {
  return dtype == Dtype::f32 ? "f32" : dtype == Dtype::f16 ? "f16" : "bf16";
}

int size_bytes(Dtype dtype) { return dtype == Dtype::f32 ? 4 : 2; }

DtypeField::DtypeField(Declared& owner, std::string name, std::string doc,
                       std::vector<Dtype> allowed)
    : Field(owner, FieldKind::dtype, std::move(name), std::move(doc)),
      allowed_(std::move(allowed)) {}

DtypeField::DtypeField(Declared& owner, std::string name, std::string doc,
                       std::vector<Dtype> allowed, const DtypeField& follows)
    : DtypeField(owner, std::move(name), std::move(doc), std::move(allowed)) {
  follows_ = &follows;
}

Complaint DtypeField::take(const Node& v) {
  std::vector<std::string> words;
  for (const Dtype d : allowed_) words.push_back(spec::name(d));
  if (Complaint c = check_word(v, words)) return c;
  value_ = allowed_[static_cast<std::size_t>(std::find(words.begin(), words.end(), v.string) -
                                             words.begin())];
  return std::nullopt;
}

json DtypeField::schema() const {
  json words = json::array();
  for (const Dtype d : allowed_) words.push_back(spec::name(d));
  return {{"enum", words}};
}

json DtypeField::value() const { return spec::name(get()); }

// ---- dimension

Dim::Dim(Declared& owner, std::string name, std::string doc, DimRule rule)
    : Field(owner, FieldKind::dimension, std::move(name), std::move(doc)), rule_(rule) {}

Complaint Dim::take(const Node& v) {
  if (v.kind == Node::Kind::string && rule_.may_be_dynamic) {
    if (v.string != "dynamic")
      return fmt::format("expected a number or \"dynamic\", got {}", v.describe());
    value_ = -1;
    return std::nullopt;
  }
  if (Complaint c =
          check_integer(v, std::max<std::int64_t>(1, rule_.min), rule_.max, rule_.multiple_of))
    return rule_.may_be_dynamic && v.kind != Node::Kind::integer
               ? *c + "; \"dynamic\" is possible too"
               : *c;
  value_ = v.integer;
  return std::nullopt;
}

json Dim::schema() const {
  json number = integer_schema(std::max<std::int64_t>(1, rule_.min), rule_.max, rule_.multiple_of);
  if (!rule_.may_be_dynamic) return number;
  return {{"anyOf", json::array({number, {{"const", "dynamic"}}})}};
}

json Dim::value() const { return is_static() ? json(value_) : json("dynamic"); }

// ---- integer

Integer::Integer(Declared& owner, std::string name, std::string doc, std::int64_t by_default,
                 Rule rule)
    : Field(owner, FieldKind::option, std::move(name), std::move(doc)),
      value_(by_default),
      default_(by_default),
      rule_(rule),
      required_(false) {}

Integer::Integer(Declared& owner, std::string name, std::string doc, Rule rule)
    : Field(owner, FieldKind::option, std::move(name), std::move(doc)),
      rule_(rule),
      required_(true) {}

Complaint Integer::take(const Node& v) {
  if (Complaint c = check_integer(v, rule_.min, rule_.max, rule_.multiple_of)) return c;
  value_ = v.integer;
  return std::nullopt;
}

json Integer::schema() const { return integer_schema(rule_.min, rule_.max, rule_.multiple_of); }
json Integer::value() const { return value_; }

// ---- number

Number::Number(Declared& owner, std::string name, std::string doc, double by_default, double min,
               double max)
    : Field(owner, FieldKind::option, std::move(name), std::move(doc)),
      value_(by_default),
      min_(min),
      max_(max) {}

Complaint Number::take(const Node& v) {
  const bool number = v.kind == Node::Kind::integer || v.kind == Node::Kind::real;
  if (!number || !(v.real >= min_ && v.real <= max_))
    return fmt::format("expected a number from {} to {}, got {}", min_, max_, v.describe());
  value_ = v.real;
  return std::nullopt;
}

json Number::schema() const { return {{"type", "number"}, {"minimum", min_}, {"maximum", max_}}; }
json Number::value() const { return value_; }

// ---- flag

Flag::Flag(Declared& owner, std::string name, std::string doc, bool by_default)
    : Field(owner, FieldKind::option, std::move(name), std::move(doc)), value_(by_default) {}

Complaint Flag::take(const Node& v) {
  if (v.kind != Node::Kind::boolean) return "expected true or false, got " + v.describe();
  value_ = v.boolean;
  return std::nullopt;
}

json Flag::schema() const { return {{"type", "boolean"}}; }
json Flag::value() const { return value_; }

// ---- choice

Choice::Choice(Declared& owner, std::string name, std::string doc, std::vector<std::string> words,
               std::string by_default, bool implied)
    : Field(owner, FieldKind::option, std::move(name), std::move(doc)),
      words_(std::move(words)),
      value_(by_default),
      default_(std::move(by_default)),
      implied_(implied) {}

Complaint Choice::take(const Node& v) {
  if (Complaint c = check_word(v, words_)) return c;
  value_ = v.string;
  return std::nullopt;
}

json Choice::schema() const { return {{"enum", words_}}; }
json Choice::value() const { return value_; }

ChoiceList::ChoiceList(Declared& owner, std::string name, std::string doc,
                       std::vector<std::string> words, std::size_t most)
    : Field(owner, FieldKind::option, std::move(name), std::move(doc)),
      words_(std::move(words)),
      most_(most) {}

bool ChoiceList::has(const std::string& word) const {
  return std::find(value_.begin(), value_.end(), word) != value_.end();
}

Complaint ChoiceList::take(const Node& v) {
  if (v.kind != Node::Kind::array || v.items.empty() || v.items.size() > most_)
    return fmt::format("expected a list of 1 to {} of {}, got {}", most_, in_quotes(words_),
                       v.describe());
  value_.clear();
  for (std::size_t i = 0; i < v.items.size(); ++i) {
    if (Complaint c = check_word(v.items[i], words_)) return fmt::format("item {}: {}", i, *c);
    value_.push_back(v.items[i].string);
  }
  return std::nullopt;
}

json ChoiceList::schema() const {
  return {{"type", "array"}, {"items", {{"enum", words_}}}, {"minItems", 1}, {"maxItems", most_}};
}

json ChoiceList::value() const { return fmt::format("{}", fmt::join(value_, ",")); }

// ---- steps

ChoiceSteps::ChoiceSteps(Declared& owner, std::string name, std::string doc,
                         std::vector<std::string> words)
    : Field(owner, FieldKind::option, std::move(name), std::move(doc)), words_(std::move(words)) {}

Complaint ChoiceSteps::take_step(const Node& item) {
  static const std::string between = " from ";
  Node word = item;
  Step step;
  const std::size_t at =
      item.kind == Node::Kind::string ? item.string.find(between) : item.string.npos;
  if (at != item.string.npos) {
    word.string = item.string.substr(0, at);
    const std::string digits = item.string.substr(at + between.size());
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), step.from);
    if (error != std::errc() || end != digits.data() + digits.size() || digits[0] == '0' ||
        step.from < 1 || step.from > largest)
      return fmt::format("expected a number from 1 to {} after \"from\", got \"{}\"", largest,
                         digits);
  }
  if (Complaint c = check_word(word, words_)) return c;
  if (!value_.empty() && value_.back().from <= step.from)
    return fmt::format("from {}: the numbers must fall, and {} stands before it", step.from,
                       value_.back().from);
  step.word = word.string;
  value_.push_back(std::move(step));
  return std::nullopt;
}

Complaint ChoiceSteps::take(const Node& v) {
  if (v.kind != Node::Kind::array || v.items.size() > most)
    return fmt::format(
        "expected a list of at most {} words, each but the last with \" from \" and a number, got {}",
        most, v.describe());
  value_.clear();
  for (std::size_t i = 0; i < v.items.size(); ++i)
    if (Complaint c = take_step(v.items[i])) return fmt::format("item {}: {}", i, *c);
  if (!value_.empty() && value_.back().from != 0)
    return fmt::format("the last item counts from {}: expected a word alone there, got {}",
                       value_.back().from, v.items.back().describe());
  return std::nullopt;
}

json ChoiceSteps::schema() const {
  const json later{
      {"type", "string"},
      {"pattern", fmt::format("^({}) from [1-9][0-9]{{0,8}}$", fmt::join(words_, "|"))}};
  return {{"type", "array"},
          {"items", {{"anyOf", json::array({{{"enum", words_}}, later})}}},
          {"maxItems", most}};
}

json ChoiceSteps::value() const {
  json all = json::array();
  for (const Step& s : value_)
    all.push_back(s.from == 0 ? s.word : fmt::format("{} from {}", s.word, s.from));
  return all;
}

}  // namespace ptxmill::spec
