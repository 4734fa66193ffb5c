// Mode parameters (SPC-5 7.5, SBC-4 6.5), as bytes. Pure.
#pragma once

#include <variant>

#include "backend/block_device.h"
#include "target/scsi/cdb.h"
#include "target/scsi/sense.h"

namespace swiftness::scsi {

struct ModeValues {
  bool write_cache = true;  // WCE: is GOOD for a write without FUA given before data are flushed
  bool write_protected = false;  // WP, as this I_T nexus sees it
};

// What MODE SENSE answers, whole; or why it does not.
std::variant<Bytes, Sense> mode_sense_data(const ModeSenseCdb& cdb, const ModeValues& values,
                                           const Geometry& geometry);

}  // namespace swiftness::scsi
