#include "backend/swift/store_trials.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "backend/base/gate.h"
#include "backend/base/hash.h"
#include "backend/base/random.h"
#include "backend/swift/swift_protocol.h"

namespace swiftness {
namespace {

constexpr size_t kSmallObject = 1000;     // bytes of a small object
constexpr uint64_t kAnswerMargin = 4096;  // an answer may be so much longer than it should
constexpr Duration kLookAgain = std::chrono::milliseconds(50);

bool same_data(const Buffer& a, const Buffer& b) {
  return std::ranges::equal(a.bytes(), b.bytes());
}

std::string answered(const ProbeAnswer& answer) {
  if (answer.response() == nullptr) return answer.words();
  return fmt::format("{} at {} answered {}{}", answer.what, origin_of(answer.url), answer.status(),
                     transaction_of(*answer.response()));
}

std::string in_ms(Duration time) {
  return fmt::format("{:.0f} ms", std::chrono::duration<double, std::milli>(time).count());
}

}  // namespace

Buffer random_data(size_t bytes) {
  Buffer data = Buffer::allocate(bytes);
  fill_random(data.writable());
  return data;
}

StoreTrials::StoreTrials(StoreProbe& probe, CheckContainer& box, const StoreNeeds& needs,
                         TrialPlan plan, StoreFacts& facts)
    : probe_(probe),
      box_(box),
      needs_(needs),
      plan_(plan),
      facts_(facts),
      chunk_(random_data(needs.object_bytes)),
      chunk_md5_(md5_hex(BufferList(chunk_))) {}

TrialFacts StoreTrials::failed(const ProbeAnswer& answer) {
  return {{}, Outcome::failed, answer.words(), {}};
}

ProbeRequest StoreTrials::upload(std::string object, Buffer data) const {
  ProbeRequest put = box_.request("PUT", std::move(object));
  put.headers = {{"Content-Type", "application/octet-stream"}};
  put.body = std::move(data);
  return put;
}

asio::awaitable<void> StoreTrials::run(std::function<void(size_t done, size_t all)> progress) {
  struct Step {
    Trial trial;
    Seen (StoreTrials::*run)();
  };
  static constexpr Step kSteps[] = {
      {Trial::write, &StoreTrials::write},
      {Trial::read, &StoreTrials::read},
      {Trial::ranged_read, &StoreTrials::ranged_read},
      {Trial::conditional_read, &StoreTrials::conditional_read},
      {Trial::create_only, &StoreTrials::create_only},
      {Trial::creators, &StoreTrials::creators},
      {Trial::wrong_checksum, &StoreTrials::wrong_checksum},
      {Trial::newest, &StoreTrials::newest},
      {Trial::overwrite, &StoreTrials::overwrite},
      {Trial::read_after_create, &StoreTrials::read_after_create},
      {Trial::listing, &StoreTrials::listing},
      {Trial::copy_by_put, &StoreTrials::copy_by_put},
      {Trial::copy_by_copy, &StoreTrials::copy_by_copy},
      {Trial::expiry, &StoreTrials::expiry},
      {Trial::remove, &StoreTrials::remove},
  };
  size_t done = 0;
  for (const Step& step : kSteps) {
    if (probe_.stopping()) co_return;
    progress(done, std::size(kSteps));
    const TimePoint began = now();
    Seen seen = (this->*step.run)();
    TrialFacts facts = co_await std::move(seen);
    if (probe_.stopping()) co_return;  // what was aborted says nothing
    facts.trial = step.trial;
    facts.took = now() - began;
    facts_.trials.push_back(std::move(facts));
    ++done;
  }
  progress(done, std::size(kSteps));
}

// ---------------------------------------------------------------- writing and reading
StoreTrials::Seen StoreTrials::write() {
  ProbeRequest put = upload(kChunk, chunk_);
  put.headers.push_back({"ETag", chunk_md5_});
  const size_t proxy = probe_.next_proxy();
  ProbeAnswer answer = co_await box_.put(proxy, std::move(put));
  if (answer.status() != 201) co_return failed(answer);
  const std::string etag = parse_etag(answer.response()->headers.find("Etag"));
  if (etag != chunk_md5_) {
    co_return broken(fmt::format("{} with the ETag {}, the data have MD5 {}", answered(answer),
                                 etag, chunk_md5_));
  }
  co_return held(fmt::format("{} bytes in {}", chunk_.size(), in_ms(answer.took)));
}

StoreTrials::Seen StoreTrials::read() {
  const size_t proxy = probe_.next_proxy();
  ProbeAnswer answer = co_await box_.get(proxy, kChunk, chunk_.size() + kAnswerMargin);
  if (answer.status() != 200) co_return failed(answer);
  if (!same_data(answer.response()->body, chunk_)) {
    co_return broken(answered(answer) + " with other data than were stored");
  }
  co_return held(fmt::format("{} bytes in {}", chunk_.size(), in_ms(answer.took)));
}

StoreTrials::Seen StoreTrials::ranged_read() {
  const uint64_t first = chunk_.size() / 3;
  const uint64_t length = std::min<uint64_t>(4096, chunk_.size() - first);
  ProbeRequest get = box_.request("GET", kChunk);
  get.headers.push_back({"Range", range_header({first, length})});
  get.most_body = chunk_.size() + kAnswerMargin;
  const size_t proxy = probe_.next_proxy();
  ProbeAnswer answer = co_await probe_.ask(proxy, std::move(get));
  if (!answer.good()) co_return failed(answer);
  auto range = parse_content_range(answer.response()->headers.find("Content-Range"));
  if (answer.status() != 206 || !range || range->first != first || range->total != chunk_.size() ||
      !same_data(answer.response()->body, chunk_.slice(first, length))) {
    co_return broken(answered(answer) + ", not with the bytes asked for");
  }
  co_return held(fmt::format("{} bytes in {}", length, in_ms(answer.took)));
}

StoreTrials::Seen StoreTrials::conditional_read() {
  ProbeRequest unchanged = box_.request("GET", kChunk);
  unchanged.headers.push_back({"If-None-Match", chunk_md5_});
  unchanged.most_body = chunk_.size() + kAnswerMargin;
  const size_t proxy = probe_.next_proxy();
  ProbeAnswer answer = co_await probe_.ask(proxy, std::move(unchanged));
  if (answer.status() != 304 && !answer.good()) co_return failed(answer);
  if (answer.status() != 304) co_return broken(answered(answer) + ", not 304");
  ProbeRequest other = box_.request("GET", kChunk);
  other.headers.push_back({"If-Match", std::string(32, '0')});
  other.most_body = chunk_.size() + kAnswerMargin;
  answer = co_await probe_.ask(proxy, std::move(other));
  if (answer.status() != 412 && !answer.good()) co_return failed(answer);
  if (answer.status() != 412) co_return broken(answered(answer) + ", not 412");
  co_return held("304 with its ETag, 412 with another");
}

// ---------------------------------------------------------------- creating
StoreTrials::Seen StoreTrials::create_only() {
  ProbeRequest first = upload("once", random_data(kSmallObject));
  const size_t proxy = probe_.next_proxy();
  ProbeAnswer made = co_await box_.put(proxy, std::move(first));
  if (made.status() != 201) co_return failed(made);
  for (const size_t one : probe_.well()) {
    ProbeRequest again = upload("once", random_data(kSmallObject));
    again.headers.push_back({"If-None-Match", "*"});
    again.fresh_connection = true;
    ProbeAnswer answer = co_await box_.put(one, std::move(again));
    if (answer.good()) co_return broken(answered(answer) + " for a name that exists, not 412");
    if (answer.status() != 412) co_return failed(answer);
  }
  co_return held("412 for a name that exists");
}

struct StoreTrials::Race {
  std::string name;
  std::vector<Buffer> data;
  std::vector<ProbeAnswer> answers;
};

// Never twice: the second attempt would find the first.
Task StoreTrials::create(Race& race, size_t which) {
  ProbeRequest put = upload(race.name, race.data[which]);
  put.headers.push_back({"If-None-Match", "*"});
  put.fresh_connection = true;
  put.attempts = 1;
  const size_t proxy = probe_.next_proxy();
  ProbeAnswer answer = co_await box_.put(proxy, std::move(put));
  race.answers[which] = std::move(answer);
}

StoreTrials::Seen StoreTrials::creators() {
  RaceFacts& facts = facts_.race;
  facts.creators = plan_.creators;
  for (unsigned round = 0; round < plan_.rounds && !probe_.stopping(); ++round) {
    Race race;
    race.name = fmt::format("race-{}", round);
    race.answers.resize(plan_.creators);
    for (unsigned i = 0; i < plan_.creators; ++i) race.data.push_back(random_data(kSmallObject));
    FanOut all(probe_.executor());
    for (size_t i = 0; i < plan_.creators; ++i) all.add(create(race, i));
    co_await all.join();
    unsigned winners = 0;
    for (const ProbeAnswer& answer : race.answers) {
      if (answer.status() == 201) ++winners;
      if (!answer.good() && answer.status() != 412) co_return failed(answer);
    }
    facts.winners.push_back(winners);
    ProbeRequest read = box_.newest("GET", race.name);
    const size_t proxy = probe_.next_proxy();
    ProbeAnswer there = co_await probe_.ask(proxy, std::move(read));
    if (there.response() == nullptr) co_return failed(there);
    for (size_t i = 0; i < race.data.size(); ++i) {
      const bool refused = race.answers[i].status() != 201;
      if (refused && same_data(there.response()->body, race.data[i])) ++facts.losers_kept;
    }
  }
  const auto several = std::ranges::count_if(facts.winners, [](unsigned n) { return n > 1; });
  const auto none = std::ranges::count(facts.winners, 0u);
  const std::string rounds =
      fmt::format("{} rounds of {} creators at once", facts.winners.size(), facts.creators);
  if (several == 0 && none == 0 && facts.losers_kept == 0) {
    co_return held(fmt::format("one winner in each of {}", rounds));
  }
  co_return broken(
      fmt::format("of {}, {} had more than one winner (up to {}), {} had none; in {} a refused "
                  "creator's data were there in the end",
                  rounds, several, std::ranges::max(facts.winners), none, facts.losers_kept));
}

StoreTrials::Seen StoreTrials::wrong_checksum() {
  const Buffer data = random_data(kSmallObject);
  const Buffer others = random_data(kSmallObject);
  ProbeRequest put = upload("wrong", data);
  put.headers.push_back({"ETag", md5_hex(BufferList(others))});
  const size_t proxy = probe_.next_proxy();
  ProbeAnswer answer = co_await box_.put(proxy, std::move(put));
  if (answer.good()) co_return broken(answered(answer) + " for data with another MD5, not 422");
  if (answer.status() != 422) co_return failed(answer);
  co_return held("422 for data with another MD5");
}

// ---------------------------------------------------------------- consistency
StoreTrials::Seen StoreTrials::newest() {
  for (const size_t proxy : probe_.well()) {
    for (const char* method : {"GET", "HEAD"}) {
      ProbeRequest request = box_.newest(method, "once");
      ProbeAnswer answer = co_await probe_.ask(proxy, std::move(request));
      if (answer.status() != 200) co_return failed(answer);
    }
  }
  co_return held("GET and HEAD take it");
}

StoreTrials::Seen StoreTrials::overwrite() {
  Buffer last;
  for (unsigned round = 0; round < 4 && !probe_.stopping(); ++round) {
    last = random_data(kSmallObject + round);
    ProbeRequest put = upload("fence", last);
    const size_t writer = probe_.next_proxy();
    ProbeAnswer made = co_await box_.put(writer, std::move(put));
    if (made.status() != 201) co_return failed(made);
    for (const size_t proxy : probe_.well()) {
      ProbeRequest get = box_.newest("GET", "fence");
      ProbeAnswer answer = co_await probe_.ask(proxy, std::move(get));
      if (answer.status() != 200) co_return failed(answer);
      if (same_data(answer.response()->body, last)) continue;
      co_return broken(answered(answer) + " with X-Newest and older contents");
    }
  }
  co_return held("X-Newest gives the new contents, through every proxy");
}

asio::awaitable<bool> StoreTrials::await_name(size_t proxy, std::string name) {
  const TimePoint deadline = now() + plan_.patience;
  while (now() < deadline && !probe_.stopping()) {
    co_await sleep_for(kLookAgain);
    ProbeAnswer again = co_await box_.get(proxy, name, kSmallObject + kAnswerMargin);
    if (again.good()) co_return true;
  }
  co_return false;
}

StoreTrials::Seen StoreTrials::read_after_create() {
  VisibilityFacts& facts = facts_.visibility;
  std::string first;
  for (unsigned i = 0; i < plan_.names && !probe_.stopping(); ++i) {
    const std::string name = fmt::format("new-{}", i);
    const Buffer data = random_data(kSmallObject);
    ProbeRequest put = upload(name, data);
    const size_t writer = probe_.next_proxy();
    ProbeAnswer made = co_await box_.put(writer, std::move(put));
    if (made.status() != 201) co_return failed(made);
    ++facts.names;
    const TimePoint created = now();
    for (const size_t proxy : probe_.well()) {
      ++facts.reads;
      ProbeAnswer answer = co_await box_.get(proxy, name, kSmallObject + kAnswerMargin);
      if (answer.status() == 200 && !same_data(answer.response()->body, data)) {
        co_return broken(answered(answer) + " with other data than were stored");
      }
      if (answer.status() == 200) continue;
      if (answer.status() != 404) co_return failed(answer);
      ++facts.missing;
      if (first.empty()) first = answered(answer);
      const bool came = co_await await_name(proxy, name);
      if (!came) {
        ++facts.never;
        co_return broken(
            fmt::format("{}, after a 201, and for {} more", first, in_ms(plan_.patience)));
      }
      facts.slowest = std::max(facts.slowest.value_or(Duration::zero()), now() - created);
    }
  }
  if (facts.missing > 0) {
    co_return broken(fmt::format("{} of {} reads right after a 201 found nothing, for up to {}; {}",
                                 facts.missing, facts.reads, in_ms(*facts.slowest), first));
  }
  co_return held(fmt::format("{} new names found at once, through {}", facts.names,
                             probe_.well().size() == 1 ? "the proxy" : "every proxy"));
}

StoreTrials::Seen StoreTrials::listing() {
  ProbeRequest put = upload("listed", random_data(kSmallObject));
  const size_t proxy = probe_.next_proxy();
  ProbeAnswer made = co_await box_.put(proxy, std::move(put));
  if (made.status() != 201) co_return failed(made);
  const TimePoint created = now();
  const TimePoint deadline = created + plan_.patience;
  while (!probe_.stopping()) {
    Result<std::vector<ListedEntry>> entries = co_await box_.list(proxy);
    if (!entries.ok()) co_return TrialFacts{{}, Outcome::failed, entries.error().message(), {}};
    if (std::ranges::find(*entries, "listed", &ListedEntry::name) != entries->end()) {
      facts_.visibility.listed_after = now() - created;
      break;
    }
    if (now() >= deadline) {
      co_return broken(fmt::format("a new object was in no listing for {}", in_ms(plan_.patience)));
    }
    co_await sleep_for(kLookAgain);
  }
  const Duration after = facts_.visibility.listed_after.value_or(Duration::zero());
  co_return held(fmt::format("shows a new object after {}", in_ms(after)));
}

// ---------------------------------------------------------------- the rest
StoreTrials::Seen StoreTrials::copied(ProbeAnswer copy, std::string target) {
  if (!copy.good()) co_return failed(copy);
  const size_t proxy = probe_.next_proxy();
  ProbeAnswer answer = co_await box_.get(proxy, std::move(target), chunk_.size() + kAnswerMargin);
  if (answer.status() != 200) co_return failed(answer);
  if (!same_data(answer.response()->body, chunk_)) {
    co_return broken(answered(answer) + " with other data than were copied");
  }
  co_return held(fmt::format("{} bytes in {}", chunk_.size(), in_ms(copy.took)));
}

StoreTrials::Seen StoreTrials::copy_by_put() {
  ProbeRequest put = box_.request("PUT", "copy-1");
  put.headers.push_back(
      {"X-Copy-From", fmt::format("/{}/{}", escape_segment(box_.name()), kChunk)});
  const size_t proxy = probe_.next_proxy();
  ProbeAnswer answer = co_await box_.put(proxy, std::move(put));
  Seen seen = copied(std::move(answer), "copy-1");
  TrialFacts facts = co_await std::move(seen);
  co_return facts;
}

StoreTrials::Seen StoreTrials::copy_by_copy() {
  box_.remember("copy-2");
  ProbeRequest copy = box_.request("COPY", kChunk);
  copy.headers.push_back({"Destination", fmt::format("/{}/copy-2", escape_segment(box_.name()))});
  const size_t proxy = probe_.next_proxy();
  ProbeAnswer answer = co_await probe_.ask(proxy, std::move(copy));
  Seen seen = copied(std::move(answer), "copy-2");
  TrialFacts facts = co_await std::move(seen);
  co_return facts;
}

StoreTrials::Seen StoreTrials::expiry() {
  ProbeRequest put = upload("expires", random_data(kSmallObject));
  put.headers.push_back({"X-Delete-After", "3600"});
  const size_t proxy = probe_.next_proxy();
  ProbeAnswer answer = co_await box_.put(proxy, std::move(put));
  if (answer.status() != 201) co_return failed(answer);
  ProbeRequest head = box_.request("HEAD", "expires");
  answer = co_await probe_.ask(proxy, std::move(head));
  if (answer.status() != 200) co_return failed(answer);
  if (answer.response()->headers.find("X-Delete-At").empty()) {
    co_return broken(answered(answer) + " without X-Delete-At: the object will not expire");
  }
  co_return held("X-Delete-After is taken");
}

StoreTrials::Seen StoreTrials::remove() {
  const size_t proxy = probe_.next_proxy();
  ProbeAnswer answer = co_await box_.remove(proxy, "once");
  if (!answer.good()) co_return failed(answer);
  ProbeRequest get = box_.newest("GET", "once");
  ProbeAnswer gone = co_await probe_.ask(proxy, std::move(get));
  if (gone.good()) co_return broken(answered(gone) + " for an object that was deleted");
  if (gone.status() != 404) co_return failed(gone);
  co_return held("a deleted object is gone");
}

}  // namespace swiftness
