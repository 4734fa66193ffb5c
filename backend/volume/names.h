// Names of a volume's objects (docs/FORMAT.md, section 2). Nothing else makes or takes them apart.
#pragma once

#include <string>

#include "backend/object_store.h"
#include "backend/volume/format.h"

namespace swiftness {

inline constexpr const char* kCatalogue = "catalogue";

ObjectName catalogue_entry(const std::string& volume_name);

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
