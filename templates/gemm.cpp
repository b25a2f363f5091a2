// gemm: out = activation(alpha A W^T + bias) + residual (lib/epilogue.hpp), on the FMA units
// (gemm_simt.hpp) or the tensor cores (gemm_mma.hpp, on Hopper gemm_wgmma.hpp, and for few rows of
// 16-bit elements gemm_stream.hpp).
// lib/gemm_tiles.hpp chooses the tile. A row's result depends on m only through the choice of the
// tile (the forms' `when`), and not on the other rows.
#include <algorithm>
#include <numeric>

#include "templates/gemm_mma.hpp"
#include "templates/gemm_simt.hpp"
#include "templates/gemm_stream.hpp"
#include "templates/gemm_wgmma.hpp"
#include "templates/lib/gemm_tiles.hpp"
#include "templates/lib/overlap.hpp"

namespace ptxmill::kernels {
namespace {

std::vector<std::string> named_tiles() {
  std::vector<std::string> words;
  const auto add = [&](const char* name) {
    if (std::find(words.begin(), words.end(), name) == words.end()) words.emplace_back(name);
  };
  for (const GemmTile& t : gemm_tiles()) add(t.name);
  for (const MmaMath math : {MmaMath::half, MmaMath::tf32, MmaMath::tf32_x3})
    for (const MmaTile& t : mma_tiles(math)) add(t.name);
  for (const MmaMath math : {MmaMath::half, MmaMath::tf32_x3})
    for (const WgmmaTile& t : wgmma_tiles(math)) add(t.name);
  for (const StreamTile& t : stream_tiles()) add(t.name);
  return words;
}

std::vector<std::string> tile_words() {
  std::vector<std::string> words = named_tiles();
  words.insert(words.begin(), "auto");
  return words;
}

class Gemm final : public Template {
 public:
  Gemm() {
    tunable(tile_size);
    tunable(tile_steps);
  }

  DtypeField dtype{
      *this, "dtype", "element type of a, w and bias", {Dtype::f32, Dtype::f16, Dtype::bf16}};
  DtypeField out_dtype{*this,
                       "out_dtype",
                       "element type of residual and out",
                       {Dtype::f32, Dtype::f16, Dtype::bf16},
                       dtype};
  Choice math{
      *this,
      "math",
      "how f32 is multiplied: f32, on the FMA units; tf32, on the tensor cores, which take 19 "
      "bits of each operand; 3xtf32, there in three products, which keep more bits",
      {"f32", "tf32", "3xtf32"},
      "f32",
      true};
  Dim dim_m{*this, "m", "rows of a", {.min = 0, .dynamic_by_default = true}};
  Dim dim_n{*this, "n", "output features; a multiple of 8 on the tensor cores"};
  Dim dim_k{*this, "k", "input features; a multiple of 8 on the tensor cores"};
  Choice layout{*this,
                "layout",
                "how w is stored: out_in is [n, k], in_out is [k, n]",
                {"out_in", "in_out"},
                "out_in"};
  MatrixEpilogueFields epilogue{*this};
  WeightsField weights{*this};
  Choice tile_size{*this, "tile",
                   "rows and columns of out that a CTA computes; auto chooses by n, k and m",
                   tile_words(), "auto"};
  ChoiceSteps tile_steps{*this, "tiles",
                         "where tile is auto: the tiles, each with the m from which it is used; "
                         "where there are none, estimates choose",
                         named_tiles()};

  Tensor a{*this, "a", Direction::in, dtype, "the rows", [this] { return Shape{dim_m, dim_k}; }};
  Tensor w{
      *this,         "w",
      Direction::in, dtype,
      "the weights", [this] { return is_out_in() ? Shape{dim_n, dim_k} : Shape{dim_k, dim_n}; }};
  Tensor bias{*this,
              "bias",
              Direction::in,
              dtype,
              "added to each row",
              [this] { return Shape{dim_n}; },
              [this] { return epilogue.bias.get(); }};
  Tensor residual{*this,
                  "residual",
                  Direction::in,
                  out_dtype,
                  "added last",
                  [this] { return out_shape(epilogue, dim_m, dim_n); },
                  [this] { return epilogue.residual.get(); }};
  Tensor out{*this, "out", Direction::out, out_dtype, "the result; may be residual", [this] {
               return out_shape(epilogue, dim_m, dim_n);
             }};

  std::vector<Form> forms() const override;
  Launch launch(const Form& form) const override;
  int alignment(const Form& form, const Tensor& tensor) const override;
  std::int64_t multiple_of(const Dim& dim) const override;
  std::optional<TensorMapShape> tensor_map(const Form& form, const Tensor& tensor) const override;
  std::vector<std::pair<std::string, std::string>> division(const Form& form,
                                                            const ptx::Target&) const override;
  void emit(Emitter& k, const Form& form) const override;

 protected:
  void check() const override;

 private:
  /// How the tensor cores multiply; nothing where the FMA units do.
  std::optional<MmaMath> mma() const;
  /// Whether they do by warpgroups: on sm_90a.
  bool by_warpgroups() const;
  /// Whether a form's tile streams; others are of the engine that the two above tell.
  static bool streams(const Form& form) { return is_stream_tile(form.variant); }
  StreamStart stream_start() const { return {can_overlap(target()), weights.are_resident()}; }
  const SimtTile& simt_tile(const Form& form) const {
    return gemm_tiles()[static_cast<std::size_t>(form.variant)].tile;
  }
  const MmaTile& mma_tile(const Form& form) const {
    return mma_tiles(*mma())[static_cast<std::size_t>(form.variant)];
  }
  const WgmmaTile& wgmma_tile(const Form& form) const {
    return wgmma_tiles(*mma())[static_cast<std::size_t>(form.variant)];
  }
  WgmmaProblem wgmma_problem() const {
    return {dim_m, dim_n, dim_k, a, w, bias, residual, out, epilogue, weights.are_resident()};
  }
  int tile_number(const std::string& name) const;
  void check_tile(const spec::Field& field, const std::string& name) const;
  const char* tile_name(int number) const;
  bool is_out_in() const { return layout.is("out_in"); }
  std::vector<TileChoice> stepped() const;
  void hide_activation(std::vector<TileChoice>& all) const;
  std::vector<TileChoice> choices() const;
  std::vector<Form> forms_of(const TileChoice& choice, bool is_last) const;
};

/// What rows and columns on the tensor cores are multiples of, so that a row of 16-bit elements is
/// one of 16-byte accesses.
constexpr int tensor_multiple = 8;

std::optional<MmaMath> Gemm::mma() const {
  if (dtype != Dtype::f32) return MmaMath::half;
  if (math.is("tf32")) return MmaMath::tf32;
  if (math.is("3xtf32")) return MmaMath::tf32_x3;
  return std::nullopt;
}

bool Gemm::by_warpgroups() const {
  const bool hopper = target() && target()->sm == 90 && target()->arch_specific;
  return hopper && mma();
}

int Gemm::tile_number(const std::string& name) const {
  const int streaming = stream_tile_number(name);
  if (mma() == MmaMath::half && streaming >= 0) return streaming;
  if (by_warpgroups()) return wgmma_tile_number(*mma(), name);
  return mma() ? mma_tile_number(*mma(), name) : gemm_tile_number(name);
}

const char* Gemm::tile_name(int number) const {
  if (is_stream_tile(number)) return stream_tile(number).name;
  const auto i = static_cast<std::size_t>(number);
  if (by_warpgroups()) return wgmma_tiles(*mma())[i].name;
  return mma() ? mma_tiles(*mma())[i].name : gemm_tiles()[i].name;
}

void Gemm::check_tile(const spec::Field& field, const std::string& name) const {
  // Without a target, a tile of any of those that multiply so will do.
  const bool of_warpgroups = !target() && mma() && wgmma_tile_number(*mma(), name) >= 0;
  const int number = tile_number(name);
  if (!of_warpgroups && number < 0)
    refuse(field, name + " is no tile of this gemm" + (target() ? " on " + target()->name() : ""));
  if (!by_warpgroups() || number < 0 || is_stream_tile(number)) return;
  const WgmmaTile& tile = wgmma_tiles(*mma())[static_cast<std::size_t>(number)];
  if (tile.blocks * tile.cols > 256 && epilogue.residual &&
      !(dim_n.is_static() && dim_k.is_static()))
    refuse(field, name + " leaves no registers for a residual where n or k is dynamic");
}

void Gemm::check() const {
  if (!tile_size.is("auto")) check_tile(tile_size, tile_size.get());
  for (const ChoiceSteps::Step& step : tile_steps.get()) check_tile(tile_steps, step.word);
  epilogue.check(*this, dim_n);
  if (!mma()) {
    if (out_dtype != Dtype::f32) refuse(out_dtype, "the FMA units' gemm has f32 results only");
    return;
  }
  if (dtype != Dtype::f32 && !math.is("f32"))
    refuse(math, math.get() + " is for operands of f32, and dtype is " + spec::name(dtype));
  for (const Dim* dim : {&dim_n, &dim_k})
    if (dim->is_static() && dim->get() % tensor_multiple != 0)
      refuse(*dim, std::to_string(dim->get()) + " is no multiple of " +
                       std::to_string(tensor_multiple) + ", which the tensor cores' gemm needs");
  if (!is_out_in()) refuse(layout, "the tensor cores' gemm takes out_in only");
  // Warpgroups store boxes of a head, of at least 32 bytes a row.
  const int of_box = by_warpgroups() ? 32 / spec::size_bytes(out_dtype) : 0;
  const int multiple = std::max(tensor_multiple, of_box);
  if (epilogue.has_heads() && epilogue.head_dim % multiple != 0)
    refuse(epilogue.head_dim, std::to_string(epilogue.head_dim) + " is no multiple of " +
                                  std::to_string(multiple) +
                                  ", which the tensor cores' gemm needs" +
                                  (target() ? " on " + target()->name() : ""));
}

std::int64_t Gemm::multiple_of(const Dim& dim) const {
  std::int64_t multiple = Template::multiple_of(dim);
  if (mma() && &dim != &dim_m) multiple = tensor_multiple;
  return &dim == &dim_n ? std::lcm(multiple, epilogue.n_multiple()) : multiple;
}

/// The tiles that the spec, or a measurement, names; for a static m the one that counts there.
std::vector<TileChoice> Gemm::stepped() const {
  std::vector<TileChoice> all;
  for (const ChoiceSteps::Step& step : tile_steps.get()) {
    if (!dim_m.is_static())
      all.push_back({tile_number(step.word), step.from});
    else if (all.empty() && dim_m.get() >= step.from)
      all.push_back({tile_number(step.word)});
  }
  return all;
}

/// Puts tiles that hide a costly activation into the place of those that do not.
void Gemm::hide_activation(std::vector<TileChoice>& all) const {
  for (TileChoice& choice : all) {
    if (is_stream_tile(choice.tile)) continue;
    const char* other = wgmma_tiles(*mma())[static_cast<std::size_t>(choice.tile)].for_costly;
    if (other != nullptr) choice.tile = tile_number(other);
  }
  const auto is_same = [](const TileChoice& x, const TileChoice& y) { return x.tile == y.tile; };
  // Of equal neighbours the last has the least m.
  const auto end = std::unique(all.rbegin(), all.rend(), is_same);
  all.erase(all.begin(), end.base());
}

std::vector<TileChoice> Gemm::choices() const {
  if (!tile_size.is("auto")) return {{tile_number(tile_size.get())}};
  std::vector<TileChoice> all = !tile_steps.get().empty() ? stepped()
                                : by_warpgroups() ? choose_wgmma_tiles(*mma(), dim_m, dim_n, dim_k)
                                : mma()           ? choose_mma_tiles(*mma(), dim_m, dim_n, dim_k)
                                                  : choose_gemm_tiles(dim_m, dim_n, dim_k);
  if (by_warpgroups() && epilogue.is_costly()) hide_activation(all);
  return all;
}

/// On the FMA units, with a dynamic n, the last tile has a form for multiples of 4 and one for the
/// rest.
std::vector<Form> Gemm::forms_of(const TileChoice& choice, bool is_last) const {
  const std::int64_t known = dim_n.is_static() ? dim_n.get() : multiple_of(dim_n);
  const bool has_vectors = (epilogue.has_heads() ? epilogue.head_dim : known) % 4 == 0;
  const bool any_n = !has_vectors && !dim_n.is_static() && !epilogue.has_heads();
  Form form{.name = std::string("t") + tile_name(choice.tile),
            .vector = has_vectors || any_n ? 4 : 1,
            .variant = choice.tile};
  if (choice.least_n > 0) form.when.push_back({.dim = &dim_n, .min = choice.least_n});
  if (choice.least_m > 0) form.when.push_back({.dim = &dim_m, .min = choice.least_m});
  if (any_n) form.when.push_back({.dim = &dim_n, .multiple_of = 4});
  if (!any_n || !is_last) return {form};
  return {form, {.name = form.name + "_any", .vector = 1, .variant = choice.tile}};
}

std::vector<Form> Gemm::forms() const {
  const auto chosen = choices();
  std::vector<Form> all;
  for (const TileChoice& choice : chosen)
    for (Form& form : forms_of(choice, &choice == &chosen.back())) all.push_back(std::move(form));
  return all;
}

Launch Gemm::launch(const Form& form) const {
  if (streams(form)) return stream_launch(stream_tile(form.variant), dim_m, dim_n, stream_start());
  if (by_warpgroups()) return wgmma_launch(wgmma_tile(form), wgmma_problem());
  const auto of = [&](const auto& tile) {
    return Launch{.grid = {ceil_div(dim_m, tile.rows) * ceil_div(dim_n, tile.cols), 1, 1},
                  .block = {tile.threads(), 1, 1},
                  .min_ctas_per_sm = tile.ctas_per_sm};
  };
  return mma() ? of(mma_tile(form)) : of(simt_tile(form));
}

std::optional<TensorMapShape> Gemm::tensor_map(const Form& form, const Tensor& tensor) const {
  if (!by_warpgroups() || streams(form)) return {};
  return wgmma_tensor_map(wgmma_tile(form), wgmma_problem(), tensor);
}

int Gemm::alignment(const Form& form, const Tensor& tensor) const {
  const bool operand = &tensor == &a || &tensor == &w;
  if (tensor_map(form, tensor)) return 16;
  if (operand) return mma() ? 16 : spec::size_bytes(dtype);
  return Template::alignment(form, tensor);
}

std::vector<std::pair<std::string, std::string>> Gemm::division(const Form& form,
                                                                const ptx::Target&) const {
  const auto by = [](int down, int across) {
    return std::to_string(down) + " x " + std::to_string(across);
  };
  const auto stages = [](int count, int depth) {
    return std::pair<std::string, std::string>(
        "stages", std::to_string(count) + " of " + std::to_string(depth) + " of k each");
  };
  if (streams(form)) return stream_tile(form.variant).division();
  if (by_warpgroups()) {
    const WgmmaTile& t = wgmma_tile(form);
    return {{"CTA's tile", by(t.rows(), t.cols)},
            {"warpgroups", std::to_string(t.consumers) +
                               (t.alternates ? " in turns, each with a tile" : " on each tile")},
            {"CTAs in a cluster", std::to_string(t.ctas_in_cluster())},
            stages(t.stages, wgmma_stage_bytes / spec::size_bytes(dtype))};
  }
  if (mma()) {
    const MmaTile& t = mma_tile(form);
    return {{"CTA's tile", by(t.rows, t.cols)},
            {"warp's block", by(t.warp_rows, t.warp_cols)},
            stages(t.stages, t.chunks * 16 / spec::size_bytes(dtype))};
  }
  const SimtTile& t = simt_tile(form);
  return {{"CTA's tile", by(t.rows, t.cols)},
          {"thread's block", by(t.thread_rows, t.thread_cols)},
          {"slices of k", std::to_string(t.slices)},
          stages(t.stages, t.depth)};
}

void Gemm::emit(Emitter& k, const Form& form) const {
  const bool has_maps = by_warpgroups() && !streams(form);
  if (has_maps && *mma() == MmaMath::tf32_x3)
    return emit_wgmma_x3_gemm(k, wgmma_problem(), wgmma_tile(form));
  if (has_maps) return emit_wgmma_gemm(k, wgmma_problem(), wgmma_tile(form));
  const auto given = [&](const Tensor& tensor) {
    return tensor.present() ? std::optional(k.ptr(tensor)) : std::nullopt;
  };
  const GemmProblem problem{.a = k.ptr(a),
                            .w = k.ptr(w),
                            .out = k.ptr(out),
                            .bias = given(bias),
                            .residual = given(residual),
                            .m = k.dim(dim_m),
                            .n = k.dim(dim_n),
                            .k = k.dim(dim_k),
                            .w_is_out_in = is_out_in(),
                            .epilogue = epilogue,
                            .vector = form.vector};
  if (streams(form))
    emit_stream_gemm(k, problem, stream_tile(form.variant), stream_start());
  else if (mma())
    emit_mma_gemm(k, problem, mma_tile(form), *mma());
  else
    emit_simt_gemm(k, problem, simt_tile(form));
}

PTXMILL_TEMPLATE(Gemm, "gemm", "activation(alpha A W^T + bias) + residual for a matrix of rows.");

}  // namespace
}  // namespace ptxmill::kernels
