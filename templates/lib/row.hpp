// The rows of a matrix, each worked on by a team of threads: a warp where rows are short, else the
// CTA. What norms and softmax share: who takes which columns, and where values are kept
// between passes.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "templates/emitter.hpp"
#include "templates/lib/reduce.hpp"

namespace ptxmill::kernels {

/// How a form spreads rows over threads, decided while generating. A thread takes `vector`
/// neighbouring columns at a time, and its team's next ones follow the team's last.
struct RowPlan {
  /// Where a row's values stay from the first pass over it to the last.
  enum class Keep : std::uint8_t { registers, shared, nothing };

  int team;    ///< threads that share a row
  int block;   ///< threads of a CTA
  int vector;  ///< columns of one access
  int pieces;  ///< accesses of one thread that are in flight together
  Keep keep;

  /// `block` 0 chooses by the width. A target's shared memory is used where registers do not do.
  RowPlan(const Form& form, const Dim& cols, int block, const ptx::Target& target);
  int rows_per_cta() const { return block / team; }
  /// With a dynamic width, the widest row that the form is for; 0 where there is no limit.
  std::int64_t widest = 0;
  /// And the narrowest.
  std::int64_t narrowest = 1;
  int step() const { return team * vector * pieces; }
  /// As Template::division().
  std::vector<std::pair<std::string, std::string>> division() const;

  /// Short rows (up to 1024 columns), rows that shared memory keeps whatever their width (up to
  /// 4096), and long ones, by vectors of 16 bytes, with a fixed width by narrower ones too, and by
  /// single columns; for any width of 16-bit elements one form by vectors and one by single
  /// columns.
  static std::vector<Form> forms(const Dim& cols, Dtype dtype);
  static Launch launch(const Form& form, const Dim& rows, const Dim& cols, int block);
};

class Row;

/// A tensor as a thread of a row's team sees it.
struct RowPointer {
  ElementPtr row;    ///< the row's first element
  ElementPtr place;  ///< the first that the thread takes
};

/// The columns that a thread takes in one go: `pieces` accesses, one phase's work. Columns beyond
/// the row's end read others of the row, and mean nothing: they are masked in sums, harmless in
/// maxima, and not stored.
class RowChunk {
 public:
  /// All values of a chunk, piece by piece.
  using Values = std::vector<F32>;

  Values load(const RowPointer& from) const;
  void store(const RowPointer& to, const Values& values) const;
  /// The values, with `neutral` for what lies beyond the row's end.
  Values masked(Values values, float neutral) const;

 private:
  friend class Row;
  friend class KeptRow;
  struct Piece {
    int offset;                  ///< columns from the chunk's first
    std::optional<Pred> inside;  ///< none: always
    std::optional<U32> column;   ///< to read from instead, counted from the row's first
  };
  RowChunk(Emitter& k, int vector, In<ptx::u32> base)
      : k_(&k), vector_(vector), base_(std::move(base)) {}
  ElementPtr at(const RowPointer& p, const Piece& piece) const;

  Emitter* k_;
  int vector_;
  In<ptx::u32> base_;  ///< the chunk's first column, less the thread's own offset
  std::vector<Piece> pieces_;
  bool rereads_ = false;  ///< what it stores over, the warp's other lanes have just read
};

/// The row that a thread works on. Ends the threads that have none.
class Row {
 public:
  using Body = std::function<void(const RowChunk&)>;
  using Terms = std::function<RowChunk::Values(const RowChunk&)>;

  Row(Emitter& k, const RowPlan& plan, const Extent& rows, const Extent& cols);
  const RowPlan& plan() const { return plan_; }
  const Extent& cols() const { return cols_; }

  /// A tensor of the matrix's shape, at this row.
  RowPointer of_matrix(const std::string& name, const ElementPtr& p) const;
  /// A tensor of one row, which all rows share.
  RowPointer of_vector(const std::string& name, const ElementPtr& p) const;

  /// Runs the body for every chunk of the row: in a loop called `name` where there are several.
  void each(const std::string& name, const std::string& phase, const Body& body) const;
  /// The same for the last pass, which may store over the input: threads without a column, which
  /// would read another's, end before it.
  void each_last(const std::string& name, const std::string& phase, const Body& body) const;
  /// The sum of terms over the row, the same bits in each thread of the team. The order depends on
  /// the width alone.
  Var<ptx::f32> sum(const std::string& name, const std::string& phase, const Terms& terms) const;
  /// The largest of terms over the row; NaN where any is.
  Var<ptx::f32> max(const std::string& name, const std::string& phase, const Terms& terms) const;
  /// A sum over the row, divided by its length.
  F32 average(const Var<ptx::f32>& total) const;
  /// Combines a value of each thread of the team.
  Var<ptx::f32> across_team(const std::string& name, Reduction op, const F32& value) const;

 private:
  friend class KeptRow;
  RowChunk chunk(const In<ptx::u32>& base) const;
  /// Whether the row is a whole number of chunks, as far as is known.
  bool exact() const;
  /// Whether the row has a column for every thread of the team.
  bool each_has_one() const;
  /// Orders what the team's lanes read before what they store: the result may be the input. A team
  /// of several warps meets at the barriers of its reductions.
  void sync_team() const;

  Emitter& k_;
  RowPlan plan_;
  Extent cols_;
  std::optional<U64> start_;    ///< elements before the row
  std::optional<U32> which_;    ///< the row's number among the CTA's, where it has several
  std::optional<U32> own_;      ///< the thread's first column
  std::optional<Pred> inside_;  ///< of the only chunk's last piece, where that may lie outside
  std::optional<U32> last_column_;
  std::optional<U32> spare_;  ///< what is read in the place of columns beyond the row's end
};

/// A row's values from the first pass to the last, kept where the plan says; with nothing, each
/// pass reads them from memory again.
class KeptRow {
 public:
  KeptRow(Emitter& k, const Row& row, const std::string& name, const RowPointer& source);
  bool is_kept() const { return row_.plan().keep != RowPlan::Keep::nothing; }
  /// Of the first pass: reads them from memory.
  RowChunk::Values first(const RowChunk& c);
  /// Of a later pass.
  RowChunk::Values again(const RowChunk& c) const;
  /// Of a later pass: what becomes of each value, kept in its stead.
  RowChunk::Values map(const RowChunk& c, const std::function<F32(const F32&)>& f);

 private:
  SharedPtr<ptx::f32> place(const RowChunk& c, int i) const;
  U32 in_part(const U32& column) const;
  void store_shared(const RowChunk& c, const RowChunk::Values& values) const;

  Emitter& k_;
  const Row& row_;
  RowPointer source_;
  std::vector<Var<ptx::f32>> registers_;
  std::optional<SharedPtr<ptx::f32>> shared_;  ///< the row; what counts, the thread itself wrote
  /// A vector of 8 is kept as two of 4 that lie in different halves of the row's place, so that
  /// what neighbouring threads access together lies side by side.
  int parts_ = 1, part_apart_ = 0;
};

}  // namespace ptxmill::kernels
