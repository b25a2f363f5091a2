"""The projects of examples/, built as other people build theirs: against an installation, or with the sources."""

import os
import shutil

from project import Project, changed, main, require


def emulator(settings):
    found = list(settings.prefix.rglob("libptxmill_emulator.so"))
    require(len(found) == 1, f"the installation has {len(found)} emulators")
    return found[0]


def installed(settings, name, generator, directory):
    """An example, built against the installation and run."""
    project = Project(settings, settings.source / "examples" / name, directory, generator)
    project.configure(f"-DCMAKE_PREFIX_PATH={settings.prefix}")
    project.build()
    require("all right" in settings.run(project.binary / name, PTXMILL_DRIVER="emulator"), "a wrong result")
    project.expect_no_work()
    return project


def embedded_kernels(settings, case):
    name, generator = case.split("/")
    project = installed(settings, name, generator, settings.fresh(case))
    # Nothing but the program is needed.
    shutil.rmtree(project.binary / "activations")
    settings.run(project.binary / name, PTXMILL_DRIVER="emulator")


def kernel_files(settings, case):
    name, generator = case.split("/")
    directory = settings.fresh(case)
    project = installed(settings, name, generator, directory)
    settings.run(settings.cmake, "--install", project.binary, "--prefix", directory / "shipped")
    shutil.rmtree(project.binary)
    library = directory / "shipped" / "share" / "kernel_files" / "rows"
    program = directory / "shipped" / "bin" / name
    said = settings.run(program, library, PTXMILL_DRIVER=emulator(settings))
    # The emulated device is of that target, which TARGETS asks for and the spec does not.
    require("sm_90a" in said, "the kernel for sm_90a was not installed")
    for file in library.glob("sm_90a/row_softmax*.ptx"):
        file.write_text(file.read_text(encoding="ascii") + "// touched\n", encoding="ascii")
    said = settings.run(program, library, fails=True, PTXMILL_DRIVER=emulator(settings))
    require("row_softmax" in said, "a changed file was refused without naming it")


def own_template(settings, case):
    name, generator = case.split("/")
    project = installed(settings, name, generator, settings.fresh(case))
    require("clamp" in settings.run(project.binary / "clamp_ptxmill", "list"), "the template is not listed")
    before = project.outputs()
    project.edit("clamp.cpp", 'k.phase("clamp"', 'k.phase("limit the value"')
    project.build()
    library = "clamping/limits"
    ptx = {file for file in changed(before, project.outputs()) if file.endswith((".ptx", "manifest.json"))}
    require(ptx == {f"{library}/sm_80/clamp.ptx", f"{library}/manifest.json"}, f"an edit of clamp.cpp wrote {ptx}")
    text = (project.binary / library / "sm_80/clamp.ptx").read_text(encoding="ascii")
    require("limit the value" in text, "the edit of the template is not in the PTX")
    require("all right" in settings.run(project.binary / name, PTXMILL_DRIVER="emulator"), "a wrong result")
    project.expect_no_work()


def c_interface(settings, case):
    sources = settings.source / "tests" / "cmake" / "c_interface"
    project = Project(settings, sources, settings.fresh(case), "ninja")
    project.configure(f"-DCMAKE_PREFIX_PATH={settings.prefix}")
    project.build()
    require("all right" in settings.run(project.binary / case, PTXMILL_DRIVER="emulator"), "the library does not work")


def cross(settings, case):
    """A cross build: a package without a generator for the target, and the host's generator elsewhere."""
    directory = settings.fresh(case)
    target = directory / "target"
    settings.run(settings.cmake, "--install", settings.build, "--prefix", target, "--component", "runtime")
    toolchain = directory / "toolchain.cmake"
    toolchain.write_text("set(CMAKE_SYSTEM_NAME Linux)\nset(CMAKE_SYSTEM_PROCESSOR elsewhere)\n", encoding="ascii")
    package = next(target.rglob("ptxmillConfig.cmake")).parent
    project = Project(settings, settings.source / "examples" / "embedded_kernels", directory, "ninja")
    options = [f"-DCMAKE_TOOLCHAIN_FILE={toolchain}", f"-Dptxmill_DIR={package}"]
    said = project.configure(*options, fails=True)
    require("set PTXMILL_GENERATOR to a ptxmill that runs on this machine" in " ".join(said.split()),
            "without a generator, the message does not tell what to do")
    project.configure(*options, f"-Dptxmill_ROOT={settings.prefix}")
    project.build()
    said = settings.run(project.binary / "embedded_kernels", PTXMILL_DRIVER=emulator(settings))
    require("all right" in said, "a wrong result")


def subdirectory(settings, case):
    """ptxmill's sources as a part of the project."""
    project = Project(settings, settings.source / "examples" / "embedded_kernels", settings.fresh(case), "ninja")
    # A compiler cache knows all objects from the tree's own build, if the compiler is called in the same way:
    # with warnings as errors, and with paths that are as long where ccache makes them relative.
    if "CCACHE_BASEDIR" in os.environ:
        project.binary = settings.build.with_name(f"{settings.build.name}-{case}")
        shutil.rmtree(project.binary, ignore_errors=True)
    project.configure(f"-DPTXMILL_SOURCE_DIR={settings.source}", "-DPTXMILL_BUILD_EMULATOR=OFF", "-DPTXMILL_WERROR=ON")
    project.build("--parallel", "2")
    said = settings.run(project.binary / "embedded_kernels", PTXMILL_DRIVER=emulator(settings))
    require("all right" in said, "a wrong result")
    project.expect_no_work()
    unwanted = [name for name in ("libptxmill.so", "ptxmill-doctor") if list(project.binary.rglob(name))]
    require(not unwanted, f"built without need: {unwanted}")
    shutil.rmtree(project.binary)


main({
    "embedded_kernels/ninja": embedded_kernels,
    "embedded_kernels/make": embedded_kernels,
    "kernel_files/ninja": kernel_files,
    "kernel_files/make": kernel_files,
    "own_template/ninja": own_template,
    "own_template/make": own_template,
    "c_interface": c_interface,
    "cross": cross,
    "subdirectory": subdirectory,
})
