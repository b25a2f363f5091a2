// Every verb's exit codes, and what goes to which stream.
#include <doctest/doctest.h>

#include <unistd.h>

#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

#include "tests/cli/program.hpp"

namespace ptxmill::test {
namespace {

namespace fs = std::filesystem;

struct Expected {
  const char* arguments;
  int code;
  bool out, err;  ///< whether the stream has something
};

TEST_CASE("every verb's exit codes") {
  Workplace place;
  place.write("spec.json", spec_text(add_entry));
  place.write("other.json", spec_text(scale_entry));
  place.write("bad.json", "{");
  place.write("file", "");
  REQUIRE(ptxmill(place, "gen spec.json -o a").code == 0);
  REQUIRE(ptxmill(place, "gen other.json -o b").code == 0);
  for (const Expected& e : {
           Expected{"", 2, false, true},
           {"nothing", 2, false, true},
           {"--color sometimes list", 2, false, true},
           {"--help", 0, true, false},
           {"gen --help", 0, true, false},
           {"--version", 0, true, false},
           {"gen spec.json -o a", 0, false, true},
           {"gen bad.json -o a", 2, false, true},
           {"gen . -o a", 2, false, true},
           {"gen spec.json -o a --jobs 0", 2, false, true},
           {"gen spec.json -o a --jobs many", 2, false, true},
           {"gen spec.json -o a --target sm_80 --target sm_80", 0, false, true},
           {"gen spec.json -o file", 3, false, true},
           {"gen spec.json -o /dev/null/a", 3, false, true},
           {"gen spec.json -o a --depfile none/deps", 3, false, true},
           {"check spec.json -o a", 0, false, false},
           {"check spec.json -o b", 1, true, false},
           {"check spec.json -o none", 1, true, false},
           {"check bad.json -o a", 2, false, true},
           {"check spec.json", 2, false, true},
           {"diff a a --no-ptxas", 0, false, false},
           {"diff a b --no-ptxas", 1, true, false},
           {"diff a b --no-ptxas --format markdown", 1, true, false},
           {"diff a b --no-ptxas --format json", 1, true, false},
           {"diff a b --format yaml", 2, false, true},
           {"diff a", 2, false, true},
           {"diff a none", 2, false, true},
           {"diff a file", 2, false, true},
           {"explain spec.json#add", 0, true, false},
           {"explain spec.json", 2, false, true},
           {"explain spec.json#sub", 2, false, true},
           {"explain none.json#add", 2, false, true},
           {"explain bad.json#add", 2, false, true},
           {"list", 0, true, false},
           {"list spec.json", 0, true, false},
           {"list bad.json", 2, false, true},
           {"schema", 0, true, false},
           {"schema extra", 2, false, true},
       }) {
    const Ran ran = ptxmill(place, e.arguments);
    CHECK_MESSAGE(ran.code == e.code, e.arguments << ": " << ran.err);
    CHECK_MESSAGE(ran.out.empty() != e.out, e.arguments);
    CHECK_MESSAGE(ran.err.empty() != e.err, e.arguments << ": " << ran.err);
  }
}

TEST_CASE("a stdout that is full is not a success") {
  Workplace place;
  const Ran ran = ptxmill(place, "schema >/dev/full");
  CHECK(ran.code == 3);
  CHECK(ran.err == "error: stdout cannot be written\n");
}

// Root may write everywhere; others meet a directory that they may not write.
TEST_CASE("a directory without write permission") {
  if (geteuid() == 0) {
    MESSAGE("skipped: root may write everywhere");
    return;
  }
  Workplace place;
  place.write("spec.json", spec_text(add_entry));
  fs::create_directory(place.path() / "out");
  fs::permissions(place.path() / "out", fs::perms::owner_read | fs::perms::owner_exec);
  const Ran ran = ptxmill(place, "gen spec.json -o out");
  CHECK(ran.code == 3);
  CHECK(ran.err.find("Permission denied") != ran.err.npos);
  fs::permissions(place.path() / "out", fs::perms::owner_all);
}

TEST_CASE("no colour unless it is wanted") {
  Workplace place;
  place.write("spec.json", spec_text(add_entry));
  place.write("bad.json", "{ }");
  const std::string escape = "\x1b[";
  const auto colored = [&](const std::string& arguments, const std::string& before = "") {
    const Ran ran = ptxmill(place, arguments, before);
    return (ran.out + ran.err).find(escape) != std::string::npos;
  };
  for (const std::string& verb :
       {std::string("check spec.json -o none"), std::string("gen bad.json -o none")}) {
    CHECK_FALSE(colored(verb));
    CHECK(colored(verb + " --color always"));
    CHECK(colored("--color always " + verb));
    CHECK(colored(verb + " --color always", "NO_COLOR=1"));
    CHECK_FALSE(colored(verb + " --color never"));
  }
  // Without the colours it is the same text.
  std::string always = ptxmill(place, "check spec.json -o none --color always").out;
  for (std::size_t at = always.find(escape); at != always.npos; at = always.find(escape))
    always.erase(at, always.find('m', at) + 1 - at);
  CHECK(always == ptxmill(place, "check spec.json -o none").out);
}

// `script` gives the program a terminal.
TEST_CASE("progress and colour are for terminals") {
  Workplace place;
  if (shell(place, "script --version").code != 0) {
    MESSAGE("skipped: there is no `script` that gives a terminal");
    return;
  }
  place.write("spec.json", spec_text(add_entry));
  const auto in_terminal = [&](const std::string& arguments, const std::string& environment) {
    return shell(place, "TERM=xterm " + environment + " script -qec \"'" + executable() + "' " +
                            arguments + "\" /dev/null </dev/null")
        .out;
  };
  const std::string progress = "test: 2 of 2", red = "\x1b[31m";
  CHECK(in_terminal("gen spec.json -o a", "").find(progress) != std::string::npos);
  CHECK(in_terminal("gen spec.json -o b", "TERM=dumb").find(progress) == std::string::npos);
  CHECK(in_terminal("gen spec.json -o a --target none", "").find(red) != std::string::npos);
  CHECK(in_terminal("gen spec.json -o a --target none", "NO_COLOR=1").find(red) ==
        std::string::npos);
  CHECK(ptxmill(place, "gen spec.json -o c").err.find(progress) == std::string::npos);
}

}  // namespace
}  // namespace ptxmill::test
