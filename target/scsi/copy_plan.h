// CopyPlan: what a copy command will do, once it is known that it may: steps from one logical unit
// to another, in their order. And the doing, in the command or behind its back (IMMED).
#pragma once

#include <vector>

#include "target/scsi/copy_blocks.h"
#include "target/scsi/copy_manager.h"

namespace swiftness::scsi {

struct CopyStep {
  LogicalUnit* from = nullptr;  // null: zeros
  Lba from_first;
  LogicalUnit* to = nullptr;
  Lba to_first;
  uint64_t bytes = 0;
};

struct CopyPlan {
  NexusId nexus;  // whose command it is
  std::vector<CopyStep> steps;
  CopyControl control;
  std::shared_ptr<CopySlots> slots;
  LogicalUnit* delete_token_of = nullptr;  // when all went well
};

// Each step holds the blocks it writes, as a WRITE does; the last of them is followed by a flush
// where a write would be. Tells the operation how far it has come. With a ticket that is cancelled
// it touches no logical unit any more: they may be gone.
asio::awaitable<CopyOutcome> run_copy(CopyPlan plan);

// The command's end, for one that has its outcome; sense data name the segment that failed.
ScsiResult result_of_copy(const CopyOutcome& outcome, const CopyControl& control);

// Nothing of the segment could be done, SPC-5 5.17.7.3.
Sense copy_aborted(AdditionalSense why, size_t segment);

// Runs the plan now, or with `immed` gives its operation a ticket of its own and runs it on, while
// the command ends with GOOD.
asio::awaitable<ScsiResult> run_plan(CopyPlan plan, bool immed);

}  // namespace swiftness::scsi
