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
  write(
      folder / "fuzz_star" / "relion",
      text("# version 30001\n\ndata_optics\n\nloop_ \n_rlnOpticsGroup #1 \n_rlnVoltage #2 \n           1   300.000000 "
           "\n \ndata_particles\n\nloop_\n_rlnImageName #1\n_rlnDefocusU #2\n_name #3\n000001@a.mrcs 12345.678901 'two "
           "words' # comment\n000002@b.mrcs -1e-5 x#y\n\ndata_list\n_key \"value\"\n"));
  for (const std::string number : {"12345.678901", "-0.10779", "1.040890e+05", "300", "9007199254740993", ".5", "nan"})
    write(folder / "fuzz_number" / number, text(std::string(1, static_cast<char>(number.size() - 1)) + number + " 1"));
  write(folder / "fuzz_records" / "two",
        text(std::string("\x06\x08\x02\x04\x04\x04", 6) + "aaa\0\1\2\3\4bb\0\0\5\6\7\7"));
  for (unsigned char type = 0; type < 8; ++type) {
    File file;
    file.put<unsigned char>({type}).u64({2000}).i32({-2874, -1, 0, 1, 63536, 70000});
    write(folder / "fuzz_clamp" / std::to_string(type), file);
  }
}
