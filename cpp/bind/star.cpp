#include "braggio/star_rows.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
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

// The values of a column as numpy's, which go on owning their memory.
template <class T>
py::array to_array(Growing<T>&& values, std::uint64_t rows) {
  auto held = std::make_unique<Growing<T>>(std::move(values));
  T* data = held->data();
  const py::capsule owner(held.get(), [](void* memory) { delete static_cast<Growing<T>*>(memory); });
  held.release();
  return py::array_t<T>(static_cast<py::ssize_t>(rows), data, owner);
}

py::object result(StarColumn& column, std::uint64_t rows) {
  switch (column.kind) {
    case CellKind::skip: return py::none();
    case CellKind::integer: return py::make_tuple("integer", to_array(std::move(column.integers), rows));
    case CellKind::real: return py::make_tuple("real", to_array(std::move(column.reals), rows), column.integral);
    case CellKind::text:
      return py::make_tuple("text", to_array(std::move(column.codes), rows), to_texts(column.dictionary));
    case CellKind::image:
      return py::make_tuple("image", to_array(std::move(column.codes), rows), to_texts(column.dictionary),
                            to_array(std::move(column.numbers), rows), column.six_digits);
  }
  return py::none();
}

// The kind that a column is tried as, and what it may become.
struct Wish {
  CellKind kind = CellKind::skip, widest = CellKind::skip;
};

std::vector<StarColumn> prepare(const std::vector<Wish>& wishes) {
  std::vector<StarColumn> columns(wishes.size());
  for (std::size_t i = 0; i < wishes.size(); ++i) {
    columns[i].kind = wishes[i].kind;
    columns[i].guessed = wishes[i].kind != wishes[i].widest;
    columns[i].may_be_empty = wishes[i].widest == CellKind::text;
  }
  return columns;
}

// The rows once more for the columns that did not come out as they were guessed, until all have.
void widen(const HeldSource& held, const StarBlock& block, std::vector<Wish> wishes, std::vector<StarColumn>& columns,
           std::size_t threads) {
  while (true) {
    bool whole = true;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      whole = whole && !columns[i].failed;
      if (!columns[i].failed)
        wishes[i].kind = CellKind::skip;
      else
        wishes[i].kind = wishes[i].kind == CellKind::integer ? CellKind::real : CellKind::text;
    }
    if (whole) return;
    std::vector<StarColumn> again = prepare(wishes);
    StarScanner scanner(held.source, block);
    fill_star(scanner, again, threads);
    for (std::size_t i = 0; i < columns.size(); ++i)
      if (columns[i].failed) columns[i] = std::move(again[i]);
  }
}

py::list read_loop(const HeldSource& held, StarScanner& scanner,
                   const std::vector<std::pair<std::string, std::string>>& kinds, std::size_t threads) {
  if (kinds.size() != scanner.block().labels.size()) throw py::value_error("kinds must have one entry a label");
  std::vector<Wish> wishes;
  const std::vector<CellKind> guesses = guess_kinds(kinds.size(), scanner.first_row());
  for (std::size_t i = 0; i < kinds.size(); ++i)
    wishes.push_back({kinds[i].first == "guess" ? guesses[i] : cell_kind(kinds[i].first), cell_kind(kinds[i].second)});
  std::vector<StarColumn> columns = prepare(wishes);
  {
    py::gil_scoped_release release;
    fill_star(scanner, columns, threads);
    widen(held, scanner.block(), std::move(wishes), columns, threads);
  }
  py::list results;
  for (StarColumn& column : columns) results.append(result(column, scanner.block().rows));
  return results;
}

// choose(block) says what becomes of the rows of a loop: kinds, or None where they are only counted.
py::list read_star(const HeldSource& held, const py::function& choose, std::size_t threads) {
  StarScanner scanner(held.source);
  std::vector<py::object> tables;
  const auto next_block = [&] {
    py::gil_scoped_release release;
    return scanner.next_block();
  };
  while (next_block()) {
    const py::object kinds = scanner.block().loop ? choose(scanner.block()) : py::none();
    if (kinds.is_none())
      tables.push_back(py::none());
    else
      tables.push_back(
          read_loop(held, scanner, py::cast<std::vector<std::pair<std::string, std::string>>>(kinds), threads));
  }
  py::list found;
  for (std::size_t i = 0; i < tables.size(); ++i) found.append(py::make_tuple(scanner.blocks()[i], tables[i]));
  return found;
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
  py::class_<StarBlock>(module, "StarBlock", "A block of a STAR file, its rows counted.")
      .def_property_readonly("name", [](const StarBlock& self) { return to_text(self.name); })
      .def_readonly("loop", &StarBlock::loop)
      .def_property_readonly("labels", &labels)
      .def_property_readonly("items", &items, "[(label, value, in quotes)] of a list block.")
      .def_readonly("line", &StarBlock::line)
      .def_readonly("first_line", &StarBlock::first_line, "Line of the first row.")
      .def_readonly("rows", &StarBlock::rows)
      .def_readonly("terminated", &StarBlock::terminated, "The last row ends in a newline.");
  module.def("read_star", &read_star, py::arg("source"), py::arg("choose"), py::arg("threads") = 1,
             "(block, columns) of each, columns None or one (kind, values, ...) or None a label. choose(block) gives "
             "(first kind or 'guess', widest kind) for the labels of a loop, or None.");
  module.def("write_star_rows", &write_rows, py::arg("part"), py::arg("offset"), py::arg("columns"), py::arg("rows"),
             py::kw_only(), py::arg("style"), py::arg("decimals") = 6, py::arg("padded") = true,
             py::arg("separator") = ' ', py::arg("missing") = "nan",
             "Write rows from byte `offset` on; the byte after them.");
}

}  // namespace braggio::bind
