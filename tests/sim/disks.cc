#include "tests/sim/disks.h"

namespace swiftness::sim {
namespace {

constexpr size_t kMostCopies = 2;

}  // namespace

Disks::Disks(World& world, std::string machine, Chance chance, DiskOptions options)
    : world_(world), machine_(std::move(machine)), chance_(chance), options_(options) {
  if (options_.journal_bytes > 0) replace_journal(empty_journal());
  if (options_.cache_bytes > 0) {
    cache_ = std::make_unique<FakeDisk>(options_.cache_bytes, chance_.next(), options_.faults);
  }
}

void Disks::replace_journal(std::unique_ptr<FakeDisk> with) {
  journal_ = std::move(with);
  journal_->set_faults(options_.faults);
  journal_id_ = world_.next_disk();
}

std::unique_ptr<FakeDisk> Disks::empty_journal() {
  return std::make_unique<FakeDisk>(options_.journal_bytes, chance_.next(), options_.faults);
}

Async<std::unique_ptr<LocalFile>> Disks::open() {
  co_return journal_->open();
}

Async<std::string> Disks::set_aside() {
  world_.trace.note("{}: the journal is set aside", machine_);
  if (copies_.size() < kMostCopies) copies_.push_back(std::move(journal_));
  replace_journal(empty_journal());
  co_return std::string("the shelf");
}

Async<std::unique_ptr<LocalFile>> Disks::open_cache() {
  co_return cache_->open();
}

void Disks::process_crash() {
  if (journal_) journal_->process_crash();
  if (cache_) cache_->process_crash();
}

void Disks::power_cut() {
  world_.oracle.power_cut(journal_id_);
  if (journal_) journal_->power_cut();
  if (cache_) cache_->power_cut();
}

void Disks::lose_journal() {
  if (journal_) replace_journal(empty_journal());
}

bool Disks::go_back() {
  if (copies_.empty()) return false;
  const size_t which = chance_.below(copies_.size());
  world_.oracle.went_back(journal_id_);
  replace_journal(std::move(copies_[which]));
  copies_.erase(copies_.begin() + static_cast<std::ptrdiff_t>(which));
  return true;
}

void Disks::keep_copy() {
  if (!journal_) return;
  std::unique_ptr<FakeDisk> copy = journal_->copy(chance_.next());
  if (copies_.size() < kMostCopies) {
    copies_.push_back(std::move(copy));
  } else {
    copies_[chance_.below(kMostCopies)] = std::move(copy);
  }
}

void Disks::flip_bits() {
  if (!cache_) return;
  const uint64_t flips = chance_.skewed(64);
  for (uint64_t i = 0; i < flips; ++i) cache_->flip_bit_in(0, cache_->size());
  // The index is a small part of the file and the better target.
  if (chance_.one_in(2)) cache_->flip_bit_in(0, 8 << 10);
}

// ---- faults for a while ------------------------------------------------------------------------

void Disks::set_faults(const DiskFaults& faults) {
  if (journal_) journal_->set_faults(faults);
  if (cache_) cache_->set_faults(faults);
}

void Disks::for_a_while(const DiskFaults& faults, Duration how_long) {
  set_faults(faults);
  world_.timeline.after(how_long, [this, trouble = ++troubles_] {
    if (trouble == troubles_) set_faults(options_.faults);
  });
}

void Disks::fall_sick(Duration how_long) {
  DiskFaults faults = options_.faults;
  if (chance_.one_in(2)) faults.sync_fails = 0.3;
  if (chance_.one_in(2)) faults.write_fails = 0.05;
  if (chance_.one_in(3)) faults.read_fails = 0.1;
  for_a_while(faults, how_long);
}

void Disks::fill_up(Duration how_long) {
  DiskFaults faults = options_.faults;
  faults.full = true;
  for_a_while(faults, how_long);
}

void Disks::clear_up() {
  ++troubles_;
  set_faults(options_.faults);
}

}  // namespace swiftness::sim
