"""What is built again after which edit."""

import json

from project import Project, changed, main, require

LIBRARY = "first-library"
# Two targets have the library: one embedded, one in files.
DIRECTORIES = ("embedded-kernels", "out")


class Incremental:
    def __init__(self, settings, case):
        self.directory = settings.fresh(case)
        self.settings = settings
        sources = settings.source / "tests" / "cmake" / "incremental"
        self.project = Project(settings, sources, self.directory, case.split("/")[1])
        self.original = (self.project.source / "spec.json").read_text(encoding="ascii")

    def write_spec(self, text):
        (self.project.source / "spec.json").write_text(text, encoding="ascii")

    def built_by(self, edit):
        """What a build writes after an edit, without the stamps; a second build must have nothing to do."""
        before = self.project.outputs()
        edit()
        self.project.build()
        rewritten = changed(before, self.project.outputs())
        self.project.expect_no_work()
        return {name for name in rewritten if not name.endswith(".stamp")}

    def stamps(self):
        return {name: time for name, time in self.project.outputs().items() if name.endswith(".stamp")}

    def first_build(self):
        self.project.configure(f"-DCMAKE_PREFIX_PATH={self.settings.prefix}")
        self.project.build()
        self.project.expect_no_work()
        files = self.project.outputs()
        for name in (f"embedded-kernels/{LIBRARY}/sm_80/add.ptx", f"out/{LIBRARY}/manifest.json",
                     "out/default/sm_80/relu.ptx", "copy.json", "app"):
            require(name in files, f"{name} was not built")
        said = self.settings.run(self.project.binary / "app", PTXMILL_DRIVER="emulator")
        expected = [f"{LIBRARY}: sm_80/add.ptx", f"{LIBRARY}: sm_80/scale.ptx", "default: sm_90a/relu.ptx"]
        require(said.splitlines() == expected, "other files were embedded")
        directories = (self.project.binary / "directories.txt").read_text(encoding="utf-8").strip().split(";")
        require(directories == [f"{self.project.binary}/out/{LIBRARY}", f"{self.project.binary}/out/default"],
                f"PTX is {directories}")

    def white_space_and_key_order(self):
        spec = json.loads(self.original)
        turned = {key: spec[key] for key in reversed(spec)}
        turned["kernels"] = [{key: kernel[key] for key in reversed(kernel)} for kernel in spec["kernels"]]
        before = self.stamps()
        rewritten = self.built_by(lambda: self.write_spec(json.dumps(turned, indent=7)))
        require(not rewritten, f"an edit without a meaning wrote {sorted(rewritten)}")
        require(changed(before, self.stamps()) == set(before), "the generator did not run")

    def one_entry(self):
        # The order of keys is the one of before: only the entry's block differs.
        self.write_spec(self.original)
        self.project.build()
        rewritten = self.built_by(
            lambda: self.project.edit("spec.json", '"ops": ["scale"]', '"ops": ["scale"], "block": 128'))
        generated = {name for name in rewritten if name.endswith((".ptx", "manifest.json"))}
        expected = {f"{directory}/{LIBRARY}/{file}" for directory in DIRECTORIES
                    for file in ("sm_80/scale.ptx", "manifest.json")}
        require(generated == expected, f"an edit of one entry wrote {sorted(generated)}")
        for name in ("app", "copy.json", "embedded-kernels_embedded/embedded_kernels.cpp"):
            require(name in rewritten, f"{name} still holds the old kernel")
        require(not any("main.cpp" in name or name.endswith(".hpp") for name in rewritten),
                "what does not depend on the kernel was built again")

    def arguments(self):
        rewritten = self.built_by(lambda: self.project.edit("CMakeLists.txt", "TARGETS sm_80", "TARGETS sm_80 sm_90a"))
        require("out/default/sm_90a/relu.ptx" in rewritten, "a new target was not generated")
        rewritten = self.built_by(lambda: self.project.edit("CMakeLists.txt", "TARGETS sm_80 sm_90a", "TARGETS sm_80"))
        require("out/default/sm_90a/relu.ptx" not in self.project.outputs(), "the files of a target that went are left")

    def mistakes(self):
        good = (self.project.source / "spec.json").read_text(encoding="ascii")
        before = self.project.outputs()
        self.project.edit("spec.json", '"ops": ["add"]', '"ops": ["ad"]')
        said = self.project.build("--", "-k", *(["0"] if self.project.generator == "ninja" else []), fails=True)
        line = 1 + good[:good.index('["add"]')].count("\n")
        require(f"{self.project.source}/spec.json:{line}:" in said and "/kernels/0/ops" in said
                and 'did you mean "add"?' in said, "the generator's message is not there")
        rewritten = changed(before, self.project.outputs())
        require(not rewritten, f"a bad spec changed {sorted(rewritten)}")
        self.write_spec(good.replace(f'"{LIBRARY}"', '"renamed"'))
        said = self.project.build(fails=True)
        require('the library is "renamed"' in said and "run cmake again" in said, "no word of the other name")
        self.write_spec(good)
        self.project.build()
        self.project.expect_no_work()

    def clean(self):
        before = self.project.outputs()
        (self.project.binary / "out/default/sm_80/relu.ptx").unlink()
        self.project.build("--target", "clean")
        require("app" not in self.project.outputs(), "app was not removed")
        self.project.build()
        require(set(self.project.outputs()) == set(before), "a build after cleaning makes other files")

    def unreadable_at_first(self):
        """A spec that is not even JSON when CMake runs; mended, it builds without running CMake by hand."""
        self.write_spec("{ this is no JSON")
        self.project.binary = self.directory / "other"
        self.project.configure(f"-DCMAKE_PREFIX_PATH={self.settings.prefix}")
        said = self.project.build(fails=True)
        require(f"{self.project.source}/spec.json:1:" in said and "error: syntax error" in said,
                "the generator's message is not there")
        self.write_spec(self.original)
        self.project.build()
        require(f"out/{LIBRARY}/manifest.json" in self.project.outputs(), "the library has another name")


def incremental(settings, case):
    test = Incremental(settings, case)
    test.first_build()
    test.white_space_and_key_order()
    test.one_entry()
    test.arguments()
    test.mistakes()
    test.clean()
    test.unreadable_at_first()


main({"incremental/ninja": incremental, "incremental/make": incremental})
