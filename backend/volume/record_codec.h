// How every record is put together and taken apart: the envelope of docs/FORMAT.md, section 3. Only
// for the files that encode and decode (format.cc, map_format.cc).
#pragma once

#include <fmt/format.h>

#include <cstring>
#include <span>
#include <string>

#include "backend/base/crc32c.h"
#include "backend/base/endian.h"
#include "backend/volume/format.h"

namespace swiftness {

inline constexpr char kRecordMagic[8] = {'S', 'W', 'I', 'F', 'T', 'N', 'S', 'S'};
inline constexpr uint16_t kFormatVersion = 2;
inline constexpr size_t kCrcOffset = 32;

// Appends to a record; finish() puts the envelope's length and checksum in.
class Writer {
 public:
  Writer(RecordKind kind, const Uuid& volume) {
    raw(std::as_bytes(std::span(kRecordMagic)));
    number(static_cast<uint16_t>(kind));
    number(kFormatVersion);
    number(uint32_t{0});  // payload length, by finish()
    uuid(volume);
    number(uint64_t{0});  // checksum by finish(), and zeros
  }

  template <class T>
  void number(T value) {
    size_t at = bytes_.size();
    bytes_.resize(at + sizeof(T));
    store_le<T>(bytes_.data() + at, value);
  }
  template <class T>
  void numbers(const std::vector<T>& values) {
    size_t at = bytes_.size();
    bytes_.resize(at + values.size() * sizeof(T));
    for (size_t i = 0; i < values.size(); ++i)
      store_le<T>(bytes_.data() + at + i * sizeof(T), values[i]);
  }
  void raw(std::span<const std::byte> bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  void uuid(const Uuid& uuid) { raw(uuid.bytes); }
  void era(const Era& era) {
    number(era.epoch.value());
    uuid(era.claim);
  }
  void string(std::string_view text) {
    CHECK(text.size() <= UINT16_MAX);
    number(static_cast<uint16_t>(text.size()));
    raw(std::as_bytes(std::span(text)));
  }
  void root_name(const RootName& name) {
    era(name.era);
    number(name.number);
  }
  void location(const Location& at) {  // without its chunk
    number(at.frame_offset);
    number(at.frame_length);
    number(at.skip);
    number(uint16_t{0});
  }

  Bytes finish() && {
    CHECK(bytes_.size() - kEnvelopeBytes <= UINT32_MAX);
    store_le(bytes_.data() + 12, static_cast<uint32_t>(bytes_.size() - kEnvelopeBytes));
    store_le(bytes_.data() + kCrcOffset, crc32c(bytes_));
    return std::move(bytes_);
  }

 private:
  Bytes bytes_;
};

// Reads a payload. The first read past its end makes it fail for good; whoever decodes asks once,
// at the end. Counts are checked before anything is allocated for them.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> payload) : rest_(payload) {}

  template <class T>
  T number() {
    if (!take(sizeof(T))) return 0;
    return load_le<T>(taken_.data());
  }
  template <class T>
  std::vector<T> numbers(size_t count) {
    if (count > rest_.size() / sizeof(T)) fail();
    if (!take(count * sizeof(T))) return {};
    std::vector<T> out(count);
    for (size_t i = 0; i < count; ++i) out[i] = load_le<T>(taken_.data() + i * sizeof(T));
    return out;
  }
  template <size_t N>
  std::array<std::byte, N> raw() {
    std::array<std::byte, N> out{};
    if (take(N)) std::memcpy(out.data(), taken_.data(), N);
    return out;
  }
  Uuid uuid() { return Uuid{raw<16>()}; }
  Era era() {
    Era out;
    out.epoch = Epoch(number<uint64_t>());
    out.claim = uuid();
    return out;
  }
  std::string string() {
    size_t length = number<uint16_t>();
    if (!take(length)) return {};
    return {reinterpret_cast<const char*>(taken_.data()), length};
  }
  RootName root_name() {
    RootName out;
    out.era = era();
    out.number = number<uint64_t>();
    return out;
  }
  Location location(Sequence chunk) {
    Location out;
    out.chunk = chunk;
    out.frame_offset = number<uint16_t>();
    out.frame_length = number<uint16_t>();
    out.skip = number<uint16_t>();
    number<uint16_t>();
    return out;
  }
  // How many entries of `entry_bytes` follow: a count that cannot be true makes it fail.
  size_t count(size_t entry_bytes) {
    size_t entries = number<uint32_t>();
    if (entries > rest_.size() / entry_bytes) fail();
    return failed_ ? 0 : entries;
  }
  void fail() { failed_ = true; }
  bool done() const { return !failed_ && rest_.empty(); }

 private:
  bool take(size_t length) {
    if (failed_ || length > rest_.size()) {
      failed_ = true;
      return false;
    }
    taken_ = rest_.first(length);
    rest_ = rest_.subspan(length);
    return true;
  }

  std::span<const std::byte> rest_;
  std::span<const std::byte> taken_;
  bool failed_ = false;
};

struct Opened {
  Uuid volume;
  std::span<const std::byte> payload;
};

// Checks an envelope; what follows its payload is not looked at.
inline Result<Opened> open_envelope(RecordKind kind, std::span<const std::byte> bytes) {
  Result<size_t> size = record_size(bytes);
  if (!size) return size.error();
  if (bytes.size() < *size) {
    return corrupt(fmt::format("record is cut: {} of {} bytes", bytes.size(), *size));
  }
  auto found = load_le<uint16_t>(bytes.data() + 8);
  if (found != static_cast<uint16_t>(kind)) {
    return corrupt(
        fmt::format("record of kind {} where kind {} belongs", found, static_cast<uint16_t>(kind)));
  }
  std::array<std::byte, kEnvelopeBytes> envelope;
  std::memcpy(envelope.data(), bytes.data(), kEnvelopeBytes);
  store_le<uint32_t>(envelope.data() + kCrcOffset, 0);
  Opened opened;
  opened.payload = bytes.subspan(kEnvelopeBytes, *size - kEnvelopeBytes);
  uint32_t expected = load_le<uint32_t>(bytes.data() + kCrcOffset);
  if (crc32c(opened.payload, crc32c(envelope)) != expected) {
    return corrupt("record fails its checksum");
  }
  std::memcpy(opened.volume.bytes.data(), bytes.data() + 16, 16);
  return opened;
}

inline Result<Reader> open_record(RecordKind kind, const Uuid& volume,
                                  std::span<const std::byte> bytes) {
  Result<Opened> opened = open_envelope(kind, bytes);
  if (!opened) return opened.error();
  if (opened->volume != volume) {
    return corrupt("record belongs to volume " + to_string(opened->volume));
  }
  return Reader(opened->payload);
}

template <class T>
Result<T> finished(const Reader& reader, T value) {
  if (!reader.done()) return corrupt("record does not have the fields of its kind");
  return value;
}

}  // namespace swiftness
