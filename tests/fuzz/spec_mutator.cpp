#include "tests/fuzz/spec_mutator.hpp"

#include <utility>

namespace ptxmill::test {
namespace {

using Json = nlohmann::ordered_json;

void collect(const Json& value, std::vector<std::string>& words, std::vector<Json>& values) {
  values.push_back(value);
  if (value.is_string()) words.push_back(value);
  if (value.is_structured())
    for (const auto& [key, member] : value.items()) {
      if (value.is_object()) words.push_back(key);
      collect(member, words, values);
    }
}

}  // namespace

SpecMutator::SpecMutator(const std::vector<std::string>& seeds, std::uint64_t seed)
    : random_(seed) {
  for (const std::string& text : seeds) {
    seeds_.push_back(Json::parse(text));
    collect(seeds_.back(), words_, values_);
    for (const char* list : {"kernels", "blocks"})
      if (seeds_.back().contains(list))
        for (const Json& entry : seeds_.back()[list])
          for (const auto& [key, value] : entry.items()) values_of_[key].push_back(value);
  }
}

std::size_t SpecMutator::below(std::size_t n) {
  return static_cast<std::size_t>(random_.integer(0, static_cast<std::int64_t>(n) - 1));
}

bool SpecMutator::one_in(int n) { return random_.integer(1, n) == 1; }

std::string SpecMutator::word() { return words_[below(words_.size())]; }

std::string SpecMutator::misspelt(std::string word) {
  if (word.empty()) return "x";
  const std::size_t at = below(word.size());
  switch (random_.integer(0, 4)) {
    case 0: word.erase(at, 1); break;
    case 1: word.insert(at, 1, 'e'); break;
    case 2: std::swap(word[at], word[below(word.size())]); break;
    case 3: word += word; break;
    default: word[at] = "_-A0 \n/~\x7f"[below(9)]; break;
  }
  return word;
}

SpecMutator::Json SpecMutator::number() {
  switch (random_.integer(0, 5)) {
    case 0: return random_.integer(-2, 70);
    case 1: return std::int64_t{1} << random_.integer(0, 62);
    case 2: return (std::int64_t{1} << random_.integer(0, 62)) - 1;
    case 3: return 8 * random_.integer(1, 600);
    case 4: return random_.normal();
    default: return UINT64_MAX - static_cast<std::uint64_t>(random_.integer(0, 3));
  }
}

SpecMutator::Json SpecMutator::value() {
  switch (random_.integer(0, 9)) {
    case 0: return nullptr;
    case 1: return one_in(2);
    case 2: return word();
    case 3: return misspelt(word());
    case 4: return Json::array({values_[below(values_.size())]});
    case 5: return values_[below(values_.size())];
    default: return number();
  }
}

/// The spec's parts are chosen with the same chance whatever their depth.
SpecMutator::Json* SpecMutator::some_part(Json& whole) {
  std::vector<Json*> parts{&whole};
  for (std::size_t i = 0; i < parts.size(); ++i)
    if (parts[i]->is_structured())
      for (Json& child : *parts[i]) parts.push_back(&child);
  return parts[below(parts.size())];
}

void SpecMutator::mutate_object(Json& object) {
  const auto member = std::next(object.begin(), static_cast<std::ptrdiff_t>(below(object.size())));
  const std::string key = member.key();
  switch (random_.integer(0, 4)) {
    case 0: object.erase(key); break;
    case 1: object[word()] = value(); break;
    case 2: object[misspelt(key)] = *member; break;
    case 3: {
      const Json moved = *member;
      object.erase(key);
      object[misspelt(key)] = moved;
      break;
    }
    default: object[key] = value(); break;
  }
}

void SpecMutator::mutate_array(Json& array) {
  const std::size_t at = below(array.size());
  switch (random_.integer(0, 3)) {
    case 0: array.erase(at); break;
    case 1: array.push_back(Json(array[at])); break;
    case 2: array.push_back(value()); break;
    default: array[at] = value(); break;
  }
}

/// Another value for a field of an entry: one that the field has elsewhere, or a number like it.
/// Most of what this makes is accepted.
void SpecMutator::vary(Json& spec) {
  const std::string list = one_in(3) ? "blocks" : "kernels";
  if (!spec.contains(list) || spec[list].empty()) return;
  Json& entry = spec[list][below(spec[list].size())];
  const auto member = std::next(entry.begin(), static_cast<std::ptrdiff_t>(below(entry.size())));
  if (member.key() == "name" || member.key() == "template" || member.key() == "block") return;
  const std::vector<Json>& known = values_of_[member.key()];
  if (member->is_number_integer() && one_in(2))
    *member = (one_in(2) ? 8 : 1) * random_.integer(1, one_in(2) ? 16 : 4096);
  else
    *member = known[below(known.size())];
}

void SpecMutator::mutate(Json& spec) {
  Json& part = *some_part(spec);
  if (part.is_object() && !part.empty() && !one_in(10))
    mutate_object(part);
  else if (part.is_array() && !part.empty() && !one_in(10))
    mutate_array(part);
  else if (&part != &spec || one_in(20))
    part = value();
}

std::string SpecMutator::space() {
  constexpr const char* kinds[] = {"", "", "", " ", "\n", "\r\n", "\t", "  "};
  return kinds[below(std::size(kinds))];
}

std::string SpecMutator::print(const Json& value, int depth) {
  // Now and then deeper than is allowed, or twice.
  if (one_in(3000)) {
    const auto levels = static_cast<std::size_t>(random_.integer(60, 70));
    return std::string(levels, '[') + std::string(levels, ']');
  }
  if (!value.is_structured()) return value.dump();
  std::string text;
  for (const auto& [key, member] : value.items()) {
    for (int times = one_in(500) ? 2 : 1; times > 0; --times) {
      if (!text.empty()) text += "," + space();
      if (value.is_object()) text += Json(key).dump() + space() + ":" + space();
      text += print(member, depth + 1) + space();
    }
  }
  return value.is_object() ? "{" + space() + text + "}" : "[" + space() + text + "]";
}

std::string SpecMutator::damaged(std::string text) {
  const std::size_t at = below(text.size());
  switch (random_.integer(0, 3)) {
    case 0: text.resize(at); break;
    case 1: text[at] = static_cast<char>(random_.integer(0, 255)); break;
    case 2: text.insert(at, 1, "\"{}[],:\\0e-"[below(11)]); break;
    default: text.erase(at, 1); break;
  }
  return text;
}

std::string SpecMutator::next() {
  Json spec = seeds_[below(seeds_.size())];
  const bool gentle = one_in(2);
  for (std::int64_t changes = random_.integer(1, 3); changes > 0; --changes)
    gentle ? vary(spec) : mutate(spec);
  std::string text = print(spec, 0);
  return one_in(20) && !text.empty() ? damaged(std::move(text)) : text;
}

}  // namespace ptxmill::test
