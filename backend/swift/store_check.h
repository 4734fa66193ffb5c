// StoreCheck: what an administrator wants to know of a Swift before it is trusted with disks. It
// logs in at each auth URL, asks each proxy, puts Swift's promises to the test and measures, all in
// a container of its own, which it deletes in the end, whatever happened. What it found are facts
// (store_facts.h); what they mean says judge_store() (store_judgement.h).
//
// Lives on one executor and outlives its call. Fails at once when nobody lets it in, no proxy
// answers, or no container can be made.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "backend/base/async.h"
#include "backend/store_config.h"
#include "backend/swift/http_transport.h"
#include "backend/swift/store_facts.h"
#include "backend/swift/store_judgement.h"
#include "backend/swift/store_measurement.h"
#include "backend/swift/store_trials.h"

namespace swiftness {

struct StoreCheckOptions {
  StoreNeeds needs;
  TrialPlan trials;
  MeasurementPlan measurement = MeasurementPlan::full();
  Duration in_all = std::chrono::seconds(60);   // nothing is begun later, but tidying up
  Duration tidy_up = std::chrono::seconds(20);  // as long until it gives up

  static StoreCheckOptions full() { return {}; }
  static StoreCheckOptions quick();
  uint64_t most_bytes() const noexcept;  // written
};

struct StoreCheckProgress {
  enum class Stage { connect, trials, measure, tidy_up };
  Stage stage{};
  size_t done = 0;
  size_t all = 0;
};

class StoreCheck {
 public:
  using Progress = std::function<void(const StoreCheckProgress&)>;

  // Fails (invalid) on what cannot get better by itself. Contacts nobody.
  static Result<std::unique_ptr<StoreCheck>> open(const SwiftStoreConfig& config, Executor executor,
                                                  StoreCheckOptions options);
  StoreCheck(const SwiftStoreConfig& config, Executor executor, StoreCheckOptions options,
             std::unique_ptr<HttpTransport> transport);
  ~StoreCheck();

  Async<StoreFacts> run(Progress progress);

  void stop();  // run() tidies up and returns what it knows
  const std::string& container() const noexcept;

 private:
  Async<void> connect();
  asio::awaitable<void> ask_account(size_t proxy, ProxyFacts& facts, std::optional<Error>& why_not);
  asio::awaitable<void> ask_info();
  Async<void> examine(const Progress& progress, TimePoint end);

  SwiftStoreConfig config_;
  StoreCheckOptions options_;
  std::unique_ptr<StoreProbe> probe_;
  std::unique_ptr<CheckContainer> box_;
  StoreFacts facts_;
  bool stopped_ = false;
};

std::optional<CalendarTime> parse_http_date(const std::string& text);
std::vector<RateLimit> parse_rate_limits(std::string_view info_json);

}  // namespace swiftness
