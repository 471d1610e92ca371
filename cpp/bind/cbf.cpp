// CBF codecs: a section of a source into an array, and an array into a section.
#include <string>

#include "bind.hpp"
#include "braggio/byte_offset.hpp"
#include "braggio/md5.hpp"
#include "braggio/memory.hpp"
#include "braggio/packed.hpp"
#include "braggio/parallel.hpp"

namespace braggio::bind {
namespace {

inline constexpr std::uint64_t digest_alone = std::uint64_t{1} << 17;  // below this no thread for the digest

template <class Fn>
void with_word(std::size_t bytes, Fn&& fn) {
  switch (bytes) {
    case 1: return fn.template operator()<std::uint8_t>();
    case 2: return fn.template operator()<std::uint16_t>();
    case 4: return fn.template operator()<std::uint32_t>();
    case 8: return fn.template operator()<std::uint64_t>();
    default: throw py::value_error("elements must have 1, 2, 4 or 8 bytes");
  }
}

enum class Codec { none, byte_offset, packed, packed_v2 };

Codec codec_named(const std::string& name) {
  if (name == "none") return Codec::none;
  if (name == "byte_offset") return Codec::byte_offset;
  if (name == "packed") return Codec::packed;
  if (name == "packed_v2") return Codec::packed_v2;
  throw py::value_error("codec must be none, byte_offset, packed or packed_v2, not " + name);
}

packed::Layout layout_of(const py::array& array, Codec codec, bool flat, bool uncorrelated) {
  packed::Layout layout{.v2 = codec == Codec::packed_v2, .flat = flat, .uncorrelated = uncorrelated};
  const auto axes = static_cast<std::size_t>(array.ndim());
  if (axes < 1 || axes > 3) throw py::value_error("array must have 1 to 3 axes");
  const auto length = [&](std::size_t from_last) {
    return from_last < axes ? static_cast<std::size_t>(array.shape(static_cast<py::ssize_t>(axes - 1 - from_last))) : 1;
  };
  layout.fast = length(0);
  layout.mid = length(1);
  layout.slow = length(2);
  return layout;
}

void decode_packed(Bytes data, Codec codec, const packed::Layout& layout, void* out, std::size_t element) {
  if (layout.count() == 0) return;
  with_word(element, [&]<class Word>() {
    auto* words = static_cast<Word*>(out);
    if (codec == Codec::none) {
      if (data.size() < layout.count() * sizeof(Word))
        throw Error(Fault::truncated, "binary section", std::to_string(layout.count() * sizeof(Word)) + " bytes",
                    std::to_string(data.size()));
      std::memcpy(words, data.data(), layout.count() * sizeof(Word));
    } else if (codec == Codec::byte_offset) {
      byte_offset::decode<Word>(data, {words, layout.count()});
    } else {
      packed::decode<Word>(data, layout, words);
    }
  });
}

// The MD5 of the section when it is asked for. It is the slower of the two (0.7 GB/s), so it begins at once, in the
// calling thread, and reads for itself: neither a thread's start nor the copy of the whole section keeps it waiting.
py::bytes decode_section(const HeldSource& held, std::uint64_t offset, std::uint64_t size, const std::string& codec,
                         const py::array& out, bool flat, bool uncorrelated, bool digest) {
  require_writeable(out, "out");
  const Codec chosen = codec_named(codec);
  const packed::Layout layout = layout_of(out, chosen, flat, uncorrelated);
  void* target = const_cast<void*>(out.data());
  const auto element = static_cast<std::size_t>(out.itemsize());
  Md5::Digest found{};
  {
    py::gil_scoped_release release;
    const Source& source = held.source;
    if (offset > source.size() || source.size() - offset < size)
      throw Error(Fault::truncated, "X-Binary-Size", std::to_string(size) + " bytes at byte " + std::to_string(offset),
                  std::to_string(source.size()) + " bytes in all");
    for_ranges(2, digest && size >= digest_alone ? 2 : 1, [&](std::size_t start, std::size_t stop, std::size_t) {
      for (std::size_t task = start; task < stop; ++task) {
        if (task == 0 && digest)
          found = Md5::of_read(size, [&](std::uint64_t at, MutableBytes block) { source.read(offset + at, block); });
        if (task == 1) {
          Buffer copy;
          if (!source.in_memory()) source.read(offset, copy.first(size));
          const Bytes data = source.in_memory() ? source.view(offset, size) : Bytes(copy.first(size));
          decode_packed(data, chosen, layout, target, element);
        }
      }
    });
  }
  return digest ? py::bytes(reinterpret_cast<const char*>(found.data()), found.size()) : py::bytes();
}

// Several sections of one codec, each a part of `out` along its first axis; their MD5, four at a time.
std::vector<py::bytes> decode_sections(const HeldSource& held,
                                       const std::vector<std::pair<std::uint64_t, std::uint64_t>>& places,
                                       const std::string& codec, const py::array& out, bool digest) {
  require_writeable(out, "out");
  const Codec chosen = codec_named(codec);
  if (out.ndim() < 2 || static_cast<std::size_t>(out.shape(0)) != places.size())
    throw py::value_error("out must have a part for each section");
  const auto element = static_cast<std::size_t>(out.itemsize());
  packed::Layout layout{.v2 = chosen == Codec::packed_v2};
  const auto axes = static_cast<std::size_t>(out.ndim()) - 1;
  if (axes > 3) throw py::value_error("a section has 1 to 3 axes");
  std::size_t* const lengths[] = {&layout.fast, &layout.mid, &layout.slow};
  for (std::size_t i = 0; i < axes; ++i)
    *lengths[i] = static_cast<std::size_t>(out.shape(static_cast<py::ssize_t>(axes - i)));
  auto* target = static_cast<std::byte*>(const_cast<void*>(out.data()));
  std::vector<Md5::Digest> found(places.size());
  {
    py::gil_scoped_release release;
    std::uint64_t total = 0;
    for (const auto& [offset, size] : places) total = checked_sum(total, size, "sections");
    if (total > held.source.size())
      throw Error(Fault::truncated, "X-Binary-Size", std::to_string(total) + " bytes",
                  std::to_string(held.source.size()));
    Buffer memory;
    const MutableBytes all = memory.first(total);
    std::vector<Bytes> data;
    std::uint64_t used = 0;
    for (const auto& [offset, size] : places) {
      const MutableBytes part = all.subspan(used, size);
      held.source.read(offset, part);
      data.emplace_back(part);
      used += size;
    }
    for_ranges(2, digest && total >= digest_alone ? 2 : 1, [&](std::size_t start, std::size_t stop, std::size_t) {
      for (std::size_t task = start; task < stop; ++task) {
        for (std::size_t i = 0; task == 0 && i < data.size(); ++i)
          decode_packed(data[i], chosen, layout, target + i * layout.count() * element, element);
        for (std::size_t i = 0; task == 1 && digest && i < data.size(); i += 4) {
          std::array<Bytes, 4> four{};
          for (std::size_t k = 0; k < 4 && i + k < data.size(); ++k) four[k] = data[i + k];
          const auto digests = Md5::of_four(four);
          for (std::size_t k = 0; k < 4 && i + k < data.size(); ++k) found[i + k] = digests[k];
        }
      }
    });
  }
  std::vector<py::bytes> results;
  for (const Md5::Digest& each : found)
    results.emplace_back(reinterpret_cast<const char*>(each.data()), digest ? each.size() : 0);
  return results;
}

py::bytes md5(const HeldSource& held, std::uint64_t offset, std::uint64_t size) {
  const Bytes data = held.source.view(offset, size);
  const Md5::Digest found = Md5::of(data);
  return {reinterpret_cast<const char*>(found.data()), found.size()};
}

py::bytes encode_section(const py::array& array, const std::string& codec) {
  require_contiguous(array, "array");
  const Codec chosen = codec_named(codec);
  const packed::Layout layout = layout_of(array, chosen, false, false);
  std::vector<std::byte> out;
  with_word(static_cast<std::size_t>(array.itemsize()), [&]<class Word>() {
    const auto* words = static_cast<const Word*>(array.data());
    py::gil_scoped_release release;
    if (chosen == Codec::none)
      out.assign(reinterpret_cast<const std::byte*>(words), reinterpret_cast<const std::byte*>(words + layout.count()));
    else if (chosen == Codec::byte_offset)
      out = byte_offset::encode<Word>({words, layout.count()});
    else
      out = packed::encode<Word>(words, layout);
  });
  return {reinterpret_cast<const char*>(out.data()), out.size()};
}

}  // namespace

void add_cbf(py::module_& module) {
  module.def("decode_section", &decode_section, py::arg("source"), py::arg("offset"), py::arg("size"), py::arg("codec"),
             py::arg("out").noconvert(), py::kw_only(), py::arg("flat") = false, py::arg("uncorrelated") = false,
             py::arg("digest") = false, "Fill `out` from a CBF section; gives its MD5 when `digest` is asked for.");
  module.def("decode_sections", &decode_sections, py::arg("source"), py::arg("places"), py::arg("codec"),
             py::arg("out").noconvert(), py::kw_only(), py::arg("digest") = false,
             "Fill out[i] from the section at places[i] = (offset, size); gives their MD5 when asked for.");
  module.def("encode_section", &encode_section, py::arg("array").noconvert(), py::arg("codec"),
             "The CBF section of a native array.");
  module.def("md5", &md5, py::arg("source"), py::arg("offset"), py::arg("size"), "MD5 of bytes in memory.");
}

}  // namespace braggio::bind
