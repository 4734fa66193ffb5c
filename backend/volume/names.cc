#include "backend/volume/names.h"

#include <fmt/format.h>

namespace swiftness {
namespace {

std::string in_era(const char* kind, const Era& era, uint64_t number) {
  return fmt::format("{}/{:016x}-{}/{:016x}", kind, era.epoch.value(), to_hex(era.claim.bytes),
                     number);
}

}  // namespace

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
