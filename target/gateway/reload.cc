// A running gateway goes over to another configuration.
//
// What can fail comes first and changes nothing: reading the file, comparing, opening stores. Then
// take_over() does the rest in one turn of the event loop, so that nobody sees half of it. What
// takes long ends in the background: a logical unit that was taken away waits for its last command
// (end_unit), a volume that was taken out stores what is not stored yet (release).
#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <sstream>

#include "backend/base/log.h"
#include "target/gateway/gateway.h"
#include "target/gateway/nodes.h"

namespace swiftness {
namespace {

// On a thread of its own, which an exception would end the process with.
Result<config::Outcome> read_anew(const Gateway::Load& load) {
  try {
    return load();
  } catch (const std::exception& e) {
    return Error(ErrorCode::conflict, e.what());
  }
}

Error refused(const std::vector<std::string>& reasons) {
  return Error(ErrorCode::conflict,
               fmt::format("nothing has changed:\n{}", fmt::join(reasons, "\n")));
}

// A line for each reason.
void log_refusal(const Error& error) {
  std::istringstream lines(error.message());
  for (std::string line; std::getline(lines, line);) log::error("reload: {}", line);
}

void log_lines(const char* word, const std::vector<std::string>& lines) {
  for (const std::string& line : lines) log::info("reload: {} {}", word, line);
}

void log_report(const admin::ReloadReport& report) {
  for (const std::string& line : report.warnings) log::warning("reload: {}", line);
  log_lines("added", report.added);
  log_lines("removed", report.removed);
  log_lines("changed", report.changed);
  if (report.added.empty() && report.removed.empty() && report.changed.empty()) {
    log::info("reload: nothing is different");
  }
}

}  // namespace

Async<admin::ReloadReport> Gateway::reload() {
  Result<void> possible = may_reload();
  if (possible && reloading_) {
    possible = Error(ErrorCode::conflict, "another reload is under way");
  }
  if (!possible) {
    log_refusal(possible.error());
    co_return possible.error();
  }
  reloading_ = true;
  Result<admin::ReloadReport> done = co_await reload_once();
  reloading_ = false;
  if (done) {
    log_report(*done);
  } else {
    log_refusal(done.error());
  }
  co_return done;
}

Result<void> Gateway::may_reload() const {
  if (!load_) return Error(ErrorCode::conflict, "there is no configuration to read anew");
  if (shutting_down_) return Error(ErrorCode::conflict, "the gateway is stopping");
  if (server_->drained()) {
    return Error(ErrorCode::conflict, "the gateway is drained; \"swiftness resume\" ends that");
  }
  return {};
}

Async<admin::ReloadReport> Gateway::reload_once() {
  Gate::Pass pass(leaving_);
  auto read = [load = load_] { return read_anew(load); };
  Result<config::Outcome> loaded = co_await offload<config::Outcome>(*workers_, std::move(read));
  if (!loaded) co_return loaded.error();
  if (!loaded->config) co_return refused(loaded->errors);
  Result<void> possible = may_reload();  // still
  if (!possible) co_return possible.error();

  Changes changes = compare(config_, *loaded->config, loaded->places, facts());
  if (!changes.refused.empty()) co_return refused(changes.refused);
  Result<Stores> stores = open_stores(*loaded->config, &config_, stores_, executor_);
  if (!stores) co_return refused({stores.error().message()});
  take_over(std::move(*loaded->config), std::move(*stores), changes.access);
  for (std::string& line : loaded->warnings) changes.report.warnings.push_back(std::move(line));
  co_return std::move(changes.report);
}

ServedFacts Gateway::facts() const {
  ServedFacts out;
  for (const auto& served : volumes_) {
    const config::Volume& wanted = served->volume->wanted();
    if (served->leaving) {
      out.leaving.insert(wanted.name);
      if (wanted.journal && wanted.journal->device) {
        out.leaving_devices.insert(*wanted.journal->device);
      }
    } else if (served->volume->is_online()) {
      out.sizes[wanted.name] = served->volume->volume()->usage().capacity;
    }
  }
  return out;
}

void Gateway::take_over(config::Config next, Stores stores, bool access) {
  config_ = std::move(next);
  stores_ = std::move(stores);
  std::vector<iscsi::TargetNode> nodes = make_targets();
  if (access) server_->replace_targets(std::move(nodes), secrets_of(config_.discovery_chap));
  // All that goes before anything that comes: a volume may move from one LUN to another's.
  for (auto& served : volumes_) update(*served);
  std::vector<ServedVolume*> made;
  for (const config::Volume& volume : config_.volumes) {
    if (find_served(volume.name) == nullptr)
      made.push_back(make_volume(volume, false).volume.get());
  }
  for (auto& served : volumes_) place(*served);
  for (ServedVolume* volume : made) volume->start();
}

void Gateway::update(Served& served) {
  if (served.leaving) return;
  const config::Volume* wanted = config_.find_volume(served.volume->wanted().name);
  const LunOf at = lun_of(served.volume->wanted().name);
  const bool stays = wanted != nullptr && at.target != nullptr && at.target->iqn == served.target &&
                     at.lun.number == served.lun;
  if (served.unit != nullptr && stays) {
    served.unit->set_read_only(at.lun.read_only);
    served.unit->set_removable(at.lun.removable);
    served.unit->set_access_states(access_states_of(*at.target));
  } else if (served.unit != nullptr) {
    take_away(served);
  }
  if (wanted != nullptr) {
    served.volume->want(*wanted);
    if (served.unit != nullptr) served.unit->set_soft_threshold(wanted->soft_threshold());
    return;
  }
  served.leaving = true;
  leaving_.spawn("release " + served.volume->wanted().name, release(served));
}

void Gateway::take_away(Served& served) {
  served.unit = nullptr;
  served.retired =
      routers_.at(served.target)->remove(served.lun, [this] { changed_.notify_all(); });
  leaving_.spawn("end a logical unit", end_unit(served));
}

// Its volume may have another one then, at another LUN.
Task Gateway::end_unit(Served& served) {
  co_await asio::post(executor_, asio::use_awaitable);  // after all of take_over()
  while (!served.retired->is_idle()) co_await changed_.wait();
  served.retired.reset();
  changed_.notify_all();
  place(served);
}

// As at a stop. Commands that hang in the store end with the volume.
Task Gateway::release(Served& served) {
  co_await asio::post(executor_, asio::use_awaitable);  // after all of take_over()
  const std::string name = served.volume->wanted().name;
  co_await served.volume->stop();
  while (served.retired) co_await changed_.wait();
  log::info("volume {}: released", name);
  std::erase_if(volumes_, [&served](const auto& one) { return one.get() == &served; });
}

}  // namespace swiftness
