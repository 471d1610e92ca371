// Protects: a declared field is read with its own type, count and byte order, and never beyond the header.
#include "braggio/header.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "refusal.hpp"
#include "samples.hpp"

using namespace braggio;
using namespace braggio::testing;

TEST_CASE("every field type in both byte orders") {
  for (const ByteOrder order : {ByteOrder::little, ByteOrder::big}) {
    File file(order);
    file.i16({-2}).u16({65535}).i32({-70000}).put<std::uint32_t>({4000000000u}).put<std::int64_t>({-5000000000});
    file.f32({0.5f}).f64({-1e300}).text(std::string_view("a\0b", 3));
    const std::vector<std::byte> bytes = file;
    const Field fields[] = {{"i16", 0, FieldType::i16},  {"u16", 2, FieldType::u16},      {"i32", 4, FieldType::i32},
                            {"u32", 8, FieldType::u32},  {"i64", 12, FieldType::i64},     {"f32", 20, FieldType::f32},
                            {"f64", 24, FieldType::f64}, {"text", 32, FieldType::text, 3}};
    const Header header = load_fields(bytes, fields, 0, order);
    REQUIRE(header.size() == 8);
    CHECK(integer(header, "i16") == -2);
    CHECK(integer(header, "u16") == 65535);
    CHECK(integer(header, "i32") == -70000);
    CHECK(integer(header, "u32") == 4000000000);
    CHECK(integer(header, "i64") == -5000000000);
    CHECK(std::get<double>(header[5].second) == 0.5);
    CHECK(std::get<double>(header[6].second) == -1e300);
    CHECK(std::get<std::string>(header[7].second) == std::string("a\0b", 3));
  }
}

TEST_CASE("a field of several numbers is a list") {
  const std::vector<std::byte> bytes = File().i32({0, 7, -8, 9});
  const Value value = load_field(bytes, {"axes", 4, FieldType::i32, 3}, 0, ByteOrder::little);
  CHECK(std::get<std::vector<std::int64_t>>(value) == std::vector<std::int64_t>{7, -8, 9});
}

TEST_CASE("offsets count from the base, and the end of the bytes is the end") {
  const std::vector<std::byte> bytes = File().i32({1, 2, 3});
  CHECK(std::get<std::int64_t>(load_field(bytes, {"n", 4, FieldType::i32}, 4, ByteOrder::little)) == 3);
  CHECK(refuses(Fault::truncated, [&] { load_field(bytes, {"n", 4, FieldType::i32}, 5, ByteOrder::little); }));
  CHECK(refuses(Fault::truncated, [&] { load_field(bytes, {"n", 0, FieldType::i32, 4}, 0, ByteOrder::little); }));
  CHECK(refuses(Fault::truncated, [&] { load_field(bytes, {"n", 8, FieldType::text, 5}, 0, ByteOrder::little); }));
}

TEST_CASE("a size must be there and positive") {
  const Header header{{"nx", std::int64_t{5}}, {"ny", std::int64_t{0}}, {"nz", std::int64_t{-1}}};
  CHECK(positive(header, "nx") == 5);
  CHECK(refuses(Fault::format, [&] { positive(header, "ny"); }));
  CHECK(refuses(Fault::format, [&] { positive(header, "nz"); }));
  CHECK(refuses(Fault::format, [&] { integer(header, "mode"); }));
}
