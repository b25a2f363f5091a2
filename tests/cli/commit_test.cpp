// Files put in place all or none, what an old manifest may not do, and files that are not ours.
#include <doctest/doctest.h>

#include <sys/stat.h>

#include <filesystem>
#include <map>
#include <string>

#include <nlohmann/json.hpp>

#include "generator/cli/commit.hpp"
#include "generator/cli/verbs.hpp"
#include "tests/cli/captured.hpp"
#include "tests/spec/workplace.hpp"

namespace ptxmill::test {
namespace {

namespace fs = std::filesystem;
using cli::Change;

struct Library : Workplace {
  Library() {
    write("out/lib/manifest.json", "old manifest");
    write("out/lib/sm_80/stays.ptx", "stays");
    write("out/lib/sm_80/changes.ptx", "old");
    write("out/lib/sm_80/goes.ptx", "goes");
  }
  void commit() const {
    const std::string manifest = "new manifest", changed = "new", added = "added";
    cli::commit(path() / "out", "lib",
                {.put = {{"manifest.json", &manifest},
                         {"sm_80/changes.ptx", &changed},
                         {"sm_90a/added.ptx", &added}},
                 .remove = {"sm_80/goes.ptx"}});
  }
  ino_t inode(const std::string& name) const {
    struct stat info {};
    REQUIRE(stat((path() / name).c_str(), &info) == 0);
    return info.st_ino;
  }
};

const std::map<std::string, std::string> after_commit{{"out/lib/manifest.json", "new manifest"},
                                                      {"out/lib/sm_80/stays.ptx", "stays"},
                                                      {"out/lib/sm_80/changes.ptx", "new"},
                                                      {"out/lib/sm_90a/added.ptx", "added"}};

TEST_CASE("commit puts, replaces and removes, and leaves the rest as it is") {
  const Library library;
  library.age();
  const ino_t stays = library.inode("out/lib/sm_80/stays.ptx");
  library.commit();
  CHECK(library.files("out") == after_commit);
  // Not even copied: the same file, as old as it was.
  CHECK(library.inode("out/lib/sm_80/stays.ptx") == stays);
  CHECK_FALSE(library.is_new("out/lib/sm_80/stays.ptx"));
}

TEST_CASE("files that are not ours stay, whatever they are") {
  const Library library;
  library.write("out/lib/notes/deep/er.txt", "mine");
  library.write("out/lib/sm_80/mine.ptx", "mine");
  library.write("out/other/file", "mine");
  fs::create_directory(library.path() / "out/lib/empty");
  fs::create_symlink("nowhere", library.path() / "out/lib/dangling");
  fs::create_symlink("sm_80/mine.ptx", library.path() / "out/lib/link");
  fs::permissions(library.path() / "out/lib/notes", fs::perms::owner_all);
  library.commit();
  auto expected = after_commit;
  for (const char* name : {"out/lib/notes/deep/er.txt", "out/lib/sm_80/mine.ptx", "out/other/file"})
    expected[name] = "mine";
  auto files = library.files("out");
  files.erase("out/lib/link");
  CHECK(files == expected);
  CHECK(fs::is_directory(library.path() / "out/lib/empty"));
  CHECK(fs::read_symlink(library.path() / "out/lib/dangling") == "nowhere");
  CHECK(fs::read_symlink(library.path() / "out/lib/link") == "sm_80/mine.ptx");
  CHECK(fs::status(library.path() / "out/lib/notes").permissions() == fs::perms::owner_all);
}

TEST_CASE("a library behind a symbolic link is written there") {
  const Library library;
  fs::rename(library.path() / "out/lib", library.path() / "real");
  fs::create_directory_symlink("../real", library.path() / "out/lib");
  library.commit();
  CHECK(fs::is_symlink(library.path() / "out/lib"));
  for (const auto& [name, bytes] : after_commit)
    CHECK(library.read("real" + name.substr(std::string("out/lib").size())) == bytes);
  CHECK(library.files("real").size() == after_commit.size());
}

// A pipe cannot be linked into a new directory: the files are replaced one by one.
TEST_CASE("a directory that cannot be rebuilt is written in place") {
  const Library library;
  REQUIRE(mkfifo((library.path() / "out/lib/pipe").c_str(), 0600) == 0);
  library.commit();
  CHECK(library.files("out") == after_commit);
  CHECK(fs::is_fifo(library.path() / "out/lib/pipe"));
}

TEST_CASE("what stands in the way is named, and nothing changes") {
  const Library library;
  fs::create_directories(library.path() / "out/lib/sm_90a/added.ptx");
  auto before = library.files("out");
  const auto message = [&] {
    try {
      library.commit();
    } catch (const std::runtime_error& e) {
      return std::string(e.what());
    }
    return std::string("no error");
  };
  CHECK(message() == (library.path() / "out/lib/sm_90a/added.ptx").string() +
                         ": a directory stands where a file goes");
  CHECK(library.files("out") == before);
  fs::remove_all(library.path() / "out/lib/sm_90a");
  library.write("out/lib/sm_90a", "file");
  before = library.files("out");
  CHECK(message() ==
        (library.path() / "out/lib/sm_90a").string() + ": a file stands where a directory goes");
  CHECK(library.files("out") == before);
}

TEST_CASE("what a killed run left behind is removed") {
  const Library library;
  library.write("out/.lib.new/sm_80/half.ptx", "ha");
  library.write("out/lib/sm_80/.stays.ptx.ptxmill-new", "st");
  cli::clean_up(library.path() / "out", "lib");
  library.commit();
  CHECK(library.files("out") == after_commit);
  CHECK_FALSE(fs::exists(library.path() / "out/.lib.new"));
}

TEST_CASE("a file is replaced whole") {
  const Workplace place;
  place.write("deps", "old");
  cli::replace_file(place.path() / "deps", "new");
  CHECK(place.files("").size() == 1);
  CHECK(place.read("deps") == "new");
  CHECK_THROWS_AS(cli::replace_file(place.path() / "none/deps", "new"), std::runtime_error);
  CHECK_NOTHROW(cli::replace_file("/dev/null", "new"));
  CHECK(fs::is_character_file("/dev/null"));
}

/// `gen` after someone edited the manifest's first file name.
Said gen_after_edit(const Workplace& place, const std::string& file) {
  const auto gen = [&](const std::string& entry) {
    const cli::GenOptions options{.specs = {place.write("spec.json", spec_text(entry))},
                                  .output = (place.path() / "out").string()};
    return run([&] { return cli::gen(options); });
  };
  gen(add_entry);
  auto manifest = nlohmann::json::parse(place.read("out/test/manifest.json"));
  manifest["kernels"][0]["targets"]["sm_80"]["forms"][0]["file"] = file;
  place.write("out/test/manifest.json", manifest.dump());
  return gen(scale_entry);
}

TEST_CASE("an old manifest removes nothing that is no file of a library") {
  for (const char* file :
       {"../precious", "sm_80/../../precious", "sm_80/../precious.ptx", "/etc/passwd", "", ".",
        "..", "sm_80", "sm_80/", "notes.txt", "sm_80/notes.txt", "sm_80/deep/er.ptx", "SM_80/a.ptx",
        "sm_80/.ptx", "./sm_80/a.ptx", "manifest.json", "sm_80/a\n.ptx", "sm_80/a.ptx/"}) {
    const Workplace place;
    for (const char* kept : {"out/precious", "out/test/precious.ptx", "out/test/notes.txt",
                             "out/test/sm_80/notes.txt", "out/test/sm_80/deep/er.ptx"})
      place.write(kept, "keep");
    const auto before = place.files("out");
    const Said said = gen_after_edit(place, file);
    CHECK_MESSAGE(said.code == 0, file);
    CHECK_MESSAGE(
        said.err.find("which is no file of the library: it is left alone") != said.err.npos, file);
    const auto after = place.files("out");
    for (const auto& old : before)
      CHECK_MESSAGE((after.count(old.first) == 1 && after.at(old.first) == old.second),
                    file << " removed " << old.first);
  }
}

TEST_CASE("an old manifest removes nothing behind a symbolic link") {
  const Workplace place;
  place.write("elsewhere/victim.ptx", "keep");
  fs::create_directories(place.path() / "out/test");
  fs::create_directory_symlink(place.path() / "elsewhere", place.path() / "out/test/sm_86");
  const Said said = gen_after_edit(place, "sm_86/victim.ptx");
  CHECK(said.code == 0);
  CHECK(place.read("elsewhere/victim.ptx") == "keep");
  CHECK(said.err.find("sm_86/victim.ptx") != said.err.npos);
}

}  // namespace
}  // namespace ptxmill::test
