// ptxmill: the command line. Data goes to stdout, words to stderr. Exit codes: 0 ok, 1 a
// difference was found, 2 bad usage or spec, 3 the environment lacks something, 4 internal error.
#include <iostream>
#include <map>
#include <new>

#include <CLI/CLI.hpp>

#include "generator/cli/terminal.hpp"
#include "generator/cli/verbs.hpp"
#include "generator/cli/version.hpp"

namespace {

using namespace ptxmill::cli;

/// The verbs and what their options fill in.
class CommandLine {
 public:
  CommandLine() {
    app_.set_version_flag("--version", std::string("ptxmill ") + version);
    app_.require_subcommand(1);
    app_.fallthrough();
    app_.add_option("--color", color_, "auto (the default), always or never")
        ->transform(CLI::CheckedTransformer(std::map<std::string, Color>{
            {"auto", Color::automatic}, {"always", Color::always}, {"never", Color::never}}));
    app_.footer(
        "Exit codes: 0 ok; 1 a difference was found; 2 bad usage or spec; 3 the environment "
        "lacks something; 4 internal error.");
    add_gen_and_check();
    add_diff();
    add_questions();
    doctor_ = app_.add_subcommand(
        "doctor", "driver, devices, and which variant of each kernel they would get");
    doctor_->add_flag("--json", doctor_json_, "as JSON");
    doctor_->add_option("LIBRARY", library_, "a library's directory");
  }

  int run(int argc, char** argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
      return app_.exit(e) == 0 ? exit_ok : exit_usage;
    }
    set_color(color_);
    if (gen_->parsed()) return gen(options_);
    if (check_->parsed()) return check(options_);
    if (diff_->parsed()) return diff(diff_options_);
    if (explain_->parsed()) return explain(explained_, options_);
    if (list_->parsed()) return list(std::cout, options_);
    if (schema_->parsed()) return schema(std::cout);
    std::vector<std::string> arguments;
    if (doctor_json_) arguments.emplace_back("--json");
    if (!library_.empty()) arguments.push_back(library_);
    return doctor(argv[0], arguments);
  }

 private:
  void target_options(CLI::App* verb) {
    verb->add_option("--target", options_.targets, "these targets instead of the spec's")
        ->take_all()
        ->expected(1);
    verb->add_option("--tuning", options_.tuning,
                     "a tuning file, in place of the shipped one for its target")
        ->check(CLI::ExistingFile)
        ->take_all()
        ->expected(1);
  }

  void add_gen_and_check() {
    const auto common = [&](CLI::App* verb) {
      verb->add_option("SPEC", options_.specs, "spec files")->required()->check(CLI::ExistingFile);
      verb->add_option("-o,--output", options_.output, "directory that holds the libraries")
          ->required();
      target_options(verb);
      verb->add_option("--jobs,-j", options_.jobs,
                       "kernels generated at a time (default: one a core)")
          ->check(CLI::Range(1, 1024));
    };
    gen_ = app_.add_subcommand(
        "gen", "write PTX and manifest; only files whose bytes change are rewritten");
    common(gen_);
    gen_->add_option("--depfile", options_.depfile, "write a Makefile fragment naming the inputs");
    gen_->add_option("--depfile-target", options_.depfile_target,
                     "what the depfile says depends on them (default: the stamp or the manifests)");
    gen_->add_option("--library", options_.expected,
                     "the library's name that the build relies on, one for each spec")
        ->take_all()
        ->expected(1);
    gen_->add_option("--embed", options_.embed, "write C++ source that holds the libraries");
    gen_->add_option("--stamp", options_.stamp, "write this file when all else is written");
    check_ = app_.add_subcommand(
        "check", "exit 1 with a diff where the directory is not what gen would write");
    common(check_);
  }

  void add_diff() {
    diff_ = app_.add_subcommand(
        "diff", "what changed between two generated directories; exit 1 where something did");
    diff_->add_option("OLD", diff_options_.before, "a generated directory")->required();
    diff_->add_option("NEW", diff_options_.after, "another")->required();
    diff_->add_option("--format", diff_options_.format, "text, markdown or json")
        ->check(CLI::IsMember({"text", "markdown", "json"}));
    diff_->add_flag("!--no-ptxas", diff_options_.ptxas,
                    "do not ask ptxas for registers and spills");
  }

  void add_questions() {
    explain_ = app_.add_subcommand(
        "explain", "what a kernel or block is: fields, tiles, launch, shared memory, floors, plan");
    explain_->add_option("SPEC#NAME", explained_, "such as specs/core.json#add")->required();
    target_options(explain_);
    list_ = app_.add_subcommand("list",
                                "the templates and blocks of this generator, with their fields; or "
                                "the kernels of specs");
    list_->add_option("SPEC", options_.specs, "spec files")->check(CLI::ExistingFile);
    schema_ = app_.add_subcommand("schema", "the JSON Schema (draft-07) of a spec file");
  }

  CLI::App app_{"PTX kernels from JSON specs."};
  CLI::App *gen_ = nullptr, *check_ = nullptr, *diff_ = nullptr, *explain_ = nullptr,
           *list_ = nullptr, *schema_ = nullptr, *doctor_ = nullptr;
  Color color_ = Color::automatic;
  GenOptions options_;
  DiffOptions diff_options_;
  std::string explained_, library_;
  bool doctor_json_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  try {
    const int code = CommandLine().run(argc, argv);
    std::cout.flush();
    if (std::cout) return code;
    say_error("stdout cannot be written");
    return exit_environment;
  } catch (const std::bad_alloc&) {
    say_error("out of memory");
    return exit_environment;
  } catch (const std::exception& e) {
    std::cerr << "ptxmill: internal error: " << e.what() << "\n";
    return exit_internal;
  }
}
