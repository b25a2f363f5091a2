// Rows of the table that touch memory or other threads, each in a little kernel that suits it.
#include <fmt/format.h>

#include "tests/hardware/form.hpp"
#include "tests/isa/instance.hpp"

namespace ptxmill::test {
namespace {

using isa::Type;

/// A form whose code writes %out itself.
Form storing_form(std::string group, std::string name, const std::string& code,
                  std::vector<Type> from, std::vector<Type> to) {
  Form f = plain_form(std::move(group), std::move(name), code, std::move(from), std::move(to));
  f.ptx = module_around(code, f.from, f.to, plain_header, false);
  return f;
}

/// The type of the whole register that an element is loaded into.
Type held(Type t) { return isa::bits(t) == 8 ? Type::b16 : t; }

std::string braced(char letter, std::size_t count) {
  if (count == 1) return fmt::format("%{}0", letter);
  std::string list;
  for (std::size_t k = 0; k < count; ++k)
    list += fmt::format("{}%{}{}", list.empty() ? "" : ", ", letter, k);
  return "{" + list + "}";
}

std::size_t elements_of(isa::Shape s) {
  using enum isa::Shape;
  return s == t4_at || s == at_t4 ? 4 : s == t2_at || s == at_t2 ? 2 : 1;
}

bool in_shared(const isa::Row& row) { return row.spelling.find(".shared") != row.spelling.npos; }

/// The byte offset of this thread's 16 bytes of `tile` in %t1; of its neighbour's in %t2.
constexpr const char* own_tile =
    "mov.u32 %t0, tile;\nmad.lo.u32 %t1, %thread, 16, %t0;\n"
    "xor.b32 %t2, %thread, 1;\nmad.lo.u32 %t2, %t2, 16, %t0;\n";

Form load_form(const Instance& i) {
  const std::size_t count = elements_of(i.row().shape);
  const std::vector<Type> to(count, held(i.type));
  const std::string load = i.spelling() + " " + braced('d', count) + ", ";
  const std::string group(i.row().method);
  const std::vector<Type> from{Type::b64, Type::b64};
  if (i.row().spelling.starts_with("ld.param"))
    return plain_form(group, i.spelling(), load + "[p_cell];", {}, to);
  if (!in_shared(i.row())) return plain_form(group, i.spelling(), load + "[%in];", from, to);
  return plain_form(group, i.spelling(),
                    std::string(own_tile) + "st.shared.v2.b64 [%t1], {%a0, %a1};\nbar.sync 0;\n" +
                        load + "[%t2];",
                    from, to);
}

Form store_form(const Instance& i) {
  const std::size_t count = elements_of(i.row().shape);
  const std::vector<Type> from(count, i.type), to{Type::b64, Type::b64};
  const std::string group(i.row().method);
  if (!in_shared(i.row())) {
    return storing_form(group, i.spelling(), i.spelling() + " [%out], " + braced('a', count) + ";",
                        from, to);
  }
  const std::string code = std::string(own_tile) +
                           "mov.u64 %w0, 77;\nst.shared.v2.b64 [%t1], {%w0, %w0};\n" +
                           i.spelling() + " [%t1], " + braced('a', count) +
                           ";\nbar.sync 0;\nld.shared.v2.b64 {%d0, %d1}, [%t2];";
  return plain_form(group, i.spelling(), code, from, to);
}

/// An atomic on a cell of the thread's own: what it returns, and what it leaves.
Form atomic_form(const std::string& group, const std::string& spelling, Type t, bool returns,
                 bool swap) {
  const std::string bits = fmt::format("b{}", isa::bits(t));
  const bool shared = spelling.find(".shared") != spelling.npos;
  const std::string at = shared ? "[%t1]" : "[%out]";
  const std::string space = shared ? "shared" : "global";
  std::string code = shared ? own_tile : "";
  code += fmt::format("st.{}.{} {}, %a0;\n", space, bits, at);
  std::vector<Type> from{t, t};
  if (swap) {
    // Every other thread compares with what is there.
    code += fmt::format(
        "and.b32 %t3, %case, 1;\nsetp.eq.u32 %q0, %t3, 0;\nselp.{} %a1, %a0, %a1, %q0;\n", bits);
    from.push_back(t);
  }
  code += spelling + (returns ? " %d1, " : " ") + at + ", %a1" + (swap ? ", %a2" : "") + ";\n";
  if (returns) code += fmt::format("st.global.{} [%out+8], %d1;\n", bits);
  if (shared)
    code += fmt::format("ld.shared.{} %d0, [%t1];\nst.global.{} [%out], %d0;\n", bits, bits);
  Form f = storing_form(group, spelling, code, from, {t, t});
  return f;
}

/// All threads of a launch reduce into 32 cells: only the outcome is fixed.
Form contended_form(const std::string& operation, Type t) {
  const std::string spelling = fmt::format("red.global.{}.{}", operation, isa::spelling(t));
  const std::string code = fmt::format(
      "ld.param.u64 %w0, [p_out];\nand.b32 %t0, %case, 31;\nmad.wide.u32 %w0, %t0, 8, %w0;\n{} "
      "[%w0], %a0;\n",
      spelling);
  return storing_form("contended atomics", spelling, code, {t}, {Type::b64});
}

std::vector<Form> extra_atomics() {
  std::vector<Form> all;
  const auto add = [&](const std::string& operation, std::initializer_list<Type> types,
                       const char* modifier = "") {
    for (const char* space : {"global", "shared"}) {
      for (const Type t : types) {
        const std::string rest =
            fmt::format("{}.{}{}.{}", space, operation, modifier, isa::spelling(t));
        all.push_back(atomic_form("atomics", "atom." + rest, t, true, operation == "cas"));
        if (operation != "cas" && operation != "exch")
          all.push_back(atomic_form("atomics", "red." + rest, t, false, false));
      }
    }
  };
  add("add", {Type::u32, Type::s32, Type::u64, Type::f32, Type::f64});
  add("add", {Type::f16, Type::f16x2, Type::bf16, Type::bf16x2}, ".noftz");
  for (const char* operation : {"min", "max"})
    add(operation, {Type::u32, Type::s32, Type::u64, Type::s64});
  for (const char* operation : {"and", "or", "xor"}) add(operation, {Type::b32, Type::b64});
  add("inc", {Type::u32});
  add("dec", {Type::u32});
  add("exch", {Type::b32, Type::b64});
  add("cas", {Type::b16, Type::b32, Type::b64});
  for (const char* operation : {"add", "min", "max"}) {
    for (const Type t : {Type::u32, Type::s32, Type::u64})
      all.push_back(contended_form(operation, t));
  }
  for (const char* operation : {"and", "or", "xor"}) {
    for (const Type t : {Type::b32, Type::b64}) all.push_back(contended_form(operation, t));
  }
  return all;
}

/// What the lanes of a warp do together.
Form warp_form(const Instance& i) {
  const std::string group(i.row().method), s = i.spelling();
  switch (i.row().shape) {
    case isa::Shape::t_t_mask:
      return plain_form(group, s, s + " %d0, %a0, -1;", {i.type}, {i.type});
    case isa::Shape::pred_pred_mask:
      return plain_form(group, s, s + " %d0, %a0, -1;", {Type::pred}, {Type::pred});
    case isa::Shape::u32_pred_mask:
      return plain_form(group, s, s + " %d0, %a0, -1;", {Type::pred}, {Type::u32});
    case isa::Shape::mask:
      return plain_form(group, s,
                        std::string(own_tile) + "st.shared.b64 [%t1], %a0;\n" + s +
                            " -1;\nld.shared.b64 %d0, [%t2];",
                        {Type::b64}, {Type::b64});
    default: return plain_form(group, s, s + " %d0;", {}, {Type::b32});
  }
}

void add_shuffles(const Instance& i, std::vector<Form>& all) {
  for (const char* c : {"31", "0x1c1f", "0x1807", "0x100f", "0"}) {
    // The index is the same in all lanes of a warp, or their own.
    for (const bool same : {true, false}) {
      const std::string index = same ? "shr.u32 %t0, %case, 5;\n" : "mov.b32 %t0, %a1;\n";
      all.push_back(plain_form(std::string(i.row().method),
                               i.spelling() + " c " + c + (same ? "" : " b of a lane"),
                               index + i.spelling() + " %d0|%d1, %a0, %t0, " + c + ", -1;",
                               {Type::b32, Type::b32}, {Type::b32, Type::pred}));
    }
  }
}

/// Barriers and fences between a store to shared or global memory and its neighbour's load.
Form ordered_form(const Instance& i) {
  const std::string s = i.spelling();
  const std::string group(i.row().method);
  const std::string store = std::string(own_tile) + "st.shared.b64 [%t1], %a0;\n";
  const std::string load = "ld.shared.b64 %d0, [%t2];";
  std::string between = s + ";\nbar.sync 0;\n";
  if (i.row().shape == isa::Shape::barrier) between = s + " 0;\n";
  if (group == "bar_sync_count") between = s + " 1, 128;\n";
  if (group == "bar_arrive") {
    // Two warps arrive, two wait; then all meet.
    between =
        "setp.lt.u32 %q0, %thread, 64;\n@%q0 bra WAIT;\nbar.arrive 1, 128;\nbra MEET;\n"
        "WAIT:\nbar.sync 1, 128;\nMEET:\nbar.sync 0;\n";
  }
  if (i.row().effect == isa::Effect::timer) between = s + " 100;\nbar.sync 0;\n";
  return plain_form(group, s, store + between + load, {Type::b64}, {Type::b64});
}

Form control_form(const Instance& i) {
  const std::string group(i.row().method), s = i.spelling();
  std::string code = "mov.b32 %d0, 1;\n";
  if (group == "bra") {
    code += "setp.lt.s32 %q0, %a0, 0;\n@%q0 bra SKIP;\nmov.b32 %d0, 2;\nSKIP:\n";
  } else if (group == "bra_uni") {
    code += "bra.uni SKIP;\nmov.b32 %d0, 2;\nSKIP:\n";
  } else {
    code += "setp.lt.s32 %q0, %a0, 0;\n@%q0 " + s + ";\n";  // leaves nothing behind
  }
  return plain_form(group, s, code, {Type::s32}, {Type::b32});
}

Form copy_form(const Instance& i, int bytes) {
  const std::string s = i.spelling();
  const std::string code = std::string(own_tile) +
                           "mov.u64 %w0, 77;\nst.shared.v2.b64 [%t1], {%w0, %w0};\n" +
                           fmt::format("{} [%t1], [%in], {};\n", s, bytes) +
                           "cp.async.commit_group;\ncp.async.wait_group 0;\nbar.sync 0;\n"
                           "ld.shared.v2.b64 {%d0, %d1}, [%t2];";
  return plain_form(std::string(i.row().method), fmt::format("{} {}", s, bytes), code,
                    {Type::b64, Type::b64}, {Type::b64, Type::b64});
}

Form wait_form(const Instance& i) {
  const std::string code =
      std::string(own_tile) + "cp.async.ca.shared.global [%t1], [%in], 16;\n" +
      "cp.async.commit_group;\n" +
      (i.row().shape == isa::Shape::count ? i.spelling() + " 0;\n" : "cp.async.wait_all;\n") +
      "bar.sync 0;\nld.shared.v2.b64 {%d0, %d1}, [%t2];";
  return plain_form(std::string(i.row().method), i.spelling(), code, {Type::b64, Type::b64},
                    {Type::b64, Type::b64});
}

Form address_form(const Instance& i) {
  const std::string group(i.row().method), s = i.spelling();
  const std::string bits = fmt::format("b{}", isa::bits(i.type));
  if (group == "mov_address") {
    const std::string reg = i.type == Type::u64 ? "%w0" : "%t3";
    return plain_form(group, s,
                      std::string(own_tile) + "st.shared.b64 [%t1], %a0;\nbar.sync 0;\n" +
                          fmt::format("{} {}, tile;\nld.shared.b64 %d0, [{}+32];", s, reg, reg),
                      {Type::b64}, {Type::b64});
  }
  if (group == "cvta_to_global") {
    return plain_form(group, s,
                      "ld.param.u64 %w0, [p_in];\n" + s + " %w1, %w0;\nld.global.b64 %d0, [%w1];",
                      {Type::b64}, {Type::b64});
  }
  return plain_form(group, s,
                    std::string(own_tile) + "st.shared.b64 [%t1], %a0;\nbar.sync 0;\n" +
                        "mov.u64 %w0, tile;\ncvta.shared.u64 %w1, %w0;\nld.b64 %d1, [%w1+16];\n" +
                        s + " %w2, %w1;\nld.shared.b64 %d0, [%w2+32];",
                    {Type::b64}, {Type::b64, Type::b64});
}

void add_row(const isa::Row& row, std::vector<Form>& all) {
  const std::string method(row.method);
  for (const Instance& i : instances(row.op)) {
    using enum isa::Effect;
    if (row.spelling.starts_with("shfl")) {
      add_shuffles(i, all);
    } else if (row.shape == isa::Shape::at_at_bytes) {
      for (const int bytes : {4, 8, 16})
        if (bytes == 16 || method == "cp_async_ca") all.push_back(copy_form(i, bytes));
    } else if (row.spelling.starts_with("cp.async")) {
      all.push_back(wait_form(i));
    } else if (row.effect == load) {
      all.push_back(load_form(i));
    } else if (row.effect == store) {
      all.push_back(store_form(i));
    } else if (row.effect == atomic) {
      const bool returns = row.spelling.starts_with("atom");
      all.push_back(
          atomic_form(method, i.spelling(), i.type, returns, row.shape == isa::Shape::t_at_t_t));
    } else if (row.effect == control) {
      all.push_back(control_form(i));
    } else if (row.effect == pure) {
      all.push_back(address_form(i));
    } else if (row.effect == sync && !row.spelling.starts_with("bar.sync") &&
               !row.spelling.starts_with("bar.arrive")) {
      all.push_back(warp_form(i));
    } else {
      all.push_back(ordered_form(i));
    }
  }
}

}  // namespace

std::vector<Form> memory_forms() {
  std::vector<Form> all;
  for (const isa::Row& row : isa::rows) {
    const bool on_registers = row.effect == isa::Effect::pure &&
                              row.shape != isa::Shape::t_symbol &&
                              !row.spelling.starts_with("cvta");
    // A trap ends the context: no comparison survives it. Matrices have forms of their own.
    if (!on_registers && row.spelling != "trap" && row.spelling.find("m8n8") == row.spelling.npos &&
        !row.spelling.starts_with("mma"))
      add_row(row, all);
  }
  for (Form& f : extra_atomics()) all.push_back(std::move(f));
  const auto warp = [&](const std::string& s, const std::string& operands, std::vector<Type> from,
                        std::vector<Type> to) {
    all.push_back(plain_form("warps", s, s + operands, std::move(from), std::move(to)));
  };
  for (const Type t : {Type::b32, Type::b64}) {
    const std::string bits(isa::spelling(t));
    warp("match.any.sync." + bits, " %d0, %a0, -1;", {t}, {Type::b32});
    warp("match.all.sync." + bits, " %d0|%d1, %a0, -1;", {t}, {Type::b32, Type::pred});
  }
  for (const char* op : {"and", "or", "xor"})
    warp(fmt::format("redux.sync.{}.b32", op), " %d0, %a0, -1;", {Type::b32}, {Type::b32});
  warp("vote.sync.uni.pred", " %d0, %a0, -1;", {Type::pred}, {Type::pred});
  warp("elect.sync", " %d0|%d1, -1;", {}, {Type::b32, Type::pred});
  warp("bar.red.popc.u32", " %d0, 0, %a0;", {Type::pred}, {Type::u32});
  warp("bar.red.and.pred", " %d0, 0, %a0;", {Type::pred}, {Type::pred});
  warp("bar.red.or.pred", " %d0, 0, %a0;", {Type::pred}, {Type::pred});
  return all;
}

}  // namespace ptxmill::test
