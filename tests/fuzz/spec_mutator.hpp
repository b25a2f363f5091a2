// Makes specs that are nearly right: a good one with a few of its parts changed.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/support/random.hpp"

namespace ptxmill::test {

class SpecMutator {
 public:
  /// `seeds` are texts of good specs; their parts are exchanged among each other too.
  SpecMutator(const std::vector<std::string>& seeds, std::uint64_t seed);
  /// The text of the next spec.
  std::string next();

 private:
  using Json = nlohmann::ordered_json;
  Json value();
  Json number();
  std::string word();
  std::string misspelt(std::string word);
  Json* some_part(Json& whole);
  void vary(Json& spec);
  void mutate(Json& spec);
  void mutate_object(Json& object);
  void mutate_array(Json& array);
  std::string print(const Json& value, int depth);
  std::string space();
  std::string damaged(std::string text);
  std::size_t below(std::size_t n);
  bool one_in(int n);

  Random random_;
  std::vector<Json> seeds_;
  std::vector<std::string> words_;                      ///< every key and string of the seeds
  std::vector<Json> values_;                            ///< every value
  std::map<std::string, std::vector<Json>> values_of_;  ///< by key of an entry
};

}  // namespace ptxmill::test
