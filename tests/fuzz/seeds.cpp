// Writes the small valid files that the fuzzers start from: seeds/<target>/<name> in the folder given.
#include <cstddef>
#include <filesystem>
#include <fstream>
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
  for (unsigned char type = 0; type < 8; ++type) {
    File file;
    file.put<unsigned char>({type}).u64({2000}).i32({-2874, -1, 0, 1, 63536, 70000});
    write(folder / "fuzz_clamp" / std::to_string(type), file);
  }
}
