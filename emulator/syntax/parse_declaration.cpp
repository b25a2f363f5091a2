// Declarations of registers, variables and parameters.
#include <bit>

#include "emulator/syntax/cursor.hpp"
#include "emulator/text.hpp"

namespace ptxmill::emu {
namespace {

using ast::Space;

constexpr std::uint64_t max_elements = std::uint64_t{1} << 40;
constexpr std::size_t max_initial_values = std::size_t{1} << 24;
constexpr int max_dimensions = 8;

isa::Type parse_type(Cursor& in) {
  const auto type = type_named(in.peek().text);
  if (!type) in.fail("expected a type");
  in.next();
  return *type;
}

std::uint64_t parse_align(Cursor& in) {
  const Position at = in.peek().at;
  const std::uint64_t align = parse_size(in);
  if (!std::has_single_bit(align) || align > 4096) {
    Cursor::fail(at, text("Alignment ", align, " is not a power of two up to 4096"));
  }
  return align;
}

/// Counts the elements of `[4][8]`; 0 for `[]`.
std::vector<std::uint64_t> parse_dimensions(Cursor& in, bool may_be_open) {
  std::vector<std::uint64_t> dims;
  while (in.at("[")) {
    const Position at = in.next().at;
    if (in.at("]") && dims.empty() && may_be_open) {
      dims.push_back(0);
    } else {
      dims.push_back(parse_size(in));
      if (dims.back() == 0 || dims.back() > max_elements) Cursor::fail(at, "Invalid array size");
    }
    in.expect("]");
    if (dims.size() > max_dimensions) Cursor::fail(at, "Too many array dimensions");
  }
  return dims;
}

std::uint64_t count_elements(Position at, const std::vector<std::uint64_t>& dims) {
  std::uint64_t n = 1;
  for (const std::uint64_t d : dims) {
    if (d != 0 && n > max_elements / d) Cursor::fail(at, "Array is too large");
    n *= d;
  }
  return n;
}

class InitialiserParser {
 public:
  InitialiserParser(Cursor& in, ast::Variable& out, std::vector<std::uint64_t> dims)
      : in_(in), out_(out), dims_(std::move(dims)) {}

  void parse() {
    if (in_.at("{")) {
      braces(0);
    } else {
      element();
    }
    if (out_.elements == 0) out_.elements = index_;
  }

 private:
  /// How many elements one step of dimension `depth` spans.
  std::uint64_t stride(std::size_t depth) const {
    std::uint64_t n = 1;
    for (std::size_t i = depth + 1; i < dims_.size(); ++i) n *= dims_[i];
    return n;
  }

  void braces(std::size_t depth) {
    const Position at = in_.expect("{").at;
    if (depth > max_dimensions) Cursor::fail(at, "Initialiser nested too deeply");
    if (in_.accept("}")) return;
    for (;;) {
      if (in_.at("{")) {
        const std::uint64_t start = index_;
        braces(depth + 1);
        if (depth + 1 <= dims_.size()) index_ = start + stride(depth);
      } else {
        element();
      }
      if (in_.accept("}")) return;
      in_.expect(",");
      if (in_.accept("}")) return;
    }
  }

  void element() {
    ast::InitialValue v;
    v.at = in_.peek().at;
    v.index = index_++;
    if (out_.values.size() >= max_initial_values ||
        (out_.elements != 0 && v.index >= out_.elements)) {
      Cursor::fail(v.at, text("Too many initial values for '", out_.name, "'"));
    }
    if (in_.peek().kind == TokenKind::identifier && !in_.at("WARP_SZ")) {
      const bool generic = in_.at("generic") && in_.peek(1).is("(");
      if (generic) in_.next(), in_.next();
      v.symbol = in_.identifier();
      if (generic) in_.expect(")");
      if (in_.at("+") || in_.at("-")) v.bits = parse_constant(in_).bits;
    } else {
      const Constant c = parse_constant(in_);
      v.is_real = c.kind == Constant::Kind::real64;
      v.is_pattern32 = c.kind == Constant::Kind::real32;
      v.bits = c.bits;
    }
    out_.values.push_back(v);
  }

  Cursor& in_;
  ast::Variable& out_;
  std::vector<std::uint64_t> dims_;
  std::uint64_t index_ = 0;
};

void parse_attributes(Cursor& in) {
  in.expect("(");
  while (!in.accept(")")) {
    if (in.at_end()) in.fail("expected ')'");
    in.next();
  }
}

/// Everything between the space and the name.
void parse_variable_prefix(Cursor& in, ast::Variable& v) {
  v.at = in.peek().at;
  std::uint64_t vector_width = 1;
  for (;;) {
    if (in.accept(".align")) {
      v.align = parse_align(in);
    } else if (in.accept(".v2")) {
      vector_width = 2;
    } else if (in.accept(".v4")) {
      vector_width = 4;
    } else if (in.accept(".attribute")) {
      parse_attributes(in);
    } else {
      break;
    }
  }
  v.type = parse_type(in);
  if (v.type == isa::Type::pred) Cursor::fail(v.at, "Variables of type .pred must be registers");
  v.elements = vector_width;
  if (v.align == 0) v.align = vector_width * static_cast<std::uint64_t>(isa::bits(v.type)) / 8;
}

Space parse_space(Cursor& in) {
  struct Named {
    std::string_view word;
    Space space;
  };
  constexpr Named spaces[] = {{".shared", Space::shared},
                              {".global", Space::global},
                              {".local", Space::local},
                              {".const", Space::constant},
                              {".param", Space::param}};
  for (const Named& s : spaces)
    if (in.accept(s.word)) return s.space;
  in.fail("expected a state space");
}

std::vector<ast::Statement> parse_registers(Cursor& in) {
  ast::Register prototype;
  prototype.at = in.peek().at;
  if (in.accept(".v2")) prototype.width = 2;
  if (in.accept(".v4")) prototype.width = 4;
  prototype.type = parse_type(in);
  std::vector<ast::Statement> out;
  do {
    ast::Register r = prototype;
    r.at = in.peek().at;
    r.name = in.identifier();
    if (in.accept("<")) {
      // Not a constant expression: its '>' would read as an operator.
      if (in.peek().kind != TokenKind::integer) in.fail("expected a register count");
      r.ranged = true;
      r.count = in.next().bits;
      in.expect(">");
    }
    out.emplace_back(r);
  } while (in.accept(","));
  in.expect(";");
  return out;
}

}  // namespace

std::vector<ast::Statement> parse_declaration(Cursor& in, bool external) {
  if (in.accept(".reg")) return parse_registers(in);
  ast::Variable prototype;
  prototype.space = parse_space(in);
  prototype.external = external;
  parse_variable_prefix(in, prototype);
  std::vector<ast::Statement> out;
  do {
    ast::Variable v = prototype;
    v.at = in.peek().at;
    v.name = in.identifier();
    std::vector<std::uint64_t> dims = parse_dimensions(in, true);
    const bool open = !dims.empty() && dims.front() == 0;
    const std::uint64_t n = count_elements(v.at, dims);
    if (n > max_elements / v.elements) Cursor::fail(v.at, "Array is too large");
    v.elements *= n;
    if (in.accept("=")) {
      if (v.space != Space::global && v.space != Space::constant) {
        Cursor::fail(v.at, "Initial values are allowed in .global and .const only");
      }
      InitialiserParser(in, v, std::move(dims)).parse();
    } else if (open && !external) {
      Cursor::fail(v.at, text("Array '", v.name, "' has no size"));
    }
    out.emplace_back(std::move(v));
  } while (in.accept(","));
  in.expect(";");
  return out;
}

ast::Variable parse_parameter(Cursor& in) {
  ast::Variable v;
  v.at = in.peek().at;
  v.space = Space::param;
  if (in.accept(".reg")) {
    v.space = Space::reg;
    v.type = parse_type(in);
    v.name = in.identifier();
    return v;
  }
  in.expect(".param");
  parse_variable_prefix(in, v);
  if (in.accept(".ptr")) {
    // What the pointer points to: a promise to the compiler that changes nothing here.
    for (const std::string_view word : {".global", ".shared", ".local", ".const", ".param"}) {
      if (in.accept(word)) break;
    }
    if (in.accept(".align")) parse_align(in);
  }
  v.name = in.identifier();
  const std::vector<std::uint64_t> dims = parse_dimensions(in, true);
  v.elements *= count_elements(v.at, dims);
  return v;
}

}  // namespace ptxmill::emu
