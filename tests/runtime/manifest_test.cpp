#include "runtime/manifest.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <random>
#include <string>

#include "runtime/sha256.hpp"
#include "tests/runtime/fixture_kernels.hpp"
#include "tests/support/random.hpp"

namespace {

using namespace ptxmill::rt;
using nlohmann::json;
using ptxmill::test::add_chain_plan;
using ptxmill::test::fixture_library;
using ptxmill::test::ManifestFixture;
using ptxmill::test::sealed;
using ptxmill::test::Thrown;
using ptxmill::test::thrown_by;

Thrown refusal(const std::string& text) {
  return thrown_by([&] { Manifest::read(text, "dir/manifest.json"); });
}

ManifestFixture whole_fixture() {
  ManifestFixture fixture = fixture_library();
  add_chain_plan(fixture);
  return fixture;
}

/// The refusal of the fixture's manifest after `change`, sealed with a right digest.
Thrown refusal_after(const std::function<void(json&)>& change) {
  json manifest = whole_fixture().manifest;
  change(manifest);
  return refusal(sealed(manifest));
}

json& form(json& manifest, const std::string& kernel = "add") {
  for (json& entry : manifest["kernels"])
    if (entry["name"] == kernel) return entry["targets"]["sm_80"]["forms"][0];
  throw std::out_of_range(kernel);
}

}  // namespace

TEST_CASE("manifest: every field is read") {
  const Manifest manifest = Manifest::read(whole_fixture().text(), "manifest.json");
  CHECK(manifest.library == "fixture");
  CHECK(manifest.generator_version == "0.1.0");
  REQUIRE(manifest.kernels.size() == 10);
  const KernelInfo& add = manifest.kernels[1];
  CHECK(add.name == "add");
  CHECK(add.template_name == "elementwise");
  CHECK(add.dtypes.at("dtype") == DType::f32);
  CHECK(add.variables() == std::vector<std::string>{"n", "sm_count"});
  const FormInfo& info = add.targets.at(0).forms.at(0);
  CHECK(info.file == "sm_80/add.ptx");
  CHECK(info.driver == 11000);
  REQUIRE(info.params.size() == 4);
  CHECK(info.params[0].kind == ParameterKind::in);
  CHECK(info.params[3].kind == ParameterKind::dim);
  const std::vector<std::int64_t> values{300, 132};
  CHECK(info.params[0].elements.evaluate(values) == 300);
  CHECK(info.launch.grid[0].evaluate(values) == 3);
  CHECK(info.launch.block[0] == 128);
  REQUIRE(manifest.plans.size() == 1);
  const PlanInfo& plan = manifest.plans[0];
  CHECK(plan.dims.at(0).max == 64);
  CHECK(plan.weights.at(1).optional);
  CHECK(plan.targets.at(0).steps.size() == 4);
  CHECK(plan.targets.at(0).prepare.at(2).unless == "c");
  CHECK(std::get<double>(plan.config.at("length")) == 64);
}

TEST_CASE("manifest: any flipped bit is refused") {
  const std::string good = whole_fixture().text();
  std::mt19937_64 random(ptxmill::test::run_seed());
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 << (random() % 8)));
    const Thrown thrown = refusal(bad);
    if (thrown.code != ErrorCode::corrupt || !thrown.any || !thrown.says("dir/manifest.json"))
      FAIL("byte ", at, ": ", thrown.what);
  }
  std::string changed = good;
  changed[changed.find("fixture")] = 'F';
  const Thrown thrown = refusal(changed);
  CHECK(thrown.says("expected digest"));
  CHECK(thrown.says("actual"));
  const std::size_t digest = good.find("\"digest\": \"") + 11;
  CHECK(thrown.says(good.substr(digest, 64)));
}

TEST_CASE("manifest: any truncation is refused") {
  const std::string good = whole_fixture().text();
  for (std::size_t length = 0; length < good.size(); length += 37)
    if (refusal(good.substr(0, length)).code != ErrorCode::corrupt) FAIL("length ", length);
  CHECK(refusal(good + " ").code == ErrorCode::corrupt);
}

TEST_CASE("manifest: an unknown format version is refused before anything else is read") {
  const Thrown thrown = refusal_after([](json& m) {
    m["format_version"] = 2;
    m["new_section"] = 1;
  });
  CHECK(thrown.code == ErrorCode::incompatible);
  CHECK(thrown.says("format version 2"));
}

TEST_CASE("manifest: what is wrong is named with its JSON pointer") {
  struct Case {
    std::string words;
    std::function<void(json&)> change;
  };
  const Case cases[] = {
      {"/kernels/1: the key 'colour' is unknown",
       [](json& m) { m["kernels"][1]["colour"] = "red"; }},
      {"the key 'nodes' is unknown", [](json& m) { m["nodes"] = 1; }},
      {"the key 'plans' is missing", [](json& m) { m.erase("plans"); }},
      {"the key 'sha256' is missing", [](json& m) { form(m).erase("sha256"); }},
      {"/kernels/1/targets/sm_80/forms/0/sha256", [](json& m) { form(m)["sha256"] = "abc"; }},
      {"a path below the manifest's directory", [](json& m) { form(m)["file"] = "../add.ptx"; }},
      {"a path below the manifest's directory", [](json& m) { form(m)["file"] = "/etc/passwd"; }},
      {"a path below the manifest's directory", [](json& m) { form(m)["file"] = "a//b.ptx"; }},
      {"'sm_80' was expected", [](json& m) { form(m)["target"] = "sm_90"; }},
      {"'float' is no dtype", [](json& m) { form(m)["params"][0]["dtype"] = "float"; }},
      {"is no kind of parameter", [](json& m) { form(m)["params"][0]["kind"] = "tensor"; }},
      {"one of n, sm_count was expected", [](json& m) { form(m)["params"][0]["elements"] = "k"; }},
      {"the name 'x' stands twice", [](json& m) { form(m)["params"][1]["name"] = "x"; }},
      {"a power of two", [](json& m) { form(m)["params"][0]["align"] = 12; }},
      {"the kernel has no dimension 'rows'",
       [](json& m) { form(m)["params"][3]["name"] = "rows"; }},
      {"the kernel has no dimension 'k'",
       [](json& m) {
         form(m)["when"]["k"] = {{"min", 1}};
       }},
      {"an integer from 1 to",
       [](json& m) {
         form(m)["when"]["n"] = {{"multiple_of", 0}};
       }},
      {"three expressions",
       [](json& m) {
         form(m)["launch"]["grid"] = {"1", "1"};
       }},
      {"an integer from 1 to 1024", [](json& m) { form(m)["launch"]["block"][0] = 0; }},
      {"beyond 1024",
       [](json& m) {
         form(m)["launch"]["block"] = {512, 4, 1};
       }},
      {"true or false", [](json& m) { form(m)["launch"]["cooperative"] = 0; }},
      {"sorted and unique", [](json& m) { m["kernels"][0]["name"] = "zebra"; }},
      {"sorted and unique", [](json& m) { m["kernels"][1]["name"] = m["kernels"][0]["name"]; }},
      {"at least one target", [](json& m) { m["kernels"][0]["targets"] = json::object(); }},
      {"the name is taken", [](json& m) { m["kernels"][0]["dims"]["sm_count"] = 3; }},
      {"is no op", [](json& m) { m["plans"][0]["targets"]["sm_80"]["steps"][0]["op"] = "jump"; }},
      {"while both are alive",
       [](json& m) { m["plans"][0]["targets"]["sm_80"]["buffers"][2]["first"] = 1; }},
      {"an integer from",
       [](json& m) { m["plans"][0]["targets"]["sm_80"]["buffers"][2]["last"] = 99; }},
      {"one of n, sm_count", [](json& m) { m["plans"][0]["inputs"][0]["shape"][0] = "rows"; }},
  };
  for (const Case& c : cases) {
    const Thrown thrown = refusal_after(c.change);
    CAPTURE(c.words);
    CAPTURE(thrown.what);
    CHECK(thrown.code == ErrorCode::corrupt);
    CHECK(thrown.says("dir/manifest.json"));
    CHECK(thrown.says(c.words));
  }
}

TEST_CASE("manifest: tensor maps are read and checked") {
  const json recipe = {
      {"name", "a_map"},      {"kind", "tensor_map"},   {"tensor", "a"},
      {"direction", "in"},    {"dtype", "f16"},         {"align", 16},
      {"elements", "n * 64"}, {"extents", {"64", "n"}}, {"strides", json::array({"128"})},
      {"box", {64, 64}},      {"swizzle", "128B"},      {"l2_promotion", "128B"},
      {"fill", "zeros"}};
  const auto with = [&](const std::function<void(json&)>& change) {
    json manifest = whole_fixture().manifest;
    json parameter = recipe;
    change(parameter);
    form(manifest)["params"].push_back(parameter);
    return sealed(manifest);
  };
  const Manifest manifest = Manifest::read(with([](json&) {}), "m");
  const ParameterInfo& parameter = manifest.kernels[1].targets[0].forms[0].params[4];
  REQUIRE(parameter.map);
  CHECK(parameter.map->tensor == "a");
  CHECK(parameter.map->swizzle == cu::TensorMapSwizzle::bytes_128);
  CHECK(parameter.map->box == std::vector<std::uint32_t>{64, 64});
  CHECK(refusal(with([](json& p) { p["strides"] = json::array(); })).says("one stride less"));
  CHECK(refusal(with([](json& p) {
          p["box"] = json::array({64});
        })).says("as many as there are extents"));
  CHECK(refusal(with([](json& p) { p["box"] = {64, 257}; })).says("from 1 to 256"));
  CHECK(refusal(with([](json& p) { p["swizzle"] = "96B"; })).says("one of none, 32B, 64B, 128B"));
  CHECK(refusal(with([](json& p) { p["direction"] = "sideways"; })).says("one of in, out, inout"));
  CHECK(refusal(with([](json& p) { p["extents"] = json::array(); })).says("one to five extents"));
}

TEST_CASE("manifest: duplicate keys and deep nesting are refused") {
  const auto reseal = [](std::string text) {
    const std::size_t at = text.find("\"digest\": \"") + 11;
    const std::string blank = text.substr(0, at) + text.substr(at + 64);
    return text.replace(at, 64, sha256({blank}));
  };
  std::string twice = whole_fixture().text();
  twice.insert(twice.find("\"library\""), "\"library\": \"other\", ");
  CHECK(refusal(reseal(twice)).says("the key 'library' stands twice"));
  std::string deep = whole_fixture().text();
  deep.insert(deep.find("\"library\""),
              "\"deep\": " + std::string(5000, '[') + std::string(5000, ']') + ", ");
  CHECK(refusal(reseal(deep)).says("nested more than 64 deep"));
}
