// Writes the small valid files that the fuzzers start from: seeds/<target>/<name> in the folder given.
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "samples.hpp"

namespace {

void write(const std::filesystem::path& path, const std::vector<std::byte>& bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary);
  file.exceptions(std::ios::failbit | std::ios::badbit);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace

int main(int argc, char** argv) {
  using namespace braggio;
  using namespace braggio::testing;
  if (argc != 2) return 2;
  const std::filesystem::path folder = argv[1];
  write(folder / "fuzz_tia_raw" / "int32", tia_raw_sample());
  write(folder / "fuzz_ser" / "offsets32", ser_sample(false));
  write(folder / "fuzz_ser" / "offsets64", ser_sample(true));
  write(folder / "fuzz_mrc" / "little", mrc_sample(ByteOrder::little, 1, 2));
  write(folder / "fuzz_mrc" / "big", mrc_sample(ByteOrder::big, 2, 4));
  write(folder / "fuzz_mrc" / "packed", mrc_sample(ByteOrder::little, 101, 1));
  write(folder / "fuzz_smv" / "leginon", smv_sample());
  write(folder / "fuzz_xtc" / "run", xtc_sample());
  write(folder / "fuzz_xtc_unpack" / "both", xtc_packed_sample());
  using namespace std::string_literals;
  const auto bytes_of = [](const std::string& text) {
    const auto bytes = std::as_bytes(std::span(text.data(), text.size()));
    return std::vector<std::byte>(bytes.begin(), bytes.end());
  };
  const std::string grid = "cscitbx_array_family_flex_ext\ngrid\n(K\x00\x85K\x02\x85\x88tRK\x02\x85"s + "b";
  const std::string array = "cscitbx_array_family_flex_ext\nint\n)R"s + grid;
  write(folder / "fuzz_pickle" / "protocol2",
        bytes_of("\x80\x02}q\x00(X\x01\x00\x00\x00"s + "a" + array +
                 "c_codecs\nencode\nX\x04\x00\x00\x00\x02\x02\x00\x00X\x06\x00\x00\x00latin1\x86R\x86"s + "bu."));
  write(folder / "fuzz_pickle" / "protocol4",
        bytes_of("\x80\x04\x95\x09\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01"s + "aK\x01u."));
  write(folder / "fuzz_pickle" / "protocol0", bytes_of("(dp0\nS'a\\x41'\np1\nI3\nsV\\u0041\nF1.5\ns."));
  write(folder / "fuzz_flex" / "int", bytes_of("\x02\x04\x00\x82\x01\x03\x2c\x01\x85\x00\x00\x00\x80"s));
  write(folder / "fuzz_flex" / "double", bytes_of("\x02\x02\x02\xc0\x02\x02\x88\xcc\xcc\xcc\xcc\xcc\xcc\xd0\x82\x03"s));
  for (char mode = 0; mode < 32; ++mode)
    write(folder / "fuzz_cbf" / std::to_string(mode), bytes_of("\x20\x03\x01"s + mode + std::string(300, '\x11')));
  for (unsigned char type = 0; type < 8; ++type) {
    File file;
    file.put<unsigned char>({type}).u64({2000}).i32({-2874, -1, 0, 1, 63536, 70000});
    write(folder / "fuzz_clamp" / std::to_string(type), file);
  }
}
