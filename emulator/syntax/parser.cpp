#include "emulator/syntax/parser.hpp"

#include <charconv>

#include "emulator/syntax/cursor.hpp"
#include "emulator/text.hpp"

namespace ptxmill::emu {
namespace {

constexpr int max_block_depth = 200;

int to_int(std::string_view digits, int if_bad) {
  int n = 0;
  const auto r = std::from_chars(digits.data(), digits.data() + digits.size(), n);
  return r.ec == std::errc{} && r.ptr == digits.data() + digits.size() ? n : if_bad;
}

bool at_word(const Cursor& in, std::initializer_list<std::string_view> words) {
  for (const std::string_view w : words)
    if (in.at(w)) return true;
  return false;
}

class ModuleParser {
 public:
  explicit ModuleParser(const TokenStream& stream) : in_(stream) { out_.phases.emplace_back(); }

  ast::Module run() {
    version();
    target();
    while (!in_.at_end()) item();
    return std::move(out_);
  }

 private:
  void version() {
    out_.version_at = in_.peek().at;
    if (!in_.accept(".version")) in_.fail("missing .version directive");
    const Token& t = in_.next();
    const std::size_t dot = t.text.find('.');
    const int major = dot == std::string_view::npos ? -1 : to_int(t.text.substr(0, dot), -1);
    const int minor = dot == std::string_view::npos ? -1 : to_int(t.text.substr(dot + 1), -1);
    if (t.kind != TokenKind::real64 || major < 0 || major > 99 || minor < 0 || minor > 9) {
      Cursor::fail(t.at, text("Malformed .version '", t.text.substr(0, 20), "'"));
    }
    out_.version = major * 10 + minor;
  }

  void target() {
    if (!in_.accept(".target")) in_.fail("missing .target directive");
    const Token& t = in_.peek();
    std::string_view name = in_.identifier();
    out_.target.at = t.at;
    if (name.substr(0, 3) == "sm_") {
      out_.target.arch_specific = name.back() == 'a' || name.back() == 'f';
      name = name.substr(3, name.size() - 3 - (out_.target.arch_specific ? 1 : 0));
      out_.target.sm = to_int(name, 0);
    }
    if (out_.target.sm < 10) {
      Cursor::fail(t.at, text("Unknown target '", t.text.substr(0, 20), "'"));
    }
    while (in_.accept(",")) in_.identifier();
  }

  void item() {
    if (in_.accept(".address_size")) {
      const Position at = in_.peek().at;
      if (parse_size(in_) != 64) Cursor::fail(at, "Only .address_size 64 is supported");
      return;
    }
    if (in_.accept(";")) return;
    if (debug_directive()) return;
    bool external = false;
    while (at_word(in_, {".extern", ".visible", ".weak", ".common"})) {
      external = external || in_.at(".extern");
      in_.next();
    }
    if (at_word(in_, {".entry", ".func"})) return function();
    if (at_word(in_, {".global", ".const", ".shared"})) {
      for (ast::Statement& s : parse_declaration(in_, external)) {
        out_.variables.push_back(std::move(std::get<ast::Variable>(s)));
      }
      return;
    }
    in_.fail("expected a directive");
  }

  /// .file, .loc, .section, .pragma: read and dropped.
  bool debug_directive() {
    if (in_.at(".pragma")) {
      while (!in_.accept(";")) skip_one();
      return true;
    }
    if (at_word(in_, {".file", ".loc"})) {
      const int line = in_.next().at.line;
      while (in_.peek().at.line == line && !in_.at_end()) in_.next();
      return true;
    }
    if (!in_.accept(".section")) return false;
    while (!in_.accept("{")) skip_one();
    for (int depth = 1; depth > 0;) {
      depth += in_.at("{") ? 1 : in_.at("}") ? -1 : 0;
      skip_one();
    }
    return true;
  }

  void skip_one() {
    if (in_.at_end()) in_.fail("directive is not closed");
    in_.next();
  }

  std::vector<ast::Variable> parameters() {
    std::vector<ast::Variable> params;
    in_.expect("(");
    if (in_.accept(")")) return params;
    do {
      params.push_back(parse_parameter(in_));
    } while (in_.accept(","));
    in_.expect(")");
    return params;
  }

  void function() {
    ast::Function f;
    f.entry = in_.next().is(".entry");
    if (!f.entry && in_.at("(")) f.results = parameters();
    f.at = in_.peek().at;
    f.name = in_.identifier();
    if (in_.at("(")) f.params = parameters();
    while (performance_directive(f)) {
    }
    if (!in_.accept(";")) {
      f.defined = true;
      body(f);
    }
    out_.functions.push_back(std::move(f));
  }

  std::uint64_t bounded_size(std::uint64_t most) {
    const Position at = in_.peek().at;
    const std::uint64_t n = parse_size(in_);
    if (n == 0 || n > most) Cursor::fail(at, text("Value ", n, " out of range"));
    return n;
  }

  bool performance_directive(ast::Function& f) {
    if (at_word(in_, {".maxntid", ".reqntid"})) {
      const Token& directive = in_.next();
      const bool exact = directive.text == ".reqntid";
      if (f.max_threads[0] != 0 && exact != f.exact_threads)
        Cursor::fail(directive.at,
                     "Conflicting directives: .maxntid and .reqntid cannot both be specified");
      f.exact_threads = exact;
      f.max_threads = {bounded_size(1024), 1, 1};
      for (std::size_t i = 1; i < 3 && in_.accept(","); ++i) f.max_threads[i] = bounded_size(1024);
      return true;
    }
    if (in_.accept(".maxnreg")) {
      f.max_registers = bounded_size(1024);
      return true;
    }
    if (in_.accept(".minnctapersm")) {
      f.min_blocks = bounded_size(1 << 20);
      return true;
    }
    if (at_word(in_, {".maxnctapersm", ".maxclusterrank"})) {
      in_.next();
      bounded_size(1 << 20);
      return true;
    }
    if (in_.accept(".reqnctapercluster")) {
      f.cluster = {bounded_size(64), 1, 1};
      for (std::size_t i = 1; i < 3 && in_.accept(","); ++i) f.cluster[i] = bounded_size(64);
      return true;
    }
    if (in_.accept(".noreturn") || in_.accept(".explicitcluster")) return true;
    return at_word(in_, {".pragma", ".loc", ".file"}) && debug_directive();
  }

  void body(ast::Function& f) {
    const Token& brace = in_.expect("{");
    banners_seen_ = brace.banners;  // what stands before the body is not of it
    notes_seen_ = brace.notes;
    phase_ = 0;
    std::vector<std::uint32_t> outer_phases;
    for (;;) {
      note_banner();
      note_uniform(f);
      if (in_.at_end()) in_.fail("function body is not closed");
      if (in_.accept("{")) {
        if (outer_phases.size() >= max_block_depth) in_.fail("blocks nested too deeply");
        outer_phases.push_back(phase_);
        f.body.emplace_back(ast::ScopeOpen{});
      } else if (in_.accept("}")) {
        if (outer_phases.empty()) return;
        phase_ = outer_phases.back();
        outer_phases.pop_back();
        f.body.emplace_back(ast::ScopeClose{});
      } else {
        statement(f);
      }
    }
  }

  void note_banner() {
    const std::uint32_t seen = in_.peek().banners;
    if (seen == banners_seen_) return;
    banners_seen_ = seen;
    out_.phases.push_back(in_.stream().banners[seen - 1]);
    phase_ = static_cast<std::uint32_t>(out_.phases.size() - 1);
  }

  void note_uniform(ast::Function& f) {
    for (; notes_seen_ < in_.peek().notes; ++notes_seen_) {
      const UniformNote& n = in_.stream().notes[notes_seen_];
      f.body.emplace_back(ast::Uniform{n.at, n.level, n.name, phase_});
    }
  }

  void statement(ast::Function& f) {
    if (in_.accept(";") || debug_directive()) return;
    const Token& t = in_.peek();
    if (t.kind == TokenKind::identifier && in_.peek(1).is(":")) return label(f);
    if (t.kind == TokenKind::dot_word) {
      const bool external = in_.accept(".extern");
      for (ast::Statement& s : parse_declaration(in_, external)) f.body.push_back(std::move(s));
      return;
    }
    ast::Instruction i = parse_instruction(in_);
    i.phase = phase_;
    f.body.emplace_back(std::move(i));
  }

  void label(ast::Function& f) {
    const Token& t = in_.next();
    in_.expect(":");
    if (in_.accept(".branchtargets")) {
      ast::BranchTargets targets{t.at, t.text, {}};
      do {
        targets.labels.push_back(parse_operand(in_));
      } while (in_.accept(","));
      in_.expect(";");
      f.body.emplace_back(std::move(targets));
      return;
    }
    if (at_word(in_, {".callprototype", ".calltargets"})) return prototype(f, t);
    f.body.emplace_back(ast::Label{t.at, t.text});
  }

  void prototype(ast::Function& f, const Token& name) {
    ast::Prototype p;
    p.at = name.at;
    p.name = name.text;
    if (in_.next().is(".calltargets")) {
      do {
        p.targets.push_back(parse_operand(in_));
      } while (in_.accept(","));
    } else {
      if (in_.at("(")) p.results = parameters();
      in_.identifier();
      if (in_.at("(")) p.params = parameters();
      in_.accept(".noreturn");
    }
    in_.expect(";");
    f.body.emplace_back(std::move(p));
  }

  Cursor in_;
  ast::Module out_;
  std::uint32_t phase_ = 0;
  std::uint32_t banners_seen_ = 0;
  std::uint32_t notes_seen_ = 0;
};

}  // namespace

ast::Module parse_module(std::string_view text) {
  const TokenStream stream = tokenize(text);
  return ModuleParser(stream).run();
}

}  // namespace ptxmill::emu
