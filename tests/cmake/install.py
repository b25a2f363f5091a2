"""Installs the tree's build, moves the installation, and looks at what was installed."""

import re
import shutil
import subprocess
import tempfile

from project import main, require

COMPONENTS = ("runtime", "generator", "emulator")


def without_debug_information(path):
    """The bytes of a binary that are there without debug information, which names the sources."""
    with tempfile.NamedTemporaryFile() as stripped:
        subprocess.run(["strip", "--strip-debug", "-o", stripped.name, path], check=True)
        return stripped.read()


def names_no_directory(settings, first):
    """No installed file knows where the tree was, where it was built, or where it was installed first."""
    homes = [str(home).encode() for home in (settings.source, settings.build, first)]
    count = 0
    for path in settings.prefix.rglob("*"):
        if not path.is_file():
            continue
        count += 1
        text = path.read_bytes()
        if text.startswith((b"\x7fELF", b"!<arch>")):
            text = without_debug_information(path)
        for home in homes:
            require(home not in text, f"{path} names {home.decode()}")
    return count


def headers_compile(settings):
    """The runtime's headers need nothing but the installation; the C interface's is C."""
    root = settings.prefix / "include" / "ptxmill"
    names = sorted(str(path.relative_to(root)) for path in (root / "runtime").rglob("*.h*"))
    require("runtime/library.hpp" in names and "runtime/ptxmill.h" in names, f"headers are {names}")
    for language, standard, suffix in (("c++", "c++20", ".hpp"), ("c", "c11", ".h")):
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as unit:
            unit.writelines(f'#include "{name}"\n' for name in names if name.endswith(suffix))
            unit.flush()
            settings.run(settings.compiler, "-x", language, f"-std={standard}", "-Wall", "-Wextra", "-Werror",
                         "-fsyntax-only", "-I", root, unit.name)


def runtime_needs_little(settings):
    """What links the runtime links nothing else but what every system has, and the libmd beside it."""
    targets = next(settings.prefix.rglob("ptxmill_runtime.cmake")).read_text(encoding="utf-8")
    libraries = re.search(r'INTERFACE_LINK_LIBRARIES "(.*)"', targets).group(1)
    named = set(re.sub(r"\\\$<LINK_ONLY:([^>]*)>", r"\1", libraries).split(";")) - {""}
    require(named <= {"Threads::Threads", "dl", "ptxmill::libmd"}, f"the runtime links {sorted(named)}")


def install(settings, _):
    shutil.rmtree(settings.work, ignore_errors=True)
    first = settings.work / "installed_first"
    for component in COMPONENTS:
        settings.run(settings.cmake, "--install", settings.build, "--prefix", first, "--component", component)
    first.rename(settings.prefix)
    require(names_no_directory(settings, first) > 50, "hardly anything was installed")
    headers_compile(settings)
    runtime_needs_little(settings)
    specs = settings.prefix / "share" / "ptxmill" / "specs"
    for name in ("core.json", "schema/ptxmill.schema.json"):
        require((specs / name).is_file(), f"{specs / name} was not installed")
    settings.run(settings.prefix / "bin" / "ptxmill", "gen", specs / "core.json", "-o", settings.work / "core")
    # It finds the emulated driver in the installation.
    said = settings.run(settings.prefix / "bin" / "ptxmill-doctor", PTXMILL_DRIVER="emulator")
    require(f"driver {settings.prefix}/" in said, "ptxmill-doctor did not find the installed emulator")


main({"install": install})
