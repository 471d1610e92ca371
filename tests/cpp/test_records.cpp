// Protects: fields come from their own bytes of each record, whatever the record size, and nothing is read outside the
// file.
#include "braggio/records.hpp"

#include <doctest/doctest.h>

#include "braggio/images.hpp"
#include "refusal.hpp"

using namespace braggio;
using namespace braggio::testing;

TEST_CASE("fields of records of many sizes") {
  for (const std::size_t stride : {5u, 13u, 64u, 300000u}) {
    const std::size_t count = 70000 * 13 / stride + 2;
    std::vector<std::byte> file(3 + stride * count);
    for (std::size_t i = 0; i < count; ++i) {
      file[3 + i * stride + 1] = static_cast<std::byte>('a' + i % 5);
      file[3 + i * stride + 3] = static_cast<std::byte>(i % 251);
    }
    std::vector<std::byte> values(2 * count);
    std::vector<std::int32_t> codes(count);
    Dictionary dictionary;
    const std::array<RecordField, 2> fields{{{3, 2, values.data()}, {1, 2, nullptr, codes.data(), &dictionary}}};
    gather_records(Source::over(file), 3, stride, count, fields);
    bool right = true;
    for (std::size_t i = 0; i < count; ++i)
      right = right && values[2 * i] == static_cast<std::byte>(i % 251) &&
              dictionary[static_cast<std::size_t>(codes[i])] == std::string(1, static_cast<char>('a' + i % 5));
    CHECK(right);
    CHECK(refuses(Fault::truncated, [&] { gather_records(Source::over(file), 4, stride, count, fields); }));
    CHECK(refuses(Fault::limit, [&] { gather_records(Source::over(file), 3, stride, ~std::uint64_t{0}, fields); }));
  }
}

TEST_CASE("fields outside the record are refused") {
  std::vector<std::byte> file(100), out(100);
  const std::array<RecordField, 1> fields{{{8, 4, out.data()}}};
  CHECK(refuses(Fault::format, [&] { gather_records(Source::over(file), 0, 10, 10, fields); }));
  CHECK(refuses(Fault::format, [&] { gather_records(Source::over(file), 0, 0, 10, fields); }));
}

TEST_CASE("codes are given in order of appearance, and texts are found again") {
  Dictionary dictionary;
  for (int round = 0; round < 2; ++round)
    for (int i = 0; i < 5000; ++i) CHECK(dictionary.code("text " + std::to_string(i)) == i);
  CHECK(dictionary.size() == 5000);
  CHECK(dictionary[4999] == "text 4999");
  CHECK(dictionary.code("") == 5000);
}

TEST_CASE("images of any size are binned within their bytes") {
  for (const std::size_t edge : {1u, 2u, 6u, 15u, 34u})
    for (std::size_t bin = 1; bin <= edge; ++bin) {
      const ImageWork work{edge, edge, bin, bin % 2 ? BinKind::mean : BinKind::max, Normalise::max};
      if (edge % bin != 0) {
        CHECK(refuses(Fault::format, [&] { require_bin(work); }));
        continue;
      }
      std::vector<std::int16_t> in(edge * edge, 3);
      in[0] = -7;
      std::vector<float> out(edge / bin * (edge / bin));
      std::vector<double> sums;
      const bool scaled = work_image(in.data(), out.data(), work, sums, best_level());
      if (scaled)
        CHECK(std::fabs(*std::max_element(out.begin(), out.end(),
                                          [](float a, float b) { return std::fabs(a) < std::fabs(b); })) == 1.0f);
    }
}
