#include "braggio/star_rows.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "bind.hpp"
#include "braggio/publish.hpp"
#include "braggio/star_text.hpp"
#include "texts.hpp"

namespace braggio::bind {
namespace {

constexpr std::size_t write_bytes = std::size_t{1} << 20;

py::list labels(const StarBlock& block) {
  py::list found;
  for (const std::string& label : block.labels) found.append(to_text(label));
  return found;
}

// [(label, value, in quotes)] of a list block.
py::list items(const StarBlock& block) {
  py::list found;
  for (std::size_t i = 0; i < block.values.size(); ++i)
    found.append(py::make_tuple(to_text(block.labels[i]), to_text(block.values[i]), bool(block.quoted[i])));
  return found;
}

CellKind cell_kind(const std::string& name) {
  if (name == "skip") return CellKind::skip;
  if (name == "integer") return CellKind::integer;
  if (name == "real") return CellKind::real;
  if (name == "text") return CellKind::text;
  if (name == "image") return CellKind::image;
  throw py::value_error("no cell kind " + name);
}

// A column on its way from guess to certainty, and the numpy arrays that hold it.
struct Attempt {
  CellKind kind = CellKind::skip, widest = CellKind::skip;
  py::array data, numbers;
  Dictionary dictionary;
  bool done = false, integral = true, six_digits = true;
};

StarColumn prepare(Attempt& attempt, std::uint64_t rows) {
  StarColumn column;
  column.may_be_empty = attempt.widest == CellKind::text;
  if (attempt.done) return column;
  const auto n = static_cast<py::ssize_t>(rows);
  column.kind = attempt.kind;
  column.guessed = attempt.kind != attempt.widest;
  column.dictionary = &attempt.dictionary;
  if (attempt.kind == CellKind::integer) attempt.data = py::array_t<std::int64_t>(n);
  if (attempt.kind == CellKind::real) attempt.data = py::array_t<double>(n);
  if (attempt.kind == CellKind::text || attempt.kind == CellKind::image) attempt.data = py::array_t<std::int32_t>(n);
  if (attempt.kind == CellKind::image) attempt.numbers = py::array_t<std::int32_t>(n);
  if (attempt.kind != CellKind::skip) {
    void* memory = attempt.data.mutable_data();
    if (attempt.kind == CellKind::integer)
      column.integers = static_cast<std::int64_t*>(memory);
    else if (attempt.kind == CellKind::real)
      column.reals = static_cast<double*>(memory);
    else
      column.codes = static_cast<std::int32_t*>(memory);
  }
  if (attempt.kind == CellKind::image) column.numbers = static_cast<std::int32_t*>(attempt.numbers.mutable_data());
  return column;
}

// One pass over the rows; true when every column came out as it was guessed.
bool pass(const HeldSource& held, const StarBlock& block, std::vector<Attempt>& attempts, std::size_t threads) {
  std::vector<StarColumn> columns;
  columns.reserve(attempts.size());
  for (Attempt& attempt : attempts) columns.push_back(prepare(attempt, block.rows));
  {
    py::gil_scoped_release release;
    fill_star(held.source, block, columns, threads);
  }
  bool whole = true;
  for (std::size_t i = 0; i < attempts.size(); ++i) {
    Attempt& attempt = attempts[i];
    if (attempt.done) continue;
    attempt.done = !columns[i].failed;
    attempt.integral = columns[i].integral;
    attempt.six_digits = columns[i].six_digits;
    if (attempt.done) continue;
    attempt.kind = attempt.kind == CellKind::integer ? CellKind::real : CellKind::text;
    whole = false;
  }
  return whole;
}

py::object result(const Attempt& attempt) {
  switch (attempt.kind) {
    case CellKind::skip: return py::none();
    case CellKind::integer: return py::make_tuple("integer", attempt.data);
    case CellKind::real: return py::make_tuple("real", attempt.data, attempt.integral);
    case CellKind::text: return py::make_tuple("text", attempt.data, to_texts(attempt.dictionary));
    case CellKind::image:
      return py::make_tuple("image", attempt.data, to_texts(attempt.dictionary), attempt.numbers, attempt.six_digits);
  }
  return py::none();
}

// A file of short lines under many labels would ask for far more memory than it has bytes: such rows are too short
// anyway.
bool rows_are_too_short(const StarBlock& block) {
  return block.labels.size() > 2 && block.rows > 0 &&
         (block.end - block.first + 1) / block.rows < 2 * block.labels.size() - 1;
}

py::list read_rows(const HeldSource& held, const StarBlock& block,
                   const std::vector<std::pair<std::string, std::string>>& kinds, std::size_t threads) {
  if (kinds.size() != block.labels.size()) throw py::value_error("kinds must have one entry a label");
  std::vector<Attempt> attempts(kinds.size());
  std::vector<CellKind> guesses;
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    attempts[i].widest = cell_kind(kinds[i].second);
    if (kinds[i].first == "guess") {
      if (guesses.empty()) guesses = guess_kinds(held.source, block);
      attempts[i].kind = guesses[i];
    } else {
      attempts[i].kind = cell_kind(kinds[i].first);
    }
  }
  if (rows_are_too_short(block)) {  // one column that is not kept finds the short row and refuses it
    std::vector<StarColumn> nothing(kinds.size());
    py::gil_scoped_release release;
    fill_star(held.source, block, nothing);
  }
  while (!pass(held, block, attempts, threads)) {
  }
  py::list results;
  for (const Attempt& attempt : attempts) results.append(result(attempt));
  return results;
}

// ---- writing

template <class T>
const T* column_data(const py::handle& object, std::size_t rows) {
  const auto array = py::cast<py::array>(object);
  if (!py::isinstance<py::array_t<T>>(array)) throw py::type_error("column has another dtype than its kind");
  require_contiguous(array, "column");
  if (array.ndim() != 1 || static_cast<std::size_t>(array.size()) != rows)
    throw py::value_error("columns must have one value a row");
  return static_cast<const T*>(array.data());
}

TextColumn text_column(const py::tuple& given, std::size_t rows) {
  TextColumn column;
  const auto kind = py::cast<std::string>(given[0]);
  if (kind == "integer") {
    column.kind = TextColumn::Kind::integer;
    column.integers = column_data<std::int64_t>(given[1], rows);
  } else if (kind == "real") {
    column.kind = TextColumn::Kind::real;
    column.reals = column_data<double>(given[1], rows);
  } else {
    column.kind = kind == "image" ? TextColumn::Kind::image : TextColumn::Kind::text;
    column.codes = column_data<std::int32_t>(given[1], rows);
    for (const py::handle text : py::cast<py::list>(given[2]))
      column.texts.push_back(py::cast<std::string>(py::cast<py::bytes>(text)));
    if (kind == "image") column.numbers = column_data<std::int32_t>(given[3], rows);
    require_codes(column, rows);
  }
  return column;
}

RealFormat real_format(const std::string& style, int decimals) {
  if (style == "relion") return {RealFormat::Style::relion, 6};
  if (style == "exact") return {RealFormat::Style::exact, 6};
  if (style == "decimals" && decimals >= 0 && decimals <= 30) return {RealFormat::Style::decimals, decimals};
  throw py::value_error("style must be relion, exact or decimals (0..30)");
}

std::uint64_t write_rows(PartFile& part, std::uint64_t offset, const py::list& columns, std::size_t rows,
                         const std::string& style, int decimals, bool padded, char separator,
                         const std::string& missing) {
  std::vector<TextColumn> texts;
  for (const py::handle column : columns) texts.push_back(text_column(py::cast<py::tuple>(column), rows));
  const RowStyle row_style{real_format(style, decimals), padded, separator, missing};
  py::gil_scoped_release release;
  std::string block;
  constexpr std::size_t step = 256;
  for (std::size_t row = 0; row < rows; row += step) {
    append_rows(block, texts, row, std::min(rows, row + step), row_style);
    if (block.size() < write_bytes && row + step < rows) continue;
    part.write(offset, std::as_bytes(std::span(block)));
    offset += block.size();
    block.clear();
  }
  return offset;
}

}  // namespace

void add_star(py::module_& module) {
  py::class_<StarBlock>(module, "StarBlock", "A block of a STAR file, its rows counted but not read.")
      .def_property_readonly("name", [](const StarBlock& self) { return to_text(self.name); })
      .def_readonly("loop", &StarBlock::loop)
      .def_property_readonly("labels", &labels)
      .def_property_readonly("items", &items, "[(label, value, in quotes)] of a list block.")
      .def_readonly("line", &StarBlock::line)
      .def_readonly("first_line", &StarBlock::first_line, "Line of the first row.")
      .def_readonly("rows", &StarBlock::rows)
      .def_readonly("terminated", &StarBlock::terminated, "The last row ends in a newline.");
  module.def(
      "scan_star",
      [](const HeldSource& held) {
        py::gil_scoped_release release;
        return scan_star(held.source);
      },
      py::arg("source"), "Every block of a STAR file.");
  module.def("read_star_rows", &read_rows, py::arg("source"), py::arg("block"), py::arg("kinds"),
             py::arg("threads") = 1,
             "One (kind, values, ...) or None a label; kinds are (first kind or 'guess', widest kind).");
  module.def("write_star_rows", &write_rows, py::arg("part"), py::arg("offset"), py::arg("columns"), py::arg("rows"),
             py::kw_only(), py::arg("style"), py::arg("decimals") = 6, py::arg("padded") = true,
             py::arg("separator") = ' ', py::arg("missing") = "nan",
             "Write rows from byte `offset` on; the byte after them.");
}

}  // namespace braggio::bind
