// What opening a journal finds out, and what may be done with it (I11). Pure.
#pragma once

#include <string>

#include "backend/volume/format.h"

namespace swiftness {

struct JournalFacts {
  enum class State {
    fresh,       // never stamped: nothing was ever acknowledged from it
    foreign,     // a sound journal of another volume: `volume` says of which
    unreadable,  // not a journal, of a later format, or both superblocks damaged: `damage` says
                 // what
    usable,      // of this volume; everything below is known
  };
  State state = State::fresh;
  Uuid volume;
  std::string damage;  // usable: the records are corrupt below what was synced; empty: they are not

  // Who wrote it. The epoch of `stamp` was perhaps never started: its gateway may have died between
  // stamping and publishing its start. Then the records are still those of `before`, which is the
  // era that was the highest started one when the stamp was made.
  Era stamp;
  Era before;

  // The records that can be replayed; none when newest + 1 == oldest.
  LogPosition oldest{1};
  LogPosition newest;
  // Everything up to it was durable in the store, as the journal remembers it. Never above the
  // truth, often below it.
  LogPosition frontier;
  // A write or sync had failed, and whoever had the journal had stopped using it.
  bool retired = false;
};

// What recovery found in the store.
struct StoreLog {
  Era last_started;             // the highest started era before ours; epoch 0: none
  std::string last_started_by;  // its host, for the message; may be empty
  LogPosition end;              // the last position of its log
};

struct JournalVerdict {
  enum class Action {
    use,        // replay the records above StoreLog::end, if there are any, then go on with it
    set_aside,  // rename the file, never delete it; begin a new one
    refuse,     // the attach must fail: data are missing, here or in the store
  };
  Action action = Action::use;
  std::string why;  // for an administrator; empty with `use`
};

JournalVerdict judge(const JournalFacts& facts, const StoreLog& log);

}  // namespace swiftness
