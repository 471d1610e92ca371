// Protects: no damage to a STAR file reads or writes outside memory, loses a row in silence or gives anything but a
// typed refusal.
#include "braggio/star_rows.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "braggio/star_text.hpp"
#include "levels.hpp"
#include "refusal.hpp"
#include "star_reader.hpp"

using namespace braggio;
using namespace braggio::testing;

namespace {

constexpr std::string_view sample =
    "# version 30001\n\ndata_optics\n\nloop_ \n_rlnOpticsGroup #1 \n_rlnVoltage #2 \n           1   300.000000 \n \n"
    "data_particles\n\nloop_\n_rlnImageName #1\n_rlnDefocusU #2\n_name #3\n"
    "000001@a b.mrcs-is-not 1 2\n000001@a.mrcs 12345.678901 'two words' # comment\n000002@b.mrcs -1e-5 "
    "x#y\n\ndata_list\n_key \"value\"\n";

std::string valid_sample() {
  std::string text(sample);
  const std::string bad = "000001@a b.mrcs-is-not 1 2\n";
  return text.erase(text.find(bad), bad.size());
}

// Five cells of numbers: one of the four that are taken together and the one after them are given, the others usual.
struct Cells {
  std::size_t place;
  std::string_view token;

  bool given(std::size_t k) const { return k == place || k == 4; }
  std::string_view text(std::size_t k) const {
    return given(k) ? token : std::string_view("00000 00000 000 -12.5                ").substr(16, 5);
  }
  const char* end(std::size_t k) const { return text(k).data() + text(k).size(); }
};

std::size_t read_all(std::string_view text) {
  const std::vector<char> bytes(text.begin(), text.end());  // of just this size
  return read_star(Source::over(std::as_bytes(std::span(bytes))));
}

}  // namespace

TEST_CASE("the sample") {
  const std::string text = valid_sample();
  const std::vector<StarBlock> blocks = scan_star(Source::over(std::as_bytes(std::span(text))));
  REQUIRE(blocks.size() == 3);
  CHECK(blocks[0].name == "optics");
  CHECK(blocks[0].rows == 1);
  CHECK(blocks[1].rows == 2);
  CHECK(blocks[1].labels[2] == "name");
  CHECK(blocks[2].values[0] == "value");
  CHECK(read_all(text) == 4 * (2 + 6));
}

TEST_CASE("every truncation, and every byte turned into others") {
  const std::string text = valid_sample();
  std::size_t refused = 0;
  for (std::size_t size = 0; size < text.size(); ++size)
    if (refusal([&] { read_all(std::string_view(text).substr(0, size)); })) ++refused;
  CHECK(refused > 0);
  for (std::size_t i = 0; i < text.size(); ++i)
    for (const char c : {'\0', '\n', ' ', '"', '\'', '#', '_', '@', '\a', '\r', '\xff', 'd'}) {
      std::string damaged = text;
      damaged[i] = c;
      refusal([&] { read_all(damaged); });
    }
}

TEST_CASE("plain rows are those of the careful reader") {
  std::uint64_t state = 1;
  const auto random = [&] { return state = state * 6364136223846793005u + 1442695040888963407u, state >> 33; };
  std::size_t plain_rows = 0;
  for (int round = 0; round < 20000; ++round) {
    const std::size_t size = random() % 200;
    std::string padded(size + 65, 'x');  // what follows a line in the buffer is no part of it
    for (std::size_t i = 0; i < size; ++i) padded[i] = "abc.1 -\t  \v\f\r\xe9@#\""[random() % (round % 2 ? 14 : 17)];
    padded[size] = '\n';
    const std::string_view line = std::string_view(padded).substr(0, size);
    const std::string_view lines = std::string_view(padded).substr(0, size + 1);
    Tokens tokens(line, 1);
    std::vector<std::string> careful;
    std::string_view token;
    bool special = false;
    const auto error = refusal([&] {
      while (tokens.next(token)) {
        careful.emplace_back(token);
        special = special || tokens.quoted();
      }
    });
    if (careful.empty()) continue;
    for (const Level level : levels()) {
      PlainRows rows(careful.size(), 1, level), fewer(careful.size() + 1, 1, level);
      rows.clear(line.data());
      fewer.clear(line.data());
      CHECK_FALSE(fewer.add(lines));
      const auto added = rows.add(lines);
      if (!added) continue;
      CHECK(*added == size);
      ++plain_rows;
      CHECK_FALSE(error);
      CHECK_FALSE(special);
      for (std::size_t i = 0; i < careful.size(); ++i) CHECK(rows(0, i) == careful[i]);
    }
  }
  CHECK(plain_rows > 5000);
}

TEST_CASE("rows as long as the row before are read as any other") {
  std::uint64_t state = 5;
  const auto random = [&] { return state = state * 6364136223846793005u + 1442695040888963407u, state >> 33; };
  std::size_t same_ends = 0, other_ends = 0;
  for (int round = 0; round < 20000; ++round) {
    const std::size_t columns = 1 + random() % 20, width = 3 + random() % 10;
    std::string text;
    std::vector<std::string> lines;
    for (int row = 0; row < 3; ++row) {
      std::string line;
      for (std::size_t i = 0; i < columns; ++i) {
        const std::size_t size = 1 + random() % (width - 1);
        line += std::string(width - size, ' ') + std::string(size, "1a.-"[random() % 4]);
      }
      if (random() % 2) line[random() % line.size()] = " \t#\"'x\r"[random() % 7];
      if (random() % 4 == 0) line += ' ';
      lines.push_back(line);
      text += line + "\n";
    }
    text += std::string(64, 'x');
    for (const Level level : levels()) {
      PlainRows together(columns, 3, level);
      together.clear(text.data());
      std::size_t at = 0, added = 0;
      for (const std::string& line : lines) {
        const std::string_view here = std::string_view(text).substr(at, text.size() - 64 - at);
        at += line.size() + 1;
        PlainRows alone(columns, 1, level);
        alone.clear(text.data());
        const auto plain = alone.add(here);
        REQUIRE(together.add(here) == plain);
        if (!plain) continue;
        REQUIRE(*plain == line.size());
        for (std::size_t i = 0; i < columns; ++i) REQUIRE(together(added, i) == alone(0, i));
        const bool like = added > 0 && together.end(added, 0) - together.end(added - 1, 0) ==
                                           static_cast<std::ptrdiff_t>(line.size() + 1);
        ++(like ? same_ends : other_ends);
        ++added;
      }
    }
  }
  CHECK(same_ends > 1000);
  CHECK(other_ends > 1000);
}

TEST_CASE("a file is read in pieces that end anywhere") {
  const std::vector<std::string> rows{"    1.500000        12 name\n",
                                      "    2.500000        13 name\n",
                                      "  -3.25000  1234567890123 n\n",
                                      "# 1.0 1 comment\n",
                                      "4e2 -7 \"two words\"\n",
                                      "    5.500000        15 name  # and why\n",
                                      "    6.500000        16 name\r\n",
                                      "    7.500000        17 name\n",
                                      "\t8.5\t18\tx#y\n",
                                      "    9.500000        19 name"};
  const std::vector<double> reals{1.5, 2.5, -3.25, 400, 5.5, 6.5, 7.5, 8.5, 9.5};
  const std::vector<std::int64_t> integers{12, 13, 1234567890123, -7, 15, 16, 17, 18, 19};
  const std::vector<std::string> texts{"name", "name", "n", "two words", "name", "name", "name", "x#y", "name"};
  std::string body = "data_x\nloop_\n_a\n_b\n_c\n";
  for (const std::string& row : rows) body += row;
  for (std::size_t before = 0; before <= body.size(); ++before) {
    const std::string text = "#" + std::string(block_bytes - 2 - before, '-') + "\n" + body;
    const std::vector<char> bytes(text.begin(), text.end());
    const Source source = Source::over(std::as_bytes(std::span(bytes)));
    StarScanner scanner(source);
    REQUIRE(scanner.next_block());
    std::vector<StarColumn> columns(3);
    columns[0].kind = CellKind::real;
    columns[1].kind = CellKind::integer;
    columns[2].kind = CellKind::text;
    fill_star(scanner, columns);
    REQUIRE_FALSE(scanner.next_block());
    REQUIRE(scanner.block().rows == reals.size());
    REQUIRE_FALSE(scanner.block().terminated);
    REQUIRE(scanner.block().first_line == 7);
    for (std::size_t i = 0; i < reals.size(); ++i) {
      REQUIRE(columns[0].reals[i] == reals[i]);
      REQUIRE(columns[1].integers[i] == integers[i]);
      REQUIRE(columns[2].dictionary[static_cast<std::size_t>(columns[2].codes[i])] == texts[i]);
    }
  }
}

TEST_CASE("columns grow with the rows, however their width changes") {
  for (const std::size_t first : {1, 10, 400}) {  // blanks before the cell of early rows
    for (const std::size_t then : {1, 10, 400}) {
      std::string text = "data_short\nloop_\n_a\n_b\n1 2\n\ndata_long\nloop_\n_a\n_b\n";
      const std::size_t count = 20000;
      for (std::size_t i = 0; i < count; ++i)
        text += std::string(i < 5000 ? first : then, ' ') + std::to_string(i) + " 0.5\n";
      text += "\ndata_last\nloop_\n_a\n_b\n3 4\n";
      const Source source = Source::over(std::as_bytes(std::span(text)));
      StarScanner scanner(source);
      for (const std::size_t rows : {std::size_t{1}, count, std::size_t{1}}) {
        REQUIRE(scanner.next_block());
        std::vector<StarColumn> columns(2);
        columns[0].kind = CellKind::integer;
        columns[1].kind = CellKind::real;
        fill_star(scanner, columns, 2);
        REQUIRE(scanner.block().rows == rows);
        CHECK(columns[0].integers.capacity() >= rows);
        CHECK(columns[0].integers.capacity() <= rows + rows / 8);
        for (std::size_t i = 0; rows == count && i < rows; ++i) {
          REQUIRE(columns[0].integers[i] == static_cast<std::int64_t>(i));
          REQUIRE(columns[1].reals[i] == 0.5);
        }
      }
      CHECK_FALSE(scanner.next_block());
    }
  }
}

TEST_CASE("threads share the rows, and the columns do not depend on how many they are") {
  std::string text = "data_x\nloop_\n_real\n_guess\n_text\n_image\n_integer\n";
  const std::size_t count = 60000;
  for (std::size_t i = 0; i < count; ++i) {
    if (i % 977 == 0) text += "# a comment\n";
    text += std::to_string(static_cast<double>(i) * 0.25) + (i == 50000 ? " word " : " 3 ") +
            (i % 501 == 0 ? "'a b'" : "t" + std::to_string(i % 3000)) + " 00000" + std::to_string(i % 9 + 1) +
            (i == 55000 ? "0@s" : "@s") + std::to_string(i / 100) + ".mrcs -" + std::to_string(i) +
            std::string(20, ' ') + "\n";
  }
  const Source source = Source::over(std::as_bytes(std::span(text)));
  const auto read = [&](std::size_t threads) {
    std::vector<StarColumn> columns(5);
    columns[0].kind = CellKind::real;
    columns[1].kind = CellKind::integer;
    columns[1].guessed = true;
    columns[2].kind = CellKind::text;
    columns[3].kind = CellKind::image;
    columns[4].kind = CellKind::integer;
    StarScanner scanner(source);
    REQUIRE(scanner.next_block());
    fill_star(scanner, columns, threads);
    CHECK(scanner.block().rows == count);
    CHECK_FALSE(scanner.next_block());
    return columns;
  };
  const auto same = [&](const auto& ours, const auto& theirs) {
    return std::equal(ours.data(), ours.data() + count, theirs.data());
  };
  const auto one = read(1);
  CHECK(one[1].failed);
  CHECK_FALSE(one[3].six_digits);
  for (std::size_t i = 0; i < count; ++i) {
    REQUIRE(one[0].reals[i] == static_cast<double>(i) * 0.25);
    REQUIRE(one[2].dictionary[static_cast<std::size_t>(one[2].codes[i])] ==
            (i % 501 == 0 ? "a b" : "t" + std::to_string(i % 3000)));
    REQUIRE(one[3].dictionary[static_cast<std::size_t>(one[3].codes[i])] == "s" + std::to_string(i / 100) + ".mrcs");
    REQUIRE(one[4].integers[i] == -static_cast<std::int64_t>(i));
  }
  for (const std::size_t threads : std::initializer_list<std::size_t>{2, 3, 7, 100}) {
    const auto more = read(threads);
    CHECK(same(more[0].reals, one[0].reals));
    CHECK(same(more[2].codes, one[2].codes));
    CHECK(same(more[3].codes, one[3].codes));
    CHECK(same(more[3].numbers, one[3].numbers));
    CHECK(same(more[4].integers, one[4].integers));
    for (std::size_t i = 0; i < 5; ++i) {
      CHECK(more[i].failed == one[i].failed);
      CHECK(more[i].integral == one[i].integral);
      CHECK(more[i].six_digits == one[i].six_digits);
      REQUIRE(more[i].dictionary.size() == one[i].dictionary.size());
      for (std::size_t k = 0; k < one[i].dictionary.size(); ++k) REQUIRE(more[i].dictionary[k] == one[i].dictionary[k]);
    }
  }
  // Of all that is wrong, what stands first: bad cells in one batch, in others, and a stray line behind them.
  const auto damage = [&](std::string_view cell, char c) { text[text.rfind(cell) + 3] = c; };
  damage(" -59990 ", 'x');
  damage(" -50000 ", 'y');
  damage(" -50001 ", 'z');
  text += "\nstray\n";
  const Source damaged = Source::over(std::as_bytes(std::span(text)));
  for (const std::size_t threads : std::initializer_list<std::size_t>{1, 2, 5}) {
    std::vector<StarColumn> columns(5);
    columns[4].kind = CellKind::integer;
    StarScanner scanner(damaged);
    scanner.next_block();
    const auto error = refusal([&] { fill_star(scanner, columns, threads); });
    REQUIRE(error);
    CHECK(error->found == "'-5y000'");
  }
}

TEST_CASE("numbers in padded texts are the same at every level") {
  std::uint64_t state = 3;
  const auto random = [&] { return state = state * 6364136223846793005u + 1442695040888963407u, state >> 33; };
  const auto same = [](const Real& a, const Real& b) {
    return a.ok == b.ok && a.integral == b.integral &&
           (!a.ok || std::bit_cast<std::uint64_t>(a.value) == std::bit_cast<std::uint64_t>(b.value));
  };
  for (int round = 0; round < 300000; ++round) {
    std::string text = random() % 2 ? "-" : "";
    const std::size_t digits = random() % 11, decimals = random() % 11;
    for (std::size_t i = 0; i < digits; ++i) text += static_cast<char>('0' + random() % 10);
    if (random() % 8) text += '.';
    for (std::size_t i = 0; i < decimals; ++i) text += static_cast<char>('0' + random() % 10);
    if (!text.empty() && random() % 8 == 0) text[random() % text.size()] = "eE+-x./:9"[random() % 9];
    if (text.empty()) continue;
    // A cell follows a blank, and what is before that is of another cell.
    const std::string before = "7654321 5.765-3" + std::string(1, " \t\n\r"[random() % 4]);
    const std::string padded = before + text + std::string(1, " 1\n.x"[random() % 5]) + "234567890123456789";
    const std::string_view token = std::string_view(padded).substr(before.size(), text.size());
    const Real expected = parse_real(text);
    for (const Level level : levels()) {
      const Cells cells{random() % 4, token};
      std::array<double, 5> values{};
      bool others = true;
      const bool all = parse_reals(level, 5, cells, values.data(), [&](const Real& real) {
        others = others && (same(real, expected) || !real.integral);
        return real.ok;
      });
      if (all != expected.ok || !others) FAIL(text << " at level " << name(level));
      for (std::size_t k = 0; all && k < 5; ++k)
        if (!same({values[k], false, true}, {cells.given(k) ? expected.value : -12.5, false, true}))
          FAIL(text << " at level " << name(level));
    }
    std::int64_t ours = 0, theirs = 0;
    const bool integer = parse_integer(text, theirs);
    if (parse_ended_integer(token.data() + token.size(), ours)) REQUIRE((integer && ours == theirs));
    const bool usual = text.find_first_not_of("0123456789", text[0] == '-') == std::string::npos && text.size() < 8;
    if (usual && text != "-") REQUIRE(parse_ended_integer(token.data() + token.size(), ours));
  }
}

TEST_CASE("lines longer than a block") {
  std::string text = "data_x\nloop_\n_a\n_b\n";
  text += std::string(700000, 'n') + " 1\n";
  for (int i = 0; i < 30000; ++i) text += "name " + std::to_string(i) + "\n";
  CHECK(read_all(text) == 4 * 2 * 30001);
  CHECK(refuses(Fault::limit, [&] { read_all("data_x\nloop_\n_a\n" + std::string(max_line_bytes + 10, 'n') + "\n"); }));
}

TEST_CASE("numbers") {
  CHECK(parse_real("12345.678901").value == 12345.678901);
  CHECK(parse_real("-0.0").value == 0.0);
  CHECK(std::signbit(parse_real("-0.0").value));
  CHECK(parse_real("9007199254740993").value == 9007199254740992.0);
  CHECK(parse_real("0.1e-400").ok);
  for (const std::string_view bad : {"", "-", ".", "1e", "e5", "1.2.3", "1x", "0x1", "1e999", "++1", "1 "})
    CHECK_FALSE(parse_real(bad).ok);
}

TEST_CASE("fixed decimals are printf's") {
  std::uint64_t state = 7;
  std::array<char, 400> ours{}, theirs{};
  for (int round = 0; round < 300000; ++round) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    double value = round % 3 == 0
                       ? static_cast<double>(static_cast<std::int64_t>(state) >> 20) / 1048576.0 / (1 + round % 1000)
                       : static_cast<double>(static_cast<std::int32_t>(state >> 32)) / (1 << round % 24);
    const int decimals = round % 8;
    const char* end = format_fixed(ours.data(), ours.data() + ours.size(), value, decimals);
    const int size = std::snprintf(theirs.data(), theirs.size(), "%.*f", decimals, value);
    REQUIRE(std::string_view(ours.data(), static_cast<std::size_t>(end - ours.data())) ==
            std::string_view(theirs.data(), static_cast<std::size_t>(size)));
  }
}

TEST_CASE("codes outside the texts are refused") {
  const std::vector<std::int32_t> codes{0, 1, -1};
  TextColumn column;
  column.kind = TextColumn::Kind::text;
  column.codes = codes.data();
  column.texts = {"a", "b"};
  CHECK(refuses(Fault::format, [&] { require_codes(column, 3); }));
}
