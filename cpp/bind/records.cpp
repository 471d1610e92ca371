#include "braggio/records.hpp"

#include <string>
#include <vector>

#include "bind.hpp"
#include "texts.hpp"

namespace braggio::bind {
namespace {

// fields: (offset in the record, bytes, array to fill), or (offset, bytes, None) for a text column, which gives (codes,
// texts).
py::list gather(const HeldSource& held, std::uint64_t first, std::uint64_t stride, std::uint64_t count,
                const std::vector<py::tuple>& fields) {
  if (checked_product(count, stride, "records") > held.source.size())
    throw Error(Fault::truncated, "file size",
                std::to_string(count) + " records of " + std::to_string(stride) + " bytes",
                std::to_string(held.source.size()) + " bytes");
  std::vector<RecordField> wanted;
  std::vector<Dictionary> dictionaries(fields.size());
  std::vector<py::array_t<std::int32_t>> codes(fields.size());
  for (std::size_t i = 0; i < fields.size(); ++i) {
    RecordField field{py::cast<std::uint64_t>(fields[i][0]), py::cast<std::uint64_t>(fields[i][1])};
    if (fields[i][2].is_none()) {
      codes[i] = py::array_t<std::int32_t>(static_cast<py::ssize_t>(count));
      field.codes = codes[i].mutable_data();
      field.dictionary = &dictionaries[i];
    } else {
      const auto out = py::cast<py::array>(fields[i][2]);
      require_writeable(out, "out");
      if (static_cast<std::uint64_t>(out.nbytes()) != checked_product(count, field.size, "field"))
        throw py::value_error("out has another size than the field");
      field.out = static_cast<std::byte*>(const_cast<void*>(out.data()));
    }
    wanted.push_back(field);
  }
  {
    py::gil_scoped_release release;
    gather_records(held.source, first, stride, count, wanted);
  }
  py::list results;
  for (std::size_t i = 0; i < fields.size(); ++i)
    results.append(fields[i][2].is_none() ? py::object(py::make_tuple(codes[i], to_texts(dictionaries[i])))
                                          : py::object(py::none()));
  return results;
}

}  // namespace

void add_records(py::module_& module) {
  module.def("gather_records", &gather, py::arg("source"), py::arg("first"), py::arg("stride"), py::arg("count"),
             py::arg("fields"),
             "Fields (offset, bytes, out) of fixed-size records into arrays; with out None the (codes, texts) of a "
             "text field.");
}

}  // namespace braggio::bind
