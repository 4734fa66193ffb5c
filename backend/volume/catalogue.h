// The catalogue: which volumes a store holds. One create-only object a volume, by name, in a
// container of its own; it gives the volume its UUID, under which everything else is named.
#pragma once

#include <string>
#include <vector>

#include "backend/base/units.h"
#include "backend/base/uuid.h"
#include "backend/object_store.h"

namespace swiftness {

struct VolumeDescriptor {
  std::string name;           // 1 to 64 of [a-z0-9._-], starting with a letter or digit
  Uuid uuid;                  // fixed at creation
  ByteCount created_size;     // bytes; a multiple of 4096
  uint32_t block_size = 512;  // bytes of a logical block: 512 or 4096
  uint64_t created_at = 0;    // seconds since the epoch
};

// Why a name, size or block size cannot be had; nothing when it can.
Result<void> check_descriptor(const VolumeDescriptor& descriptor);

// Creates the volume when the name is certainly free (I12). conflict: there is one of that name;
// unavailable: the store could not say for sure, nothing was done.
Async<VolumeDescriptor> create_volume(ObjectStore& store, std::string name, ByteCount size,
                                      uint32_t block_size);

// not_found only when the name is certainly free.
Async<VolumeDescriptor> find_volume(ObjectStore& store, std::string name);

// By listing: may miss a volume created moments ago.
Async<std::vector<VolumeDescriptor>> list_volumes(ObjectStore& store);

}  // namespace swiftness
