// Mode parameters (SPC-5 7.5, SBC-4 6.5): as MODE SENSE shows them, and what MODE SELECT makes of
// them. Pure.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <variant>

#include "backend/block_device.h"
#include "target/scsi/cdb.h"
#include "target/scsi/sense.h"

namespace swiftness::scsi {

// One threshold of the Logical Block Provisioning mode page, in threshold sets (limits.h).
struct SoftThreshold {
  bool enabled = false;
  uint32_t count = 0;
  friend bool operator==(const SoftThreshold&, const SoftThreshold&) = default;
};

// The descriptors of that page, in its order. The last one is the administrator's: MODE SELECT
// changes nothing of it, and it is not saved.
inline constexpr size_t kAvailableThreshold = 0;   // armed decreasing
inline constexpr size_t kUsedThreshold = 1;        // armed increasing
inline constexpr size_t kConfiguredThreshold = 2;  // of what is used: armed increasing
inline constexpr size_t kThresholdDescriptors = 3;
// Where a descriptor is in the page.
constexpr uint64_t threshold_descriptor_at(size_t descriptor) {
  return 16 + 8 * descriptor;
}

// What MODE SELECT can change. One set for all nexuses.
struct ModeParameters {
  bool write_cache = true;  // WCE: is GOOD for a write without FUA given before data are flushed
  bool descriptor_sense = false;        // D_SENSE
  bool software_write_protect = false;  // SWP
  bool provisioning_errors = true;      // LBPERE: a soft threshold that is passed is told
  std::array<SoftThreshold, kThresholdDescriptors> thresholds{};
  friend bool operator==(const ModeParameters&, const ModeParameters&) = default;
};

struct ModeValues {
  ModeParameters current{};
  ModeParameters defaults{};
  std::optional<ModeParameters> saved{};  // nothing: they cannot be saved
  bool write_protected = false;           // WP, as this I_T nexus sees it
};

// What MODE SENSE answers, whole; or why it does not.
std::variant<Bytes, Sense> mode_sense_data(const ModeSenseCdb& cdb, const ModeValues& values,
                                           const Geometry& geometry);

// The parameters as a MODE SELECT parameter list makes them; or why it is refused. A list is
// refused as a whole: no page of it has taken effect then.
std::variant<ModeParameters, Sense> parse_mode_select_list(std::span<const std::byte> list,
                                                           bool ten, const ModeParameters& current,
                                                           const Geometry& geometry);

// What SP=1 saves, for a device's metadata. decode() of what encode() did not make, and was not
// empty, is nothing; an empty record is as good as the defaults.
Bytes encode(const ModeParameters& mode);
// What is not saved is as in `defaults`.
std::optional<ModeParameters> decode_mode(std::span<const std::byte> record,
                                          const ModeParameters& defaults);

}  // namespace swiftness::scsi
