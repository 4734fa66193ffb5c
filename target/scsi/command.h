// What passes between a transport (target/iscsi) and the task router (target/scsi): a command with
// its nexus and tag, what it will transfer, and how it ended. SAM-5 terms.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "backend/base/buffer.h"
#include "backend/base/units.h"
#include "backend/block_device.h"
#include "target/scsi/sense.h"

namespace swiftness::scsi {

// An I_T nexus, given out by TaskRouter::attach; never reused within a process.
using NexusId = Count<struct NexusIdTag>;
// Names a task within its nexus (iSCSI: the Initiator Task Tag).
using TaskTag = Count<struct TaskTagTag>;
// The 8-byte LUN field as it is on the wire, big-endian in a number (SAM-5 4.7).
using LunField = Count<struct LunFieldTag>;

enum class TaskAttribute { simple, ordered, head_of_queue, aca };  // SAM-5 8.6; untagged is simple

using Cdb = std::array<uint8_t, 16>;

struct Command {
  NexusId nexus;
  TaskTag tag;
  LunField lun;
  TaskAttribute attribute = TaskAttribute::simple;
  Cdb cdb{};
  bool reads = false;  // the initiator's R and W bits
  bool writes = false;
  uint32_t expected_data_length = 0;  // bytes; the initiator's Expected Data Transfer Length
};

enum class Status : uint8_t {  // SAM-5 5.3.1
  good = 0x00,
  check_condition = 0x02,
  condition_met = 0x04,
  busy = 0x08,
  reservation_conflict = 0x18,
  task_set_full = 0x28,
  aca_active = 0x30,
  task_aborted = 0x40,
};

// How a command ended. data_in may be longer or shorter than the initiator expects: the transport
// cuts it and reports the residual.
struct ScsiResult {
  Status status = Status::good;
  Bytes sense;  // SPC-5 4.4 sense data without the transport's length field; empty unless check
                // condition
  BufferList data_in;
  std::optional<Sense>
      cause{};  // what `sense` says, as a value: it can be said in the other format
  // The unit attention it reports, in `sense` or (REQUEST SENSE) as data: no longer pending.
  std::optional<AdditionalSense> attention{};
};

// What a command will move, known from the CDB before any data are asked for.
struct TransferPlan {
  enum class Direction { none, to_initiator, from_initiator };
  Direction direction = Direction::none;
  uint64_t bytes = 0;  // the CDB's own length; the transport takes min(bytes, expected_data_length)
  std::optional<ScsiResult> final;  // set: the command ends here with this, and moves no data
};

enum class ResetKind { logical_unit, target_warm, target_cold };

// What QUERY ASYNCHRONOUS EVENT answers beside FUNCTION SUCCEEDED, as SAM-5 lays it out: UADE DEPTH
// and sense key, additional sense code, qualifier.
using AsynchronousEvent = std::array<uint8_t, 3>;

}  // namespace swiftness::scsi
