// Phases, scopes, labels, guards, and the layout of shared memory.
#include <algorithm>
#include <bit>
#include <cctype>

#include "generator/ptx/recorder.hpp"

namespace ptxmill::ptx {
namespace {

/// What stands in a comment of the PTX must not end the line or depend on an encoding.
void check_text(const std::string& text, Where where) {
  for (const char c : text)
    if (c < 32 || c > 126) throw BuildError(where, "\"" + text + "\" is not printable ASCII");
}

/// What stands as a variable's name in the PTX.
void check_symbol(const std::string& name, Where where) {
  const auto word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  if (name.empty() || !std::all_of(name.begin(), name.end(), word) ||
      (name[0] >= '0' && name[0] <= '9'))
    throw BuildError(where,
                     "'" + name + "' is no name: a letter, then letters, digits and '_' are");
}

}  // namespace

// ---- structure

void Recorder::open_phase(const std::string& name, Where where) {
  check_text(name, where);
  if (guard_ != no_reg) throw BuildError(where, "a phase may not stand under a guard");
  scopes_.push_back({++next_scope_, control_level(), ++next_phase_});
  Line line;
  line.kind = Line::Kind::open;
  line.text = name;
  line.phase = phase();
  lines_.push_back(std::move(line));
}

void Recorder::close_phase() {
  scopes_.pop_back();
  Line line;
  line.kind = Line::Kind::close;
  lines_.push_back(std::move(line));
}

void Recorder::open_scope(Level condition) {
  scopes_.push_back({++next_scope_, std::min(control_level(), condition), phase()});
}

void Recorder::open_loop() {
  open_scope(Level::grid);
  scopes_.back().loop = true;
  in_flight_.open_loop();
}

void Recorder::narrow_scope(Level condition, Where where) {
  check_repetition(scopes_.back(), condition, where);
  scopes_.back().level = std::min(scopes_.back().level, condition);
}

void Recorder::close_scope() {
  const bool loop = scopes_.back().loop;
  scopes_.pop_back();
  if (!loop) return;
  for (const InFlight::Conflict& c : in_flight_.close_loop())
    throw BuildError(c.touched, "'" + reg(c.id).name + "' belongs to the wgmma at " +
                                    c.issued.text() +
                                    ", which is in flight from the loop's round before; "
                                    "wgmma_wait_group comes first");
}

std::string Recorder::claim_label(const std::string& name, Where where) {
  const auto word = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; };
  if (name.empty() || !std::all_of(name.begin(), name.end(), word))
    throw BuildError(where, "'" + name + "' is no label name: letters, digits and '_' are");
  if (!labels_.insert(name).second)
    throw BuildError(
        where,
        "the label '" + name + "' is used twice; an unrolled or repeated use carries its own name");
  return "$" + name;
}

void Recorder::place_label(const std::string& label) {
  Line line;
  line.kind = Line::Kind::label;
  line.text = label;
  lines_.push_back(std::move(line));
}

void Recorder::branch(const std::string& label, RegId condition, bool negated, Where where) {
  if (guard_ != no_reg) throw BuildError(where, "a branch may not stand under a guard");
  if (condition != no_reg) check_source(condition, where);
  emit(Op::bra, isa::Type::b32, {Operand::symbolic(label)}, where);
  lines_.back().guard = condition;
  lines_.back().guard_negated = negated;
}

void Recorder::early_exit(RegId condition, bool negated, Where where) {
  check_source(condition, where);
  emit(Op::ret, isa::Type::b32, {}, where);
  lines_.back().guard = condition;
  lines_.back().guard_negated = negated;
  // Within a branch, only the threads that took it leave.
  const Level level = std::min(reg(condition).uniform, control_level());
  for (Scope& scope : scopes_) {
    check_repetition(scope, level, where);
    scope.level = std::min(scope.level, level);
  }
}

void Recorder::open_guard(RegId condition, bool negated, Where where) {
  check_source(condition, where);
  if (guard_ != no_reg)
    throw BuildError(where, "guards do not nest; combine the conditions with &&");
  // The scope keeps a value that is computed only where the guard holds from leaving it.
  open_scope(reg(condition).uniform);
  guard_ = condition;
  guard_negated_ = negated;
}

void Recorder::close_guard() {
  guard_ = no_reg;
  guard_negated_ = false;
  close_scope();
}

void Recorder::comment(const std::string& text, Where where) {
  check_text(text, where);
  Line line;
  line.kind = Line::Kind::comment;
  line.text = text;
  lines_.push_back(std::move(line));
}

void Recorder::pragma(const std::string& text) {
  Line line;
  line.kind = Line::Kind::pragma;
  line.text = text;
  lines_.push_back(std::move(line));
}

// ---- shared memory

int Recorder::shared_array(const std::string& name, isa::Type type, std::int64_t count, int align,
                           Where where) {
  check_symbol(name, where);
  const int natural = isa::bits(type) / 8;
  if (count <= 0) throw BuildError(where, "shared array '" + name + "' has no elements");
  if (!std::has_single_bit(static_cast<unsigned>(align)) || align < natural || align > 1024)
    throw BuildError(where, "shared array '" + name + "': alignment must be a power of two from " +
                                std::to_string(natural) + " to 1024");
  for (const SharedArray& other : shared_)
    if (other.name == name)
      throw BuildError(where, "shared array '" + name + "' is declared twice");
  if (name == entry_ || name == "smem")
    throw BuildError(where, "a shared array may not be called '" + name + "'");
  shared_.push_back({name, type, count, align});
  if (shared_bytes() > target_.max_shared_bytes())
    throw BuildError(where, "shared memory of " + std::to_string(shared_bytes()) + " bytes with '" +
                                name + "' exceeds the " +
                                std::to_string(target_.max_shared_bytes()) + " of " +
                                target_.name());
  return static_cast<int>(shared_.size()) - 1;
}

std::vector<std::int64_t> Recorder::shared_offsets() const {
  std::vector<std::int64_t> offsets;
  std::int64_t end = 0;
  for (const SharedArray& a : shared_) {
    end = (end + a.align - 1) / a.align * a.align;
    offsets.push_back(end);
    end += a.bytes();
  }
  offsets.push_back(end);
  return offsets;
}

void Recorder::finish(Where where) {
  if (scopes_.size() != 1)
    throw BuildError(where, "a phase or scope is still open at the kernel's end");
  Line line;
  line.kind = Line::Kind::instruction;
  line.op = Op::ret;
  lines_.push_back(std::move(line));
}

}  // namespace ptxmill::ptx
