"""Calls that are refused, by CMake or by the generator, and what is said."""

from project import Project, main, require

# CMake code, and words of the answer.
AT_CONFIGURE = (
    ("ptxmill_add_kernels(k)", "ptxmill_add_kernels(k): expected SPECS"),
    ("ptxmill_add_kernels(k SPECS)", "ptxmill_add_kernels(k): not understood: SPECS"),
    ("ptxmill_add_kernels(k spec.json)", "not understood: spec.json"),
    ("ptxmill_add_kernels(k SPECS none.json)", "there is no spec file"),
    ("ptxmill_add_kernels(k SPECS spec.json GENERATOR nobody)", "'nobody' is neither a target nor a program"),
    ("ptxmill_add_kernels(k SPECS spec.json OUTPUT_DIR o)\nptxmill_add_kernels(l SPECS spec.json OUTPUT_DIR o)",
     "is already the output of k; give another OUTPUT_DIR"),
    ("ptxmill_add_generator(g)", "ptxmill_add_generator(g): expected TEMPLATES"),
    ("find_package(ptxmill 99 REQUIRED)", "compatible with requested version \"99\""),
    ("find_package(ptxmill REQUIRED COMPONENTS runtime megaphone)", "the component 'megaphone' is not in"),
)
AT_BUILD = (
    ("ptxmill_add_kernels(k SPECS spec.json TARGETS sm_12)", "--target sm_12: expected one of"),
    ("ptxmill_add_kernels(new SPECS spec.json EMBED)", "expected a file NAME.cpp; NAME will be a C++ namespace"),
    ("ptxmill_add_kernels(k SPECS spec.json other.json EMBED)",
     "--embed: the libraries \"a-b\" and \"a_b\" would both be a_b"),
)


def misuse(settings, case):
    project = Project(settings, settings.source / "tests" / "cmake" / "misuse", settings.fresh(case), "ninja")
    prefix = f"-DCMAKE_PREFIX_PATH={settings.prefix}"

    def expect(words, said):
        require(words in " ".join(said.split()), f"the answer lacks: {words}")

    for code, words in AT_CONFIGURE:
        expect(words, project.configure(prefix, f"-DCALL={code}", fails=True))
    for code, words in AT_BUILD:
        project.configure(prefix, f"-DCALL={code}")
        expect(words, project.build(fails=True))
        require(not list(project.binary.rglob("*.ptx")), "PTX was written all the same")
    project.configure(prefix, "-DCALL=ptxmill_add_kernels(k SPECS spec.json other.json)")
    project.build()
    require(len(list(project.binary.rglob("*.ptx"))) >= 2, "without EMBED, the two libraries are no clash")


main({"misuse": misuse})
