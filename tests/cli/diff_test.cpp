// diff: of two generated directories, what a reviewer wants to know, in three formats.
#include <doctest/doctest.h>

#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include <nlohmann/json.hpp>

#include "generator/cli/ptxas.hpp"
#include "generator/cli/verbs.hpp"
#include "tests/cli/captured.hpp"
#include "tests/spec/workplace.hpp"

namespace ptxmill::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const std::string softmax =
    R"({ "name": "probs", "template": "softmax", "dtype": "f32", "cols": 96 })";
const std::string encoder =
    R"( "blocks": [ { "name": "layer", "block": "encoder", "dtype": "f32", "d_model": 64, "heads": 2, "ffn_dim": 128, "max_seq_len": 64 } ], )";

/// Two directories of the same library, "a" and "b".
class Pair : public Workplace {
 public:
  Pair(const std::string& a, const std::string& b) {
    gen("a", a);
    gen("b", b);
  }
  explicit Pair(const std::string& both) : Pair(both, both) {}

  void gen(const std::string& directory, const std::string& spec) const {
    const cli::GenOptions options{.specs = {write(directory + ".json", spec)},
                                  .output = (path() / directory).string()};
    REQUIRE(run([&] { return cli::gen(options); }).code == 0);
  }
  Said diff(const std::string& format = "text", bool ptxas = false) const {
    return run([&] {
      return cli::diff({(path() / "a").string(), (path() / "b").string(), format, ptxas});
    });
  }
  /// Replaces a text of the file in "b".
  void edit(const std::string& file, const std::string& from, const std::string& to) const {
    std::string text = read("b/test/" + file);
    REQUIRE_MESSAGE(text.find(from) != text.npos, from);
    text.replace(text.find(from), from.size(), to);
    write("b/test/" + file, text);
  }
  void edit_manifest(const std::function<void(json&)>& change) const {
    json manifest = json::parse(read("b/test/manifest.json"));
    change(manifest);
    write("b/test/manifest.json", manifest.dump(2));
  }
};

TEST_CASE("directories that are the same have no difference") {
  const Pair place(spec_text(add_entry + ", " + softmax));
  for (const char* format : {"text", "markdown"}) {
    const Said said = place.diff(format);
    CHECK(said.code == 0);
    CHECK(said.out.empty());
    CHECK(said.err.empty());
  }
  const Said said = place.diff("json");
  CHECK(said.code == 0);
  CHECK(json::parse(said.out) == json{{"files", json::array()}, {"plans", json::array()}});
}

TEST_CASE("comments, register names and digests of bytes are no difference") {
  const Pair place(spec_text(add_entry));
  place.edit("sm_80/add__vec4.ptx", "// add__vec4", "// Add by four: add__vec4");
  place.edit("sm_80/add__vec4.ptx", ".reg", "// here come the registers\n    .reg");
  place.edit_manifest([](json& m) {
    m["kernels"][0]["targets"]["sm_80"]["forms"][0]["sha256"] = std::string(64, '0');
    m["digest"] = m["generator_version"] = "another";
  });
  const Said said = place.diff();
  CHECK_MESSAGE(said.out.empty(), said.out);
  CHECK(said.code == 0);
}

TEST_CASE("kernels that came, went and changed") {
  const Pair place(spec_text(scale_entry + ", " + softmax), spec_text(add_entry + ", " + softmax));
  place.edit("sm_80/probs.ptx", "add.rn.f32", "sub.rn.f32");
  const Said text = place.diff();
  CHECK(text.code == 1);
  CHECK(text.out.find("added    test/sm_80/add__vec4.ptx\n") != text.out.npos);
  CHECK(text.out.find("removed  test/sm_80/scale.ptx\n") != text.out.npos);
  CHECK(text.out.find("changed  test/sm_80/probs.ptx\n    phases: ") != text.out.npos);
  CHECK(text.out.find("    sub.rn.f32 ") != text.out.npos);
  const json report = json::parse(place.diff("json").out);
  std::map<std::string, std::string> states;
  for (const json& file : report["files"]) states[file["file"]] = file["state"];
  CHECK(states == std::map<std::string, std::string>{{"test/sm_80/add__vec4.ptx", "added"},
                                                     {"test/sm_80/add__scalar.ptx", "added"},
                                                     {"test/sm_80/scale.ptx", "removed"},
                                                     {"test/sm_80/probs.ptx", "changed"}});
  for (const json& file : report["files"]) {
    CHECK(file["before"].is_null() == (file["state"] == "added"));
    CHECK(file["after"].is_null() == (file["state"] == "removed"));
    if (file["state"] == "changed") {
      CHECK(file["kernel"] == "probs");
      CHECK(file["phases"].size() == 1);
      CHECK(file["before"]["instructions"]["add.rn.f32"].get<int>() ==
            file["after"]["instructions"].value("add.rn.f32", 0) + 1);
      CHECK(file["before"]["registers"].is_null());
    }
  }
}

TEST_CASE("what the manifest says of a kernel is compared") {
  using Change = std::function<void(json & form)>;
  const std::vector<std::pair<std::string, Change>> changes{
      {"lowest driver", [](json& f) { f["driver"] = 12000; }},
      {"grid", [](json& f) { f["launch"]["grid"][0] = "rows"; }},
      {"block", [](json& f) { f["launch"]["block"][0] = 64; }},
      {"cluster", [](json& f) { f["launch"]["cluster"][0] = 2; }},
      {"cooperative", [](json& f) { f["launch"]["cooperative"] = true; }},
      {"dynamic shared bytes", [](json& f) { f["launch"]["shared_bytes"] = "1024 * rows"; }},
      {"when",
       [](json& f) {
         f["when"]["rows"] = {{"max", 7}};
       }},
      {"parameter x", [](json& f) { f["params"][0]["align"] = 64; }},
      {"parameter more",
       [](json& f) {
         f["params"].push_back({{"name", "more"}, {"kind", "dim"}});
       }},
  };
  for (const auto& entry : changes) {
    const std::string what = entry.first;
    const auto& change = entry.second;
    const Pair place(spec_text(softmax));
    place.edit_manifest(
        [&change](json& m) { change(m["kernels"][0]["targets"]["sm_80"]["forms"][0]); });
    for (const char* format : {"text", "markdown", "json"}) {
      const Said said = place.diff(format);
      CHECK_MESSAGE(said.code == 1, what);
      CHECK_MESSAGE(said.out.find("probs.ptx") != said.out.npos, what);
      if (std::string(format) != "json")
        CHECK_MESSAGE(said.out.find(what + " ") != said.out.npos, what << "\n" << said.out);
    }
  }
}

TEST_CASE("limits, versions and shared memory of the PTX are compared") {
  const std::vector<std::pair<std::string, std::string>> edits{
      {".version 7.0", ".version 7.4"}, {".maxntid ", ".minnctapersm 2\n.maxntid "}};
  for (const auto& edit : edits) {
    const std::string &from = edit.first, &to = edit.second;
    const Pair place(spec_text(softmax));
    place.edit("sm_80/probs.ptx", from, to);
    CHECK_MESSAGE(place.diff().code == 1, to);
    CHECK_MESSAGE(place.diff().out.find("phases") == std::string::npos, place.diff().out);
  }
  const Pair place(spec_text(softmax));
  place.edit("sm_80/probs.ptx", "    .reg", "    .shared .align 4 .f32 more[25];\n    .reg");
  CHECK(place.diff().out.find("static shared bytes      0 -> 100\n") != std::string::npos);
}

TEST_CASE("plans are compared, and the difference is shown") {
  const std::string spec =
      R"({ "schema_version": 1, "library": "test", )" + encoder + R"("targets": ["sm_80"] })";
  std::string wider = spec;
  wider.replace(wider.find(": 128"), 5, ": 160");
  const Pair place(spec, wider);
  const Said said = place.diff();
  CHECK(said.code == 1);
  CHECK(said.out.find("plan     test/sm_80/layer\n--- a/test/sm_80/layer\n") != said.out.npos);
  CHECK(said.out.find("changed  test/sm_80/layer__ffn_up") != said.out.npos);
  CHECK(said.out.find("layer__attention.ptx") == said.out.npos);
  const json report = json::parse(place.diff("json").out);
  REQUIRE(report["plans"].size() == 1);
  CHECK(report["plans"][0]["plan"] == "test/sm_80/layer");
  CHECK(place.diff("markdown").out.find("```diff\n--- a/test/sm_80/layer") != std::string::npos);
}

TEST_CASE("registers and spills come from ptxas") {
  if (!cli::have_ptxas()) {
    MESSAGE("skipped: there is no ptxas");
    return;
  }
  const Pair place(spec_text(softmax), spec_text(softmax + ", " + add_entry));
  place.edit("sm_80/probs.ptx", "add.rn.f32", "sub.rn.f32");
  const json report = json::parse(place.diff("json", true).out);
  REQUIRE(!report["files"].empty());
  for (const json& file : report["files"]) {
    CHECK(file["after"]["registers"].get<int>() > 0);
    CHECK(file["after"]["spill_bytes"] == 0);
  }
}

TEST_CASE("directories that hold nothing to compare are named") {
  const Pair place(spec_text(softmax));
  const auto message = [&] {
    const Said said = place.diff();
    CHECK(said.code == 2);
    CHECK(said.out.empty());
    return said.err;
  };
  place.write("b/test/manifest.json", "{}");
  CHECK(message().find("b/test/manifest.json: is no manifest that this version reads") !=
        std::string::npos);
  fs::remove(place.path() / "b/test/manifest.json");
  CHECK(message().find("b: holds no library") != std::string::npos);
  fs::remove_all(place.path() / "b");
  CHECK(message().find("b: is no directory") != std::string::npos);
  place.gen("b", spec_text(softmax));
  fs::remove(place.path() / "b/test/sm_80/probs.ptx");
  CHECK(message().find("probs.ptx: cannot be read") != std::string::npos);
}

}  // namespace
}  // namespace ptxmill::test
