// Tuning files: which kernels they reach, and what is wrong with bad ones.
#include <doctest/doctest.h>

#include <functional>
#include <set>
#include <string>

#include <nlohmann/json.hpp>

#include "generator/cli/generate.hpp"
#include "generator/cli/verbs.hpp"
#include "tests/cli/captured.hpp"
#include "tests/spec/workplace.hpp"

namespace ptxmill::test {
namespace {

std::string softmax(const std::string& name, int cols, const std::string& more = "") {
  return "{ \"name\": \"" + name + R"(", "template": "softmax", "dtype": "f32", "cols": )" +
         std::to_string(cols) + more + " }";
}

cli::Files generated(const std::string& spec, const std::string& tuning) {
  cli::Tuning table;
  spec::Problems problems("tuning.json");
  if (!tuning.empty()) table.read(tuning, problems);
  REQUIRE_MESSAGE(problems.empty(), problems.text());
  const auto library = cli::read_spec(spec, {}, problems, table);
  REQUIRE_MESSAGE(library.has_value(), problems.text());
  return cli::generate(*library);
}

std::string tuning(const std::string& choices, const std::string& target = "sm_90a") {
  return R"({ "schema_version": 1, "target": ")" + target + R"(", "choices": [)" + choices + "] }";
}

/// Names of the files that are not the same.
std::set<std::string> different(const cli::Files& a, const cli::Files& b) {
  std::set<std::string> names;
  for (const auto& [name, text] : a)
    if (b.at(name) != text) names.insert(name);
  return names;
}

TEST_CASE("a choice reaches the kernels that it fits, of its target, and their digests") {
  const std::string spec = spec_text(softmax("narrow", 96) + ", " + softmax("wide", 6144) + ", " +
                                         softmax("said", 6144, R"(, "block": 256)"),
                                     R"("sm_80", "sm_90a")");
  const cli::Files plain = generated(spec, "");
  const cli::Files tuned = generated(
      spec,
      tuning(
          R"({ "template": "softmax", "when": { "cols": { "min": 4096 } }, "set": { "block": 512 } })"));
  CHECK(different(plain, tuned) ==
        std::set<std::string>{"test/manifest.json", "test/sm_90a/wide.ptx"});
  const std::string& ptx = tuned.at("test/sm_90a/wide.ptx");
  CHECK(ptx.find(".maxntid 512, 1, 1") != ptx.npos);
  const auto digest = [](const std::string& text) { return text.substr(text.find("digest"), 30); };
  CHECK(digest(ptx) != digest(plain.at("test/sm_90a/wide.ptx")));
  // What the spec means is the same; how it is launched is not.
  const auto before = nlohmann::json::parse(plain.at("test/manifest.json")),
             after = nlohmann::json::parse(tuned.at("test/manifest.json"));
  for (std::size_t i = 0; i < 3; ++i)
    CHECK(before["kernels"][i]["options"] == after["kernels"][i]["options"]);
  CHECK(before["spec_digest"] != after["spec_digest"]);
  CHECK(after["kernels"][2]["targets"]["sm_90a"]["forms"][0]["launch"]["block"][0] == 512);
}

TEST_CASE("the first choice that fits wins, field by field") {
  const std::string spec = spec_text(softmax("a", 6144), R"("sm_90a")");
  const std::string first =
      R"({ "template": "softmax", "when": { "cols": 6144, "log": false }, "set": { "block": 128 } })";
  const std::string second = R"({ "template": "softmax", "set": { "block": 512 } })";
  const auto block = [&](const std::string& choices) {
    const auto manifest =
        nlohmann::json::parse(generated(spec, tuning(choices)).at("test/manifest.json"));
    return manifest["kernels"][0]["targets"]["sm_90a"]["forms"][0]["launch"]["block"][0].get<int>();
  };
  CHECK(block(first + ", " + second) == 128);
  CHECK(block(second + ", " + first) == 512);
  CHECK(
      block(
          R"({ "template": "softmax", "when": { "cols": { "max": 6143 } }, "set": { "block": 64 } }, )" +
          second) == 512);
  CHECK(
      block(
          R"({ "template": "softmax", "when": { "cols": { "multiple_of": 4096 } }, "set": { "block": 64 } }, )" +
          second) == 512);
  CHECK(block(R"({ "template": "softmax", "when": { "log": true }, "set": { "block": 64 } }, )" +
              second) == 512);
  const auto listed = [](const std::string& values) {
    return R"({ "template": "softmax", "when": { "cols": [)" + values +
           R"(] }, "set": { "block": 64 }, "measured": { "us": [1.5, 2] } }, )";
  };
  CHECK(block(listed("96, 6144") + second) == 64);
  CHECK(block(listed("96, 6145") + second) == 512);
}

/// What `describe` says of each form of a product on sm_90a with these fields and tuned tiles, and
/// from which m the form counts.
std::string forms_of(const std::string& fields, const std::string& tiles,
                     const std::function<std::string(const nlohmann::json& form)>& describe) {
  const std::string spec = spec_text(
      R"({ "name": "p", "template": "gemm", "dtype": "bf16", "n": 384, "k": 384)" + fields + " }",
      R"("sm_90a")");
  const std::string chosen = tuning(
      R"({ "template": "gemm", "when": { "dtype": ["f16", "bf16"], "n": 384, "k": 384 }, "set": { "tiles": [)" +
      tiles + "] } }");
  const auto manifest = nlohmann::json::parse(generated(spec, chosen).at("test/manifest.json"));
  std::string all;
  for (const auto& form : manifest["kernels"][0]["targets"]["sm_90a"]["forms"]) {
    all += describe(form) + " ";
    if (!form["when"].empty()) all += "when " + form["when"].dump() + " ";
  }
  return all;
}

TEST_CASE("tiles of a product go by m, where the spec names none") {
  const auto forms = [](const std::string& fields) {
    return forms_of(fields, R"("128x128 from 1025", "64x96 from 33", "w128x16")",
                    [](const nlohmann::json& form) {
                      // The rows that it takes of a and of w.
                      const auto rows = [&](int operand) {
                        return form["params"][operand]["box"][1].dump();
                      };
                      return rows(0) + " " + rows(1);
                    });
  };
  CHECK(forms("") == R"(128 128 when {"m":{"min":1025}} 64 96 when {"m":{"min":33}} 16 128 )");
  CHECK(forms(R"(, "m": 1025)") == "128 128 ");
  CHECK(forms(R"(, "m": 1024)") == "64 96 ");
  CHECK(forms(R"(, "m": 32)") == "16 128 ");
  CHECK(forms(R"(, "tile": "64x192")") == "64 192 ");
  CHECK(forms(R"(, "tiles": ["64x128"])") == "64 128 ");
}

TEST_CASE("a costly activation goes to tiles that hide it, where the spec names none") {
  const auto forms = [](const std::string& fields) {
    return forms_of(fields, R"("128x256 from 2049", "128x128 from 257", "64x96")",
                    [](const nlohmann::json& form) {
                      // CTAs of a cluster, of which 128 x 256 has two.
                      return form["launch"]["cluster"][0].dump();
                    });
  };
  const std::string two = R"(1 when {"m":{"min":257}} 1 )";
  const std::string three = R"(2 when {"m":{"min":2049}} )" + two;
  CHECK(forms("") == three);
  CHECK(forms(R"(, "activation": "relu")") == three);
  CHECK(forms(R"(, "activation": "gelu")") == two);
  CHECK(forms(R"(, "activation": "silu_multiply")") == two);
  CHECK(forms(R"(, "activation": "gelu", "m": 4096)") == "1 ");
  CHECK(forms(R"(, "activation": "gelu", "tile": "128x256")") == "2 ");
}

TEST_CASE("a block's kernels are tuned as others are") {
  const std::string spec =
      R"({ "schema_version": 1, "library": "test", "targets": ["sm_80", "sm_90a"], "blocks": [ { "name": "layer",
         "block": "encoder", "dtype": "f32", "d_model": 64, "heads": 2, "ffn_dim": 128, "max_seq_len": 64 } ] })";
  const cli::Files plain = generated(spec, "");
  const cli::Files tuned =
      generated(spec, tuning(R"({ "template": "layer_norm", "set": { "block": 64 } })"));
  CHECK(different(plain, tuned) == std::set<std::string>{"test/manifest.json",
                                                         "test/sm_90a/layer__attention_norm.ptx",
                                                         "test/sm_90a/layer__ffn_norm.ptx"});
}

TEST_CASE("bad tuning files are refused where they are wrong") {
  const auto problems_of = [](const std::string& text) {
    cli::Tuning table;
    spec::Problems problems("t.json");
    table.read(text, problems);
    return problems.text();
  };
  CHECK(problems_of("[]") == "t.json:1:1: error: expected an object, got an empty array\n");
  CHECK(problems_of("{").find("syntax error") != std::string::npos);
  CHECK(
      problems_of("{}") ==
      "t.json:1:1: error: \"schema_version\" is missing\nt.json:1:1: error: \"target\" is missing\n"
      "t.json:1:1: error: \"choices\" is missing\n");
  const auto one = [&](const std::string& choice, const std::string& expected) {
    const std::string head = R"({ "schema_version": 1, "target": "sm_90a", "choices": [)";
    std::string text = choice;
    const std::size_t at = text.find('@');
    text.erase(at, 1);
    CHECK(problems_of(head + text + "] }") == "t.json:1:" + std::to_string(head.size() + at + 1) +
                                                  ": error: /choices/0" + expected + "\n");
  };
  one("@7", ": expected an object, got 7");
  one(R"(@{ "template": "softmax" })", ": \"set\" is missing");
  one(R"({ "template": @"softmix", "set": { "block": 64 } })",
      "/template: this generator has no template \"softmix\"");
  one(R"({ "template": "softmax", "set": @{} })",
      "/set: expected an object with fields to set, got an empty one");
  one(R"({ "template": "softmax", "set": { @"cols": 64 } })",
      "/set/cols: is no tunable field; those are block");
  one(R"({ "template": "transpose", "set": { @"cols": 64 } })",
      "/set/cols: the template has no tunable fields");
  one(R"({ "template": "softmax", "set": { "block": @33 } })",
      "/set/block: expected a multiple of 32, got 33");
  one(R"({ "template": "softmax", "when": @[], "set": { "block": 64 } })",
      "/when: expected an object, got an empty array");
  one(R"({ "template": "softmax", "when": { @"col": 4 }, "set": { "block": 64 } })",
      "/when/col: unknown key; did you mean \"cols\"?");
  one(R"({ "template": "softmax", "when": { "cols": @[[4]] }, "set": { "block": 64 } })",
      "/when/cols: expected a value, a list of values or limits: min, max, multiple_of, got an "
      "array of 1");
  one(R"({ "template": "softmax", "when": { "log": @{} }, "set": { "block": 64 } })",
      "/when/log: expected a value or a list of values, got an object");
  one(R"({ "template": "softmax", "when": { "cols": { @"mim": 1 } }, "set": { "block": 64 } })",
      "/when/cols/mim: unknown key; did you mean \"min\"?");
  one(R"({ "template": "softmax", "when": { "cols": { "multiple_of": @0 } }, "set": { "block": 64 } })",
      "/when/cols/multiple_of: expected an integer of 1 or more, got 0");
  one(R"({ "template": "softmax", @"sets": {}, "set": { "block": 64 } })",
      "/sets: unknown key; did you mean \"set\"?");
}

TEST_CASE("--tuning is read by gen, and named in the depfile") {
  const Workplace place;
  cli::GenOptions options{
      .specs = {place.write("spec.json", spec_text(softmax("a", 6144), R"("sm_90a")"))},
      .output = (place.path() / "out").string(),
      .depfile = (place.path() / "deps").string()};
  options.tuning = {
      place.write("tuning.json", tuning(R"({ "template": "softmax", "set": { "block": 512 } })"))};
  CHECK(run([&] { return cli::gen(options); }).code == 0);
  CHECK(place.read("out/test/sm_90a/a.ptx").find(".maxntid 512") != std::string::npos);
  CHECK(place.read("deps").find("spec.json " + options.tuning[0] + "\n") != std::string::npos);
  CHECK(run([&] { return cli::check(options); }).code == 0);
  options.tuning = {place.write("bad.json", "{}")};
  const Said said = run([&] { return cli::gen(options); });
  CHECK(said.code == 2);
  CHECK(said.err.find("bad.json:1:1: error: ") != said.err.npos);
}

TEST_CASE("what is compiled in is a tuning table") { CHECK_NOTHROW(cli::Tuning::shipped()); }

}  // namespace
}  // namespace ptxmill::test
