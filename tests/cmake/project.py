"""A CMake project that a test configures, edits and builds."""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys

GENERATORS = {"ninja": "Ninja", "make": "Unix Makefiles"}


class Failure(Exception):
    """What a test found."""


def require(condition, message):
    if not condition:
        raise Failure(message)


class Settings:
    """The tree under test, and where to work."""

    def __init__(self, arguments):
        self.source = pathlib.Path(arguments.source)
        self.build = pathlib.Path(arguments.build)
        self.work = pathlib.Path(arguments.work)
        self.cmake = arguments.cmake
        self.compiler = arguments.compiler
        self.build_type = arguments.build_type
        self.launcher = arguments.launcher if os.path.exists(arguments.launcher) else ""
        # Where cmake/install leaves the installation, after it was moved there. Spaces must do no harm.
        self.prefix = self.work / "moved prefix"

    def fresh(self, name):
        """An empty directory for a test case."""
        directory = self.work / name.replace("/", " by ")
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        return directory

    def environment(self, **more):
        """The caller's, without what would lead CMake or the runtime elsewhere."""
        left_out = ("CMAKE_", "PTXMILL_", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "DESTDIR", "ptxmill_")
        environment = {k: v for k, v in os.environ.items() if not k.startswith(left_out)}
        # A compiler cache may use what it has from another build directory.
        environment["CCACHE_NOHASHDIR"] = "1"
        environment.update(more)
        return environment

    def run(self, *command, fails=False, **environment):
        """Runs a command; its output, both streams together."""
        words = [str(word) for word in command]
        print("$", " ".join(words), flush=True)
        done = subprocess.run(words, env=self.environment(**environment), text=True, errors="replace",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        print(done.stdout, flush=True)
        require((done.returncode != 0) == fails,
                f"{words[0]} ended with {done.returncode}: expected {'a failure' if fails else '0'}")
        return done.stdout


class Project:
    """A project's copy and its build directory."""

    def __init__(self, settings, sources, directory, generator):
        self.settings = settings
        self.generator = generator
        self.source = directory / "source"
        self.binary = directory / "build"
        shutil.copytree(sources, self.source)

    def configure(self, *options, fails=False):
        s = self.settings
        common = [f"-DCMAKE_CXX_COMPILER={s.compiler}", f"-DCMAKE_BUILD_TYPE={s.build_type}",
                  f"-DCMAKE_CXX_COMPILER_LAUNCHER={s.launcher}"]
        return s.run(s.cmake, "-S", self.source, "-B", self.binary, "-G", GENERATORS[self.generator],
                     *common, *options, fails=fails)

    def build(self, *options, fails=False):
        return self.settings.run(self.settings.cmake, "--build", self.binary, *options, fails=fails)

    def outputs(self):
        """Everything that was built, and when: not what CMake, Ninja and Make keep for themselves."""
        found = {}
        for path in self.binary.rglob("*"):
            if path.is_file() and not self._is_bookkeeping(path):
                found[str(path.relative_to(self.binary))] = path.stat().st_mtime_ns
        return found

    def _is_bookkeeping(self, path):
        name = path.name
        return (name.startswith((".ninja", "build.ninja", "Makefile", "CMakeCache", "cmake_install",
                                 "install_manifest", "TargetDirectories", "Progress"))
                or name.endswith((".make", ".cmake", ".txt", ".d", ".internal", ".check_cache", ".marks"))
                or {"Progress", "pkgRedirects"} & set(path.parts) or "CompilerId" in str(path))

    def expect_no_work(self):
        """Building again leaves everything alone."""
        before = self.outputs()
        said = self.build()
        rewritten = changed(before, self.outputs())
        require(not rewritten, f"a second build wrote {sorted(rewritten)}")
        if self.generator == "ninja":
            require("no work to do" in said, "a second build found work to do")
        require("Generating PTX" not in said, "a second build ran the generator")

    def edit(self, name, old, new):
        path = self.source / name
        text = path.read_text(encoding="utf-8")
        require(old in text, f"{path} has no {old!r} to replace")
        path.write_text(text.replace(old, new), encoding="utf-8")


def changed(before, after):
    """Files that are new or were written since, or are gone."""
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def main(cases):
    """Runs one of the cases, a name and a function of the settings and the name."""
    parser = argparse.ArgumentParser()
    for option in ("source", "build", "work", "cmake", "compiler", "build-type", "launcher"):
        parser.add_argument(f"--{option}", required=True)
    parser.add_argument("case", choices=sorted(cases))
    arguments = parser.parse_args()
    try:
        cases[arguments.case](Settings(arguments), arguments.case)
    except Failure as failure:
        print(f"FAILED: {failure}")
        sys.exit(1)
