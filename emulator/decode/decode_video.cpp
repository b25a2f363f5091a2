// Video instructions, and others that take bytes and halves out of words.
#include <bit>

#include "emulator/decode/decoder.hpp"
#include "emulator/text.hpp"

namespace ptxmill::emu {
namespace {

using ast::Operand;
using isa::Type;

/// An operand without its selector ("%r1.b2", "%r1.h10"), and the selector.
struct Selected {
  Operand operand;
  std::string_view selector;
};

Selected split_selector(Decoder& d, const Operand& o) {
  if (o.kind != Operand::Kind::name || d.register_of(o) != nullptr) return {o, {}};
  const std::size_t dot = o.name.rfind('.');
  if (dot == std::string_view::npos) return {o, {}};
  Selected s{o, o.name.substr(dot + 1)};
  s.operand.name = o.name.substr(0, dot);
  return d.register_of(s.operand) != nullptr ? s : Selected{o, {}};
}

VideoPart part_named(Decoder& d, std::string_view s) {
  constexpr std::string_view names[] = {"", "b0", "b1", "b2", "b3", "h0", "h1"};
  for (std::size_t k = 0; k < std::size(names); ++k)
    if (names[k] == s) return static_cast<VideoPart>(k);
  d.mismatch();
}

VideoCompare comparison(Decoder& d) {
  constexpr std::string_view names[] = {"eq", "ne", "lt", "le", "gt", "ge"};
  for (std::size_t k = 0; k < std::size(names); ++k)
    if (d.modifiers().take(names[k])) return static_cast<VideoCompare>(k);
  d.mismatch();
}

struct Named {
  std::string_view name;
  VideoOp op;
};
constexpr Named operations[] = {{"vadd", VideoOp::add},         {"vsub", VideoOp::sub},
                                {"vabsdiff", VideoOp::absdiff}, {"vmin", VideoOp::min},
                                {"vmax", VideoOp::max},         {"vavrg", VideoOp::average},
                                {"vset", VideoOp::compare},     {"vshl", VideoOp::shl_wrap},
                                {"vshr", VideoOp::shr_wrap},    {"vmad", VideoOp::mad}};

void take_mode(Decoder& d, VideoForm& f) {
  Modifiers& m = d.modifiers();
  f.sat = m.take("sat");
  if (f.op == VideoOp::shl_wrap || f.op == VideoOp::shr_wrap) {
    const std::string_view mode = m.take_one({"wrap", "clamp"});
    if (mode.empty()) d.mismatch();
    const bool left = f.op == VideoOp::shl_wrap;
    if (mode == "clamp") f.op = left ? VideoOp::shl_clamp : VideoOp::shr_clamp;
  }
  if (f.op == VideoOp::compare) f.compare = comparison(d);
  if (f.op == VideoOp::mad) {
    f.plus_one = m.take("po");
    if (m.take("shr7")) f.scale = 7;
    if (m.take("shr15")) f.scale = 15;
  } else if (m.take("add")) {
    f.second = VideoSecond::add;
  } else if (m.take("min")) {
    f.second = VideoSecond::min;
  } else if (m.take("max")) {
    f.second = VideoSecond::max;
  }
}

/// dtype.atype.btype; a comparison has no dtype.
void take_types(Decoder& d, VideoForm& f) {
  const auto take = [&] {
    const Type t = d.type();
    if (t != Type::u32 && t != Type::s32) d.mismatch();
    return t == Type::s32;
  };
  if (f.op != VideoOp::compare) f.d_signed = take();
  f.a_signed = take();
  f.b_signed = take();
}

/// A product or addend that is negated reads "-%r1".
Operand without_sign(const Operand& o) {
  Operand plain = o;
  plain.negated = false;
  return plain;
}

void decode_scalar(Decoder& d, VideoForm f) {
  take_mode(d, f);
  take_types(d, f);
  const bool mad = f.op == VideoOp::mad;
  d.expect_operands(3, 4);
  const Selected to = split_selector(d, d.operand(0));
  const Selected a = split_selector(d, d.operand(1)), b = split_selector(d, d.operand(2));
  f.d_part = part_named(d, to.selector);
  f.a_part = part_named(d, a.selector);
  f.b_part = part_named(d, b.selector);
  const bool third = d.operand_count() == 4;
  if (!to.selector.empty() && (f.second != VideoSecond::none || !third || mad)) d.mismatch();
  if (!to.selector.empty()) f.second = VideoSecond::merge;
  if (third != (f.second != VideoSecond::none || mad)) d.mismatch();
  const Slot c = third ? d.source(without_sign(d.operand(3)), Type::u32) : zero_slot;
  Instruction& i = d.emit(handlers().video(), {d.result(to.operand, Type::u32)},
                          {d.source(without_sign(a.operand), Type::u32),
                           d.source(without_sign(b.operand), Type::u32), c});
  i.imm = std::bit_cast<std::int64_t>(f);
}

/// "h10", "b3210": which elements, the last one first. `fallback` where nothing is given.
std::uint32_t elements_named(Decoder& d, std::string_view s, int n, std::uint32_t fallback) {
  if (s.empty()) return fallback;
  if (static_cast<int>(s.size()) != n + 1 || s[0] != (n == 2 ? 'h' : 'b')) d.mismatch();
  std::uint32_t out = 0;
  for (int k = 0; k < n; ++k) {
    const char c = s[static_cast<std::size_t>(n - k)];
    if (c < '0' || c >= '0' + 2 * n) d.mismatch();
    out |= static_cast<std::uint32_t>(c - '0') << (3 * k);
  }
  return out;
}

std::uint32_t mask_named(Decoder& d, std::string_view s, int n) {
  if (s.empty()) return (1u << n) - 1;
  if (s[0] != (n == 2 ? 'h' : 'b') || s.size() < 2) d.mismatch();
  std::uint32_t out = 0;
  for (const char c : s.substr(1)) {
    if (c < '0' || c >= '0' + n) d.mismatch();
    out |= 1u << (c - '0');
  }
  return out;
}

void decode_packed(Decoder& d, VideoForm f, int n) {
  f.elements = static_cast<std::uint8_t>(n);
  take_mode(d, f);
  take_types(d, f);
  if (f.op == VideoOp::average && (f.a_signed || f.b_signed)) d.unsupported("signed average");
  d.expect_operands(4);
  const Selected to = split_selector(d, d.operand(0));
  const Selected a = split_selector(d, d.operand(1)), b = split_selector(d, d.operand(2));
  const std::uint32_t low = n == 2 ? 0x8u : 0x688u;    // elements 1, 0 and 3, 2, 1, 0
  const std::uint32_t high = n == 2 ? 0x1au : 0xfacu;  // of the second word
  Instruction& i = d.emit(handlers().video(), {d.result(to.operand, Type::u32)},
                          {d.source(a.operand, Type::u32), d.source(b.operand, Type::u32),
                           d.source(d.operand(3), Type::u32)});
  i.imm = std::bit_cast<std::int64_t>(f);
  i.aux = elements_named(d, a.selector, n, low) | elements_named(d, b.selector, n, high) << 12 |
          mask_named(d, to.selector, n) << 24;
}

void decode_dp2a(Decoder& d) {
  VideoForm f;
  const std::string_view half = d.modifiers().take_one({"lo", "hi"});
  if (half.empty()) d.mismatch();
  f.op = half == "lo" ? VideoOp::dot2_low : VideoOp::dot2_high;
  const Type a = d.type(), b = d.type();
  f.a_signed = a == Type::s32;
  f.b_signed = b == Type::s32;
  d.expect_operands(4);
  d.emit(handlers().video(), {d.result(d.operand(0), Type::b32)},
         {d.source(d.operand(1), Type::b32), d.source(d.operand(2), Type::b32),
          d.source(d.operand(3), Type::b32)})
      .imm = std::bit_cast<std::int64_t>(f);
}

}  // namespace

void decode_cvt_pack(Decoder& d) {
  VideoForm f;
  f.op = VideoOp::pack;
  if (!d.modifiers().take("sat")) d.mismatch();
  const Type to = d.type(), from = d.type();
  const bool third = isa::bits(to) == 8;
  if (third && d.type() != Type::b32) d.mismatch();
  if ((isa::bits(to) != 8 && isa::bits(to) != 16) || isa::is_float(to) || isa::bits(from) != 32)
    d.mismatch();
  f.elements = static_cast<std::uint8_t>(isa::bits(to));
  f.d_signed = isa::is_signed(to);
  f.a_signed = isa::is_signed(from);
  d.expect_operands(third ? 4 : 3);
  d.emit(handlers().video(), {d.result(d.operand(0), Type::b32)},
         {d.source(d.operand(1), from), d.source(d.operand(2), from),
          third ? d.source(d.operand(3), Type::b32) : zero_slot})
      .imm = std::bit_cast<std::int64_t>(f);
}

bool decode_video(Decoder& d, std::string_view op) {
  if (op == "dp2a") return decode_dp2a(d), true;
  if (op.empty() || op[0] != 'v') return false;
  const char last = op.back();
  const int n = last == '2' ? 2 : last == '4' ? 4 : 1;
  const std::string_view name = n == 1 ? op : op.substr(0, op.size() - 1);
  for (const Named& o : operations) {
    if (o.name != name) continue;
    VideoForm f;
    f.op = o.op;
    if (n == 1 && o.op == VideoOp::average) return false;
    if (n != 1 && o.op >= VideoOp::shl_wrap) return false;
    n == 1 ? decode_scalar(d, f) : decode_packed(d, f, n);
    return true;
  }
  return false;
}

}  // namespace ptxmill::emu
