// `gen` and `check` in a directory: what is written, what is left alone, and what happens where
// writing fails.
#include <doctest/doctest.h>

#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

#include "generator/cli/verbs.hpp"
#include "generator/manifest/sha256.hpp"
#include "tests/cli/captured.hpp"
#include "tests/spec/workplace.hpp"

namespace ptxmill::test {
namespace {

namespace fs = std::filesystem;

class Generated : public Workplace {
 public:
  cli::GenOptions options(const std::string& spec) const {
    return {.specs = {write("spec.json", spec)}, .output = (path() / "out").string()};
  }
  Said gen(const std::string& spec) const {
    return run([&] { return cli::gen(options(spec)); });
  }
  Said check(const std::string& spec) const {
    return run([&] { return cli::check(options(spec)); });
  }
};

TEST_CASE("gen writes a library: its files are those that the manifest names") {
  Generated place;
  const Said said = place.gen(spec_text(add_entry + ", " + scale_entry, R"("sm_80", "sm_90a")"));
  CHECK(said.code == 0);
  CHECK(said.out.empty());
  CHECK(said.err == "test: 7 written, 0 unchanged, 0 removed\n");
  const auto manifest = nlohmann::json::parse(place.read("out/test/manifest.json"));
  std::size_t named = 1;
  for (const auto& kernel : manifest["kernels"])
    for (const auto& target : kernel["targets"])
      for (const auto& form : target["forms"]) {
        const std::string text = place.read("out/test/" + form["file"].get<std::string>());
        CHECK(form["sha256"] == manifest::sha256(text));
        CHECK(text.find(".visible .entry " + form["entry"].get<std::string>() + "(") != text.npos);
        CHECK(text.find(".version " + form["ptx_version"].get<std::string>() + "\n.target " +
                        form["target"].get<std::string>() + "\n") != text.npos);
        ++named;
      }
  CHECK(place.files("out").size() == named);
}

TEST_CASE("the manifest's digest is that of its bytes with the digest empty") {
  Generated place;
  place.gen(spec_text(add_entry));
  std::string text = place.read("out/test/manifest.json");
  const std::string digest = nlohmann::json::parse(text)["digest"];
  text.replace(text.find(digest), digest.size(), "");
  CHECK(manifest::sha256(text) == digest);
}

TEST_CASE("SHA-256 gives the standard's examples") {
  CHECK(manifest::sha256("abc") ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(manifest::sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_CASE("gen again rewrites nothing") {
  Generated place;
  const std::string spec = spec_text(add_entry + ", " + scale_entry);
  place.gen(spec);
  place.age();
  CHECK(place.gen(spec).err == "test: 0 written, 4 unchanged, 0 removed\n");
  for (const auto& file : place.files("out")) CHECK_MESSAGE(!place.is_new(file.first), file.first);
}

TEST_CASE("gen rewrites only what changes") {
  Generated place;
  place.gen(spec_text(add_entry + ", " + scale_entry));
  place.age();
  std::string wider = scale_entry;
  wider.replace(wider.find("96"), 2, "64");
  CHECK(place.gen(spec_text(add_entry + ", " + wider)).code == 0);
  for (const auto& file : place.files("out")) {
    const std::string& name = file.first;
    const bool changed = name == "out/test/manifest.json" || name == "out/test/sm_80/scale.ptx";
    CHECK_MESSAGE(place.is_new(name) == changed, name);
  }
}

TEST_CASE("gen removes the files of kernels that are gone, and no others") {
  Generated place;
  place.gen(spec_text(add_entry + ", " + scale_entry));
  place.write("out/test/sm_80/mine.ptx", "mine");
  place.write("out/other/manifest.json", "not ours");
  CHECK(place.gen(spec_text(add_entry)).err == "test: 1 written, 2 unchanged, 1 removed\n");
  const auto files = place.files("out");
  CHECK(files.count("out/test/sm_80/scale.ptx") == 0);
  CHECK(files.count("out/test/sm_80/add__vec4.ptx") == 1);
  CHECK(files.count("out/test/sm_80/mine.ptx") == 1);
  CHECK(files.count("out/other/manifest.json") == 1);
}

TEST_CASE("a manifest that someone edited does not remove files outside its library") {
  Generated place;
  place.gen(spec_text(add_entry));
  place.write("out/precious.txt", "keep");
  place.write("keep.txt", "keep");
  const std::string absolute = (place.path() / "keep.txt").string();
  for (const std::string& file :
       {std::string("../precious.txt"), std::string("sm_80/../../precious.txt"), absolute}) {
    auto manifest = nlohmann::json::parse(place.read("out/test/manifest.json"));
    manifest["kernels"][0]["targets"]["sm_80"]["forms"][0]["file"] = file;
    place.write("out/test/manifest.json", manifest.dump());
    CHECK(place.gen(spec_text(scale_entry)).code == 0);
    CHECK(place.read("out/precious.txt") == "keep");
    CHECK(place.read("keep.txt") == "keep");
  }
}

TEST_CASE("a manifest that is none is replaced") {
  for (const char* broken :
       {"", "[]", "{", R"({"kernels": 7})",
        R"({"kernels": [7, {"targets": {"sm_80": {"forms": [{"file": 3}]}}}]})"}) {
    Generated place;
    place.write("out/test/manifest.json", broken);
    CHECK_MESSAGE(place.gen(spec_text(add_entry)).code == 0, broken);
    CHECK_MESSAGE(place.check(spec_text(add_entry)).code == 0, broken);
  }
}

TEST_CASE("where a directory cannot be made, the library stays as it was") {
  Generated place;
  place.gen(spec_text(add_entry));
  place.write("out/test/sm_90a", "a file in the way");
  const auto before = place.files("out");
  const Said said = place.gen(spec_text(scale_entry, R"("sm_80", "sm_90a")"));
  CHECK(said.code == 3);
  CHECK(said.err.starts_with("error: test is left as it was: "));
  CHECK(said.err.find("sm_90a") != said.err.npos);
  CHECK(place.files("out") == before);
}

/// Lets no file grow beyond `bytes`, as on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    getrlimit(RLIMIT_FSIZE, &was_);
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, was_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &was_);
    signal(SIGXFSZ, SIG_DFL);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit was_{};
};

TEST_CASE("where the disk is full, the library stays as it was") {
  Generated place, elsewhere;
  place.gen(spec_text(scale_entry));
  const auto before = place.files("out");
  const std::string both = spec_text(add_entry + ", " + scale_entry);
  elsewhere.gen(both);
  rlim_t largest_ptx = 0;
  for (const auto& [name, text] : elsewhere.files("out"))
    if (name.ends_with(".ptx")) largest_ptx = std::max<rlim_t>(largest_ptx, text.size());
  REQUIRE(elsewhere.read("out/test/manifest.json").size() > largest_ptx);
  const cli::GenOptions options = place.options(both);
  // The first file does not fit; or all do but the last, which is the manifest.
  for (const rlim_t limit : {rlim_t{100}, largest_ptx}) {
    const Said said = [&] {
      const FileSizeLimit full(limit);
      return run([&] { return cli::gen(options); });
    }();
    CHECK(said.code == 3);
    CHECK(said.err.starts_with("error: test is left as it was: "));
    CHECK_MESSAGE(said.err.find("File too large") != said.err.npos, said.err);
    CHECK(place.files("out") == before);
  }
  CHECK(run([&] { return cli::gen(options); }).code == 0);
}

TEST_CASE("a bad spec writes nothing, and says everything") {
  Generated place;
  const Said said = place.gen(
      spec_text(R"({ "name": "A", "template": "elementwise", "dtype": "f64", "ops": [] })"));
  CHECK(said.code == 2);
  CHECK(said.out.empty());
  CHECK(std::count(said.err.begin(), said.err.end(), '\n') == 3);
  CHECK(place.files("out").empty());
}

TEST_CASE("one bad spec of several writes nothing of any") {
  Generated place;
  cli::GenOptions options = place.options(spec_text(add_entry));
  options.specs.push_back(place.write("bad.json", "{}"));
  CHECK(run([&] { return cli::gen(options); }).code == 2);
  CHECK(place.files("out").empty());
}

TEST_CASE("two specs do not give one library") {
  Generated place;
  cli::GenOptions options = place.options(spec_text(add_entry));
  options.specs.push_back(place.write("again.json", spec_text(scale_entry)));
  const Said said = run([&] { return cli::gen(options); });
  CHECK(said.code == 2);
  CHECK(said.err.find("again.json: the library \"test\" is in another of the given specs") !=
        said.err.npos);
  CHECK(place.files("out").empty());
}

TEST_CASE("targets of the command line are known") {
  Generated place;
  cli::GenOptions options = place.options(spec_text(add_entry));
  options.targets = {"sm_75"};
  const Said said = run([&] { return cli::gen(options); });
  CHECK(said.code == 2);
  CHECK(said.err ==
        "error: --target sm_75: expected one of sm_80, sm_86, sm_87, sm_89, sm_90, sm_90a\n");
  options.targets = {"sm_89"};
  CHECK(run([&] { return cli::gen(options); }).code == 0);
  CHECK(place.files("out").count("out/test/sm_89/add__vec4.ptx") == 1);
}

TEST_CASE("a spec that cannot be read is named") {
  Generated place;
  cli::GenOptions options = place.options(spec_text(add_entry));
  options.specs = {(place.path() / "none.json").string()};
  const Said said = run([&] { return cli::gen(options); });
  CHECK(said.code == 2);
  CHECK(said.err.find("none.json: cannot be read") != said.err.npos);
}

TEST_CASE("the depfile names every input, and spaces in paths survive make") {
  Generated place;
  cli::GenOptions options = place.options(spec_text(add_entry));
  options.specs = {place.write("my specs/spec.json", spec_text(add_entry))};
  options.depfile = (place.path() / "deps").string();
  CHECK(run([&] { return cli::gen(options); }).code == 0);
  const std::string at = place.path().string();
  CHECK(place.read("deps") == at + "/out/test/manifest.json: " + at + "/my\\ specs/spec.json\n");
}

TEST_CASE("check is silent where the directory is what gen would write") {
  Generated place;
  const std::string spec = spec_text(add_entry);
  place.gen(spec);
  const Said said = place.check(spec);
  CHECK(said.code == 0);
  CHECK(said.out.empty());
}

TEST_CASE("check shows what gen would change, and changes nothing") {
  Generated place;
  const std::string spec = spec_text(add_entry);
  place.gen(spec);
  std::string text = place.read("out/test/sm_80/add__vec4.ptx");
  const std::string line = "    ret;\n";
  text.replace(text.rfind(line), line.size(), "    exit;\n");
  place.write("out/test/sm_80/add__vec4.ptx", text);
  const auto before = place.files("out");
  const Said said = place.check(spec);
  CHECK(said.code == 1);
  CHECK(
      said.out.starts_with("--- a/test/sm_80/add__vec4.ptx\n+++ b/test/sm_80/add__vec4.ptx\n@@ -"));
  CHECK(said.out.find("\n-    exit;\n+    ret;\n") != said.out.npos);
  CHECK(place.files("out") == before);
}

TEST_CASE("check shows files that are missing, and files that would go") {
  Generated place;
  place.gen(spec_text(add_entry + ", " + scale_entry));
  fs::remove(place.path() / "out/test/sm_80/add__scalar.ptx");
  const Said said = place.check(spec_text(add_entry));
  CHECK(said.code == 1);
  CHECK(said.out.find("--- /dev/null\n+++ b/test/sm_80/add__scalar.ptx\n@@ -0,0 +1,") !=
        said.out.npos);
  CHECK(said.out.find("--- a/test/sm_80/scale.ptx\n+++ /dev/null\n@@ -1,") != said.out.npos);
  CHECK(said.out.find("--- a/test/manifest.json\n+++ b/test/manifest.json\n") != said.out.npos);
}

}  // namespace
}  // namespace ptxmill::test
