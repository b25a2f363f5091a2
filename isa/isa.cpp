#include "isa/isa.hpp"

namespace ptxmill::isa {
namespace {

#define PTX_SHAPE(name, ...) \
  constexpr OperandRule shape_##name[] = {__VA_ARGS__ __VA_OPT__(, ){Role::label, Is::none}};
#include "isa/shapes.def"
#undef PTX_SHAPE

// Each array carries one closing element so that a shape without operands is not an empty array.
constexpr std::span<const OperandRule> shape_operands[] = {
#define PTX_SHAPE(name, ...) std::span(shape_##name).first(std::size(shape_##name) - 1),
#include "isa/shapes.def"
#undef PTX_SHAPE
};

constexpr std::string_view shape_names[] = {
#define PTX_SHAPE(name, ...) #name,
#include "isa/shapes.def"
#undef PTX_SHAPE
};

constexpr SpecialRegister specials[] = {
#define PTX_SPECIAL(method, spelled, type, level, ptx, target) \
  {#method, spelled, Type::type, Level::level, ptx, target},
#include "isa/special_registers.def"
#undef PTX_SPECIAL
};

struct Release {
  int ptx;
  int driver;
};
constexpr Release releases[] = {{60, 9000},  {61, 9010},  {62, 9020},  {63, 10000}, {64, 10010},
                                {65, 10020}, {70, 11000}, {71, 11010}, {72, 11020}, {73, 11030},
                                {74, 11040}, {75, 11050}, {76, 11060}, {77, 11070}, {78, 11080},
                                {80, 12000}, {81, 12010}, {82, 12020}, {83, 12030}, {84, 12040},
                                {85, 12050}, {86, 12070}, {87, 12080}, {88, 12090}, {90, 13000}};

struct TargetIntroduced {
  int sm;
  bool arch_specific;
  int ptx;
};
constexpr TargetIntroduced targets[] = {{70, false, 60}, {75, false, 63},  {80, false, 70},
                                        {86, false, 71}, {87, false, 74},  {89, false, 78},
                                        {90, false, 78}, {90, true, 80},   {100, false, 86},
                                        {100, true, 86}, {120, false, 87}, {120, true, 87}};
}  // namespace

std::span<const OperandRule> operands(Shape shape) {
  return shape_operands[static_cast<int>(shape)];
}

bool is_wrapped(Shape shape) {
  switch (shape) {
    case Shape::at:
    case Shape::at_u32:
    case Shape::sink_at:
    case Shape::sink_at_u32:
    case Shape::pred_at_u32:
    case Shape::elected_mask:
    case Shape::at_tensor_at:
    case Shape::at_tensor_at_mask:
    case Shape::tensor_at:
    case Shape::wgmma:
    case Shape::wgmma_k_major:
    case Shape::wgmma_k_major_a: return true;
    default: return false;
  }
}

bool runs_alone(const Row& row) {
  if (row.op == Op::mapa || row.op == Op::cvta_param || row.shape == Shape::u32_count ||
      row.spelling.starts_with("cp.async.bulk") || row.spelling.starts_with("st.async"))
    return false;
  const bool on_matrices = row.spelling.starts_with("ldmatrix") ||
                           row.spelling.starts_with("stmatrix") || row.spelling.starts_with("mma");
  return row.needs != Level::warpgroup && row.needs != Level::cluster &&
         (!is_wrapped(row.shape) || on_matrices);
}

std::string_view name(Shape shape) { return shape_names[static_cast<int>(shape)]; }

std::string_view name(Level level) {
  constexpr std::string_view names[] = {"thread", "warp", "warpgroup", "cta", "cluster", "grid"};
  return names[static_cast<int>(level)];
}

std::span<const SpecialRegister> special_registers() { return specials; }

int driver_for_ptx(int ptx) {
  for (const Release& r : releases)
    if (r.ptx >= ptx) return r.driver;
  return 0;
}

int ptx_for_target(int sm, bool arch_specific) {
  for (const TargetIntroduced& t : targets)
    if (t.sm == sm && t.arch_specific == arch_specific) return t.ptx;
  return 0;
}

}  // namespace ptxmill::isa
