// Protects: the SMV headers that are in use are read as their writers meant them, and no damage to one gives anything
// but a typed refusal or a layout within the file.
#include "braggio/smv.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "damage.hpp"
#include "refusal.hpp"
#include "samples.hpp"

using namespace braggio;
using namespace braggio::testing;

namespace {

ParsedText parse(const std::vector<std::byte>& file, bool strict = false) {
  return parse_smv(Source::over(file), strict);
}

// `lines` between braces, padded to 512 bytes, then room for pixels.
std::vector<std::byte> with_lines(std::string_view lines) {
  File file;
  file.text("{\n").text(lines).text("}\n").pad(512, ' ').pad(1024);
  return file;
}

std::string value_of(const ParsedText& parsed, std::string_view key) {
  return std::string(detail::find(parsed.header, key).value_or(""));
}

constexpr std::string_view rest = "TYPE=unsigned_short;\nSIZE1=3;\nSIZE2=2;\n";

}  // namespace

TEST_CASE("the sample") {
  const auto file = smv_sample();
  const ParsedText parsed = parse(file, true);
  CHECK(parsed.layout.type == PixelType::u16);
  CHECK(parsed.layout.order == ByteOrder::little);
  CHECK(parsed.layout.width == 2);
  CHECK(parsed.layout.height == 2);
  CHECK(parsed.layout.first == 512);
  CHECK(parsed.layout.extent() == file.size());
  CHECK(parsed.header.front() == std::pair<std::string, std::string>{"HEADER_BYTES", "512"});
  CHECK(value_of(parsed, "DISTANCE") == "nan");
  CHECK(value_of(parsed, "COMMENT") == "{a=b}");
}

TEST_CASE("SIZE1 is the fast axis") {
  const ParsedText parsed = parse(with_lines(std::string("HEADER_BYTES=512;\n").append(rest)));
  CHECK(parsed.layout.width == 3);
  CHECK(parsed.layout.height == 2);
}

TEST_CASE("the ways in which headers are written") {
  for (const std::string_view lines : {
           std::string_view("HEADER_BYTES=512;\r\nTYPE=unsigned_short;\r\nSIZE1=3;\r\nSIZE2=2;\r\n"),  // CRLF
           std::string_view("SIZE1=3;SIZE2=2;TYPE=unsigned_short;HEADER_BYTES=  512;\n"),  // one line, key late
           std::string_view("HEADER_BYTES = 512 ;\n SIZE1 = 3 ;\nSIZE2\t=2;\nTYPE= unsigned_short ;\n"),
           std::string_view("HEADER_BYTES=512\nSIZE1=3\nSIZE2=2\nTYPE=unsigned_short\n"),  // no semicolons
           std::string_view(
               "no key here;\n=none;;\nHEADER_BYTES=512;\nSIZE1=3;\nSIZE2=2;\nTYPE=unsigned_short;\nSIZE1=9;\n"),
       }) {
    const ParsedText parsed = parse(with_lines(lines));
    CHECK(parsed.layout.width == 3);
    CHECK(parsed.layout.height == 2);
    CHECK(parsed.layout.type == PixelType::u16);
    CHECK(!detail::find(parsed.header, ""));
  }
}

TEST_CASE("pixel types and byte orders of ADSC and d*TREK") {
  const auto layout = [](std::string_view lines) {
    return parse(with_lines(std::string("HEADER_BYTES=512;\nSIZE1=3;\nSIZE2=2;\n").append(lines))).layout;
  };
  CHECK(layout("TYPE=unsigned_short;\n").order == ByteOrder::little);
  CHECK(layout("TYPE=signed_int;\nBYTE_ORDER=big_endian;\n").order == ByteOrder::big);
  CHECK(layout("TYPE=mad;\nData_type=long int;\n").type == PixelType::i32);
  CHECK(layout("Data_type=float IEEE;\n").type == PixelType::f32);
  CHECK(refuses(Fault::unsupported, [&] { layout("TYPE=mad;\n"); }));
  CHECK(refuses(Fault::format, [&] { layout(""); }));
  CHECK(refuses(Fault::format, [&] { layout("TYPE=unsigned_short;\nBYTE_ORDER=pdp;\n"); }));
  CHECK(refuses(Fault::unsupported, [&] { layout("TYPE=unsigned_short;\nCOMPRESSION=zlib;\n"); }));
  CHECK(layout("TYPE=unsigned_short;\nCOMPRESSION=None;\n").type == PixelType::u16);
}

TEST_CASE("sizes that cannot be") {
  for (const std::string_view size : {"0", "-3", "3.0", "", "99999999999999999999", "0x3", "3 3"})
    for (const std::string key : {"HEADER_BYTES", "SIZE1", "SIZE2"}) {
      std::string lines;
      for (const std::string other : {"HEADER_BYTES", "SIZE1", "SIZE2"})
        lines += other + "=" + (other == key ? std::string(size) : other == "HEADER_BYTES" ? "512" : "2") + ";\n";
      const auto error = refusal([&] { parse(with_lines(lines + "TYPE=unsigned_short;\n")); });
      REQUIRE(error);
      CHECK(error->fault == Fault::format);
      CHECK(error->field == key);
    }
  CHECK(refuses(Fault::limit, [] { parse(with_lines("HEADER_BYTES=16777217;\n")); }));
  CHECK(refuses(Fault::truncated, [] { parse(with_lines("HEADER_BYTES=1025;\n")); }));
  CHECK(refuses(Fault::limit, [] {
    parse(with_lines("HEADER_BYTES=512;\nTYPE=unsigned_short;\nSIZE1=4294967296;\nSIZE2=4294967296;\n"));
  }));
}

TEST_CASE("an error repeats of the file only what is short and printable") {
  const auto error = refusal([] { parse(with_lines("HEADER_BYTES=512;\nTYPE=\x1b[2K\xff;\n")); });
  REQUIRE(error);
  CHECK(error->found == "'\\x1b[2K\\xff'");
  const auto long_one = refusal([] { parse(with_lines("HEADER_BYTES=512;\nTYPE=" + std::string(400, 'x') + ";\n")); });
  REQUIRE(long_one);
  CHECK(long_one->found == "'" + std::string(60, 'x') + "...'");
}

TEST_CASE("another magic is another format") {
  const auto error = refusal([] { parse(File().text("HEADER_BYTES=512;")); });
  REQUIRE(error);
  CHECK(error->fault == Fault::format);
  CHECK(error->field == "magic");
}

TEST_CASE("a header longer than the search for its size is still read whole") {
  File file;
  file.text("{\nHEADER_BYTES=131072;\n");
  while (file.size() < 100000) file.text("COMMENT=a long one that fills the header without being many of them;\n");
  file.text(rest).text("}\n").pad(131072, ' ').pad(131072 + 12);
  CHECK(parse(file).layout.width == 3);
}

TEST_CASE("a header of very many entries is refused") {
  File file;
  file.text("{\nHEADER_BYTES=65536;\n").text(rest);
  while (file.size() < 60000) file.text("A=;");
  file.text("\n}\n").pad(65536, ' ').pad(65536 + 12);
  CHECK(refuses(Fault::limit, [&] { parse(file); }));
}

TEST_CASE("a header without BYTE_ORDER is little-endian only where anything goes") {
  const auto file = with_lines(std::string("HEADER_BYTES=512;\n").append(rest));
  CHECK(parse(file, false).layout.order == ByteOrder::little);
  const auto error = refusal([&] { parse(file, true); });
  REQUIRE(error);
  CHECK(error->field == "BYTE_ORDER");
}

TEST_CASE("a header is parsed from the beginning of a file alone") {
  const auto file = smv_sample();
  const Bytes head = std::span(file).first(512);
  CHECK(parse_smv(Source::over(head, 1 << 20)).layout.extent() == file.size());
  CHECK(refuses(Fault::truncated, [&] { parse_smv(Source::over(head.first(511), 1 << 20)); }));
}

TEST_CASE("every truncation is called one") {
  const auto file = smv_sample();
  for (const bool strict : {false, true})
    CHECK(try_truncations(file, [=](const Source& source) { return parse_smv(source, strict); }).truncated ==
          file.size());
}

TEST_CASE("no damage gives a layout outside the file") {
  for (const bool strict : {false, true}) {
    const auto parser = [=](const Source& source) { return parse_smv(source, strict); };
    const Survival flips = try_bit_flips(smv_sample(), parser), extremes = try_extremes(smv_sample(), parser);
    CHECK(flips.broken + extremes.broken == 0);
    CHECK(flips.refused > 400);
    CHECK(flips.accepted > 1000);
  }
}
