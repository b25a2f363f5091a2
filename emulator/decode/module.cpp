// A parsed module to a decoded one; Program's public face.
#include "emulator/decode/module.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "emulator/decode/decoder.hpp"
#include "emulator/syntax/parser.hpp"
#include "emulator/text.hpp"
#include "isa/isa.hpp"

namespace ptxmill::emu {
namespace {

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

/// `.version` and `.target` against the machine.
void check_machine(const ast::Module& ast, const Machine& machine, Diagnostics& diagnostics) {
  const int needed = isa::driver_for_ptx(ast.version);
  if (ast.version < 10) {
    diagnostics.error(ast.version_at,
                      text("Unsupported .version ", ast.version / 10, ".", ast.version % 10));
  } else if (needed == 0 || needed > machine.driver_version) {
    diagnostics.unsupported(ast.version_at,
                            text("Unsupported .version ", ast.version / 10, ".", ast.version % 10,
                                 "; the driver reports CUDA ", machine.driver_version / 1000, ".",
                                 machine.driver_version % 1000 / 10));
  }
  const ast::Target& t = ast.target;
  const int introduced = isa::ptx_for_target(t.sm, t.arch_specific);
  if (introduced != 0 && introduced > ast.version) {
    diagnostics.error(t.at,
                      text("PTX .version ", ast.version / 10, ".", ast.version % 10,
                           " does not support .target sm_", t.sm, t.arch_specific ? "a" : ""));
  }
  const bool runs =
      t.arch_specific ? machine.compute_capability == t.sm : machine.compute_capability >= t.sm;
  if (!runs) {
    diagnostics.unsupported(
        t.at, text("Target sm_", t.sm, t.arch_specific ? "a" : "",
                   " cannot run on a device of compute capability ",
                   machine.compute_capability / 10, ".", machine.compute_capability % 10));
  }
}

/// The pattern of an initial value as an element of type `t`.
std::uint64_t initial_pattern(const ast::InitialValue& v, isa::Type t) {
  const float from32 = std::bit_cast<float>(static_cast<std::uint32_t>(v.bits));
  if (t == isa::Type::f32 && v.is_real) {
    return std::bit_cast<std::uint32_t>(static_cast<float>(std::bit_cast<double>(v.bits)));
  }
  if (t == isa::Type::f64 && v.is_pattern32)
    return std::bit_cast<std::uint64_t>(static_cast<double>(from32));
  const bool integer = !v.is_real && !v.is_pattern32;
  if (integer && t == isa::Type::f32) {
    return std::bit_cast<std::uint32_t>(static_cast<float>(static_cast<std::int64_t>(v.bits)));
  }
  if (integer && t == isa::Type::f64) {
    return std::bit_cast<std::uint64_t>(static_cast<double>(static_cast<std::int64_t>(v.bits)));
  }
  return v.bits;
}

class ModuleBuilder {
 public:
  ModuleBuilder(const ast::Module& ast, Module& out, Diagnostics& diagnostics)
      : ast_(ast), out_(out), diagnostics_(diagnostics) {
    context_.ast = &ast;
    context_.module = &out;
  }

  void run() {
    for (const std::string_view p : ast_.phases) out_.phases.emplace_back(p);
    for (const ast::Variable& v : ast_.variables) declare(v);
    for (const ast::Function& f : ast_.functions) declare(f);
    find_function_pointers(context_);
    for (const ast::Variable& v : ast_.variables) initialise(v);
    for (const ast::Function& f : ast_.functions) {
      if (!f.entry || !f.defined || diagnostics_.full() || instructions_ > 2 * max_instructions)
        continue;
      decode(f);
    }
  }

 private:
  void duplicate(Position at, std::string_view name) {
    diagnostics_.error(at, text("Duplicate definition of '", name, "'"));
  }

  void declare(const ast::Variable& v) {
    Symbol s;
    s.kind = Symbol::Kind::variable;
    s.type = v.type;
    const std::uint64_t size = v.elements * static_cast<std::uint64_t>(isa::bits(v.type)) / 8;
    if (v.space == ast::Space::shared) {
      s.space = AddressSpace::shared;
    } else {
      if (v.external || size == 0) {
        diagnostics_.error(v.at, text("Unresolved extern variable '", v.name, "'"));
        return;
      }
      s.space = v.space == ast::Space::constant ? AddressSpace::constant : AddressSpace::global;
      s.variable = static_cast<int>(out_.variables.size());
      out_.variables.push_back(
          {std::string(v.name), size, v.align, v.space == ast::Space::constant});
      out_.initial.emplace_back();
    }
    if (!context_.variables.emplace(v.name, s).second) duplicate(v.at, v.name);
  }

  void initialise(const ast::Variable& v) {
    const auto found = context_.variables.find(v.name);
    if (found == context_.variables.end() || found->second.variable < 0) return;
    const int bytes = isa::bits(v.type) / 8;
    ModuleVariable& initial = out_.initial[static_cast<std::size_t>(found->second.variable)];
    for (const ast::InitialValue& value : v.values) {
      InitialBytes b{value.index * static_cast<std::uint64_t>(bytes), bytes,
                     initial_pattern(value, v.type), -1};
      if (!value.symbol.empty()) {
        const auto pointed = context_.pointed_to.find(value.symbol);
        if (pointed != context_.pointed_to.end() && bytes == 8) {
          b.value += function_window + function_step * pointed->second;
          initial.values.push_back(b);
          continue;
        }
        const auto symbol = context_.variables.find(value.symbol);
        if (symbol == context_.variables.end() || symbol->second.variable < 0 || bytes != 8) {
          diagnostics_.error(value.at, text("Invalid initial value '", value.symbol, "'"));
          return;
        }
        b.variable = symbol->second.variable;
      }
      initial.values.push_back(b);
    }
  }

  void declare(const ast::Function& f) {
    const auto [it, inserted] = context_.functions.emplace(f.name, &f);
    if (inserted) return;
    if (f.defined && it->second->defined) duplicate(f.at, f.name);
    if (f.defined) it->second = &f;
  }

  void decode(const ast::Function& f) {
    Kernel& k = out_.kernels.emplace_back();
    k.info.name = std::string(f.name);
    for (std::size_t i = 0; i < 3; ++i)
      k.info.required_cluster[i] = static_cast<std::uint32_t>(f.cluster[i]);
    std::uint64_t threads = 1;
    for (std::size_t i = 0; i < 3; ++i) {
      if (f.exact_threads) k.info.required_block[i] = static_cast<std::uint32_t>(f.max_threads[i]);
      threads *= f.max_threads[i];
    }
    const auto most = static_cast<std::uint64_t>(out_.machine.max_threads_per_block);
    k.info.max_threads = static_cast<int>(threads == 0 || threads > most ? most : threads);
    Decoder(context_, diagnostics_, k).run(f);
    // A function is decoded for each kernel that calls it.
    instructions_ += k.code.size();
    if (instructions_ > 2 * max_instructions) diagnostics_.error(f.at, "Module is too large");
    // The driver's compiler always fits the largest CTA that .maxntid allows into 64 Ki registers.
    const auto largest_cta = static_cast<std::uint64_t>(k.info.max_threads);
    const std::uint64_t fitting = std::uint64_t{65536} / largest_cta / 8 * 8;
    const std::uint64_t cap = f.max_registers != 0 ? f.max_registers
                              : fitting < 255      ? fitting
                                                   : std::uint64_t{255};
    if (f.max_registers != 0 || (f.min_blocks != 0 && threads != 0)) {
      const std::uint64_t blocks = std::max<std::uint64_t>(1, f.min_blocks);
      const std::uint64_t share = std::uint64_t{65536} / largest_cta / blocks / 8 * 8;
      k.start_registers =
          static_cast<std::uint32_t>(f.max_registers != 0 ? round_up(f.max_registers, 8)
                                                          : std::min<std::uint64_t>(share, 256));
    }
    const std::uint64_t guess = 16 + k.code.size() / 8;
    k.info.registers = static_cast<int>(guess < cap ? guess : cap);
  }

  const ast::Module& ast_;
  Module& out_;
  Diagnostics& diagnostics_;
  ModuleContext context_;
  std::size_t instructions_ = 0;
};

}  // namespace

Program::Program(std::unique_ptr<Module> module) : module_(std::move(module)) {}
Program::~Program() = default;

std::shared_ptr<const Program> Program::parse(std::string_view ptx, const Machine& machine,
                                              std::string* log, bool* unsupported) {
  auto module = std::make_unique<Module>();
  module->source = std::string(ptx);
  module->lines = split_lines(module->source);
  module->machine = machine;
  Diagnostics diagnostics;
  try {
    const ast::Module ast = parse_module(module->source);
    check_machine(ast, machine, diagnostics);
    ModuleBuilder(ast, *module, diagnostics).run();
  } catch (const SyntaxError& e) {
    diagnostics.error(e.at, e.message);
  }
  if (log != nullptr) *log = diagnostics.text();
  if (unsupported != nullptr) *unsupported = diagnostics.only_unsupported();
  if (diagnostics.failed()) return nullptr;
  return std::shared_ptr<const Program>(new Program(std::move(module)));
}

const EntryInfo* Program::find(std::string_view entry) const {
  for (const Kernel& k : module_->kernels)
    if (k.info.name == entry) return &k.info;
  return nullptr;
}

std::vector<const EntryInfo*> Program::entries() const {
  std::vector<const EntryInfo*> out;
  for (const Kernel& k : module_->kernels) out.push_back(&k.info);
  return out;
}

const std::vector<VariableInfo>& Program::variables() const { return module_->variables; }

std::vector<DeviceAddress> Program::place_variables(GlobalMemory& memory) const {
  std::vector<DeviceAddress> placed;
  for (const VariableInfo& v : module_->variables) {
    placed.push_back(memory.allocate(v.size));
    if (placed.back() != 0) continue;
    placed.pop_back();
    for (const DeviceAddress a : placed) memory.free(a);
    return {};
  }
  for (std::size_t k = 0; k < placed.size(); ++k) {
    const auto a = memory.find(placed[k], module_->variables[k].size);
    // Module variables without an initial value are zero.
    std::memset(a->written.data(), 1, a->written.size());
    for (const InitialBytes& b : module_->initial[k].values) {
      const std::uint64_t value =
          b.value + (b.variable < 0 ? 0 : placed[static_cast<std::size_t>(b.variable)]);
      std::memcpy(a->bytes.data() + b.offset, &value, static_cast<std::size_t>(b.size));
    }
  }
  return placed;
}

}  // namespace ptxmill::emu
