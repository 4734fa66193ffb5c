// A small vocabulary for tests of the journal: a machine with a fake disk, and on it one process
// after the other that has the journal open.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <cstring>
#include <memory>
#include <optional>

#include "backend/volume/journal.h"
#include "tests/support/fake_disk.h"
#include "tests/support/run.h"

namespace swiftness {

inline const Uuid kJournalVolume = *Uuid::parse("00112233-4455-6677-8899-aabbccddeeff");

inline Era era_of(uint64_t epoch) {
  Era era{Epoch(epoch), *Uuid::parse("01234567-89ab-cdef-0123-456789abcdef")};
  era.claim.bytes[0] = static_cast<std::byte>(epoch);
  return era;
}

// A write whose data tell its position and salt.
inline JournalRecord write_record(uint64_t position, uint64_t sectors, uint64_t salt = 0) {
  JournalRecord record;
  record.position = LogPosition(position);
  record.extents.push_back({Sector(position * 100 + salt), SectorCount(sectors)});
  Buffer data = Buffer::allocate(sectors * kSectorBytes);
  for (size_t i = 0; i < data.size() / 8; ++i) {
    const uint64_t word = position * 0x9E3779B97F4A7C15 + salt * 31 + i;
    std::memcpy(data.writable().data() + i * 8, &word, 8);
  }
  record.data.append(std::move(data));
  return record;
}

inline JournalRecord trim_record(uint64_t position, size_t extents, uint64_t salt = 0) {
  JournalRecord record;
  record.position = LogPosition(position);
  record.is_trim = true;
  for (size_t i = 0; i < extents; ++i) {
    record.extents.push_back({Sector(position + 1000 * i), SectorCount(salt + i + 1)});
  }
  return record;
}

inline bool same(const JournalRecord& a, const JournalRecord& b) {
  return a.position == b.position && a.is_trim == b.is_trim && a.extents == b.extents &&
         a.data == b.data;
}

// Runs on virtual time: what waits for time gets it as soon as nothing else is to be done.
struct JournalMachine {
  std::optional<VirtualClock> own_clock;  // of the first machine on a thread; the others share it
  asio::io_context io;
  FakeDisk disk;
  std::unique_ptr<Journal> journal;

  explicit JournalMachine(uint64_t bytes = 256 << 10, uint64_t seed = 1, DiskFaults faults = {})
      : disk(bytes, seed, faults) {
    if (VirtualClock::of_this_thread() == nullptr) own_clock.emplace();
  }
  ~JournalMachine() { close(); }

  template <class T>
  T run(asio::awaitable<T> call) {
    return swiftness::run(io, std::move(call));
  }
  void settle() {
    io.restart();
    while (io.poll() > 0 || advance()) io.restart();
  }
  static bool advance() { return VirtualClock::of_this_thread()->advance(); }

  // ---- one process after the other

  Result<void> open() {
    close();
    Result<std::unique_ptr<Journal>> opened =
        run(open_journal(io.get_executor(), disk.open(), kJournalVolume));
    if (!opened) return opened.error();
    journal = std::move(*opened);
    return {};
  }
  void close() {
    if (journal) swiftness::run(io, journal->close());
    settle();
    journal.reset();
  }
  void crash() {
    disk.process_crash();
    close();
  }
  void power_cut() {
    disk.power_cut();
    close();
  }
  // Opens it and makes it the journal of `epoch`, which follows `epoch` - 1.
  void start(uint64_t epoch, uint64_t log_end) {
    CHECK(open().ok());
    Result<void> stamped =
        run(journal->stamp(era_of(epoch), era_of(epoch - 1), LogPosition(log_end)));
    CHECK(stamped.ok());
  }

  // ---- what it does

  JournalPlace put(JournalRecord record) {
    Result<JournalPlace> place = journal->enqueue(std::move(record));
    CHECK(place.ok());
    return *place;
  }
  JournalPlace put(uint64_t position, uint64_t sectors = 1, uint64_t salt = 0) {
    return put(write_record(position, sectors, salt));
  }
  Result<void> written(uint64_t position) { return run(journal->written(LogPosition(position))); }
  Result<void> synced(uint64_t position) { return run(journal->synced(LogPosition(position))); }
  Result<Buffer> read(JournalPlace place, uint64_t offset, uint64_t length) {
    return run(journal->read(place, offset, length));
  }
  bool replays(const JournalRecord& record) {
    Result<Journal::Replayed> replayed = run(journal->replay(record.position));
    return replayed && same(replayed->record, record);
  }
  uint64_t newest() const { return journal->newest().value(); }
  uint64_t oldest() const { return journal->oldest().value(); }
  // Where a byte of the journal's stream is on the disk, or a record whose data are there.
  uint64_t place_of(uint64_t offset) const { return kRingStart + offset % journal->capacity(); }
  uint64_t header_of(JournalPlace place) const { return place_of(place.offset - 512); }
};

}  // namespace swiftness
