// explain and list: what a kernel or block is, without reading its PTX.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "generator/cli/verbs.hpp"
#include "tests/cli/captured.hpp"
#include "tests/spec/workplace.hpp"

namespace ptxmill::test {
namespace {

const std::string spec =
    R"({ "schema_version": 1, "library": "test", "targets": ["sm_80", "sm_90a"],
  "kernels": [
    { "name": "flip", "template": "transpose", "dtype": "f32", "cols": 128 },
    { "name": "probs", "template": "softmax", "dtype": "f32", "cols": 96 } ],
  "blocks": [ { "name": "layer", "block": "encoder", "dtype": "f32", "d_model": 64, "heads": 2,
                "ffn_dim": 128, "max_seq_len": 64 } ] })";

struct Explained : Workplace {
  Said operator()(const std::string& name) const {
    const std::string file = write("spec.json", spec);
    return run([&] { return cli::explain(file + "#" + name); });
  }
};

void check_parts(const Said& said, const std::vector<std::string>& parts) {
  CHECK(said.code == 0);
  CHECK(said.err.empty());
  std::size_t at = 0;
  for (const std::string& part : parts) {
    const std::size_t found = said.out.find(part, at);
    CHECK_MESSAGE(found != said.out.npos, part << " is not there, or not in its place:\n"
                                               << said.out);
    if (found != said.out.npos) at = found;
  }
}

TEST_CASE(
    "a kernel: fields, arguments, and for each form tiles, launch, floors and shared memory") {
  const Explained explain;
  check_parts(explain("flip"),
              {"kernel flip: template transpose\n", "  fields\n", "cols               128 ",
               "  arguments\n", "x                  in f32 ", "out                out f32 ",
               "  sm_80 form vec4: when rows a multiple of 4\n", "launch           grid (",
               "block (256, 1, 1)", "CTA's tile       64 x 64\n",
               "needs            PTX 7.0, driver 11000 or newer\n",

               "shared memory    16384 B\n", "             0  tile .b32[4096]\n",
               "phases           load | store\n", "  sm_80 form scalar: always\n",
               // 64 lines of 65 floats
               "shared memory    16640 B\n", "             0  tile .b32[4160]\n",
               "  sm_90a form vec4: ", "needs            PTX 8.0, driver 12000 or newer\n"});
}

TEST_CASE("a kernel of one form, and its rows") {
  const Explained explain;
  check_parts(explain("probs"), {"sm_80 form (only): always\n", "row              32 threads, ",
                                 "access           ", "row is kept      in registers\n"});
}

TEST_CASE("a block: its plan and workspace for each target, and its kernels by name") {
  const Explained explain;
  check_parts(
      explain("layer"),
      {"block layer: encoder\n", "heads              2 ", "  plan for sm_80\n",
       "attention_norm     layer__attention_norm\n", "gamma      self_attn_layer_norm.weight\n",
       "k          qkv from element 64\n", "ffn_down           layer__ffn_down\n", "  workspace\n",
       "slot 0  steps ", "  plan for sm_90a\n"});
  check_parts(explain("layer__qkv"),
              {"kernel layer__qkv: template gemm\n", "n                  192 "});
}

TEST_CASE("a name that is not there has a nearest one") {
  const Explained explain;
  const Said said = explain("prob");
  CHECK(said.code == 2);
  CHECK(said.out.empty());
  CHECK(said.err.find("has no \"prob\"; did you mean \"probs\"?; there are layer, flip, ") !=
        said.err.npos);
}

TEST_CASE("list names what a spec asks for") {
  const Workplace place;
  const std::string file = place.write("spec.json", spec);
  const Said said = run([&] { return cli::list(std::cout, {.specs = {file}}); });
  check_parts(
      said,
      {"library test: spec.json\n", "    layer                        block encoder\n",
       "    flip                         template transpose; sm_80 sm_90a; forms vec4 scalar\n",
       "    layer__attention             template attention; sm_80 sm_90a\n",
       "    probs                        template softmax; sm_80 sm_90a\n"});
}

}  // namespace
}  // namespace ptxmill::test
