// Names of a volume's objects (docs/FORMAT.md, section 2). Nothing else makes or takes them apart.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "backend/object_store.h"
#include "backend/volume/format.h"

namespace swiftness {

inline constexpr const char* kCatalogue = "catalogue";

ObjectName catalogue_entry(const std::string& volume_name);

// What a listing shows of an object that an era wrote.
struct EraObject {
  enum class Kind { chunk, root, map_object };
  Kind kind;
  Era era;
  uint64_t number = 0;
};
std::optional<EraObject> parse_era_object(std::string_view name);
std::optional<Epoch> parse_claim(std::string_view name);
std::optional<Epoch> parse_start(std::string_view name);

class VolumeNames {
 public:
  explicit VolumeNames(const Uuid& volume);

  const std::string& meta() const noexcept { return meta_; }  // the metadata container
  std::string data(Sequence sequence) const;                  // the container of a chunk

  ObjectName claim(Epoch epoch) const;
  ObjectName start(Epoch epoch) const;
  ObjectName fence() const;
  ObjectName head() const;
  ObjectName released(const Era& era) const;
  ObjectName unsaved() const;
  ObjectName root(const RootName& root) const;
  ObjectName map_object(const Era& era, uint64_t number) const;
  ObjectName chunk(const Era& era, Sequence sequence) const;

 private:
  std::string volume_;
  std::string meta_;
};

}  // namespace swiftness
