// Every row of the instruction table on registers, with every type.
#include <string_view>

#include "tests/hardware/form.hpp"
#include "tests/isa/instance.hpp"

namespace ptxmill::test {
namespace {

struct NamedBound {
  std::string_view method;
  Bound bound;
};

// The manual's bounds, one unit in the last place more for the rounding of what they are held
// against.
constexpr NamedBound approximations[] = {
    {"div_full", {0x1.8p-22, 0}},       {"div_approx", {0x1.8p-22, 0}},
    {"rcp_approx", {0x1p-22, 0}},       {"rcp_approx_ftz", {0x1p-22, 0}},
    {"sqrt_approx", {0x1p-22, 0}},      {"rsqrt_approx", {0x1p-21, 0}},
    {"sin_approx", {0, 0x1p-20}},       {"cos_approx", {0, 0x1p-20}},
    {"lg2_approx", {0x1p-21, 0x1p-21}}, {"ex2_approx", {0x1p-21, 0}},
    {"ex2_approx_ftz", {0x1p-21, 0}},   {"tanh_approx", {0x1p-10, 0}}};

Form form_of(const Instance& i) {
  Form f;
  f.group = std::string(i.row().method);
  f.name = i.spelling();
  if (i.immediate != 0) f.name += " " + std::to_string(i.immediate);
  f.entry = i.name();
  f.ptx = text(lowest_header(i.row().target, i.row().ptx)) + kernel_text(i);
  f.from = sources(i);
  f.to = results(i);
  f.count = usual_count;
  for (const NamedBound& a : approximations)
    if (a.method == i.row().method) f.bound = a.bound;
  return f;
}

}  // namespace

std::vector<Form> table_forms() {
  std::vector<Form> all;
  for (const isa::Row& row : isa::rows) {
    if (row.effect != isa::Effect::pure || row.shape == isa::Shape::t_symbol ||
        row.spelling.starts_with("cvta")) {
      continue;
    }
    for (Instance i : instances(row.op)) {
      if (row.shape != isa::Shape::t_t_t_t_imm) {
        all.push_back(form_of(i));
        continue;
      }
      for (int immediate = 1; immediate < 256; immediate += 3) {
        i.immediate = immediate;
        all.push_back(form_of(i));
      }
    }
  }
  return all;
}

}  // namespace ptxmill::test
