#include "target/gateway/served_volume.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>
#include <utility>

#include "backend/base/log.h"
#include "backend/base/random.h"
#include "config/values.h"
#include "target/gateway/volume_lock.h"

namespace swiftness {
namespace {

constexpr Duration kFirstPause = std::chrono::milliseconds(500);
constexpr Duration kLongestPause = std::chrono::seconds(10);

// Up to a quarter more, so that many gateways do not come back to a store in step.
Duration with_jitter(Duration pause) {
  std::array<std::byte, 1> random;
  fill_random(random);
  return pause + pause * std::to_integer<int>(random[0]) / (4 * 256);
}

}  // namespace

ServedVolume::ServedVolume(Executor executor, config::Volume wanted, ObjectStore& store,
                           StateDir* memory, VolumeOptions options, OnKnown on_known)
    : wanted_(std::move(wanted)),
      store_(store),
      memory_(memory),
      options_(options),
      on_known_(std::move(on_known)),
      gate_(executor),
      wake_(executor) {}

ServedVolume::~ServedVolume() = default;

void ServedVolume::start() {
  Result<std::optional<RememberedVolume>> remembered = std::optional<RememberedVolume>();
  if (memory_ != nullptr) remembered = memory_->recall(wanted_.name);
  if (!remembered) {
    is_hopeless_ = true;
    report_trouble(remembered.error());
    return;
  }
  remembered_ = *remembered;
  if (remembered_) become_known(remembered_->descriptor);
  gate_.spawn("attach " + wanted_.name, attach_until_online());
}

void ServedVolume::become_known(const VolumeDescriptor& descriptor) {
  if (volume_) return;
  VolumeOptions options = options_;
  options.quota = wanted_.quota;
  if (wanted_.journal && memory_ != nullptr) {
    const auto& [size, device] = *wanted_.journal;
    journal_ = device ? std::make_unique<JournalFile>(*device)
                      : std::make_unique<JournalFile>(memory_->journal_of(descriptor.uuid), size);
    options.journal = journal_.get();
    options.durable_in_journal = wanted_.durable_in_journal;
  }
  if (memory_ != nullptr) {
    const std::filesystem::path file = memory_->cache_of(descriptor.uuid);
    std::error_code absent;
    if (wanted_.read_cache) {
      options.read_cache = ReadCacheOptions{file, *wanted_.read_cache};
    } else {
      std::filesystem::remove(file, absent);  // it had one before: the space is given back
    }
  }
  volume_ = std::make_unique<Volume>(gate_.executor(), store_, descriptor, options);
  on_known_(*volume_);
}

Task ServedVolume::attach_until_online() {
  Duration pause = kFirstPause;
  while (!stopping_) {
    Result<void> attached = co_await attach_once();
    if (attached) {
      trouble_.clear();
      co_await grow_as_wanted();
      co_return;
    }
    if (stopping_) co_return;
    report_trouble(attached.error());
    if (is_hopeless_) co_return;
    Duration wait = with_jitter(pause);
    co_await wake_.wait_for(wait);
    pause = std::min(pause * 2, kLongestPause);
  }
}

// One line for each new cause, not for each attempt.
void ServedVolume::report_trouble(const Error& error) {
  if (trouble_ == error.message()) return;
  trouble_ = error.message();
  if (is_hopeless_) {
    log::error("volume {}: not served: {}", wanted_.name, trouble_);
  } else {
    log::warning("volume {}: not attached yet, trying on: {}", wanted_.name, trouble_);
  }
}

Error ServedVolume::hopeless(std::string why) {
  is_hopeless_ = true;
  return Error(ErrorCode::invalid, std::move(why));
}

Async<void> ServedVolume::attach_once() {
  Result<VolumeDescriptor> found = co_await find_or_create();
  if (!found) co_return found.error();
  Result<void> same = check_against_memory(*found);
  if (!same) co_return same;
  Result<void> as_wanted = check_against_configuration(*found);
  is_misconfigured_ = !as_wanted.ok();
  if (!as_wanted) co_return as_wanted;
  bool is_news = !remembered_ || remembered_->store != wanted_.store;
  if (memory_ != nullptr && is_news) {
    RememberedVolume volume{wanted_.store, *found};
    Result<void> kept = memory_->remember(volume);
    if (!kept) co_return kept;
    remembered_ = volume;
  }
  // From here to attach() nothing waits: stop() never meets a volume about to be attached.
  if (stopping_) co_return Error(ErrorCode::cancelled, "the gateway is stopping");
  become_known(*found);
  if (lock_.number() < 0) {
    Result<FileDescriptor> lock = lock_volume(found->uuid);
    if (!lock) co_return lock.error();
    lock_ = std::move(*lock);
  }
  Result<void> attached = co_await volume_->attach();
  if (!attached && volume_->state() != DeviceState::attaching) {
    co_return hopeless(attached.error().message() + "; restart this gateway to try again");
  }
  if (!attached && attached.error().code() == ErrorCode::fenced) {
    co_return hopeless(attached.error().message() + "; restart this gateway to take it back");
  }
  co_return attached;
}

Async<VolumeDescriptor> ServedVolume::find_or_create() {
  Result<VolumeDescriptor> found = co_await find_volume(store_, wanted_.name);
  if (found || found.error().code() != ErrorCode::not_found) co_return found;
  if (remembered_) {
    co_return Error(
        ErrorCode::not_found,
        fmt::format(
            "store \"{}\" does not have it, but this gateway served it before (UUID {}, store "
            "\"{}\"), so it is not created again. Is the store the right one? If the volume "
            "is gone for good, remove {} to let a new one take its name",
            wanted_.store, to_string(remembered_->descriptor.uuid), remembered_->store,
            memory_->file_of(wanted_.name).native()));
  }
  if (wanted_.create) {
    Result<VolumeDescriptor> created = co_await create();
    co_return created;
  }
  co_return Error(ErrorCode::not_found,
                  fmt::format("store \"{0}\" has no such volume; create it with \"swiftness volume "
                              "create {1} --store {0} --size SIZE\", or with create: true",
                              wanted_.store, wanted_.name));
}

Async<VolumeDescriptor> ServedVolume::create() {
  ByteCount size = *wanted_.size;  // the configuration has seen to it
  uint32_t block_size = wanted_.block_size.value_or(512);
  Result<VolumeDescriptor> created = co_await create_volume(store_, wanted_.name, size, block_size);
  if (created) {
    log::info("volume {}: created in store {}, {}, UUID {}", wanted_.name, wanted_.store,
              config::to_string(size), to_string(created->uuid));
  }
  co_return created;
}

Result<void> ServedVolume::check_against_memory(const VolumeDescriptor& found) {
  if (!remembered_ || remembered_->descriptor.uuid == found.uuid) return {};
  return hopeless(fmt::format(
      "store \"{}\" has another volume of this name (UUID {}) than this gateway served "
      "before (UUID {}, store \"{}\"). Is the store the right one? If the old volume is "
      "gone for good, remove {} and restart",
      wanted_.store, to_string(found.uuid), to_string(remembered_->descriptor.uuid),
      remembered_->store, memory_->file_of(wanted_.name).native()));
}

Result<void> ServedVolume::check_against_configuration(const VolumeDescriptor& found) {
  if (wanted_.block_size && *wanted_.block_size != found.block_size) {
    return hopeless(
        fmt::format("it has blocks of {} bytes, the configuration says {}; the block size "
                    "of a volume never changes",
                    found.block_size, *wanted_.block_size));
  }
  if (!wanted_.size || *wanted_.size >= found.created_size) return {};  // it may have grown since
  return hopeless(
      fmt::format("it has {}, the configuration says {}; a volume cannot become smaller",
                  config::to_string(found.created_size), config::to_string(*wanted_.size)));
}

void ServedVolume::want(const config::Volume& wanted) {
  wanted_.create = wanted.create;
  wanted_.size = wanted.size;
  wanted_.quota = wanted.quota;
  wanted_.threshold = wanted.threshold;
  if (volume_) volume_->set_quota(wanted_.quota);
  if (is_online()) {
    if (!is_growing_) gate_.spawn("grow " + wanted_.name, grow_as_wanted());
  } else if (std::exchange(is_misconfigured_, false)) {
    is_hopeless_ = false;
    gate_.spawn("attach " + wanted_.name, attach_until_online());
  }
}

// The store has what size it is; the configuration can only make it larger.
Task ServedVolume::grow_as_wanted() {
  if (!wanted_.size) co_return;
  const ByteCount was = volume_->usage().capacity;
  if (*wanted_.size < was) {
    log::warning("volume {}: it has {}, and the configuration says {}, which is less: ignored",
                 wanted_.name, config::to_string(was), config::to_string(*wanted_.size));
  }
  is_growing_ = true;
  while (volume_->usage().capacity < *wanted_.size) {
    Result<void> grown = co_await volume_->grow(*wanted_.size);
    if (!grown) {
      log::warning("volume {}: not made larger: {}", wanted_.name, grown.error().message());
      break;
    }
    log::info("volume {}: grown from {} to {}", wanted_.name, config::to_string(was),
              config::to_string(volume_->usage().capacity));
  }
  is_growing_ = false;
}

Task ServedVolume::stop() {
  stopping_ = true;
  wake_.notify_all();
  if (volume_) {
    is_draining_ = volume_->state() == DeviceState::online;
    Result<void> stopped = co_await volume_->stop();
    const bool was_online = std::exchange(is_draining_, false);
    if (!stopped && was_online) {
      stop_failed_ = true;
      log::error("volume {}: {}", wanted_.name, stopped.error().message());
    }
  }
  co_await gate_.close();
  lock_ = FileDescriptor();
}

bool ServedVolume::is_online() const noexcept {
  return volume_ && volume_->state() == DeviceState::online;
}

bool ServedVolume::has_unsafe_data() const noexcept {
  // What is in the journal is there after a restart, too.
  const bool in_journal =
      volume_ && volume_->status().journal_bytes > 0 && volume_->status().journal_trouble.empty();
  if (in_journal) return false;
  return stop_failed_ || (volume_ && volume_->usage().unsafe > ByteCount(0));
}

std::string ServedVolume::trouble() const {
  if (!trouble_.empty()) return trouble_;
  if (!volume_) return "its identity is not known yet";
  if (volume_->state() == DeviceState::fenced) {
    return "another gateway has taken it over; restart this one to take it back";
  }
  const VolumeStatus status = volume_->status();
  if (!status.journal_trouble.empty()) return "the journal failed: " + status.journal_trouble;
  return status.trouble;
}

}  // namespace swiftness
