// The fields of a spec entry, declared once: reading, defaults, legality, JSON Schema and the
// normalised form all follow from the declaration. Templates and blocks hold fields as members.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "generator/manifest/expression.hpp"
#include "generator/spec/document.hpp"

namespace ptxmill::spec {

class Field;

/// What a field is to the manifest.
enum class FieldKind : std::uint8_t { dtype, dimension, option };

/// Holds fields. A class that derives from it declares its fields as members, in the order in
/// which documentation lists them.
class Declared {
 public:
  Declared() = default;
  Declared(const Declared&) = delete;
  Declared& operator=(const Declared&) = delete;
  virtual ~Declared() = default;

  const std::vector<Field*>& fields() const { return fields_; }
  /// Reads an entry's members into the fields. `own_keys` are keys that the caller reads itself.
  void read(const Node& entry, const std::string& pointer, const std::vector<std::string>& own_keys,
            Problems& problems);
  /// Refuses a combination of values; the message stands at the field.
  void refuse(const Field& field, const std::string& message) const;
  /// Every field with its value or default; equal for entries that mean the same.
  nlohmann::json normalised() const;
  nlohmann::json normalised(FieldKind kind) const;

 protected:
  /// Combinations that no single field can judge. Calls refuse().
  virtual void check() const {}
  /// Lets measured choices (specs/tuning) set the field where a spec leaves it open. Called by the
  /// constructor of the class that declares the field.
  static void tunable(Field& field);

 private:
  friend class Field;
  std::vector<Field*> fields_;
  Problems* problems_ = nullptr;
  std::string pointer_;
  Position at_;
};

/// One field of a spec entry.
class Field {
 public:
  Field(Declared& owner, FieldKind kind, std::string name, std::string doc);
  Field(const Field&) = delete;
  Field& operator=(const Field&) = delete;
  virtual ~Field() = default;

  const std::string& name() const { return name_; }
  const std::string& doc() const { return doc_; }
  FieldKind kind() const { return kind_; }
  virtual bool required() const = 0;
  /// Takes the value, or says what was expected instead.
  virtual std::optional<std::string> take(const Node& value) = 0;
  virtual nlohmann::json schema() const = 0;
  virtual nlohmann::json value() const = 0;
  /// Whether an entry without the field means the same. It is then no part of the normalised form:
  /// a field that a template gains later changes no digest of entries that do not use it.
  virtual bool is_implied() const { return false; }
  /// What an entry without the field gets, in words.
  virtual std::string default_text() const;
  bool given() const { return given_; }
  bool tunable() const { return tunable_; }

 private:
  friend class Declared;
  std::string name_, doc_;
  FieldKind kind_;
  bool given_ = false, tunable_ = false;
  Position at_;
};

/// Element types that kernels are generated for.
enum class Dtype : std::uint8_t { f32, f16, bf16 };
std::string name(Dtype dtype);
int size_bytes(Dtype dtype);

/// The element type of tensors.
class DtypeField : public Field {
 public:
  DtypeField(Declared& owner, std::string name, std::string doc, std::vector<Dtype> allowed);
  /// As another where the spec does not say.
  DtypeField(Declared& owner, std::string name, std::string doc, std::vector<Dtype> allowed,
             const DtypeField& follows);
  Dtype get() const { return follows_ != nullptr && !given() ? follows_->get() : value_; }
  operator Dtype() const { return get(); }  // NOLINT(google-explicit-constructor)
  bool required() const override { return follows_ == nullptr; }
  bool is_implied() const override { return follows_ != nullptr && get() == follows_->get(); }
  std::string default_text() const override { return "as " + follows_->name(); }
  std::optional<std::string> take(const Node& value) override;
  nlohmann::json schema() const override;
  nlohmann::json value() const override;

 private:
  std::vector<Dtype> allowed_;
  const DtypeField* follows_ = nullptr;
  Dtype value_ = Dtype::f32;
};

/// What a dimension may be.
struct DimRule {
  std::int64_t min = 1;
  std::int64_t max = 0x7fffffff;
  std::int64_t multiple_of = 1;
  bool dynamic_by_default = false;  ///< else the spec must say
  bool may_be_dynamic = true;
};

/// A dimension: a number that the kernel is specialised to, or "dynamic": a launch argument.
class Dim : public Field {
 public:
  Dim(Declared& owner, std::string name, std::string doc, DimRule rule = {});
  bool is_static() const { return value_ >= 0; }
  /// The fixed value; only of a static dimension.
  std::int64_t get() const { return value_; }
  const DimRule& rule() const { return rule_; }
  manifest::Expr expr() const {
    return is_static() ? manifest::Expr(value_) : manifest::Expr::dim(name());
  }
  operator manifest::Expr() const { return expr(); }  // NOLINT(google-explicit-constructor)
  bool required() const override { return !rule_.dynamic_by_default; }
  std::optional<std::string> take(const Node& value) override;
  nlohmann::json schema() const override;
  nlohmann::json value() const override;

 private:
  DimRule rule_;
  std::int64_t value_ = -1;
};

inline manifest::Expr operator*(const Dim& a, const Dim& b) { return a.expr() * b.expr(); }
inline manifest::Expr operator*(const manifest::Expr& a, const Dim& b) { return a * b.expr(); }
inline manifest::Expr operator*(const Dim& a, const manifest::Expr& b) { return a.expr() * b; }
inline manifest::Expr ceil_div(const Dim& a, std::int64_t b) {
  return ceil_div(a.expr(), manifest::Expr(b));
}

/// A whole number that the generator uses: a block size, a tile.
class Integer : public Field {
 public:
  struct Rule {
    std::int64_t min = 1, max = 0x7fffffff, multiple_of = 1;
    bool implied = false;  ///< the default is no part of the normalised form
  };
  Integer(Declared& owner, std::string name, std::string doc, std::int64_t by_default, Rule rule);
  /// Without a default: the spec must say.
  Integer(Declared& owner, std::string name, std::string doc, Rule rule);
  int get() const { return static_cast<int>(value_); }
  operator int() const { return get(); }  // NOLINT(google-explicit-constructor)
  bool required() const override { return required_; }
  bool is_implied() const override { return rule_.implied && value_ == default_; }
  std::optional<std::string> take(const Node& value) override;
  nlohmann::json schema() const override;
  nlohmann::json value() const override;

 private:
  std::int64_t value_ = 0, default_ = 0;
  Rule rule_;
  bool required_;
};

/// A real number: an epsilon, a scale.
class Number : public Field {
 public:
  Number(Declared& owner, std::string name, std::string doc, double by_default, double min,
         double max);
  double get() const { return value_; }
  bool required() const override { return false; }
  std::optional<std::string> take(const Node& value) override;
  nlohmann::json schema() const override;
  nlohmann::json value() const override;

 private:
  double value_, min_, max_;
};

class Flag : public Field {
 public:
  Flag(Declared& owner, std::string name, std::string doc, bool by_default);
  bool get() const { return value_; }
  operator bool() const { return value_; }  // NOLINT(google-explicit-constructor)
  bool required() const override { return false; }
  std::optional<std::string> take(const Node& value) override;
  nlohmann::json schema() const override;
  nlohmann::json value() const override;

 private:
  bool value_;
};

/// One of a few words.
class Choice : public Field {
 public:
  /// `implied`: the default is no part of the normalised form.
  Choice(Declared& owner, std::string name, std::string doc, std::vector<std::string> words,
         std::string by_default, bool implied = false);
  const std::string& get() const { return value_; }
  bool is(const char* word) const { return value_ == word; }
  bool required() const override { return false; }
  bool is_implied() const override { return implied_ && value_ == default_; }
  std::optional<std::string> take(const Node& value) override;
  nlohmann::json schema() const override;
  nlohmann::json value() const override;

 private:
  std::vector<std::string> words_;
  std::string value_, default_;
  bool implied_;
};

/// A list of words out of a few, at least one.
class ChoiceList : public Field {
 public:
  ChoiceList(Declared& owner, std::string name, std::string doc, std::vector<std::string> words,
             std::size_t most);
  const std::vector<std::string>& get() const { return value_; }
  bool has(const std::string& word) const;
  bool required() const override { return true; }
  std::optional<std::string> take(const Node& value) override;
  nlohmann::json schema() const override;
  nlohmann::json value() const override;

 private:
  std::vector<std::string> words_, value_;
  std::size_t most_;
};

/// Which of a few words counts from which value of a dimension on: "word from 1025", the largest
/// first and a word alone, which counts from 0, last. Empty, and then no part of the normalised
/// form, where it is not given.
class ChoiceSteps : public Field {
 public:
  struct Step {
    std::string word;
    std::int64_t from = 0;
  };
  static constexpr std::size_t most = 16;
  static constexpr std::int64_t largest = 999'999'999;

  ChoiceSteps(Declared& owner, std::string name, std::string doc, std::vector<std::string> words);
  const std::vector<Step>& get() const { return value_; }
  bool required() const override { return false; }
  bool is_implied() const override { return value_.empty(); }
  std::optional<std::string> take(const Node& value) override;
  nlohmann::json schema() const override;
  nlohmann::json value() const override;

 private:
  std::optional<std::string> take_step(const Node& item);

  std::vector<std::string> words_;
  std::vector<Step> value_;
};

}  // namespace ptxmill::spec
