// Journal: the volume's last writes on the gateway's own disk, until they are durable in the store
// (I11). A ring of records in one LocalFile; docs/FORMAT.md, section 9, has its bytes.
//
// Lives on one shard; every call is made there. A volume's life with it:
//
//   attach   open_journal()      what is there
//            recover the store's log
//            judge(facts, log)   use | set aside (rename, open a fresh one) | refuse
//            stamp()             before start/<n> is published
//            publish start/<n>
//            replay()            each position from log end + 1 to newest(), in order; go online
//   serve    enqueue(), written(), synced(), release(), read()
//   stop     close()
//
// An attach may fail after stamp() and be tried again with the same Journal: judge(facts()) and
// stamp() as often as it takes, as long as nothing was enqueued.
//
// Log positions are the volume's. Records have consecutive ones; replayed records keep theirs and
// stay where they are: they are not enqueued again. release() frees them like all others.
//
// Room. A record takes record_bytes(); the ring has no other overhead, and a record may lie across
// its end. Released room is used again only when a superblock that no longer counts on it is
// synced: a crash finds every byte from the remembered tail on as it was written. That superblock
// is written in the background when a sixteenth of the ring was released; used() and room() go by
// it.
//
// After any failed write or sync the journal is *retired*: nothing is reported written or synced
// any more, whoever waits gets the error, enqueue() refuses, and the superblock says so if the disk
// still lets it. read() still works as far as the disk does. What was reported before stays true.
// It logs nothing: the owner raises the alarm (on_change(), failed()).
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "backend/base/gate.h"
#include "backend/base/local_file.h"
#include "backend/volume/journal_facts.h"
#include "backend/volume/journal_format.h"
#include "backend/volume/journal_ring.h"

namespace swiftness {

class Journal {
 public:
  struct Replayed {
    JournalRecord record;
    JournalPlace place;
  };

  // The smallest file that takes every write: two of the largest record.
  static constexpr uint64_t kSmallestForAnyWrite = 32 << 20;

  ~Journal();  // after close(), or when nothing of it runs

  // What is known of it now: as opened, then as stamped. A journal that is not usable or fresh, or
  // that has `damage`, allows nothing else.
  JournalFacts facts() const;

  // Makes it the journal of `era`, whose gateway is about to start; `last_started` is the era that
  // recovery found highest, and `log_end` the last position in the store, proven (section 7, step
  // 6): the journal will insist on it. The records above log_end are kept and, as far as no earlier
  // sync vouches for them, written again and synced, so that what a crash of the machine could
  // still take is as safe as what follows. Without such records the ring begins anew at log_end +
  // 1, in the file's whole size. Synced when it returns. An Error retires the journal; whoever
  // still has records to replay must not go online then, because another crash would find a journal
  // of an era that is not the last started one.
  Async<void> stamp(Era era, Era last_started, LogPosition log_end);

  // The live record at `position`: oldest() to newest(). In ascending order it reads ahead. One
  // call at a time. The bytes are verified; an Error is the disk's (or corrupt). Also after stamp()
  // and beside enqueue().
  Async<Replayed> replay(LogPosition position);
  LogPosition oldest() const noexcept;  // first one not released
  LogPosition newest() const noexcept;  // last one enqueued; oldest() - 1: nothing is live

  // What a record takes of the ring. `extents` is at most kMostRecordExtents.
  static uint64_t record_bytes(uint64_t data_bytes, size_t extents);
  uint64_t capacity() const noexcept;
  uint64_t used() const noexcept;
  uint64_t room() const noexcept { return capacity() - used(); }
  bool has_room(uint64_t data_bytes, size_t extents) const noexcept {
    return record_bytes(data_bytes, extents) <= room();
  }

  // Takes the record, in log order: its position is newest() + 1, it is stamped, and has room (all
  // CHECKed). Does not wait: whatever is enqueued in one turn of the event loop, or while enough
  // writes are under way, goes out together. The data must not change until it is written. Refused
  // when retired; then the journal knows nothing of this position.
  Result<JournalPlace> enqueue(JournalRecord record);

  // Waits until every record up to `position` is written: it survives the process.
  Async<void> written(LogPosition position);
  // Waits until every record up to `position` is on the medium: it survives a power cut. One sync
  // serves all whose records were written when it began; writes go on meanwhile.
  Async<void> synced(LogPosition position);

  // Everything up to `position` is durable in the store and needs no replay. At most newest(), but
  // when retired positions that it never took do no harm. Records that are not even written yet may
  // be released.
  void release(LogPosition position);

  // `length` bytes at `offset` of the data of a live, written record. The whole data are read and
  // verified. not_found: it was released meanwhile, and has its place in the store.
  Async<Buffer> read(JournalPlace place, uint64_t offset, uint64_t length);
  // The data of live, written records, for somebody who has other checksums of them. `places` are
  // in the order of the log; it reads ahead.
  Async<std::vector<Buffer>> read_unverified(std::vector<JournalPlace> places);

  // Why it is retired; nothing: it is not.
  const std::optional<Error>& failed() const noexcept { return failed_; }

  // Called, on the shard, when room() has grown and when the journal was retired; never from within
  // enqueue() or release().
  void on_change(std::function<void()> tell) { tell_ = std::move(tell); }

  // Writes out what is enqueued, then ends. Later enqueues are refused, later waits get
  // `cancelled`. What was not synced stays so. When nothing is live the superblock says so: the
  // next open_journal() does not read the ring. Once it has returned the journal may be destroyed,
  // which closes the file.
  Task close();

 private:
  friend Async<std::unique_ptr<Journal>> open_journal(Executor executor,
                                                      std::unique_ptr<LocalFile> file, Uuid volume);
  Journal(Executor executor, std::unique_ptr<LocalFile> file, Uuid volume);

  struct Queued {
    LogPosition position;
    uint64_t offset;
    BufferList bytes;
  };
  // Records that go out together.
  struct Batch {
    LogPosition last;
    uint64_t begin;  // offsets
    uint64_t end;
    bool written = false;
  };

  Async<void> load();
  void choose(const SuperblockSlot& a, const SuperblockSlot& b);
  Async<void> scan();
  Superblock next_superblock(Era era, Era last_started) const;
  Async<void> write_again();
  Async<void> put_superblock(Superblock next);
  Async<void> sync_once();
  void start_writing();
  bool may_write() const;
  Task write_out();
  Async<void> write_batch();
  Task remember_tail();
  Task mark_retired();
  Async<void> write_superblock(const Superblock& next);
  void fail(const Error& error);
  Error closed() const;
  uint64_t tail() const noexcept { return starts_.empty() ? head_ : starts_.front(); }

  Executor executor_;
  Uuid volume_;
  std::unique_ptr<LocalFile> file_;
  JournalRing ring_;
  JournalReader reader_;  // of replay()
  Gate gate_;
  AsyncEvent written_changed_;
  AsyncEvent synced_changed_;
  AsyncEvent superblock_free_;
  std::function<void()> tell_;
  std::optional<Error> failed_;
  JournalFacts facts_;  // as opened; the stamp as stamped
  bool stamped_ = false;
  bool enqueued_ = false;

  Superblock superblock_;  // the newest one on the medium
  size_t slot_ = 1;        // where it is; the next one goes to the other
  bool superblock_busy_ = false;
  bool remembering_ = false;

  std::deque<uint64_t> starts_;  // offset of each live record
  LogPosition first_{1};         // position of the first of them
  uint64_t head_ = 0;            // offset of the next record
  std::deque<Queued> queue_;     // not written yet
  bool starting_ = false;        // a writer, which takes what this turn enqueues
  std::deque<Batch> under_way_;  // in the order of the log
  bool syncing_ = false;
  uint64_t written_end_ = 0;  // offset up to which the ring is written
  LogPosition written_;
  LogPosition synced_;
};

// Reads superblocks and records. An Error is the disk's; everything else is in facts().
Async<std::unique_ptr<Journal>> open_journal(Executor executor, std::unique_ptr<LocalFile> file,
                                             Uuid volume);

}  // namespace swiftness
