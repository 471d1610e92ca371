// Writes the small valid files that the fuzzers start from: seeds/<target>/<name> in the folder given.
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
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
  const auto text = [](std::string_view words) {
    const auto bytes = std::as_bytes(std::span(words));
    return std::vector<std::byte>(bytes.begin(), bytes.end());
  };
  write(folder / "fuzz_xtc" / "run", xtc_sample());
  write(folder / "fuzz_xtc_unpack" / "both", xtc_packed_sample());
  write(
      folder / "fuzz_star" / "relion",
      text("# version 30001\n\ndata_optics\n\nloop_ \n_rlnOpticsGroup #1 \n_rlnVoltage #2 \n           1   300.000000 "
           "\n \ndata_particles\n\nloop_\n_rlnImageName #1\n_rlnDefocusU #2\n_name #3\n000001@a.mrcs 12345.678901 "
           "'two words' # comment\n000002@b.mrcs -1e-5 x#y\n\ndata_list\n_key \"value\"\n"));
  for (const std::string number : {"12345.678901", "-0.10779", "1.040890e+05", "300", "9007199254740993", ".5", "nan"})
    write(folder / "fuzz_number" / number, text(std::string(1, static_cast<char>(number.size() - 1)) + number + " 1"));
  write(folder / "fuzz_records" / "two",
        text(std::string("\x06\x08\x02\x04\x04\x04", 6) + "aaa\0\1\2\3\4bb\0\0\5\6\7\7"));
  using namespace std::string_literals;
  const std::string grid = "cscitbx_array_family_flex_ext\ngrid\n(K\x00\x85K\x02\x85\x88tRK\x02\x85"s + "b";
  const std::string array = "cscitbx_array_family_flex_ext\nint\n)R"s + grid;
  write(folder / "fuzz_pickle" / "protocol2",
        text("\x80\x02}q\x00(X\x01\x00\x00\x00"s + "a" + array +
             "c_codecs\nencode\nX\x04\x00\x00\x00\x02\x02\x00\x00X\x06\x00\x00\x00latin1\x86R\x86"s + "bu."));
  write(folder / "fuzz_pickle" / "protocol4",
        text("\x80\x04\x95\x09\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01"s + "aK\x01u."));
  write(folder / "fuzz_pickle" / "protocol0", text("(dp0\nS'a\\x41'\np1\nI3\nsV\\u0041\nF1.5\ns."));
  write(folder / "fuzz_flex" / "int", text("\x02\x04\x00\x82\x01\x03\x2c\x01\x85\x00\x00\x00\x80"s));
  write(folder / "fuzz_flex" / "double", text("\x02\x02\x02\xc0\x02\x02\x88\xcc\xcc\xcc\xcc\xcc\xcc\xd0\x82\x03"s));
  for (char mode = 0; mode < 32; ++mode)
    write(folder / "fuzz_cbf" / std::to_string(mode), text("\x20\x03\x01"s + mode + std::string(300, '\x11')));
  write(folder / "fuzz_inflate" / "stream", text("\x07\x78\x9c\x4b\x4c\x4a\x4e\x49\x4d\x03\x00\x08\x1e\x02\x56"s));
  write(folder / "fuzz_deflate" / "orders", text("\x00\x20\x01\x01\x02\x03\x02\x00\x03\x00\xff\x00"s));
  for (unsigned char type = 0; type < 8; ++type) {
    File file;
    file.put<unsigned char>({type}).u64({2000}).i32({-2874, -1, 0, 1, 63536, 70000});
    write(folder / "fuzz_clamp" / std::to_string(type), file);
  }
}
