// A binary header is declared data: a table of named fields at byte offsets, read in one way.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "braggio/bytes.hpp"
#include "braggio/layout.hpp"

namespace braggio {

enum class FieldType { i16, u16, i32, u32, i64, f32, f64, text };

struct Field {
  std::string_view name;
  std::uint32_t offset;
  FieldType type;
  std::uint32_t count = 1;  // numbers in the field, or bytes of text
};

using Value = std::variant<std::int64_t, double, std::string, std::vector<std::int64_t>, std::vector<double>>;
using Header = std::vector<std::pair<std::string, Value>>;

namespace detail {

template <class Stored, class Number>
Value load_numbers(Bytes bytes, const Field& field, std::uint64_t base, ByteOrder order) {
  std::vector<Number> numbers;
  for (std::uint32_t i = 0; i < field.count; ++i)
    numbers.push_back(
        static_cast<Number>(load<Stored>(bytes, base + field.offset + i * sizeof(Stored), order, field.name)));
  if (numbers.size() == 1) return numbers.front();
  return numbers;
}

}  // namespace detail

inline Value load_field(Bytes bytes, const Field& field, std::uint64_t base, ByteOrder order) {
  using detail::load_numbers;
  switch (field.type) {
    case FieldType::i16: return load_numbers<std::int16_t, std::int64_t>(bytes, field, base, order);
    case FieldType::u16: return load_numbers<std::uint16_t, std::int64_t>(bytes, field, base, order);
    case FieldType::i32: return load_numbers<std::int32_t, std::int64_t>(bytes, field, base, order);
    case FieldType::u32: return load_numbers<std::uint32_t, std::int64_t>(bytes, field, base, order);
    case FieldType::i64: return load_numbers<std::int64_t, std::int64_t>(bytes, field, base, order);
    case FieldType::f32: return load_numbers<float, double>(bytes, field, base, order);
    case FieldType::f64: return load_numbers<double, double>(bytes, field, base, order);
    case FieldType::text: break;
  }
  std::string text;
  for (std::uint32_t i = 0; i < field.count; ++i) text += load<char>(bytes, base + field.offset + i, order, field.name);
  return text;
}

inline Header load_fields(Bytes bytes, std::span<const Field> fields, std::uint64_t base, ByteOrder order) {
  Header header;
  for (const Field& field : fields) header.emplace_back(field.name, load_field(bytes, field, base, order));
  return header;
}

inline std::int64_t integer(const Header& header, std::string_view name) {
  for (const auto& [key, value] : header)
    if (key == name) return std::get<std::int64_t>(value);
  throw Error(Fault::format, std::string(name), "a header field", "none of that name");
}

// A size that a header states with a signed number.
inline std::uint64_t positive(const Header& header, std::string_view name) {
  const std::int64_t value = integer(header, name);
  if (value <= 0) throw Error(Fault::format, std::string(name), "at least 1", std::to_string(value));
  return static_cast<std::uint64_t>(value);
}

// What every header parser gives: the fields under their own names, and where the pixels are.
struct Parsed {
  Header header;
  FrameLayout layout;
};

}  // namespace braggio
