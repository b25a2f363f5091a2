#include "tests/runtime/fixture_kernels.hpp"

namespace ptxmill::test {
namespace {

using nlohmann::json;

/// A module with one entry; `params` and `body` are PTX text.
std::string module_text(const std::string& target, const std::string& entry,
                        const std::string& params, const std::string& body,
                        const std::string& before = "") {
  return ".version 7.0\n.target " + target + "\n.address_size 64\n\n" + before +
         ".visible .entry " + entry + "(\n" + params + "\n)\n{\n" + body + "}\n";
}

/// %r_i = index of the thread in the grid, and an exit for those beyond p_n; 64-bit byte offset of
/// element i in %rd_at.
const std::string each_element = R"(    .reg .pred %p_out;
    .reg .b32 %r_i, %r_n, %r_tid, %r_cta, %r_width;
    .reg .b64 %rd_at;
    mov.u32 %r_tid, %tid.x;
    mov.u32 %r_cta, %ctaid.x;
    mov.u32 %r_width, %ntid.x;
    mad.lo.u32 %r_i, %r_cta, %r_width, %r_tid;
    ld.param.u32 %r_n, [p_n];
    setp.ge.u32 %p_out, %r_i, %r_n;
    @%p_out ret;
    mul.wide.u32 %rd_at, %r_i, 4;
)";

/// %rd_<name> = the address of element i of parameter p_<name>.
std::string address_of(const std::string& name) {
  return "    .reg .b64 %rd_" + name + ";\n    ld.param.u64 %rd_" + name + ", [p_" + name +
         "];\n    cvta.to.global.u64 %rd_" + name + ", %rd_" + name + ";\n    add.s64 %rd_" + name +
         ", %rd_" + name + ", %rd_at;\n";
}

const std::string two_pointers_and_n =
    "    .param .u64 p_x,\n    .param .u64 p_out,\n    .param .u32 p_n";

json usual_launch() { return ManifestFixture::launch("ceil_div(n, 128)", 128); }

json tensor(const std::string& name, const std::string& kind) {
  return ManifestFixture::tensor(name, kind, "n");
}

void add_add(ManifestFixture& fixture, const std::string& target) {
  const std::string body = each_element + address_of("x") + address_of("y") + address_of("out") +
                           R"(    .reg .f32 %f<3>;
    ld.global.f32 %f0, [%rd_x];
    ld.global.f32 %f1, [%rd_y];
    add.rn.f32 %f2, %f0, %f1;
    st.global.f32 [%rd_out], %f2;
    ret;
)";
  const std::string params =
      "    .param .u64 p_x,\n    .param .u64 p_y,\n    .param .u64 p_out,\n    .param .u32 p_n";
  json kernel = ManifestFixture::kernel("add", "elementwise", {{"n", "dynamic"}});
  fixture.add_form(
      kernel, target, module_text(target, "add", params, body),
      {tensor("x", "in"), tensor("y", "in"), tensor("out", "out"), ManifestFixture::dim("n")},
      usual_launch());
  fixture.add(kernel);
  // The same entry with the dimension fixed, and so without the parameter.
  std::string fixed_body = body;
  const std::string load = "ld.param.u32 %r_n, [p_n];";
  fixed_body.replace(fixed_body.find(load), load.size(), "mov.u32 %r_n, 64;");
  json fixed = ManifestFixture::kernel("fixed", "elementwise", {{"n", 64}});
  fixture.add_form(
      fixed, target,
      module_text(target, "fixed",
                  "    .param .u64 p_x,\n    .param .u64 p_y,\n    .param .u64 p_out", fixed_body),
      {tensor("x", "in"), tensor("y", "in"), tensor("out", "out")}, usual_launch());
  fixture.add(fixed);
}

void add_scale(ManifestFixture& fixture, const std::string& target) {
  const auto make = [&](const std::string& name, const std::string& type,
                        const std::string& multiply) {
    const std::string bits = type == "f32" ? ".f32" : ".u32";
    const std::string body = each_element + address_of("x") + address_of("out") + "    .reg " +
                             bits + " %v<3>;\n    ld.global" + bits +
                             " %v0, [%rd_x];\n    ld.param" + bits + " %v1, [p_factor];\n    " +
                             multiply + " %v2, %v0, %v1;\n    st.global" + bits +
                             " [%rd_out], %v2;\n    ret;\n";
    json kernel = ManifestFixture::kernel(name, "elementwise", {{"n", "dynamic"}});
    kernel["dtypes"]["dtype"] = type;
    json x = ManifestFixture::tensor("x", "in", "n", type), out = x;
    x["align"] = out["align"] = 4;
    out["name"] = "out";
    out["kind"] = "out";
    fixture.add_form(kernel, target,
                     module_text(target, name,
                                 "    .param .u64 p_x,\n    .param " + bits +
                                     " p_factor,\n    .param .u64 p_out,\n    .param .u32 p_n",
                                 body),
                     {x, ManifestFixture::scalar("factor", type), out, ManifestFixture::dim("n")},
                     usual_launch());
    fixture.add(kernel);
  };
  make("scale", "f32", "mul.rn.f32");
  make("scale_u", "u32", "mul.lo.u32");
}

void add_reverse(ManifestFixture& fixture, const std::string& target) {
  // One block of 256 threads walks the n elements twice, with a barrier between.
  const std::string body = R"(    .reg .pred %p<4>;
    .reg .b32 %r<8>;
    .reg .b64 %rd<8>;
    .reg .f32 %f<2>;
    ld.param.u64 %rd0, [p_x];
    cvta.to.global.u64 %rd0, %rd0;
    ld.param.u64 %rd1, [p_out];
    cvta.to.global.u64 %rd1, %rd1;
    ld.param.u32 %r0, [p_n];
    mov.u32 %r1, %tid.x;
    mov.u32 %r5, scratch;
    mov.u32 %r2, %r1;
$fill:
    setp.ge.u32 %p0, %r2, %r0;
    @%p0 bra $filled;
    mul.wide.u32 %rd2, %r2, 4;
    add.s64 %rd3, %rd0, %rd2;
    ld.global.f32 %f0, [%rd3];
    mad.lo.u32 %r3, %r2, 4, %r5;
    st.shared.f32 [%r3], %f0;
    add.u32 %r2, %r2, 256;
    bra $fill;
$filled:
    bar.sync 0;
    mov.u32 %r2, %r1;
$drain:
    setp.ge.u32 %p1, %r2, %r0;
    @%p1 bra $done;
    sub.u32 %r4, %r0, %r2;
    sub.u32 %r4, %r4, 1;
    mad.lo.u32 %r3, %r4, 4, %r5;
    ld.shared.f32 %f1, [%r3];
    mul.wide.u32 %rd4, %r2, 4;
    add.s64 %rd5, %rd1, %rd4;
    st.global.f32 [%rd5], %f1;
    add.u32 %r2, %r2, 256;
    bra $drain;
$done:
    ret;
)";
  const std::string text = module_text(target, "reverse", two_pointers_and_n, body,
                                       ".extern .shared .align 16 .b8 scratch[];\n\n");
  json kernel = ManifestFixture::kernel("reverse", "reverse", {{"n", "dynamic"}});
  json launch = ManifestFixture::launch("min(n, 1)", 256);
  launch["shared_bytes"] = "n * 4";
  fixture.add_form(kernel, target, text,
                   {tensor("x", "in"), tensor("out", "out"), ManifestFixture::dim("n")}, launch);
  fixture.add(kernel);
}

void add_workspace_kernels(ManifestFixture& fixture, const std::string& target) {
  const std::string through_body = each_element + address_of("x") + address_of("out") +
                                   address_of("scratch") + R"(    .reg .f32 %f<2>;
    ld.global.f32 %f0, [%rd_x];
    st.global.f32 [%rd_scratch], %f0;
    ld.global.f32 %f1, [%rd_scratch];
    st.global.f32 [%rd_out], %f1;
    ret;
)";
  json through = ManifestFixture::kernel("through", "through", {{"n", "dynamic"}});
  fixture.add_form(through, target,
                   module_text(target, "through",
                               "    .param .u64 p_x,\n    .param .u64 p_scratch,\n"
                               "    .param .u64 p_out,\n    .param .u32 p_n",
                               through_body),
                   {tensor("x", "in"),
                    {{"name", "scratch"}, {"kind", "workspace"}, {"bytes", "n * 4"}, {"align", 4}},
                    tensor("out", "out"),
                    ManifestFixture::dim("n")},
                   usual_launch());
  fixture.add(through);

  // One thread adds 1 n times to a word that starts at zero, hands it over and zeroes it again.
  const std::string accumulate_body = R"(    .reg .pred %p<2>;
    .reg .b32 %r<4>;
    .reg .b64 %rd<2>;
    ld.param.u64 %rd0, [p_count];
    cvta.to.global.u64 %rd0, %rd0;
    ld.param.u64 %rd1, [p_out];
    cvta.to.global.u64 %rd1, %rd1;
    ld.param.u32 %r0, [p_n];
    mov.u32 %r1, 0;
$again:
    setp.ge.u32 %p0, %r1, %r0;
    @%p0 bra $end;
    ld.global.u32 %r2, [%rd0];
    add.u32 %r2, %r2, 1;
    st.global.u32 [%rd0], %r2;
    add.u32 %r1, %r1, 1;
    bra $again;
$end:
    ld.global.u32 %r3, [%rd0];
    st.global.u32 [%rd1], %r3;
    mov.u32 %r3, 0;
    st.global.u32 [%rd0], %r3;
    ret;
)";
  json accumulate = ManifestFixture::kernel("accumulate", "accumulate", {{"n", "dynamic"}});
  json out = ManifestFixture::tensor("out", "out", "1", "u32");
  out["align"] = 4;
  fixture.add_form(
      accumulate, target,
      module_text(target, "accumulate",
                  "    .param .u64 p_count,\n    .param .u64 p_out,\n    .param .u32 p_n",
                  accumulate_body),
      {{{"name", "count"}, {"kind", "workspace"}, {"bytes", "4"}, {"align", 4}, {"zeroed", true}},
       out,
       ManifestFixture::dim("n")},
      ManifestFixture::launch("1", 1));
  fixture.add(accumulate);
}

void add_pick(ManifestFixture& fixture, const std::string& target) {
  const std::string body = each_element + address_of("out") + R"(    .reg .b32 %r<1>;
    .reg .b64 %rd<4>;
    .reg .f32 %f<1>;
    ld.param.u64 %rd0, [p_position];
    cvta.to.global.u64 %rd0, %rd0;
    ld.global.u32 %r0, [%rd0];
    ld.param.u64 %rd1, [p_x];
    cvta.to.global.u64 %rd1, %rd1;
    mul.wide.u32 %rd2, %r0, 4;
    add.s64 %rd3, %rd1, %rd2;
    ld.global.f32 %f0, [%rd3];
    st.global.f32 [%rd_out], %f0;
    ret;
)";
  json kernel = ManifestFixture::kernel("pick", "pick", {{"n", "dynamic"}});
  fixture.add_form(
      kernel, target,
      module_text(target, "pick",
                  "    .param .u64 p_x,\n    .param .u64 p_position,\n"
                  "    .param .u64 p_out,\n    .param .u32 p_n",
                  body),
      {tensor("x", "in"),
       {{"name", "position"}, {"kind", "device_scalar"}, {"dtype", "u32"}, {"min", 0}, {"max", 7}},
       tensor("out", "out"),
       ManifestFixture::dim("n")},
      usual_launch());
  fixture.add(kernel);
}

void add_fault(ManifestFixture& fixture, const std::string& target) {
  const std::string body = each_element + R"(    .reg .b64 %rd<1>;
    mov.u64 %rd0, 16;
    st.global.u32 [%rd0], %r_i;
    ret;
)";
  json kernel = ManifestFixture::kernel("fault", "fault", {{"n", "dynamic"}});
  fixture.add_form(kernel, target, module_text(target, "fault", "    .param .u32 p_n", body),
                   json::array({ManifestFixture::dim("n")}), usual_launch());
  fixture.add(kernel);
}

void add_together(ManifestFixture& fixture, const std::string& target) {
  const std::string body = R"(    .reg .pred %p<1>;
    .reg .b32 %r<2>;
    .reg .b64 %rd<2>;
    mov.u32 %r0, %tid.x;
    setp.ne.u32 %p0, %r0, 0;
    @%p0 ret;
    mov.u32 %r1, %ctaid.x;
    ld.param.u64 %rd0, [p_out];
    cvta.to.global.u64 %rd0, %rd0;
    mad.wide.u32 %rd1, %r1, 4, %rd0;
    st.global.u32 [%rd1], %r1;
    ret;
)";
  json kernel = ManifestFixture::kernel("together", "together", {{"n", "dynamic"}});
  json launch = ManifestFixture::launch("n", 1024);
  launch["cooperative"] = true;
  json out = ManifestFixture::tensor("out", "out", "n", "u32");
  out["align"] = 4;
  fixture.add_form(
      kernel, target,
      module_text(target, "together", "    .param .u64 p_out,\n    .param .u32 p_n", body),
      {out, ManifestFixture::dim("n")}, launch);
  fixture.add(kernel);
}

}  // namespace

ManifestFixture fixture_library(const std::string& target) {
  ManifestFixture fixture;
  add_add(fixture, target);
  add_scale(fixture, target);
  add_reverse(fixture, target);
  add_workspace_kernels(fixture, target);
  add_pick(fixture, target);
  add_fault(fixture, target);
  add_together(fixture, target);
  return fixture;
}

void add_broken_kernel(ManifestFixture& fixture, const std::string& target) {
  json kernel = ManifestFixture::kernel("broken", "broken", json::object());
  fixture.add_form(kernel, target,
                   module_text(target, "broken", "", "    add.f32 %f0, %f1, %undeclared;\n"),
                   json::array(), ManifestFixture::launch("1", 32));
  fixture.add(kernel);
}

void add_chain_plan(ManifestFixture& fixture, const std::string& target) {
  const auto value = [](const std::string& name, const std::string& extent) {
    return json{{"name", name}, {"dtype", "f32"}, {"shape", json::array({extent})}};
  };
  const auto buffer = [&](const std::string& name, int slot, int first, int last) {
    json result = value(name, "n");
    result.update({{"slot", slot}, {"first", first}, {"last", last}});
    return result;
  };
  const auto step = [](const std::string& name, const std::string& kernel, json args,
                       json scalars = json::object()) {
    return json{{"op", "kernel"},          {"name", name},
                {"kernel", kernel},        {"dims", {{"n", "n"}}},
                {"args", std::move(args)}, {"scalars", std::move(scalars)}};
  };
  // The packed tensor is b, then c (or zeros), each 64 long.
  const json target_plan = {
      {"prepared", json::array({value("packed", "128")})},
      {"prepare",
       {{{"op", "copy"}, {"from", "b"}, {"to", {{"value", "packed"}, {"offset", 0}}}},
        {{"op", "copy"}, {"from", "c"}, {"to", {{"value", "packed"}, {"offset", 64}}}},
        {{"op", "fill_zero"},
         {"to", {{"value", "packed"}, {"offset", 64}, {"count", 64}}},
         {"unless", "c"}}}},
      {"buffers", {buffer("sum", 0, 0, 1), buffer("scaled", 1, 1, 2), buffer("copied", 0, 2, 3)}},
      {"steps",
       {step("add b", "add", {{"x", "x"}, {"y", "packed"}, {"out", "sum"}}),
        step("scale", "scale", {{"x", "sum"}, {"out", "scaled"}}, {{"factor", 3}}),
        step("through", "through", {{"x", "scaled"}, {"out", "copied"}}),
        step("add c", "add",
             {{"x", "copied"}, {"y", {{"value", "packed"}, {"offset", "64"}}}, {"out", "out"}})}}};
  fixture.manifest["plans"].push_back(
      {{"name", "chain"},
       {"block", "chain"},
       {"dtypes", {{"dtype", "f32"}}},
       {"config", {{"length", 64}}},
       {"dims", json::array({{{"name", "n"}, {"min", 1}, {"max", 64}}})},
       {"inputs", json::array({value("x", "n")})},
       {"outputs", json::array({value("out", "n")})},
       {"weights",
        {{{"name", "b"}, {"dtype", "f32"}, {"shape", json::array({64})}, {"optional", false}},
         {{"name", "c"}, {"dtype", "f32"}, {"shape", json::array({64})}, {"optional", true}}}},
       {"targets", {{target, target_plan}}}});
}

}  // namespace ptxmill::test
