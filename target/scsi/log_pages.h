// Log parameters (SPC-5 7.3, SBC-4 6.4) as LOG SENSE shows them. Pure.
#pragma once

#include <variant>

#include "backend/base/units.h"
#include "backend/block_device.h"
#include "target/scsi/cdb.h"
#include "target/scsi/sense.h"

namespace swiftness::scsi {

inline constexpr uint8_t kSupportedLogPages = 0x00;
inline constexpr uint8_t kInformationalExceptions = 0x2f;

// Counted since the logical unit exists in this process.
struct CommandStatistics {
  uint64_t read_commands = 0;
  uint64_t write_commands = 0;
  uint64_t blocks_received = 0;     // from initiators
  uint64_t blocks_transmitted = 0;  // to them
  uint64_t read_us = 0;             // sum of the times of the commands, in microseconds
  uint64_t write_us = 0;
  uint64_t idle_us = 0;  // when no command asked anything of the device
};

struct LogValues {
  CommandStatistics statistics{};
  Geometry geometry{};
  Usage usage{};
};

// What LOG SENSE answers, whole; or why it does not.
std::variant<Bytes, Sense> log_sense_data(const LogSenseCdb& cdb, const LogValues& values);

}  // namespace swiftness::scsi
