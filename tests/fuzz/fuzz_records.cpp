// Records with any layout of fields: what lies in the file is gathered, everything else is refused.
#include <cstdint>
#include <cstring>
#include <vector>

#include "braggio/records.hpp"
#include "parser.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace braggio;
  std::uint8_t head[6];
  if (size < sizeof head) return 0;
  std::memcpy(head, data, sizeof head);
  const Source source = Source::over(std::as_bytes(std::span(data, size)));
  const std::uint64_t first = head[0], stride = head[1] % 64, count = head[2];
  RecordField number{head[3] % 64u, head[4] % 32u}, text{head[4] % 64u, head[5] % 64u};
  std::vector<std::byte> out(count * number.size);
  std::vector<std::int32_t> codes(count);
  Dictionary dictionary;
  number.out = out.data();
  text.codes = codes.data();
  text.dictionary = &dictionary;
  const RecordField fields[] = {number, text};
  try {
    gather_records(source, first, stride, count, fields);
  } catch (const Error&) {
  }
  return 0;
}
