#include "backend/volume/names.h"

#include <fmt/format.h>

#include <array>
#include <span>
#include <utility>

namespace swiftness {
namespace {

std::string in_era(const char* kind, const Era& era, uint64_t number) {
  return fmt::format("{}/{:016x}-{}/{:016x}", kind, era.epoch.value(), to_hex(era.claim.bytes),
                     number);
}

// Lower-case hexadecimal digits, all of the text.
bool read_hex(std::string_view text, std::span<std::byte> out) {
  if (text.size() != out.size() * 2) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool digit = c >= '0' && c <= '9';
    if (!digit && !(c >= 'a' && c <= 'f')) return false;
    const auto value = static_cast<std::byte>(digit ? c - '0' : c - 'a' + 10);
    out[i / 2] = i % 2 == 0 ? value << 4 : out[i / 2] | value;
  }
  return true;
}

std::optional<uint64_t> read_number(std::string_view text) {
  std::array<std::byte, 8> bytes{};
  if (!read_hex(text, bytes)) return std::nullopt;
  uint64_t out = 0;
  for (std::byte byte : bytes) out = out << 8 | std::to_integer<uint64_t>(byte);
  return out;
}

std::optional<Epoch> read_epoch(std::string_view prefix, std::string_view name) {
  if (!name.starts_with(prefix)) return std::nullopt;
  const std::optional<uint64_t> epoch = read_number(name.substr(prefix.size()));
  if (!epoch) return std::nullopt;
  return Epoch(*epoch);
}

}  // namespace

std::optional<EraObject> parse_era_object(std::string_view name) {
  constexpr std::pair<std::string_view, EraObject::Kind> kKinds[] = {
      {"chunk/", EraObject::Kind::chunk},
      {"root/", EraObject::Kind::root},
      {"map/", EraObject::Kind::map_object}};
  for (const auto& [prefix, kind] : kKinds) {
    if (!name.starts_with(prefix)) continue;
    name.remove_prefix(prefix.size());
    constexpr size_t kEpochEnd = 16, kClaimEnd = 17 + 32, kSize = 18 + 32 + 16;
    if (name.size() != kSize || name[kEpochEnd] != '-' || name[kClaimEnd] != '/') break;
    EraObject out{kind, {}, 0};
    const std::optional<uint64_t> epoch = read_number(name.substr(0, kEpochEnd));
    const std::optional<uint64_t> number = read_number(name.substr(kClaimEnd + 1));
    if (!epoch || !number || !read_hex(name.substr(17, 32), out.era.claim.bytes)) break;
    out.era.epoch = Epoch(*epoch);
    out.number = *number;
    return out;
  }
  return std::nullopt;
}

std::optional<Epoch> parse_claim(std::string_view name) {
  return read_epoch("claim/", name);
}

std::optional<Epoch> parse_start(std::string_view name) {
  return read_epoch("start/", name);
}

ObjectName catalogue_entry(const std::string& volume_name) {
  return {kCatalogue, "volume/" + volume_name};
}

VolumeNames::VolumeNames(const Uuid& volume)
    : volume_(to_string(volume)), meta_(volume_ + "-meta") {}

std::string VolumeNames::data(Sequence sequence) const {
  return fmt::format("{}-data-{:08x}", volume_, sequence.value() / kChunksPerContainer);
}

ObjectName VolumeNames::claim(Epoch epoch) const {
  return {meta_, fmt::format("claim/{:016x}", epoch.value())};
}

ObjectName VolumeNames::start(Epoch epoch) const {
  return {meta_, fmt::format("start/{:016x}", epoch.value())};
}

ObjectName VolumeNames::fence() const {
  return {meta_, "fence"};
}
ObjectName VolumeNames::head() const {
  return {meta_, "head"};
}

ObjectName VolumeNames::released(const Era& era) const {
  return {meta_, fmt::format("released/{:016x}-{}", era.epoch.value(), to_hex(era.claim.bytes))};
}

ObjectName VolumeNames::unsaved() const {
  return {meta_, "unsaved"};
}

ObjectName VolumeNames::root(const RootName& root) const {
  return {meta_, in_era("root", root.era, root.number)};
}

ObjectName VolumeNames::map_object(const Era& era, uint64_t number) const {
  return {meta_, in_era("map", era, number)};
}

ObjectName VolumeNames::chunk(const Era& era, Sequence sequence) const {
  return {data(sequence), in_era("chunk", era, sequence.value())};
}

}  // namespace swiftness
