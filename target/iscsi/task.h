// ScsiTask: one SCSI command of a session from its header to its answer, and beyond: a command that
// was given up (aborted, reset, BUSY at its deadline) lives on until the task router returns it.
#pragma once

#include <boost/intrusive/list.hpp>

#include <memory>
#include <optional>
#include <span>

#include "backend/base/async.h"
#include "backend/base/buffer.h"
#include "target/iscsi/memory_budget.h"
#include "target/iscsi/transfer.h"
#include "target/scsi/command.h"

namespace swiftness::iscsi {

using AutoUnlinked =
    boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

class Connection;

struct ScsiTask : AutoUnlinked {  // its hook: the session's queue of deadlines
  enum class State {
    receiving,  // its own PDU, or data that comes unsolicited or was asked for
    waiting,    // for memory
    running,    // in the task router
  };

  scsi::Command command;
  scsi::TransferPlan plan;
  TicketPtr ticket = std::make_shared<Ticket>();
  // Its allegiance (RFC 7143 4.2.5.1): its data, R2Ts and answer travel there. There as long as the
  // task is live.
  Connection* connection = nullptr;
  TimePoint deadline;
  State state = State::receiving;
  uint32_t cmd_sn = 0;
  bool immediate = false;
  bool admitted = false;  // its CmdSN had its turn (an immediate one's has it at once)
  bool live = true;       // neither answered nor given up

  DataOutPlan data_out;
  std::optional<DataOutPlan::Verdict> failure;  // of the data that came; answered on admission
  Buffer unsolicited;                           // [0, unsolicited.size()) of the data
  Buffer solicited;                             // the rest, once there is memory for it
  MemoryBudget::Charge charge;

  uint32_t tag() const noexcept { return static_cast<uint32_t>(command.tag.value()); }

  // Where received data belongs: the part of [offset, offset + length) that is kept.
  std::span<std::byte> place(uint32_t offset, uint32_t length) {
    size_t split = unsolicited.size();
    Buffer& part = offset < split ? unsolicited : solicited;
    size_t at = offset < split ? offset : offset - split;
    if (at >= part.size()) return {};
    return part.writable().subspan(at, std::min<size_t>(length, part.size() - at));
  }
};

using ScsiTaskPtr = std::shared_ptr<ScsiTask>;

// The data segment that carries sense data: SenseLength goes before it (RFC 7143 11.4.7).
BufferList sense_segment(const Bytes& sense);

}  // namespace swiftness::iscsi
