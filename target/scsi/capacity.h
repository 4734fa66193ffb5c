// READ CAPACITY parameter data (SBC-4 5.22.2, 5.23.2), as bytes. Pure.
#pragma once

#include "backend/base/buffer.h"
#include "backend/block_device.h"

namespace swiftness::scsi {

Bytes read_capacity10_data(const Geometry& geometry);
Bytes read_capacity16_data(const Geometry& geometry);

}  // namespace swiftness::scsi
