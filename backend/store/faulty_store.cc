#include "backend/store/faulty_store.h"

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <random>
#include <vector>

#include "backend/base/gate.h"
#include "backend/base/hash.h"
#include "backend/store/object_rules.h"

namespace swiftness {
namespace {

constexpr size_t kCallKinds = static_cast<size_t>(StoreCall::copy) + 1;
constexpr size_t kVersionsKept = 4;   // of an object, for stale reads
constexpr size_t kLatelyListed = 64;  // names a listing may leave out

enum class Outcome { honest, refused, answer_lost, late };

// All that chance decides about one call, drawn when it starts.
struct Fate {
  Outcome outcome = Outcome::honest;
  ErrorCode code = ErrorCode::unavailable;  // of the answer, unless honest
  bool from_the_grave = false;              // the call started after the crash
  bool survives_crash = false;              // should the crash come before the effect
  bool stale = false;
  bool false_not_found = false;
  bool doubt = false;
  bool blind = false;
  bool corrupt = false;
  uint32_t turns_before = 0;
  uint32_t turns_after = 0;
  uint32_t late_calls = 0;
  Duration delay{0};
  uint64_t lot = 0;  // for choices that need more than a yes or no
};

// What a changing call does to the inner store.
struct Change {
  StoreCall call;
  ObjectName object;  // create_container: `container` alone counts
  BufferList data = {};
  PutOptions options = {};
  ObjectName source = {};  // copy
};

bool is_change(StoreCall call) {
  return call == StoreCall::create_container || call == StoreCall::put ||
         call == StoreCall::remove || call == StoreCall::copy;
}

Error crashed_error() {
  return Error(ErrorCode::unavailable, "the store's user has crashed");
}
Error injected(ErrorCode code) {
  return Error(code, "injected fault");
}

Async<void> remove_one(ObjectStore& inner, ObjectName object) {
  std::vector<ObjectName> objects{object};
  Result<RemoveReport> report = co_await inner.remove(std::move(objects));
  if (!report) co_return report.error();
  if (!report->failures.empty()) co_return report->failures.front().error;
  co_return Result<void>();
}

Buffer with_one_bit_flipped(const Buffer& original, uint64_t which) {
  if (original.empty()) return original;
  Buffer copy = Buffer::copy_of(original.bytes());
  which %= copy.size() * 8;
  copy.writable()[which / 8] ^= std::byte{1} << (which % 8);
  return copy;
}

}  // namespace

FaultOptions FaultOptions::rough() {
  FaultOptions options;
  options.refuse = 0.05;
  options.lose_answer = 0.05;
  options.late = 0.03;
  options.stale_read = 0.2;
  options.false_not_found = 0.02;
  options.presence_unknown = 0.05;
  options.omit_listed = 0.3;
  options.delay_turns = 20;
  return options;
}

// Coroutines hold the Core by `self`, so it outlives the store as long as a call is on its way.
class FaultyStore::Core {
 public:
  Core(std::unique_ptr<ObjectStore> inner, Executor executor, uint64_t seed, FaultOptions options)
      : inner_(std::move(inner)),
        executor_(executor),
        options_(options),
        random_(seed),
        released_(executor),
        calmer_(executor) {}

  static Async<void> change(std::shared_ptr<Core> self, Change change);
  static Async<RemoveReport> remove(std::shared_ptr<Core> self, std::vector<ObjectName> objects);
  static Async<Buffer> get(std::shared_ptr<Core> self, ObjectName object, ByteRange range,
                           GetOptions options);
  static Async<ObjectInfo> head(std::shared_ptr<Core> self, ObjectName object, GetOptions options);
  static asio::awaitable<std::vector<Presence>> presence(std::shared_ptr<Core> self,
                                                         std::string container,
                                                         std::vector<std::string> names);
  static Async<ListPage> list(std::shared_ptr<Core> self, std::string container, std::string prefix,
                              std::string marker, size_t limit);
  static Task settle(std::shared_ptr<Core> self);

  void set_options(FaultOptions options) { options_ = options; }
  void set_down(bool down) { down_ = down; }
  void fail_next(StoreCall call, std::string prefix, uint64_t count, ErrorCode code, Effect effect);
  void hold(StoreCall call, std::string prefix) { holds_.push_back({call, std::move(prefix)}); }
  void hold_answers(std::string prefix) {
    holds_.push_back({StoreCall::presence, std::move(prefix), Hold::When::answer});
  }
  void hold_rest(std::string prefix) {
    holds_.push_back({StoreCall::presence, std::move(prefix), Hold::When::midst});
  }
  void release();
  void crash();

  bool crashed() const noexcept { return crashed_; }
  uint64_t held() const noexcept { return held_; }
  uint64_t calls(StoreCall call) const noexcept { return calls_[static_cast<size_t>(call)]; }

 private:
  struct Hold {
    enum class When { call, midst, answer };
    StoreCall call;
    std::string prefix;
    When when = When::call;
  };
  struct ScriptedFailure {
    StoreCall call;
    std::string prefix;
    uint64_t left;
    ErrorCode code;
    Effect effect;
  };
  struct Airborne {  // asked for, answered with an error, and not yet done
    Change change;
    uint64_t due;  // the call that finds it landed
    bool survives_crash;
  };
  struct OnItsWay {  // counts one call
    explicit OnItsWay(std::shared_ptr<Core> core) : self(std::move(core)) { ++self->on_their_way_; }
    OnItsWay(const OnItsWay&) = delete;
    ~OnItsWay() {
      --self->on_their_way_;
      self->calmer_.notify_all();
    }
    std::shared_ptr<Core> self;
  };

  bool chance(double probability) {
    return static_cast<double>(random_() >> 11) * 0x1p-53 < probability;
  }
  uint64_t below(uint64_t bound) { return random_() % bound; }

  Fate draw(StoreCall call, const std::string& name);
  void apply_script(Fate& fate, StoreCall call, const std::string& name);
  std::optional<Error> mishap(const Fate& fate) const;
  void land_what_is_due(const std::shared_ptr<Core>& self);
  void remember(const ObjectName& object, Buffer version);
  void list_lately(const ObjectName& object);
  std::optional<Buffer> earlier_version(const ObjectName& object, uint64_t lot) const;

  static Task approach(std::shared_ptr<Core> self, Fate fate, StoreCall call, std::string name);
  static Task depart(std::shared_ptr<Core> self, Fate fate);
  static Task wait_while_held(std::shared_ptr<Core> self, StoreCall call, std::string name,
                              Hold::When when = Hold::When::call);
  bool is_held(StoreCall call, Hold::When when, const std::string& name) const;
  static Async<void> apply(std::shared_ptr<Core> self, Change change);
  static Async<void> apply_put(std::shared_ptr<Core> self, Change change);
  static Task look_before_change(std::shared_ptr<Core> self, ObjectName object);
  static Task land(std::shared_ptr<Core> self, Change change);

  std::unique_ptr<ObjectStore> inner_;
  Executor executor_;
  FaultOptions options_;
  std::mt19937_64 random_;

  std::vector<ScriptedFailure> script_;
  std::vector<Hold> holds_;
  uint64_t releases_ = 0;
  AsyncEvent released_;
  uint64_t held_ = 0;
  bool down_ = false;
  bool crashed_ = false;

  std::array<uint64_t, kCallKinds> calls_{};
  uint64_t started_ = 0;  // calls of all kinds
  uint64_t on_their_way_ = 0;
  uint64_t landing_ = 0;
  AsyncEvent calmer_;  // on_their_way_ or landing_ went down
  std::vector<Airborne> airborne_;

  std::map<ObjectName, std::deque<Buffer>> versions_;  // newest last
  std::deque<ObjectName> listed_lately_;
};

// --- Chance -------------------------------------------------------------------------------------

// Every call draws the same number of times, whatever the options: so a change of options does not
// shift the fate of all later calls.
Fate FaultyStore::Core::draw(StoreCall call, const std::string& name) {
  ++calls_[static_cast<size_t>(call)];
  ++started_;
  const FaultOptions& o = options_;
  bool refused = chance(o.refuse);
  bool answer_lost = chance(o.lose_answer) && is_change(call);
  bool late = chance(o.late) && (call == StoreCall::put || call == StoreCall::copy);
  Fate fate;
  fate.code = chance(0.5) ? ErrorCode::timed_out : ErrorCode::unavailable;
  fate.from_the_grave = crashed_;
  fate.survives_crash = chance(0.5);
  fate.stale = chance(o.stale_read);
  fate.false_not_found = chance(o.false_not_found);
  fate.doubt = chance(o.presence_unknown);
  fate.blind = chance(o.blind_create);
  fate.corrupt = chance(o.corrupt_read);
  fate.turns_before = static_cast<uint32_t>(below(o.delay_turns + uint64_t{1}));
  fate.turns_after = static_cast<uint32_t>(below(o.delay_turns + uint64_t{1}));
  fate.late_calls = static_cast<uint32_t>(1 + below(std::max(o.late_calls, 1u)));
  fate.delay =
      Duration(static_cast<Duration::rep>(below(static_cast<uint64_t>(o.delay.count()) + 1)));
  fate.lot = random_();
  if (refused) {
    fate.outcome = Outcome::refused;
    fate.code = ErrorCode::unavailable;
  } else if (late) {
    fate.outcome = Outcome::late;
    fate.code = ErrorCode::timed_out;
  } else if (answer_lost) {
    fate.outcome = Outcome::answer_lost;
  }
  apply_script(fate, call, name);
  return fate;
}

void FaultyStore::Core::apply_script(Fate& fate, StoreCall call, const std::string& name) {
  for (ScriptedFailure& failure : script_) {
    if (failure.left == 0 || failure.call != call || !name.starts_with(failure.prefix)) continue;
    --failure.left;
    bool taken = failure.effect == Effect::taken && is_change(call);
    fate.outcome = taken ? Outcome::answer_lost : Outcome::refused;
    fate.code = failure.code;
    return;
  }
  if (down_) {
    fate.outcome = Outcome::refused;
    fate.code = ErrorCode::unavailable;
  }
}

void FaultyStore::Core::fail_next(StoreCall call, std::string prefix, uint64_t count,
                                  ErrorCode code, Effect effect) {
  script_.push_back({call, std::move(prefix), count, code, effect});
}

// --- The way to the effect and back -------------------------------------------------------------

bool FaultyStore::Core::is_held(StoreCall call, Hold::When when, const std::string& name) const {
  return std::ranges::any_of(holds_, [&](const Hold& hold) {
    return hold.call == call && hold.when == when && name.starts_with(hold.prefix);
  });
}

Task FaultyStore::Core::wait_while_held(std::shared_ptr<Core> self, StoreCall call,
                                        std::string name, Hold::When when) {
  if (!self->is_held(call, when, name)) co_return;
  uint64_t releases = self->releases_;
  ++self->held_;
  while (self->releases_ == releases && !self->crashed_) co_await self->released_.wait();
  --self->held_;
}

void FaultyStore::Core::release() {
  holds_.clear();
  ++releases_;
  released_.notify_all();
}

Task FaultyStore::Core::approach(std::shared_ptr<Core> self, Fate fate, StoreCall call,
                                 std::string name) {
  co_await asio::post(self->executor_, asio::use_awaitable);  // even a refusal is not immediate
  if (self->crashed_) co_return;
  self->land_what_is_due(self);
  co_await wait_while_held(self, call, std::move(name));
  for (uint32_t turn = 0; turn < fate.turns_before && !self->crashed_; ++turn) {
    co_await asio::post(self->executor_, asio::use_awaitable);
  }
  if (fate.delay > Duration(0) && !self->crashed_) co_await sleep_for(fate.delay);
}

Task FaultyStore::Core::depart(std::shared_ptr<Core> self, Fate fate) {
  for (uint32_t turn = 0; turn < fate.turns_after && !self->crashed_; ++turn) {
    co_await asio::post(self->executor_, asio::use_awaitable);
  }
}

std::optional<Error> FaultyStore::Core::mishap(const Fate& fate) const {
  if (crashed_) return crashed_error();
  if (fate.outcome == Outcome::refused) return injected(fate.code);
  return std::nullopt;
}

// --- Changes ------------------------------------------------------------------------------------

Async<void> FaultyStore::Core::change(std::shared_ptr<Core> self, Change change) {
  OnItsWay counted(self);
  std::string name =
      change.call == StoreCall::create_container ? change.object.container : change.object.name;
  Fate fate = self->draw(change.call, name);
  if (fate.blind) change.options.create_only = false;
  if (change.options.create_only && fate.outcome == Outcome::answer_lost && fate.lot % 3 == 0) {
    fate.code = ErrorCode::conflict;  // its own retry met its first attempt
  }
  co_await approach(self, fate, change.call, std::move(name));
  if (self->crashed_ && fate.survives_crash && !fate.from_the_grave &&
      fate.outcome != Outcome::refused) {
    self->airborne_.push_back({change, 0, true});
  }
  if (std::optional<Error> error = self->mishap(fate)) co_return *error;
  if (fate.outcome == Outcome::late) {
    self->airborne_.push_back({change, self->started_ + fate.late_calls, fate.survives_crash});
    co_return injected(fate.code);
  }
  Result<void> done = co_await apply(self, std::move(change));
  co_await depart(self, fate);
  if (self->crashed_) co_return crashed_error();
  if (done && fate.outcome == Outcome::answer_lost) co_return injected(fate.code);
  co_return done;
}

Async<void> FaultyStore::Core::apply(std::shared_ptr<Core> self, Change change) {
  if (change.call != StoreCall::create_container) co_await look_before_change(self, change.object);
  switch (change.call) {
    case StoreCall::create_container: {
      Result<void> done = co_await self->inner_->create_container(change.object.container);
      co_return done;
    }
    case StoreCall::put: {
      Result<void> done = co_await apply_put(self, std::move(change));
      co_return done;
    }
    case StoreCall::copy: {
      Result<void> done = co_await self->inner_->copy(change.source, change.object);
      if (done) self->list_lately(change.object);
      co_return done;
    }
    case StoreCall::remove: {
      Result<void> done = co_await remove_one(*self->inner_, change.object);
      co_return done;
    }
    default:
      CHECK(!"a reading call is no change");
  }
}

Async<void> FaultyStore::Core::apply_put(std::shared_ptr<Core> self, Change change) {
  Result<void> done = co_await self->inner_->put(change.object, change.data, change.options);
  if (done) {
    self->list_lately(change.object);
    if (self->options_.stale_read > 0) self->remember(change.object, change.data.flatten());
  }
  co_return done;
}

// What is about to be replaced becomes a candidate for stale reads, whoever wrote it.
Task FaultyStore::Core::look_before_change(std::shared_ptr<Core> self, ObjectName object) {
  if (self->options_.stale_read == 0) co_return;
  GetOptions newest;
  newest.newest = true;
  Result<Buffer> before = co_await self->inner_->get(object, ByteRange::whole(), newest);
  if (before) self->remember(object, *before);
}

void FaultyStore::Core::remember(const ObjectName& object, Buffer version) {
  std::deque<Buffer>& versions = versions_[object];
  versions.push_back(std::move(version));
  if (versions.size() > kVersionsKept) versions.pop_front();
}

void FaultyStore::Core::list_lately(const ObjectName& object) {
  listed_lately_.push_back(object);
  if (listed_lately_.size() > kLatelyListed) listed_lately_.pop_front();
}

Async<RemoveReport> FaultyStore::Core::remove(std::shared_ptr<Core> self,
                                              std::vector<ObjectName> objects) {
  RemoveReport report;
  for (const ObjectName& object : objects) {
    Change change{StoreCall::remove, object};
    Result<void> done = co_await Core::change(self, std::move(change));
    if (!done) report.failures.push_back({object, done.error()});
  }
  co_return report;
}

// --- Changes in the air, and the crash ----------------------------------------------------------

void FaultyStore::Core::land_what_is_due(const std::shared_ptr<Core>& self) {
  auto due = std::stable_partition(airborne_.begin(), airborne_.end(),
                                   [this](const Airborne& a) { return a.due > started_; });
  std::vector<Airborne> landing(std::make_move_iterator(due),
                                std::make_move_iterator(airborne_.end()));
  airborne_.erase(due, airborne_.end());
  for (Airborne& airborne : landing) {
    ++landing_;
    spawn_or_throw(executor_, land(self, std::move(airborne.change)));
  }
}

Task FaultyStore::Core::land(std::shared_ptr<Core> self, Change change) {
  Result<void> done = co_await apply(self, std::move(change));
  static_cast<void>(done.ok());  // nobody is left to be told
  --self->landing_;
  self->calmer_.notify_all();
}

void FaultyStore::Core::crash() {
  crashed_ = true;
  std::erase_if(airborne_, [](const Airborne& a) { return !a.survives_crash; });
  released_.notify_all();
}

Task FaultyStore::Core::settle(std::shared_ptr<Core> self) {
  while (self->crashed_ && self->on_their_way_ > 0) co_await self->calmer_.wait();
  std::vector<Airborne> landing = std::move(self->airborne_);
  self->airborne_.clear();
  for (size_t left = landing.size(); left > 1; --left) {
    std::swap(landing[left - 1], landing[self->below(left)]);
  }
  for (Airborne& airborne : landing) {
    ++self->landing_;
    co_await land(self, std::move(airborne.change));
  }
  while (self->landing_ > 0) co_await self->calmer_.wait();
}

// --- Reads --------------------------------------------------------------------------------------

std::optional<Buffer> FaultyStore::Core::earlier_version(const ObjectName& object,
                                                         uint64_t lot) const {
  auto found = versions_.find(object);
  if (found == versions_.end()) return std::nullopt;
  return found->second[lot % found->second.size()];
}

Async<Buffer> FaultyStore::Core::get(std::shared_ptr<Core> self, ObjectName object, ByteRange range,
                                     GetOptions options) {
  OnItsWay counted(self);
  Fate fate = self->draw(StoreCall::get, object.name);
  co_await approach(self, fate, StoreCall::get, object.name);
  if (std::optional<Error> error = self->mishap(fate)) co_return *error;
  Result<Buffer> answer = co_await self->inner_->get(object, range, options);
  if (fate.stale && !options.newest) {
    if (std::optional<Buffer> version = self->earlier_version(object, fate.lot)) {
      Result<ByteRange> part = resolve(range, version->size());
      answer = part ? Result<Buffer>(version->slice(part->offset, part->length)) : part.error();
    }
  }
  co_await depart(self, fate);
  if (self->crashed_) co_return crashed_error();
  if (fate.false_not_found) co_return injected(ErrorCode::not_found);
  if (answer && fate.corrupt) co_return with_one_bit_flipped(*answer, fate.lot);
  co_return answer;
}

Async<ObjectInfo> FaultyStore::Core::head(std::shared_ptr<Core> self, ObjectName object,
                                          GetOptions options) {
  OnItsWay counted(self);
  Fate fate = self->draw(StoreCall::head, object.name);
  co_await approach(self, fate, StoreCall::head, object.name);
  if (std::optional<Error> error = self->mishap(fate)) co_return *error;
  Result<ObjectInfo> answer = co_await self->inner_->head(object, options);
  if (fate.stale && !options.newest) {
    if (std::optional<Buffer> version = self->earlier_version(object, fate.lot)) {
      answer = ObjectInfo{version->size(), md5_hex(*version)};
    }
  }
  co_await depart(self, fate);
  if (self->crashed_) co_return crashed_error();
  if (fate.false_not_found) co_return injected(ErrorCode::not_found);
  co_return answer;
}

asio::awaitable<std::vector<Presence>> FaultyStore::Core::presence(std::shared_ptr<Core> self,
                                                                   std::string container,
                                                                   std::vector<std::string> names) {
  OnItsWay counted(self);
  std::vector<Presence> unknown(names.size(), Presence::unknown);
  std::string first = names.empty() ? std::string() : names.front();
  Fate fate = self->draw(StoreCall::presence, first);
  co_await approach(self, fate, StoreCall::presence, first);
  if (self->mishap(fate)) co_return unknown;
  std::vector<std::string> rest;
  auto held = std::ranges::find_if(names, [&self](const std::string& name) {
    return self->is_held(StoreCall::presence, Hold::When::midst, name);
  });
  rest.assign(std::make_move_iterator(held), std::make_move_iterator(names.end()));
  names.erase(held, names.end());
  std::vector<Presence> answers = co_await self->inner_->presence(container, std::move(names));
  if (!rest.empty()) {
    co_await wait_while_held(self, StoreCall::presence, rest.front(), Hold::When::midst);
    std::vector<Presence> later =
        co_await self->inner_->presence(std::move(container), std::move(rest));
    answers.insert(answers.end(), later.begin(), later.end());
  }
  co_await wait_while_held(self, StoreCall::presence, std::move(first), Hold::When::answer);
  co_await depart(self, fate);
  if (self->crashed_ || fate.doubt) co_return unknown;
  co_return answers;
}

Async<ListPage> FaultyStore::Core::list(std::shared_ptr<Core> self, std::string container,
                                        std::string prefix, std::string marker, size_t limit) {
  OnItsWay counted(self);
  Fate fate = self->draw(StoreCall::list, prefix);
  double omit = self->options_.omit_listed;
  co_await approach(self, fate, StoreCall::list, prefix);
  if (std::optional<Error> error = self->mishap(fate)) co_return *error;
  Result<ListPage> answer = co_await self->inner_->list(container, prefix, marker, limit);
  co_await depart(self, fate);
  if (self->crashed_) co_return crashed_error();
  if (!answer) co_return answer;
  std::mt19937_64 omissions(fate.lot);
  for (const ObjectName& object : self->listed_lately_) {
    bool omitted = static_cast<double>(omissions() >> 11) * 0x1p-53 < omit;
    if (!omitted || object.container != container) continue;
    std::erase_if(answer->entries,
                  [&object](const ListPage::Entry& entry) { return entry.name == object.name; });
  }
  co_return answer;
}

// --- The store ----------------------------------------------------------------------------------

FaultyStore::FaultyStore(std::unique_ptr<ObjectStore> inner, Executor executor, uint64_t seed,
                         FaultOptions options)
    : core_(std::make_shared<Core>(std::move(inner), std::move(executor), seed, options)) {}

FaultyStore::~FaultyStore() = default;

void FaultyStore::set_options(FaultOptions options) {
  core_->set_options(options);
}
void FaultyStore::fail_next(StoreCall call, std::string prefix, uint64_t count, ErrorCode code,
                            Effect effect) {
  core_->fail_next(call, std::move(prefix), count, code, effect);
}
void FaultyStore::hold(StoreCall call, std::string prefix) {
  core_->hold(call, std::move(prefix));
}
void FaultyStore::release() {
  core_->release();
}
void FaultyStore::hold_answers(std::string prefix) {
  core_->hold_answers(std::move(prefix));
}
void FaultyStore::hold_rest(std::string prefix) {
  core_->hold_rest(std::move(prefix));
}

uint64_t FaultyStore::held() const noexcept {
  return core_->held();
}
void FaultyStore::set_down(bool down) {
  core_->set_down(down);
}
void FaultyStore::crash() {
  core_->crash();
}
bool FaultyStore::crashed() const noexcept {
  return core_->crashed();
}
Task FaultyStore::settle() {
  return Core::settle(core_);
}
uint64_t FaultyStore::calls(StoreCall call) const noexcept {
  return core_->calls(call);
}

Async<void> FaultyStore::create_container(std::string container) {
  return Core::change(core_, {StoreCall::create_container, {std::move(container), {}}});
}

Async<void> FaultyStore::put(ObjectName object, BufferList data, PutOptions options) {
  return Core::change(core_, {StoreCall::put, std::move(object), std::move(data), options});
}

Async<Buffer> FaultyStore::get(ObjectName object, ByteRange range, GetOptions options) {
  return Core::get(core_, std::move(object), range, options);
}

Async<ObjectInfo> FaultyStore::head(ObjectName object, GetOptions options) {
  return Core::head(core_, std::move(object), options);
}

asio::awaitable<std::vector<Presence>> FaultyStore::presence(std::string container,
                                                             std::vector<std::string> names) {
  return Core::presence(core_, std::move(container), std::move(names));
}

Async<RemoveReport> FaultyStore::remove(std::vector<ObjectName> objects) {
  return Core::remove(core_, std::move(objects));
}

Async<ListPage> FaultyStore::list(std::string container, std::string prefix, std::string marker,
                                  size_t limit) {
  return Core::list(core_, std::move(container), std::move(prefix), std::move(marker), limit);
}

Async<void> FaultyStore::copy(ObjectName from, ObjectName to) {
  Change change{StoreCall::copy, std::move(to)};
  change.source = std::move(from);
  return Core::change(core_, std::move(change));
}

}  // namespace swiftness
