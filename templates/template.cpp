#include "templates/template.hpp"

#include <algorithm>
#include <numeric>
#include <stdexcept>

namespace ptxmill::kernels {
namespace {

std::vector<Family>& registered() {
  static std::vector<Family> all;
  return all;
}

}  // namespace

Argument::Argument(Template& owner, std::string name, std::string doc,
                   std::function<bool()> present)
    : name_(std::move(name)), doc_(std::move(doc)), present_(std::move(present)) {
  owner.arguments_.push_back(this);
}

Tensor::Tensor(Template& owner, std::string name, Direction direction, const DtypeField& dtype,
               std::string doc, std::function<Shape()> shape, std::function<bool()> present)
    : Argument(owner, std::move(name), std::move(doc), std::move(present)),
      direction_(direction),
      dtype_(dtype),
      shape_(std::move(shape)) {}

Expr Tensor::elements() const {
  Expr product = 1;
  for (const Expr& extent : shape_()) product = product * extent;
  return product;
}

std::vector<Form> Template::settled_forms() const {
  std::vector<Form> settled;
  for (Form form : forms()) {
    bool possible = true;
    std::vector<When> open;
    for (const When& w : form.when) {
      if (!w.dim->is_static()) {
        const bool is_implied =
            w.min == 0 && w.max == When{}.max && multiple_of(*w.dim) % w.multiple_of == 0;
        if (!is_implied) open.push_back(w);
        continue;
      }
      const std::int64_t v = w.dim->get();
      possible = possible && v >= w.min && v <= w.max && v % w.multiple_of == 0;
    }
    if (!possible) continue;
    // A condition on a static dimension stays in `when` for divisor(), and is not in the manifest.
    const bool always = open.empty();
    settled.push_back(std::move(form));
    if (always) break;
  }
  if (settled.empty()) throw std::logic_error("no form of the template covers the spec's values");
  if (settled.size() == 1) settled[0].name.clear();
  return settled;
}

std::int64_t Template::divisor(const Form& form, const Dim& dim) const {
  std::int64_t multiple = multiple_of(dim);
  for (const When& w : form.when)
    if (w.dim == &dim) multiple = std::lcm(multiple, w.multiple_of);
  return multiple & -multiple;
}

Registration::Registration(Family family) {
  std::vector<Family>& all = registered();
  all.insert(std::upper_bound(all.begin(), all.end(), family,
                              [](const Family& a, const Family& b) { return a.name < b.name; }),
             std::move(family));
}

const std::vector<Family>& families() { return registered(); }

const Family* find_family(const std::string& name) {
  for (const Family& f : families())
    if (f.name == name) return &f;
  return nullptr;
}

}  // namespace ptxmill::kernels
