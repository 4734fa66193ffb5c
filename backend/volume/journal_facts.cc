#include "backend/volume/journal_facts.h"

#include <fmt/format.h>

namespace swiftness {
namespace {

using Action = JournalVerdict::Action;

std::string by(const StoreLog& log) {
  return log.last_started_by.empty() ? "" : " by " + log.last_started_by;
}

// Why the records are not those of the last started era.
std::string stranger(const JournalFacts& facts, const StoreLog& log) {
  const uint64_t written = facts.stamp.epoch.value();
  const uint64_t started = log.last_started.epoch.value();
  if (written > started && facts.before.epoch.value() <= started) {
    // It was stamped for an epoch that was not started, on top of records that are older still.
    return fmt::format(
        "the journal is older than the store's log: its records are of epoch {}, the volume was "
        "last started in epoch {}{}",
        facts.before.epoch.value(), started, by(log));
  }
  if (written > started) {
    return fmt::format(
        "the journal is newer than the store's log: it was written in epoch {}, but the volume was "
        "last started in epoch {}{}; is this the store it belongs to?",
        written, started, by(log));
  }
  if (written == started) {
    return fmt::format(
        "the journal is of another gateway's epoch {}: the volume was started in it{}, with claim "
        "{}, not with {}",
        started, by(log), to_string(log.last_started.claim), to_string(facts.stamp.claim));
  }
  return fmt::format(
      "the journal is older than the store's log: it was written in epoch {}, the volume was last "
      "started in epoch {}{}",
      written, started, by(log));
}

}  // namespace

JournalVerdict judge(const JournalFacts& facts, const StoreLog& log) {
  switch (facts.state) {
    case JournalFacts::State::fresh:
      return {};
    case JournalFacts::State::foreign:
      return {Action::set_aside, "the journal is of another volume, " + to_string(facts.volume)};
    case JournalFacts::State::unreadable:
      return {Action::set_aside, facts.damage};
    case JournalFacts::State::usable:
      break;
  }
  if (facts.stamp != log.last_started && facts.before != log.last_started) {
    return {Action::set_aside, stranger(facts, log)};
  }
  if (!facts.damage.empty()) return {Action::refuse, facts.damage};
  if (log.end < facts.frontier) {
    return {Action::refuse,
            fmt::format("data are missing in the store: its log ends at position {}, but position "
                        "{} had been durable there",
                        log.end.value(), facts.frontier.value())};
  }
  const bool has_records = facts.newest >= facts.oldest;
  if (has_records && facts.oldest > log.end.next()) {
    return {Action::set_aside,
            fmt::format("the journal does not join on to the store's log: it has positions {} to "
                        "{}, the log ends at {}",
                        facts.oldest.value(), facts.newest.value(), log.end.value())};
  }
  return {};
}

}  // namespace swiftness
