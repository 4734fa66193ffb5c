#include "backend/swift/store_check.h"

#include <fmt/format.h>

#include <ctime>
#include <nlohmann/json.hpp>

#include "backend/base/hash.h"
#include "backend/base/random.h"
#include "backend/swift/http_engine.h"
#include "backend/swift/swift_protocol.h"
#include "backend/swift/swift_store.h"

namespace swiftness {
namespace {

constexpr uint64_t kMostInfo = 1 << 20;
constexpr uint64_t kCopies = 3;              // of the largest object, there after the trials
constexpr uint64_t kSmallObjects = 1 << 20;  // bytes of all the small ones together, at most
constexpr Duration kHalfSecond = std::chrono::milliseconds(500);

std::string user_of(const AuthV1Config& auth) {
  return auth.user;
}

std::string user_of(const AuthV3Config& auth) {
  std::string who = auth.user.text();
  if (auth.method == AuthV3Config::Method::token) who = "the owner of a token";
  if (auth.method == AuthV3Config::Method::application_credential) {
    who = "application credential " + auth.application_credential.text();
  }
  if (auth.project.empty()) return who;
  return fmt::format("{}, project {}", who, auth.project.text());
}

uint64_t number(const HttpHeaders& headers, std::string_view name) {
  return parse_size(headers.find(name)).value_or(0);
}

std::string new_name(const SwiftStoreConfig& config) {
  std::byte random[6];
  fill_random(random);
  return fmt::format("{}check-{}", config.prefix.empty() ? "" : config.prefix + "-",
                     to_hex(random));
}

}  // namespace

// "Sun, 06 Nov 1994 08:49:37 GMT"
std::optional<CalendarTime> parse_http_date(const std::string& text) {
  std::tm parts{};
  const char* end = strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return std::chrono::system_clock::from_time_t(timegm(&parts));
}

// Of Swift's ratelimit middleware: [[objects, writes a second], ...].
std::vector<RateLimit> parse_rate_limits(std::string_view info_json) {
  using nlohmann::json;
  std::vector<RateLimit> out;
  const json document = json::parse(info_json, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object() || !document.contains("ratelimit")) return out;
  const json& section = document["ratelimit"];
  if (!section.is_object() || !section.contains("container_ratelimits")) return out;
  for (const json& row : section["container_ratelimits"]) {
    if (!row.is_array() || row.size() < 2 || !row[0].is_number() || !row[1].is_number()) continue;
    out.push_back({row[0].get<uint64_t>(), row[1].get<double>()});
  }
  return out;
}

StoreCheckOptions StoreCheckOptions::quick() {
  StoreCheckOptions options;
  options.trials.rounds = 2;
  options.trials.names = 8;
  options.measurement = MeasurementPlan::quick();
  options.in_all = std::chrono::seconds(14);
  return options;
}

uint64_t StoreCheckOptions::most_bytes() const noexcept {
  return measurement.bytes() + kCopies * needs.object_bytes + kSmallObjects;
}

Result<std::unique_ptr<StoreCheck>> StoreCheck::open(const SwiftStoreConfig& config,
                                                     Executor executor, StoreCheckOptions options) {
  Result<void> usable = SwiftStore::validate(config);
  if (!usable.ok()) return usable.error();
  return std::make_unique<StoreCheck>(config, std::move(executor), std::move(options),
                                      open_engine(config));
}

StoreCheck::StoreCheck(const SwiftStoreConfig& config, Executor executor, StoreCheckOptions options,
                       std::unique_ptr<HttpTransport> transport)
    : config_(config),
      options_(std::move(options)),
      probe_(std::make_unique<StoreProbe>(config, std::move(executor), std::move(transport))),
      box_(std::make_unique<CheckContainer>(*probe_, new_name(config))) {}

StoreCheck::~StoreCheck() = default;

void StoreCheck::stop() {
  stopped_ = true;
  probe_->stop();
}

const std::string& StoreCheck::container() const noexcept {
  return box_->name();
}

Async<StoreFacts> StoreCheck::run(Progress progress) {
  using Stage = StoreCheckProgress::Stage;
  const TimePoint began = now();
  progress({Stage::connect, 0, 0});
  Result<void> connected = co_await connect();
  if (!connected.ok()) co_return connected.error();
  Result<void> examined = co_await examine(progress, began + options_.in_all);
  progress({Stage::tidy_up, 0, 0});
  facts_.left_behind = co_await box_->clear(options_.tidy_up);
  if (!examined.ok()) {
    if (facts_.left_behind.empty()) co_return examined.error();
    co_return Error(examined.error().code(),
                    examined.error().message() + "; " + facts_.left_behind);
  }
  facts_.stopped = stopped_;
  facts_.hiccups = probe_->hiccups();
  facts_.first_failure = probe_->first_failure();
  facts_.bytes_written = probe_->bytes_sent();
  facts_.took = now() - began;
  co_return facts_;
}

// ---------------------------------------------------------------- who is there
Async<void> StoreCheck::connect() {
  Result<void> let_in = co_await probe_->log_in(facts_.auth);
  if (!let_in.ok()) co_return let_in;
  facts_.user = std::visit([](const auto& auth) { return user_of(auth); }, config_.auth);
  facts_.storage_url = probe_->storage_url();
  facts_.token_bytes = probe_->token_bytes();
  facts_.policy = config_.storage_policy;
  std::vector<size_t> well;
  std::optional<Error> why_not;
  for (size_t i = 0; i < probe_->proxies() && !stopped_; ++i) {
    ProxyFacts facts;
    facts.url = probe_->proxy(i);
    co_await ask_account(i, facts, why_not);
    if (facts.failure.empty()) well.push_back(i);
    facts_.proxies.push_back(std::move(facts));
  }
  if (stopped_) co_return Error(ErrorCode::cancelled, "stopped before anything was written");
  if (well.empty()) co_return *why_not;
  probe_->keep_only(well);
  co_await ask_info();
  co_return Result<void>();
}

asio::awaitable<void> StoreCheck::ask_account(size_t proxy, ProxyFacts& facts,
                                              std::optional<Error>& why_not) {
  ProbeRequest head;
  head.method = "HEAD";
  head.attempts = 2;
  ProbeAnswer answer = co_await probe_->ask(proxy, std::move(head));
  facts.took = answer.took;
  // An account that nobody wrote to yet may be made by its first container.
  if (!answer.good() && answer.status() != 404) {
    facts.failure = answer.words();
    if (!why_not) why_not = answer.error();
    co_return;
  }
  const HttpHeaders& headers = answer.response()->headers;
  const auto date = parse_http_date(std::string(headers.find("Date")));
  if (date) {
    const CalendarTime middle =
        answer.sent + std::chrono::duration_cast<CalendarTime::duration>(answer.took / 2);
    facts.clock_ahead = std::chrono::duration_cast<Duration>(*date - middle) + kHalfSecond;
    facts.clock_error = kHalfSecond + answer.took / 2;
  }
  AccountFacts& account = facts_.account;
  account.containers = number(headers, "X-Account-Container-Count");
  account.objects = number(headers, "X-Account-Object-Count");
  account.bytes_used = number(headers, "X-Account-Bytes-Used");
  for (const char* name : {"X-Account-Meta-Quota-Bytes", "X-Account-Quota-Bytes"}) {
    if (auto quota = parse_size(headers.find(name))) account.quota_bytes = *quota;
  }
}

asio::awaitable<void> StoreCheck::ask_info() {
  ProbeRequest get;
  get.method = "GET";
  get.host_path = "/info";
  get.most_body = kMostInfo;
  get.attempts = 2;
  const size_t proxy = probe_->next_proxy();
  ProbeAnswer answer = co_await probe_->ask(proxy, std::move(get));
  if (!answer.good()) {
    facts_.info_failure = answer.words();
    co_return;
  }
  const std::string_view document = answer.response()->body.text();
  Result<SwiftInfo> info = parse_info(document);
  if (!info.ok()) {
    facts_.info_failure = info.error().message();
    co_return;
  }
  facts_.info = *info;
  facts_.rate_limits = parse_rate_limits(document);
}

// ---------------------------------------------------------------- what it does
Async<void> StoreCheck::examine(const Progress& progress, TimePoint end) {
  if (facts_.info) {
    Result<void> known = check_policy(*facts_.info, config_.storage_policy);
    if (!known.ok()) co_return known;
  }
  facts_.container = box_->name();
  ProbeAnswer made = co_await box_->create(config_.storage_policy);
  if (stopped_) co_return Result<void>();
  if (!made.good()) co_return made.error();

  const auto show_trials = [&progress](size_t done, size_t all) {
    progress({StoreCheckProgress::Stage::trials, done, all});
  };
  StoreTrials trial(*probe_, *box_, options_.needs, options_.trials, facts_);
  co_await trial.run(show_trials);
  const bool readable = facts_.trials.size() > 1 &&
                        facts_.trials[0].outcome == TrialFacts::Outcome::held &&
                        facts_.trials[1].outcome == TrialFacts::Outcome::held;
  // What cannot be written and read back needs no measuring.
  if (stopped_ || !readable) co_return Result<void>();

  const auto show_measuring = [&progress](size_t done, size_t all) {
    progress({StoreCheckProgress::Stage::measure, done, all});
  };
  StoreMeasurement measurement(*probe_, *box_, options_.measurement, facts_);
  co_await measurement.run(StoreTrials::kChunk, trial.chunk(), end, show_measuring);
  co_return Result<void>();
}

}  // namespace swiftness
