// ptxmill: the command line. Data goes to stdout, words to stderr. Exit codes: 0 ok, 1 a
// difference was found, 2 bad usage or spec, 3 the environment lacks something, 4 internal error.
#include <iostream>

#include <CLI/CLI.hpp>

#include "generator/cli/verbs.hpp"
#include "generator/cli/version.hpp"
#include "generator/ptx/where.hpp"

namespace {

using namespace ptxmill::cli;

int run(int argc, char** argv) {
  CLI::App app{"PTX kernels from JSON specs."};
  app.set_version_flag("--version", std::string("ptxmill ") + version);
  app.require_subcommand(1);
  GenOptions gen_options;
  const auto spec_options = [&](CLI::App* verb) {
    verb->add_option("SPEC", gen_options.specs, "spec files")->required()->check(CLI::ExistingFile);
    verb->add_option("-o,--output", gen_options.output, "directory that holds the libraries")
        ->required();
    verb->add_option("--target", gen_options.targets,
                     "generate for these targets instead of the spec's");
  };
  CLI::App* gen_verb = app.add_subcommand(
      "gen", "write PTX and manifest; only files whose bytes change are rewritten");
  spec_options(gen_verb);
  gen_verb->add_option("--depfile", gen_options.depfile,
                       "write a Makefile fragment naming the inputs");
  CLI::App* check_verb = app.add_subcommand(
      "check", "exit 1 with a diff where the directory is not what gen would write");
  spec_options(check_verb);
  DiffOptions diff_options;
  CLI::App* diff_verb = app.add_subcommand(
      "diff", "what changed between two generated directories; exit 1 where something did");
  diff_verb->add_option("OLD", diff_options.before, "a generated directory")->required();
  diff_verb->add_option("NEW", diff_options.after, "another")->required();
  diff_verb->add_option("--format", diff_options.format, "text, markdown or json")
      ->check(CLI::IsMember({"text", "markdown", "json"}));
  diff_verb->add_flag("!--no-ptxas", diff_options.ptxas,
                      "do not ask ptxas for registers and spills");
  std::string explained;
  CLI::App* explain_verb = app.add_subcommand(
      "explain", "what a kernel or block is: fields, launch, shared memory, plan");
  explain_verb->add_option("SPEC#NAME", explained, "such as specs/core.json#add")->required();
  CLI::App* list_verb =
      app.add_subcommand("list", "the templates and blocks of this generator, with their fields");
  CLI::App* schema_verb = app.add_subcommand("schema", "the JSON Schema of a spec file");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    const int code = app.exit(e);
    return code == 0 ? 0 : 2;
  }
  if (gen_verb->parsed()) return gen(gen_options);
  if (check_verb->parsed()) return check(gen_options);
  if (diff_verb->parsed()) return diff(diff_options);
  if (explain_verb->parsed()) return explain(explained);
  if (list_verb->parsed()) return list(std::cout);
  if (schema_verb->parsed()) return schema(std::cout);
  return 4;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& e) {
    std::cerr << "ptxmill: internal error: " << e.what() << "\n";
    return 4;
  }
}
